use super::*;
use crate::mcp::{Ask, Request, tool_name};
use serde_json::Value;

fn post(body: &str) -> (Answer, String, Value) {
    let mut out = Vec::new();
    let answer = Answers::new(3, 1024).post(body.as_bytes(), &mut out);
    let text = String::from_utf8(out).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let value = serde_json::from_str(body).unwrap_or(Value::Null);
    if answer == Answer::Complete {
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
    }
    (answer, text.clone(), value)
}

#[test]
fn call_answer_has_the_asked_size_whatever_the_id() {
    for id in ["7", "\"a\"", "\"0123456789012345\""] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{}}}}"#);
        let (_, text, value) = post(&body);
        assert!(text.contains("Content-Length: 1024\r\n"), "{text}");
        assert_eq!(value["id"].to_string(), id);
        let said = value["result"]["content"][0]["text"].as_str().unwrap();
        assert!(said.starts_with(CALL_MARKER));
    }
}

#[test]
fn driver_requests_take_the_short_way() {
    let ask = Ask::Call { tool: tool_name(0), body_bytes: 1024 };
    let mut request = Request::new("h", "/mcp", None, &ask);
    request.set_id(99);
    let at = memchr::memmem::find(request.bytes(), b"\r\n\r\n").unwrap() + 4;
    let envelope = Envelope::read_prefix(&request.bytes()[at..]).unwrap();
    assert_eq!(envelope.id, Some("\"0000000000000099\""));
    assert_eq!(envelope.method, "tools/call");
}

#[test]
fn other_key_order_and_escapes_are_parsed() {
    let body = r#"{ "method": "tools\/list", "id": "a\"b", "jsonrpc": "2.0" }"#;
    let (_, _, value) = post(body);
    assert_eq!(value["id"], "a\"b");
    assert_eq!(value["result"]["tools"].as_array().unwrap().len(), 3);
}

#[test]
fn catalogue_methods_answer_with_what_a_proxy_needs() {
    let ask = |method: &str| post(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#)).2;
    let discover = ask("server/discover");
    assert_eq!(discover["result"]["supportedVersions"][0], REVISION);
    assert_eq!(discover["result"]["resultType"], "complete");
    let tool = &ask("tools/list")["result"]["tools"][2];
    assert_eq!(tool["name"], tool_name(2));
    assert_eq!(tool["inputSchema"]["required"][0], "path");
}

#[test]
fn initialize_agrees_to_the_asked_revision() {
    let (_, _, value) =
        post(r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18"}}"#);
    assert_eq!(value["result"]["protocolVersion"], "2025-06-18");
}

#[test]
fn listen_opens_a_stream_that_begins_with_the_acknowledgement() {
    let (answer, text, _) = post(
        r#"{"jsonrpc":"2.0","id":"s1","method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true}}}"#,
    );
    assert_eq!(answer, Answer::Stream);
    assert!(text.contains("Content-Type: text/event-stream"));
    let event = text.split("data: ").nth(1).unwrap();
    let value: Value = serde_json::from_str(event.split('\n').next().unwrap()).unwrap();
    assert_eq!(value["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "s1");
    assert_eq!(value["params"]["notifications"]["toolsListChanged"], true);
}

#[test]
fn notification_unknown_method_and_garbage_have_their_statuses() {
    let status = |body: &str| post(body).1.split(' ').nth(1).unwrap().to_owned();
    let note = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    assert_eq!(status(note), "202");
    assert_eq!(status(r#"{"jsonrpc":"2.0","id":1,"method":"nope"}"#), "404");
    assert_eq!(status("{"), "400");
}
