//! The head of an HTTP request, checked before the body is read.
//!
//! In: method, target, header lines, and the raw head on HTTP/1. Out: a [`Head`] that the later phases read.
//! Refuses: malformed framing, foreign hosts and origins, unknown paths and methods, media types, sizes.
//! Never looks at a header to decide what a message may do: those are a checked copy of the body.

use std::net::IpAddr;

use doorward_message::http_head::{FramingError, HeadLimits, check_request};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::authority::{Authority, AuthorityRules};
use crate::model::rejection::Accept;

/// The transport's view of a request, as the codec gives it.
#[derive(Clone, Copy)]
pub struct RawHead<'a> {
    /// HTTP method.
    pub method: &'a Method,
    /// Request target as sent: path and query, or absolute form.
    pub target: &'a [u8],
    /// `:authority` on HTTP/2.
    pub authority: Option<&'a str>,
    /// Header lines.
    pub headers: &'a HeaderMap,
    /// The bytes of an HTTP/1 head; `None` on HTTP/2.
    pub raw: Option<&'a [u8]>,
    /// The peer's address.
    pub client: Option<IpAddr>,
}

/// What the request does at the MCP endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// A message.
    Post,
    /// A stream of server messages (legacy).
    Get,
    /// The end of a session (legacy).
    Delete,
}

/// A checked head.
#[derive(Clone, Copy)]
pub struct Head<'a> {
    /// What is asked for.
    pub verb: Verb,
    /// The header lines, for the mirror, sessions and trace context.
    pub headers: &'a HeaderMap,
    /// The peer's address.
    pub client: Option<IpAddr>,
    /// `Content-Length`, where given, in bytes.
    pub content_length: Option<u64>,
    /// Whether the client waits for `100 Continue`.
    pub expects_continue: bool,
}

/// Sizes and names that a head is checked against.
#[derive(Clone, Debug)]
pub struct HeadRules {
    /// Bounds of the raw head.
    pub limits: HeadLimits,
    /// Hosts and origins.
    pub authorities: AuthorityRules,
    /// Bound of the body, in bytes.
    pub body_bytes_max: usize,
}

impl From<FramingError> for Accept {
    fn from(error: FramingError) -> Self {
        match error {
            FramingError::Malformed => Self::MalformedHttp,
            FramingError::TooLarge => Self::HeadTooLarge,
            FramingError::TargetTooLong => Self::TargetTooLong,
        }
    }
}

/// The first half: framing, host, origin. Tells the path, by which the route is found.
///
/// # Errors
/// See [`Accept`].
pub fn check_transport<'a>(raw: &RawHead<'a>, rules: &HeadRules) -> Result<&'a str, Accept> {
    match raw.raw {
        Some(bytes) => check_request(bytes, &rules.limits)?,
        None => check_sizes(raw, &rules.limits)?,
    }
    let (path, own) = target(raw, &rules.authorities)?;
    for origin in raw.headers.get_all(header::ORIGIN) {
        let origin = origin.to_str().map_err(|_| Accept::OriginForbidden)?;
        rules.authorities.check_origin(origin, &own)?;
    }
    Ok(path)
}

/// The second half: method, media types, sizes, at an MCP endpoint.
///
/// # Errors
/// See [`Accept`].
pub fn check_endpoint<'a>(raw: &RawHead<'a>, rules: &HeadRules) -> Result<Head<'a>, Accept> {
    let verb = match *raw.method {
        Method::POST => Verb::Post,
        Method::GET => Verb::Get,
        Method::DELETE => Verb::Delete,
        _ => return Err(Accept::MethodNotAllowed("POST, GET, DELETE")),
    };
    let content_length = content_length(raw.headers)?;
    if content_length.is_some_and(|bytes| bytes > rules.body_bytes_max as u64) {
        return Err(Accept::BodyTooLarge);
    }
    check_encoding(raw.headers)?;
    match verb {
        Verb::Post => {
            check_media_type(raw.headers)?;
            check_accept(raw.headers, &["application/json", "text/event-stream"])?;
        }
        Verb::Get => check_accept(raw.headers, &["text/event-stream"])?,
        Verb::Delete => {}
    }
    Ok(Head {
        verb,
        headers: raw.headers,
        client: raw.client,
        content_length,
        expects_continue: expects_continue(raw.headers)?,
    })
}

/// The value of a header that must not be repeated.
///
/// # Errors
/// The refusal given as `repeated`.
pub fn single(headers: &HeaderMap, name: impl AsRef<str>, repeated: Accept) -> Result<Option<&HeaderValue>, Accept> {
    let mut values = headers.get_all(name.as_ref()).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(repeated),
    }
}

