use super::*;

fn call(body_bytes: usize) -> Request {
    let ask = Ask::Call { tool: tool_name(7), body_bytes };
    Request::new("127.0.0.1:1", "/mcp", Some("abc"), &ask)
}

fn parts(request: &Request) -> (&str, serde_json::Value) {
    let text = std::str::from_utf8(request.bytes()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("Content-Length: {}", body.len())));
    (head, serde_json::from_str(body).unwrap())
}

#[test]
fn call_has_the_asked_body_size_and_valid_json() {
    for size in [1024, 65_536] {
        let request = call(size);
        let (head, body) = parts(&request);
        assert!(head.contains(&format!("Content-Length: {size}")));
        assert!(head.contains("Mcp-Name: tool_07\r\nAuthorization: Bearer abc"));
        assert_eq!(body["params"]["name"], "tool_07");
        assert_eq!(body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"], REVISION);
    }
}

#[test]
fn id_is_written_in_place() {
    let mut request = call(1024);
    request.set_id(1_234_567);
    assert_eq!(request.id(), b"0000000001234567");
    request.set_id(42);
    let (_, body) = parts(&request);
    assert_eq!(body["id"], "0000000000000042");
}

#[test]
fn answer_without_the_id_or_marker_or_with_other_status_is_wrong() {
    let mut request = call(1024);
    request.set_id(5);
    let expect = Expectation { status: 200, marker: CALL_MARKER.into(), absent: b"hidden".to_vec(), id_echoed: true };
    let right = format!(r#"{{"id":"0000000000000005","result":"{CALL_MARKER}"}}"#);
    assert!(expect.met(&request, 200, right.as_bytes()));
    assert!(!expect.met(&request, 500, right.as_bytes()));
    let leak = right.replace('}', "hidden}");
    assert!(!expect.met(&request, 200, leak.as_bytes()));
    let other_id = right.replace("005", "006");
    assert!(!expect.met(&request, 200, other_id.as_bytes()));
    let no_marker = right.replace(CALL_MARKER, "x");
    assert!(!expect.met(&request, 200, no_marker.as_bytes()));
}

#[test]
fn list_and_listen_are_valid_json() {
    for ask in [Ask::ListTools, Ask::Listen] {
        let request = Request::new("h", "/mcp", None, &ask);
        let (head, body) = parts(&request);
        assert!(!head.contains("Authorization"));
        assert!(head.contains(&format!("Mcp-Method: {}", body["method"].as_str().unwrap())));
    }
}
