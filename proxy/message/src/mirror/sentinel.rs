//! Header values that plain ASCII cannot carry: `=?base64?<standard Base64 of UTF-8>?=`.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const PREFIX: &str = "=?base64?";
const SUFFIX: &str = "?=";

/// Why a header value cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SentinelError {
    /// Something else than visible ASCII, space and tab.
    #[error("it contains a character that needs the Base64 form")]
    Character,
    /// Between the markers is no canonical, padded, standard Base64.
    #[error("its Base64 is malformed")]
    Base64,
    /// The decoded bytes are not UTF-8.
    #[error("its Base64 does not hold UTF-8")]
    Utf8,
}

/// The text that a header value stands for. The markers are case-sensitive; a value with only one of them is plain.
///
/// # Errors
/// [`SentinelError`].
pub fn decode(value: &[u8]) -> Result<Cow<'_, str>, SentinelError> {
    if !value.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
        return Err(SentinelError::Character);
    }
    let text = std::str::from_utf8(value).map_err(|_| SentinelError::Character)?;
    let Some(inner) = inner(text) else {
        return Ok(Cow::Borrowed(text));
    };
    // The engine refuses missing padding and set bits behind the last byte, so every text has one encoding.
    let bytes = STANDARD.decode(inner).map_err(|_| SentinelError::Base64)?;
    let text = String::from_utf8(bytes).map_err(|_| SentinelError::Utf8)?;
    Ok(Cow::Owned(text))
}

/// The header value that stands for `text`: itself where that is unambiguous, else the Base64 form.
#[must_use]
pub fn encode(text: &str) -> Cow<'_, str> {
    let plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t'))
        && !text.starts_with([' ', '\t'])
        && !text.ends_with([' ', '\t'])
        && inner(text).is_none();
    if plain {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{PREFIX}{}{SUFFIX}", STANDARD.encode(text)))
}

/// What stands between the markers; they cannot share their question mark.
fn inner(text: &str) -> Option<&str> {
    text.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)
}