/// HTTP/2 has no raw head; the same bounds apply to the decoded one.
fn check_sizes(raw: &RawHead<'_>, limits: &HeadLimits) -> Result<(), Accept> {
    if raw.target.len() > limits.target_bytes_max {
        return Err(Accept::TargetTooLong);
    }
    let bytes: usize = raw.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if bytes > limits.head_bytes_max || raw.headers.len() > limits.header_lines_max {
        return Err(Accept::HeadTooLarge);
    }
    if raw.headers.contains_key(header::TRANSFER_ENCODING) || raw.headers.contains_key(header::CONNECTION) {
        return Err(Accept::MalformedHttp);
    }
    Ok(())
}

/// Path and authority. An absolute-form target or `:authority` must name the same host as `Host`.
fn target<'a>(raw: &RawHead<'a>, rules: &AuthorityRules) -> Result<(&'a str, Authority), Accept> {
    let target = std::str::from_utf8(raw.target).map_err(|_| Accept::MalformedHttp)?;
    let host = single(raw.headers, header::HOST, Accept::HostInvalid)?;
    let host = host.map(|value| value.to_str().map_err(|_| Accept::HostInvalid)).transpose()?;
    if !target.starts_with('/') && !target.contains("://") {
        // Only CONNECT and OPTIONS have other forms; neither is offered. pingora escapes a malformed line into this shape.
        let other = matches!(*raw.method, Method::CONNECT | Method::OPTIONS);
        return Err(if other { Accept::MethodNotAllowed("POST, GET, DELETE") } else { Accept::MalformedHttp });
    }
    let (path, named) = match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => {
            let slash = rest.find('/').unwrap_or(rest.len());
            let (authority, path) = rest.split_at_checked(slash).ok_or(Accept::MalformedHttp)?;
            (path, Some(authority))
        }
        _ => (target, None),
    };
    let own = match (host, raw.authority.or(named)) {
        (Some(host), Some(named)) if !host.eq_ignore_ascii_case(named) => {
            return Err(Accept::HostInvalid);
        }
        (Some(host), _) | (None, Some(host)) => rules.check_host(host)?,
        (None, None) => return Err(Accept::HostInvalid),
    };
    Ok((path.split_once('?').map_or(path, |(path, _)| path), own))
}

fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Accept> {
    single(headers, header::CONTENT_LENGTH, Accept::MalformedHttp)?
        .map(|value| value.to_str().ok().and_then(|text| text.parse().ok()).ok_or(Accept::MalformedHttp))
        .transpose()
}

fn check_encoding(headers: &HeaderMap) -> Result<(), Accept> {
    match headers.get(header::CONTENT_ENCODING) {
        None => Ok(()),
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"identity") => Ok(()),
        Some(_) => Err(Accept::ContentEncoding),
    }
}

fn expects_continue(headers: &HeaderMap) -> Result<bool, Accept> {
    match single(headers, header::EXPECT, Accept::Expectation)? {
        None => Ok(false),
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"100-continue") => Ok(true),
        Some(_) => Err(Accept::Expectation),
    }
}

/// `application/json`, without parameters or with `charset=utf-8`.
fn check_media_type(headers: &HeaderMap) -> Result<(), Accept> {
    let value = single(headers, header::CONTENT_TYPE, Accept::MediaType)?.ok_or(Accept::MediaType)?;
    let text = value.to_str().map_err(|_| Accept::MediaType)?;
    let mut parts = text.split(';').map(str::trim);
    let json = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    let utf8 = |part: &str| {
        part.split_once('=').is_some_and(|(name, value)| {
            name.trim().eq_ignore_ascii_case("charset") && value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
    };
    if json && parts.all(utf8) { Ok(()) } else { Err(Accept::MediaType) }
}

/// Whether `Accept` covers every one of `needed`. A missing header accepts everything (RFC 9110 §12.5.1).
fn check_accept(headers: &HeaderMap, needed: &[&str]) -> Result<(), Accept> {
    let covers = |needed: &str| {
        headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).any(|value| {
            value.split(',').any(|range| {
                let mut parts = range.split(';').map(str::trim);
                let essence = parts.next().unwrap_or_default();
                let excluded = parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
                let major = needed.split_once('/').map_or("", |(major, _)| major);
                let matches = essence == "*/*"
                    || essence.eq_ignore_ascii_case(needed)
                    || essence.strip_suffix("/*").is_some_and(|range| range.eq_ignore_ascii_case(major));
                matches && !excluded
            })
        })
    };
    for media_type in needed {
        if headers.contains_key(header::ACCEPT) && !covers(media_type) {
            return Err(Accept::NotAcceptable);
        }
    }
    Ok(())
}

/// The names of the headers that MCP mirrors from the body.
pub fn is_mirrored(name: &HeaderName) -> bool {
    let name = name.as_str();
    name == "mcp-method" || name == "mcp-name" || name == "mcp-protocol-version" || name.starts_with("mcp-param-")
}
