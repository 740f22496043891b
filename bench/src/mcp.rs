//! The MCP requests that are sent, as ready bytes in which only the id changes, and what a right answer looks like.
//!
//! In: what to ask and with which token. Out: a [`Request`] that a connection sends again and again.
//! Invariant: every request is valid for revision 2026-07-28 (per-request `_meta`, mirrored headers), so that a proxy
//! that checks them has no reason to refuse it.

use std::{fmt::Write as _, ops::Range};

/// The revision that is spoken.
pub(crate) const REVISION: &str = "2026-07-28";
/// The newest revision with sessions.
pub(crate) const SESSION_REVISION: &str = "2025-11-25";
/// In the text of each `tools/call` result of the upstream.
pub(crate) const CALL_MARKER: &str = "doorward-bench-ok";
/// Digits of a request id, which is sent as a string of constant length.
const ID_DIGITS: usize = 16;
/// What stands for an id until one is set.
pub(crate) const ID_BLANK: &str = "0000000000000000";

/// The name of the upstream's tool with this number.
pub(crate) fn tool_name(number: usize) -> String {
    format!("tool_{number:02}")
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ask {
    /// `tools/call` whose whole body has this many bytes (or the least possible, when that is more).
    Call { tool: String, body_bytes: usize },
    /// `tools/call` of the reference server's `echo`, with [`CALL_MARKER`] as its message.
    Echo,
    /// `tools/list`, first page.
    ListTools,
    /// `subscriptions/listen`: an event stream that stays open.
    Listen,
}

/// A request as bytes.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    id: Range<usize>,
}

impl Request {
    /// `host` is what goes into the `Host` header, `path` begins with a slash.
    pub(crate) fn new(host: &str, path: &str, token: Option<&str>, ask: &Ask) -> Self {
        let (method, name, body) = body(ask);
        let mut head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: doorward-bench\r\n\
             Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
             MCP-Protocol-Version: {REVISION}\r\nMcp-Method: {method}\r\n"
        );
        // Writing to a String cannot fail.
        if let Some(name) = name {
            let _ = write!(head, "Mcp-Name: {name}\r\n");
        }
        if let Some(token) = token {
            let _ = write!(head, "Authorization: Bearer {token}\r\n");
        }
        Self::whole(head, &body)
    }

    /// [`Ask::Echo`] in a session of the revision [`SESSION_REVISION`].
    pub(crate) fn echo_in_session(host: &str, path: &str, session: &str) -> Self {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":"{ID_BLANK}","method":"tools/call","params":{{{}"#,
            echo().trim_start_matches(',')
        );
        Self::whole(session_head(host, path) + &format!("Mcp-Session-Id: {session}\r\n"), &body)
    }

    /// The `initialize` that begins such a session.
    pub(crate) fn initialize(host: &str, path: &str) -> Self {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":"{ID_BLANK}","method":"initialize","params":{{"protocolVersion":"{SESSION_REVISION}","capabilities":{{}},"clientInfo":{{"name":"doorward-bench","version":"1"}}}}}}"#
        );
        Self::whole(session_head(host, path), &body)
    }

    /// The notification that ends its handshake. It has no id; nothing is to be set in it.
    pub(crate) fn initialized(host: &str, path: &str, session: &str) -> Self {
        let head = session_head(host, path) + &format!("Mcp-Session-Id: {session}\r\n");
        Self::whole(head, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
    }

    /// Head without its end, and body.
    fn whole(mut head: String, body: &str) -> Self {
        // Writing to a String cannot fail.
        let _ = write!(head, "Content-Length: {}\r\n\r\n", body.len());
        let id = body.find(ID_BLANK).map_or(0..0, |at| head.len() + at..head.len() + at + ID_DIGITS);
        head.push_str(body);
        Self { bytes: head.into_bytes(), id }
    }

    /// Writes `id` into the request, as its last 16 decimal digits.
    pub(crate) fn set_id(&mut self, mut id: u64) {
        for digit in self.bytes.get_mut(self.id.clone()).unwrap_or_default().iter_mut().rev() {
            *digit = b'0' + u8::try_from(id % 10).unwrap_or_default();
            id /= 10;
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The id as it stands in the body, without its quotes.
    pub(crate) fn id(&self) -> &[u8] {
        self.bytes.get(self.id.clone()).unwrap_or_default()
    }
}

fn session_head(host: &str, path: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: doorward-bench\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: {SESSION_REVISION}\r\n"
    )
}

/// Method, mirrored name and JSON body.
fn body(ask: &Ask) -> (&'static str, Option<&str>, String) {
    let meta = format!(
        r#""_meta":{{"io.modelcontextprotocol/protocolVersion":"{REVISION}","io.modelcontextprotocol/clientCapabilities":{{}},"io.modelcontextprotocol/clientInfo":{{"name":"doorward-bench","version":"1"}}}}"#
    );
    let open = |method: &str| format!(r#"{{"jsonrpc":"2.0","id":"{ID_BLANK}","method":"{method}","params":{{{meta}"#);
    match ask {
        Ask::Call { tool, body_bytes } => {
            let mut body = open("tools/call");
            let _ = write!(
                body,
                r#","name":"{tool}","arguments":{{"path":"/data/reports/2026/summary.txt","count":3,"recursive":false,"text":""#
            );
            let tail = r#""}}}"#;
            let room = body_bytes.saturating_sub(body.len() + tail.len());
            body.extend(prose().take(room));
            body.push_str(tail);
            ("tools/call", Some(tool.as_str()), body)
        }
        Ask::Echo => ("tools/call", Some("echo"), open("tools/call") + &echo()),
        Ask::ListTools => ("tools/list", None, open("tools/list") + "}}"),
        Ask::Listen => (
            "subscriptions/listen",
            None,
            open("subscriptions/listen") + r#","notifications":{"toolsListChanged":true}}}"#,
        ),
    }
}

/// Name and arguments of a call of `echo`, and the end of the request.
fn echo() -> String {
    format!(r#","name":"echo","arguments":{{"message":"{CALL_MARKER}"}}}}}}"#)
}

/// Endless text of letters, spaces, digits and punctuation, always the same, that needs no escaping in JSON. It is
/// text and not one repeated letter, because scanners for secrets and personal data cost according to what they meet.
pub(crate) fn prose() -> impl Iterator<Item = char> {
    const WORDS: &str = "The quarterly report lists 42 orders from the northern region; 17 were late, \
         mostly by less than 3 days. See section 4.2 for the cause (a supplier, since replaced), and \
         mail the desk with any question. Totals: 1,204 units, 88.5 percent on time. ";
    WORDS.chars().cycle()
}

/// When an answer counts as right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expectation {
    /// The HTTP status.
    pub(crate) status: u16,
    /// Must occur in the body.
    pub(crate) marker: Vec<u8>,
    /// Must not occur in the body, unless empty.
    pub(crate) absent: Vec<u8>,
    /// The body must hold the request's id.
    pub(crate) id_echoed: bool,
}

impl Expectation {
    pub(crate) fn met(&self, request: &Request, status: u16, body: &[u8]) -> bool {
        status == self.status
            && memchr::memmem::find(body, &self.marker).is_some()
            && (self.absent.is_empty() || memchr::memmem::find(body, &self.absent).is_none())
            && (!self.id_echoed || memchr::memmem::find(body, request.id()).is_some())
    }
}

#[cfg(test)]
mod tests;
