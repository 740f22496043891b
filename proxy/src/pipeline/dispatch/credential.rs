//! The credential that Doorward itself presents to an upstream, read from the environment or a file.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use http::{HeaderName, HeaderValue};

use super::upstream::http::Credential;
use crate::{config::secret_reference::SecretReference, model::Fault};

/// How long a value is used before its source is looked at again.
const READ_EVERY: Duration = Duration::from_secs(5);

/// Where a credential comes from.
pub struct CredentialSource {
    header: HeaderName,
    prefix: Box<str>,
    reference: SecretReference,
    base: PathBuf,
    current: ArcSwapOption<(Instant, HeaderValue)>,
}

impl CredentialSource {
    /// A credential in `header`, with `prefix` in front of the value.
    pub fn new(header: HeaderName, prefix: &str, reference: SecretReference, base: PathBuf) -> Self {
        Self { header, prefix: prefix.into(), reference, base, current: ArcSwapOption::empty() }
    }

    /// The header line. A value with control characters, and a source that cannot be read, are a fault: nothing is sent
    /// without the credential that configuration asks for.
    ///
    /// # Errors
    /// [`Fault::CredentialUnavailable`].
    pub async fn get(&self) -> Result<Credential, Fault> {
        if let Some(current) = &*self.current.load()
            && current.0.elapsed() < READ_EVERY
        {
            return Ok(Credential { name: self.header.clone(), value: current.1.clone() });
        }
        let (reference, base) = (self.reference.clone(), self.base.clone());
        let secret = tokio::task::spawn_blocking(move || reference.resolve(&base))
            .await
            .map_err(|_| Fault::Internal)?
            .map_err(|_| Fault::CredentialUnavailable)?;
        let mut line = zeroize::Zeroizing::new(Vec::with_capacity(self.prefix.len() + 64));
        line.extend_from_slice(self.prefix.as_bytes());
        line.extend_from_slice(secret.expose().as_bytes());
        let mut value = HeaderValue::from_bytes(&line).map_err(|_| Fault::CredentialUnavailable)?;
        value.set_sensitive(true);
        self.current.store(Some(Arc::new((Instant::now(), value.clone()))));
        Ok(Credential { name: self.header.clone(), value })
    }
}
