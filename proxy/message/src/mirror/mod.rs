//! The header mirror of 2026-07-28 (Streamable HTTP §Standard Headers, §Custom Headers; SEP-2243).
//!
//! Decides whether the headers that repeat parts of a request's body say what the body says. In → out: a [`Message`] and
//! header lines → nothing, or a [`MirrorError`] (HTTP 400, JSON-RPC -32020). The other way, the headers to send for a message
//! that Doorward has changed. The body is the truth; a header is never a source of anything. Headers are (name, value) bytes;
//! names compare without case. `Mcp-Param-*` that the tool's schema does not know pass: intermediaries must forward them.

mod schema;
mod sentinel;

#[cfg(test)]
mod tests;

use bytes::Bytes;

use crate::json::{Json, Kind, Value};
use crate::{Limits, Message, MessageKind, Target};
pub use schema::{Param, ParamKind, ParamTable, SchemaError};
pub use sentinel::{SentinelError, decode, encode};

/// `MCP-Protocol-Version`
pub const PROTOCOL_VERSION: &str = "MCP-Protocol-Version";
/// `Mcp-Method`
pub const METHOD: &str = "Mcp-Method";
/// `Mcp-Name`
pub const NAME: &str = "Mcp-Name";
/// What the name of each custom header starts with.
pub const PARAM_PREFIX: &str = "Mcp-Param-";

/// Integers are mirrored within the range in which every reader is exact: ±(2^53 − 1).
pub const INTEGER_MAX: i64 = (1 << 53) - 1;

/// A header that does not repeat the body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MirrorError {
    /// The body has a value, the header is not there.
    #[error("the header `{header}` is missing")]
    Missing {
        /// Its name.
        header: Box<str>,
    },
    /// The header is there, the body has no value for it (or `null`).
    #[error("the header `{header}` has no counterpart in the body")]
    Extra {
        /// Its name.
        header: Box<str>,
    },
    /// More than one line of it.
    #[error("the header `{header}` is repeated")]
    Repeated {
        /// Its name.
        header: Box<str>,
    },
    /// Header and body differ, in value or in type.
    #[error("the header `{header}` differs from the body")]
    Mismatch {
        /// Its name.
        header: Box<str>,
    },
    /// A value with other characters than visible ASCII, space and tab, or a malformed Base64 sentinel.
    #[error("the header `{header}` is malformed: {source}")]
    Malformed {
        /// Its name.
        header: Box<str>,
        /// What is wrong with it.
        source: SentinelError,
    },
    /// An integer beyond ±(2^53 − 1), or not an integer where the schema says so.
    #[error("the value of `{header}` is not an exact integer")]
    Integer {
        /// Its name.
        header: Box<str>,
    },
}

impl MirrorError {
    /// JSON-RPC code of HeaderMismatch; the HTTP status is 400.
    pub const JSON_RPC_CODE: i32 = -32020;

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "mirror.missing",
            Self::Extra { .. } => "mirror.extra",
            Self::Repeated { .. } => "mirror.repeated",
            Self::Mismatch { .. } => "mirror.mismatch",
            Self::Malformed { .. } => "mirror.malformed",
            Self::Integer { .. } => "mirror.integer",
        }
    }

    /// The header's name.
    #[must_use]
    pub fn header(&self) -> &str {
        match self {
            Self::Missing { header }
            | Self::Extra { header }
            | Self::Repeated { header }
            | Self::Mismatch { header }
            | Self::Malformed { header, .. }
            | Self::Integer { header } => header,
        }
    }
}

/// Checks `MCP-Protocol-Version`, `Mcp-Method` and `Mcp-Name` of a modern message. Requests need them; for notifications,
/// whose headers the revision leaves open, what is there must agree. Responses have nothing to mirror and pass.
/// That `_meta` names a revision at all is the caller's to check first (-32602).
///
/// # Errors
/// [`MirrorError`], the first found.
pub fn check_standard<'h, H>(message: &Message, headers: H) -> Result<(), MirrorError>
where
    H: Iterator<Item = (&'h [u8], &'h [u8])> + Clone,
{
    let Some(method) = message.method() else {
        return Ok(());
    };
    let required = message.kind() == MessageKind::Request;
    let version = message.protocol_version();
    let plain = [(PROTOCOL_VERSION, version.as_deref()), (METHOD, Some(method.as_str()))];
    for (header, expected) in plain {
        match (single(headers.clone(), header)?, expected) {
            (None, Some(_)) if required => return Err(missing(header)),
            (Some(_), None) if required => return Err(extra(header)),
            (Some(value), Some(expected)) if value != expected.as_bytes() => {
                return Err(mismatch(header));
            }
            _ => {}
        }
    }
    let expected = mirrored_name(message);
    match (single(headers, NAME)?, expected) {
        (None, Some(_)) if required => Err(missing(NAME)),
        (Some(_), None) if required => Err(extra(NAME)),
        (Some(value), Some(expected)) if decoded(NAME, value)? != expected => Err(mismatch(NAME)),
        _ => Ok(()),
    }
}

