//! The messages that several phases are measured with.

use std::fmt::Write as _;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};

/// Tools of the upstream.
pub(crate) const TOOLS: usize = 50;

/// A `tools/call` of revision 2026-07-28 with this many bytes.
pub(crate) fn call(body_bytes: usize) -> Bytes {
    const WORDS: &str = "The quarterly report lists 42 orders from the northern region; 17 were late. ";
    let mut body = r#"{"jsonrpc":"2.0","id":"0000000000000001","method":"tools/call","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"doorward-bench","version":"1"}},"name":"tool_00","arguments":{"path":"/data/reports/2026/summary.txt","count":3,"recursive":false,"text":""#.to_owned();
    let tail = r#""}}}"#;
    let room = body_bytes.saturating_sub(body.len() + tail.len());
    body.extend(WORDS.chars().cycle().take(room));
    body.push_str(tail);
    Bytes::from(body)
}

/// The header lines that come with it.
pub(crate) fn headers(body_bytes: usize) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut add = |name: &'static str, value: &str| {
        headers.append(name, HeaderValue::from_str(value).expect("the value is plain"));
    };
    add("host", "127.0.0.1:8080");
    add("content-type", "application/json");
    add("accept", "application/json, text/event-stream");
    add("mcp-protocol-version", "2026-07-28");
    add("mcp-method", "tools/call");
    add("mcp-name", "tool_00");
    add("user-agent", "doorward-bench/1");
    add("content-length", &body_bytes.to_string());
    headers
}

/// The same as the bytes of an HTTP/1.1 head.
pub(crate) fn head(headers: &HeaderMap) -> Bytes {
    let mut head = "POST /mcp HTTP/1.1\r\n".to_owned();
    for (name, value) in headers {
        let value = value.to_str().expect("the value is plain");
        // Writing to a String cannot fail.
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head.push_str("\r\n");
    debug_assert!(headers.contains_key(header::HOST));
    Bytes::from(head)
}

/// The answer to `tools/list` with [`TOOLS`] tools: many short strings and much nesting.
pub(crate) fn list() -> Bytes {
    let mut body = r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","tools":["#.to_owned();
    for number in 0..TOOLS {
        let comma = if number == 0 { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(
            body,
            r#"{comma}{{"name":"tool_{number:02}","title":"Report tool {number}","description":"Reads the report at the path and returns its text.","inputSchema":{{"type":"object","properties":{{"path":{{"type":"string","description":"Absolute path"}},"count":{{"type":"integer","minimum":1,"maximum":100}},"recursive":{{"type":"boolean"}}}},"required":["path"]}},"annotations":{{"readOnlyHint":true,"openWorldHint":false}}}}"#
        );
    }
    body.push_str("]}}");
    Bytes::from(body)
}
