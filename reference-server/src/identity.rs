//! Who sends a request, as a guard in front of this server asserts it: a short signed token (RFC 7519) in a header.
//!
//! In: the headers of a request. Out: the subject, or nobody. Refusals: [`AssertionError`], which the HTTP transport
//! answers with 401. Invariant: a header that is there is either valid or refuses the request; it is never ignored.
//! The assertion is no authentication of the request as a whole: it says whose the tasks are.

use std::fmt;

use axum::http::{HeaderMap, HeaderName};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

/// Name of the header where the operator does not say.
pub const DEFAULT_HEADER: &str = "mcp-subject-assertion";

/// Shortest shared secret, in bytes: the size of the hash (RFC 7518, section 3.2).
const SECRET_BYTES_MIN: usize = 32;

/// Longest assertion, in bytes.
const ASSERTION_BYTES_MAX: usize = 8 * 1024;

/// Longest subject, in bytes (RFC 7519 gives none; OpenID Connect has 255 characters).
const SUBJECT_BYTES_MAX: usize = 255;

/// How far clocks may be apart, in seconds.
const LEEWAY_SECONDS: u64 = 30;

/// The subject of a valid assertion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject(pub String);

/// Why assertions cannot be checked with what the operator gave.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Not a name of a header.
    #[error("not the name of a header: {0}")]
    Header(String),
    /// A public key of another kind.
    #[error("the key is no public key for ES256 or EdDSA, in PEM")]
    Public,
    /// A secret that could be guessed.
    #[error("a shared secret for HS256 has at least {SECRET_BYTES_MIN} bytes")]
    Secret,
    /// A key in another form, which everybody may know, is no secret.
    #[error(
        "the key is neither a public key in PEM, with nothing before -----BEGIN, nor a shared secret of printable ASCII characters"
    )]
    Form,
    /// Without an audience, an assertion for another server would do.
    #[error("the audience is empty")]
    Audience,
}

/// Why an assertion was refused.
#[derive(Debug, thiserror::Error)]
pub enum AssertionError {
    /// The header is there more than once.
    #[error("the assertion is there more than once")]
    Repeated,
    /// Not a token of the size and characters of one.
    #[error("the assertion is no token")]
    Malformed,
    /// Wrong signature, audience or time, or something is missing.
    #[error("the assertion is not valid: {0}")]
    Invalid(#[from] jsonwebtoken::errors::Error),
    /// An empty or overlong subject.
    #[error("the assertion has no usable subject")]
    Subject,
}

/// Checks assertions.
#[derive(Clone)]
pub struct Assertions {
    header: HeaderName,
    key: DecodingKey,
    validation: Validation,
}

impl fmt::Debug for Assertions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Assertions").field("header", &self.header).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
}

impl Assertions {
    /// With a public key in PEM (ES256 or EdDSA, by its kind), or else a shared secret of printable ASCII characters
    /// (HS256).
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn new(header: &str, key: &[u8], audience: &str) -> Result<Self, KeyError> {
        let header = header.parse().map_err(|_| KeyError::Header(header.to_owned()))?;
        if audience.is_empty() {
            return Err(KeyError::Audience);
        }
        let key = key.trim_ascii();
        let (key, algorithm) =
            if key.starts_with(b"-----BEGIN") { public_key(key)? } else { (shared_secret(key)?, Algorithm::HS256) };
        let mut validation = Validation::new(algorithm);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "aud", "sub"]);
        Ok(Self { header, key, validation })
    }

    /// Who sends a request with these headers; `None` where they assert nothing.
    ///
    /// # Errors
    /// See [`AssertionError`].
    pub fn subject(&self, headers: &HeaderMap) -> Result<Option<Subject>, AssertionError> {
        let mut values = headers.get_all(&self.header).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(AssertionError::Repeated);
        }
        let token = value.to_str().ok().filter(|token| token.len() <= ASSERTION_BYTES_MAX);
        let token = token.ok_or(AssertionError::Malformed)?;
        let Claims { sub } = jsonwebtoken::decode(token, &self.key, &self.validation)?.claims;
        match sub.len() {
            1..=SUBJECT_BYTES_MAX => Ok(Some(Subject(sub))),
            _ => Err(AssertionError::Subject),
        }
    }
}

fn public_key(pem: &[u8]) -> Result<(DecodingKey, Algorithm), KeyError> {
    if let Ok(key) = DecodingKey::from_ec_pem(pem) {
        return Ok((key, Algorithm::ES256));
    }
    let key = DecodingKey::from_ed_pem(pem).map_err(|_| KeyError::Public)?;
    Ok((key, Algorithm::EdDSA))
}

/// Refuses what looks like a key in another form: taken for a secret, a public key would let everybody sign
/// (RFC 8725, section 2.1).
fn shared_secret(key: &[u8]) -> Result<DecodingKey, KeyError> {
    let plain = key.iter().all(|&byte| byte == b'\n' || byte == b' ' || byte.is_ascii_graphic());
    let text = std::str::from_utf8(key).ok().filter(|_| plain).ok_or(KeyError::Form)?;
    // RFC 4716 writes four dashes.
    let armoured = text.contains("-----BEGIN") || text.contains("---- BEGIN");
    if armoured || ["{", "ssh-", "ecdsa-"].iter().any(|start| text.starts_with(start)) {
        return Err(KeyError::Form);
    }
    if key.len() < SECRET_BYTES_MIN {
        return Err(KeyError::Secret);
    }
    Ok(DecodingKey::from_secret(key))
}

#[cfg(test)]
mod tests;