/// Checks the `Mcp-Param-*` headers of a `tools/call` against its arguments, by the tool's table.
///
/// # Errors
/// [`MirrorError`], the first found.
pub fn check_params<'h, H>(arguments: Option<Value<'_>>, headers: H, table: &ParamTable) -> Result<(), MirrorError>
where
    H: Iterator<Item = (&'h [u8], &'h [u8])> + Clone,
{
    for param in table.params() {
        let header = param.header_name();
        let value = param.find(arguments);
        match (single(headers.clone(), header)?, value) {
            (None, None) => {}
            (None, Some(_)) => return Err(missing(header)),
            (Some(_), None) => return Err(extra(header)),
            (Some(text), Some(value)) => {
                if !same(param, value, &decoded(header, text)?)? {
                    return Err(mismatch(header));
                }
            }
        }
    }
    Ok(())
}

/// The standard headers that belong to a message, encoded, as (name, value).
#[must_use]
pub fn standard_headers(message: &Message) -> Vec<(&'static str, String)> {
    let mut headers = Vec::with_capacity(3);
    if let Some(version) = message.protocol_version() {
        headers.push((PROTOCOL_VERSION, version.into_owned()));
    }
    if let Some(method) = message.method() {
        headers.push((METHOD, method.as_str().to_owned()));
    }
    if let Some(name) = mirrored_name(message) {
        headers.push((NAME, encode(name).into_owned()));
    }
    headers
}

/// The `Mcp-Param-*` headers that belong to these arguments, encoded, as (name, value).
///
/// # Errors
/// [`MirrorError::Mismatch`] or [`MirrorError::Integer`] where an argument is not of its schema's type.
pub fn param_headers(arguments: Option<Value<'_>>, table: &ParamTable) -> Result<Vec<(String, String)>, MirrorError> {
    let mut headers = Vec::new();
    for param in table.params() {
        let header = param.header_name();
        let Some(value) = param.find(arguments) else {
            continue;
        };
        let text = match param.kind() {
            ParamKind::String => encode(&value.as_str().ok_or_else(|| mismatch(header))?).into_owned(),
            ParamKind::Boolean => value.as_bool().ok_or_else(|| mismatch(header))?.to_string(),
            ParamKind::Integer => integer(header, value)?.to_string(),
        };
        headers.push((header.to_owned(), text));
    }
    Ok(headers)
}

fn mirrored_name(message: &Message) -> Option<&str> {
    match message.method()?.mirrored() {
        Target::Name => message.name(),
        Target::Uri => message.uri(),
        Target::TaskId => message.task_id(),
        Target::None | Target::Ref => None,
    }
}

/// The value of the only line with this name, without surrounding white space.
fn single<'h, H>(headers: H, name: &str) -> Result<Option<&'h [u8]>, MirrorError>
where
    H: Iterator<Item = (&'h [u8], &'h [u8])>,
{
    let mut found = None;
    for (_, value) in headers.filter(|(line, _)| line.eq_ignore_ascii_case(name.as_bytes())) {
        if found.is_some() {
            return Err(MirrorError::Repeated { header: name.into() });
        }
        found = Some(trim(value));
    }
    Ok(found)
}

/// Without optional white space (RFC 9110 §5.5: space and tab only).
fn trim(mut value: &[u8]) -> &[u8] {
    while let Some((b' ' | b'\t', rest)) = value.split_first() {
        value = rest;
    }
    while let Some((b' ' | b'\t', rest)) = value.split_last() {
        value = rest;
    }
    value
}

fn decoded<'v>(header: &str, value: &'v [u8]) -> Result<std::borrow::Cow<'v, str>, MirrorError> {
    decode(value).map_err(|source| MirrorError::Malformed { header: header.into(), source })
}

fn same(param: &Param, value: Value<'_>, text: &str) -> Result<bool, MirrorError> {
    let header = param.header_name();
    Ok(match param.kind() {
        ParamKind::String => value.is_str(text),
        ParamKind::Boolean => value.kind() == Kind::Bool && value.raw_str() == text,
        ParamKind::Integer => {
            let body = integer(header, value)?;
            let Ok(json) = Json::parse(Bytes::copy_from_slice(text.as_bytes()), &Limits::default()) else {
                return Ok(false);
            };
            // White space was trimmed; inside the sentinel there may be none either.
            json.root().raw_str() == text && integer(header, json.root())? == body
        }
    })
}

fn integer(header: &str, value: Value<'_>) -> Result<i64, MirrorError> {
    value
        .as_i64()
        .filter(|value| (-INTEGER_MAX..=INTEGER_MAX).contains(value))
        .ok_or_else(|| MirrorError::Integer { header: header.into() })
}

fn missing(header: &str) -> MirrorError {
    MirrorError::Missing { header: header.into() }
}

fn extra(header: &str) -> MirrorError {
    MirrorError::Extra { header: header.into() }
}

fn mismatch(header: &str) -> MirrorError {
    MirrorError::Mismatch { header: header.into() }
}
