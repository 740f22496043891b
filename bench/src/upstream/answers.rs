//! From a request body to the bytes of an answer: the hot path of the upstream.
//!
//! Results are serialised once at start; an answer is a head, the caller's id and such a result. Bodies that begin
//! as the load driver writes them (`jsonrpc`, `id`, `method` in this order, no spaces) are not parsed further.

use std::{borrow::Cow, io::Write as _};

use serde::Deserialize;
use serde_json::{json, value::RawValue};

use super::catalogue;
use crate::mcp::{CALL_MARKER, REVISION, prose};

/// The newest revision with a handshake.
const REVISION_LEGACY: &str = "2025-11-25";
const STREAM_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\
      X-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n\r\n";

/// What the connection does after the bytes are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Complete,
    /// An event stream has begun and stays open.
    Stream,
}

/// The prepared results.
pub(super) struct Answers {
    /// `tools/call`: the result up to its text, the text, and what follows the text.
    call: (String, String, String),
    call_bytes: usize,
    by_method: Vec<(&'static str, String)>,
}

impl Answers {
    /// `call_bytes` is the length of the whole JSON body of a `tools/call` answer.
    pub(super) fn new(tools: usize, call_bytes: usize) -> Self {
        let meta =
            json!({ "io.modelcontextprotocol/serverInfo": { "name": "doorward-bench-upstream", "version": "1" } });
        let result = |mut value: serde_json::Value| {
            if let Some(map) = value.as_object_mut() {
                map.insert("resultType".into(), "complete".into());
                map.insert("ttlMs".into(), 60_000.into());
                map.insert("cacheScope".into(), "public".into());
                map.insert("_meta".into(), meta.clone());
            }
            value.to_string()
        };
        let report = json!([{ "uri": "bench://reports/1", "mimeType": "text/plain", "text": "Report 1" }]);
        let message = json!([{ "role": "user", "content": { "type": "text", "text": "Summarise it." } }]);
        let by_method = vec![
            (
                "server/discover",
                result(json!({
                    "supportedVersions": [REVISION, REVISION_LEGACY],
                    "capabilities": catalogue::capabilities()
                })),
            ),
            ("tools/list", result(json!({ "tools": catalogue::tools(tools) }))),
            ("resources/list", result(json!({ "resources": catalogue::resources() }))),
            ("resources/templates/list", result(json!({ "resourceTemplates": catalogue::resource_templates() }))),
            ("resources/read", result(json!({ "contents": report }))),
            ("prompts/list", result(json!({ "prompts": catalogue::prompts() }))),
            ("prompts/get", result(json!({ "messages": message }))),
            ("completion/complete", result(json!({ "completion": { "values": ["1", "2"], "hasMore": false } }))),
            ("ping", "{}".to_owned()),
        ];
        Self {
            call: (
                format!(r#"{{"resultType":"complete","content":[{{"type":"text","text":"{CALL_MARKER} "#),
                prose().take(call_bytes).collect(),
                r#""}],"isError":false}"#.to_owned(),
            ),
            call_bytes,
            by_method,
        }
    }

    /// Writes the answer to a POST into `out`.
    pub(super) fn post(&self, body: &[u8], out: &mut Vec<u8>) -> Answer {
        let Some(envelope) = Envelope::read(body) else {
            return plain(
                out,
                "400 Bad Request",
                r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}"#,
            );
        };
        let Some(id) = envelope.id else {
            // A notification (or a response of the legacy era): accepted, nothing to say.
            out.extend_from_slice(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
            return Answer::Complete;
        };
        match &*envelope.method {
            "tools/call" => self.call(id, out),
            "subscriptions/listen" => return listen(id, body, out),
            "initialize" => with_result(id, &initialize(body), out),
            method => match self.by_method.iter().find(|(name, _)| *name == method) {
                Some((_, result)) => with_result(id, result, out),
                None => {
                    let body = format!(
                        r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601,"message":"Method not found"}}}}"#
                    );
                    return plain(out, "404 Not Found", &body);
                }
            },
        }
        Answer::Complete
    }

    fn call(&self, id: &str, out: &mut Vec<u8>) {
        let (before, text, after) = &self.call;
        let fixed = ENVELOPE_BYTES + id.len() + before.len() + after.len();
        let room = self.call_bytes.saturating_sub(fixed);
        // The text is ASCII, so each length is a boundary.
        let text = text.get(..room).unwrap_or_default();
        head(out, fixed + text.len());
        let _ = write!(out, r#"{{"jsonrpc":"2.0","id":{id},"result":{before}{text}{after}}}"#);
    }

    /// Begins the stream of a legacy GET.
    pub(super) fn stream(&self, out: &mut Vec<u8>) -> Answer {
        out.extend_from_slice(STREAM_HEAD);
        out.extend_from_slice(b"3\r\n:\n\n\r\n");
        Answer::Stream
    }

    pub(super) fn method_not_allowed(&self, out: &mut Vec<u8>) -> Answer {
        out.extend_from_slice(b"HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, POST\r\nContent-Length: 0\r\n\r\n");
        Answer::Complete
    }
}

