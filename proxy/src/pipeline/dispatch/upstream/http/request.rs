//! The header lines towards the upstream, made from scratch.

use ::http::{HeaderValue, Method, header};
use pingora::http::RequestHeader;

use super::{Credential, HttpUpstream, Outgoing};
use crate::model::Fault;

/// A `POST` with one message.
pub(super) fn post(
    upstream: &HttpUpstream,
    outgoing: &Outgoing,
    credential: Option<&Credential>,
) -> Result<RequestHeader, Fault> {
    let mut head = start(upstream, Method::POST, outgoing, credential)?;
    add(&mut head, header::CONTENT_TYPE, HeaderValue::from_static("application/json"))?;
    add(&mut head, header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"))?;
    add(&mut head, header::CONTENT_LENGTH, HeaderValue::from(outgoing.body.len()))?;
    Ok(head)
}

/// A `GET` or `DELETE`.
pub(super) fn bodiless(
    upstream: &HttpUpstream,
    method: Method,
    outgoing: &Outgoing,
    last_event_id: Option<&HeaderValue>,
    credential: Option<&Credential>,
) -> Result<RequestHeader, Fault> {
    let mut head = start(upstream, method, outgoing, credential)?;
    add(&mut head, header::ACCEPT, HeaderValue::from_static("text/event-stream"))?;
    if let Some(id) = last_event_id {
        add(&mut head, "last-event-id", id.clone())?;
    }
    Ok(head)
}

fn start(
    upstream: &HttpUpstream,
    method: Method,
    outgoing: &Outgoing,
    credential: Option<&Credential>,
) -> Result<RequestHeader, Fault> {
    let lines = outgoing.mirrored.len() + outgoing.trace.len() + 8;
    let mut head =
        RequestHeader::build_no_case(method, upstream.path.as_bytes(), Some(lines)).map_err(|_| Fault::Internal)?;
    add(&mut head, header::HOST, upstream.host.clone())?;
    // Masking must see plain bytes, and no decompression bomb can come.
    add(&mut head, header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))?;
    for (name, value) in outgoing.mirrored.iter().chain(&outgoing.trace) {
        add(&mut head, name.clone(), value.clone())?;
    }
    if let Some(session) = &outgoing.session {
        add(&mut head, "mcp-session-id", session.clone())?;
    }
    if let Some(credential) = credential {
        head.insert_header(credential.name.clone(), credential.value.clone()).map_err(|_| Fault::Internal)?;
    }
    Ok(head)
}

fn add(
    head: &mut RequestHeader,
    name: impl pingora::http::IntoCaseHeaderName,
    value: HeaderValue,
) -> Result<(), Fault> {
    head.append_header(name, value).map(|_| ()).map_err(|_| Fault::Internal)
}
