//! Flags of signed links.

use std::path::{Path, PathBuf};
use std::time::Duration;

use doorward_reference_server::download::{KEY_BYTES, LIFETIME, Links};
use doorward_reference_server::state::StateError;

use super::error::RunError;

/// Links to what is too large for a message.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct LinkArguments {
    /// Address that clients reach this server at, for links to what is too large for a message; the address listened on
    /// if not given. Needed with --files or --objects where that is every address
    #[arg(long, value_name = "URL", env = "REFERENCE_SERVER_PUBLIC_URL", value_parser = public_url)]
    public_url: Option<String>,

    /// File with the key that signs links, 64 hexadecimal digits; servers with one key know each other's links. Without
    /// it links end with the process
    #[arg(long, value_name = "PATH", env = "REFERENCE_SERVER_LINK_KEY_FILE")]
    link_key_file: Option<PathBuf>,

    /// How long a link works, in seconds
    #[arg(long, value_name = "SECONDS", env = "REFERENCE_SERVER_LINK_SECONDS", default_value_t = LIFETIME.as_secs(),
        value_parser = clap::value_parser!(u64).range(1..=604_800))]
    link_seconds: u64,
}

/// What signs links.
pub(super) type Key = [u8; KEY_BYTES];

/// A key that ends with the process.
///
/// # Errors
/// When the operating system has no random bytes.
pub(super) fn random_key() -> Result<Key, StateError> {
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(StateError::Random)?;
    Ok(key)
}

impl LinkArguments {
    pub(super) fn key_file(&self) -> Option<&PathBuf> {
        self.link_key_file.as_ref()
    }

    pub(super) fn has_public_url(&self) -> bool {
        self.public_url.is_some()
    }

    /// What signs links below the public address, or below the one listened on; `None` where there is neither. Without a
    /// key of the operator's, `own` signs.
    ///
    /// # Errors
    /// When the operator's key cannot be had.
    pub(super) fn links(&self, listening: Option<String>, own: &Key) -> Result<Option<Links>, RunError> {
        let Some(base) = self.public_url.clone().or(listening) else {
            return Ok(None);
        };
        let key = match &self.link_key_file {
            Some(path) => key_of(path)?,
            None => *own,
        };
        Ok(Some(Links::new(&base, &key, Duration::from_secs(self.link_seconds))))
    }
}

fn key_of(path: &Path) -> Result<[u8; KEY_BYTES], RunError> {
    let failed = |reason: String| RunError::LinkKey(path.to_owned(), reason);
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let text = text.trim();
    if text.len() != 2 * KEY_BYTES || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(failed(format!("it must hold {} hexadecimal digits", 2 * KEY_BYTES)));
    }
    let mut key = [0; KEY_BYTES];
    for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).unwrap_or_default();
        *byte = u8::from_str_radix(digits, 16).map_err(|error| failed(error.to_string()))?;
    }
    Ok(key)
}

fn public_url(url: &str) -> Result<String, &'static str> {
    let authority = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    match authority.map(|authority| authority.trim_end_matches('/')) {
        Some(authority) if !authority.is_empty() && !authority.contains(['?', '#', ' ']) => Ok(url.to_owned()),
        _ => Err("must be http:// or https:// and a host, without query"),
    }
}