/// Bytes of a response's JSON beside id and result.
const ENVELOPE_BYTES: usize = r#"{"jsonrpc":"2.0","id":,"result":}"#.len();

fn head(out: &mut Vec<u8>, content_length: usize) {
    // Writing to a Vec cannot fail.
    let _ =
        write!(out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {content_length}\r\n\r\n");
}

fn with_result(id: &str, result: &str, out: &mut Vec<u8>) {
    head(out, ENVELOPE_BYTES + id.len() + result.len());
    let _ = write!(out, r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
}

fn plain(out: &mut Vec<u8>, status: &str, body: &str) -> Answer {
    let _ = write!(
        out,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    Answer::Complete
}

/// `subscriptions/listen`: the acknowledgement, which must come first on the stream, then silence.
fn listen(id: &str, body: &[u8], out: &mut Vec<u8>) -> Answer {
    #[derive(Deserialize)]
    struct Listen<'a> {
        #[serde(borrow)]
        params: Params<'a>,
    }
    #[derive(Deserialize)]
    struct Params<'a> {
        #[serde(borrow)]
        notifications: &'a RawValue,
    }
    let asked = serde_json::from_slice::<Listen<'_>>(body).map_or("{}", |listen| listen.params.notifications.get());
    let event = format!(
        r#"data: {{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}},"notifications":{asked}}}}}"#
    ) + "\n\n";
    out.extend_from_slice(STREAM_HEAD);
    let _ = write!(out, "{:x}\r\n{event}\r\n", event.len());
    Answer::Stream
}

/// The result of `initialize`: the asked revision, whatever it is.
fn initialize(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Initialize<'a> {
        #[serde(borrow)]
        params: Params<'a>,
    }
    #[derive(Deserialize)]
    struct Params<'a> {
        #[serde(borrow, rename = "protocolVersion")]
        protocol_version: Cow<'a, str>,
    }
    let asked = serde_json::from_slice::<Initialize<'_>>(body)
        .map_or(Cow::Borrowed(REVISION_LEGACY), |i| i.params.protocol_version);
    json!({
        "protocolVersion": asked,
        "capabilities": catalogue::capabilities(),
        "serverInfo": { "name": "doorward-bench-upstream", "version": "1" }
    })
    .to_string()
}

/// Id (as JSON text) and method of a message.
struct Envelope<'a> {
    id: Option<&'a str>,
    method: Cow<'a, str>,
}

impl<'a> Envelope<'a> {
    fn read(body: &'a [u8]) -> Option<Self> {
        Self::read_prefix(body).or_else(|| Self::read_whole(body))
    }

    /// The driver's own form, without parsing what follows the method.
    fn read_prefix(body: &'a [u8]) -> Option<Self> {
        let rest = body.strip_prefix(br#"{"jsonrpc":"2.0","id":""#)?;
        let digits = memchr::memchr(b'"', rest)?;
        let rest = rest.get(digits..)?.strip_prefix(br#"","method":""#)?;
        let method = rest.get(..memchr::memchr(b'"', rest)?)?;
        let id_start = body.len() - body.strip_prefix(br#"{"jsonrpc":"2.0","id":"#)?.len();
        let id = body.get(id_start..id_start + digits + 2)?;
        if id.contains(&b'\\') || method.contains(&b'\\') {
            return None;
        }
        Some(Self { id: Some(std::str::from_utf8(id).ok()?), method: Cow::Borrowed(std::str::from_utf8(method).ok()?) })
    }

    fn read_whole(body: &'a [u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Whole<'a> {
            #[serde(borrow)]
            id: Option<&'a RawValue>,
            #[serde(borrow, default)]
            method: Cow<'a, str>,
        }
        let whole: Whole<'a> = serde_json::from_slice(body).ok()?;
        Some(Self { id: whole.id.map(RawValue::get), method: whole.method })
    }
}

#[cfg(test)]
mod tests;
