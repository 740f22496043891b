//! The legacy era through the door: sessions, the stream of server messages, requests of the server, batches.

use std::time::Duration;

use futures_util::StreamExt;
use http::Method;
use serde_json::{Value, json};

use super::{door_to, event, once, pause_ms, ready, stream_head};
use crate::support::{
    door::{Door, Setup},
    rpc::{Answer, Client, LEGACY},
    upstream::{Era, Recorded, Scripted, Step},
};

async fn start() -> (Scripted, Door) {
    let upstream = Scripted::start(Era::Legacy).await;
    let door = door_to(&format!("url: {}", upstream.url)).await;
    (upstream, door)
}

#[tokio::test]
async fn a_revision_that_nobody_knows_is_recorded_as_it_was_answered() {
    let (upstream, door) = start().await;
    let info = json!({ "name": "x", "version": "1" });
    upstream
        .set_result("initialize", json!({ "protocolVersion": "2019-01-01", "capabilities": {}, "serverInfo": info }));
    let mut client = Client::modern(&door.url, None).in_session(None);
    client.session = None;
    let params =
        json!({ "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    let answer = client.request("initialize", params).await;
    assert_eq!((answer.status, answer.code()), (502, "upstream.invalid"), "{}", answer.body);
    let id = answer.message["error"]["data"]["decision_id"].clone();
    let records = door.wait_audit(|records| records.iter().any(|record| record["kind"] == "outcome")).await;
    let outcome = records.iter().find(|record| record["kind"] == "outcome" && record["decision_id"] == id);
    assert_eq!(outcome.unwrap()["code"], "upstream.invalid", "{records:?}");
}

/// A session whose client can do everything a server may ask for.
async fn able(door: &Door) -> Client {
    let capabilities = json!({ "sampling": {}, "elicitation": { "form": {}, "url": {} }, "roots": {} });
    let client = Client::legacy_with(&door.url, LEGACY, capabilities).await;
    ready(&client).await;
    client
}

async fn post(client: &Client, message: &Value) -> Answer {
    let request = client.prepared(Method::POST).header("content-type", "application/json");
    let request =
        request.header("mcp-protocol-version", LEGACY).header("accept", "application/json, text/event-stream");
    Client::answer(request.body(message.to_string())).await
}

fn get(client: &Client) -> reqwest::RequestBuilder {
    client.prepared(Method::GET).header("accept", "text/event-stream").header("mcp-protocol-version", LEGACY)
}

/// The messages of a stream until there are so many.
async fn messages(response: reqwest::Response, count: usize) -> Vec<Value> {
    let mut stream = response.bytes_stream();
    let mut text = String::new();
    let read = async {
        loop {
            let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
            let found: Vec<Value> = data.filter_map(|data| serde_json::from_str(data.trim()).ok()).collect();
            if found.len() >= count {
                return found;
            }
            match stream.next().await {
                Some(Ok(piece)) => text.push_str(&String::from_utf8_lossy(&piece)),
                ended => panic!("the stream ended ({ended:?}) after {text}"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), read).await.expect("so many messages")
}

fn sampling(id: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "sampling/createMessage",
        "params": { "messages": [{ "role": "user", "content": { "type": "text", "text": "hi" } }], "maxTokens": 10 } })
}

fn elicitation(id: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "elicitation/create",
        "params": { "message": "Your name?", "requestedSchema": { "type": "object", "properties": { "name": { "type": "string" } } } } })
}

fn roots(id: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "roots/list" })
}

fn of_session<'a>(requests: &'a [Recorded], session: &str, verb: &str) -> Vec<&'a Recorded> {
    let mine = |request: &&Recorded| request.headers.get("mcp-session-id").as_deref() == Some(session);
    requests.iter().filter(mine).filter(|request| request.start.starts_with(verb)).collect()
}

#[tokio::test]
async fn a_session_is_the_upstreams_own_under_another_id_and_ends_with_delete() {
    let (upstream, door) = start().await;
    let client = able(&door).await;
    let sealed = client.session.clone().unwrap();
    let call = upstream.calls().last().cloned().unwrap();
    let own = call.headers.get("mcp-session-id").unwrap();
    assert!(own.starts_with("upstream-session-") && !sealed.contains(&own), "{own} {sealed}");
    assert_eq!(call.headers.get("mcp-protocol-version").as_deref(), Some(LEGACY));
    let ended = client.prepared(Method::DELETE).header("mcp-protocol-version", LEGACY).send().await.unwrap();
    assert!(ended.status().is_success(), "{}", ended.status());
    assert_eq!(of_session(&upstream.requests(), &own, "DELETE ").len(), 1);
    let gone = client.call("echo", json!({})).await;
    assert_eq!((gone.status, gone.code()), (404, "session.unknown"));
    assert!(!upstream.saw(sealed.as_bytes()), "our id never travels");
}

#[tokio::test]
async fn requests_of_the_server_on_its_stream_are_answered_by_post() {
    let (upstream, door) = start().await;
    let client = able(&door).await;
    let asked = [
        sampling(&json!("s-1")),
        elicitation(&json!(17)),
        roots(&json!("r")),
        json!({ "jsonrpc": "2.0", "id": "p", "method": "ping" }),
    ];
    let mut steps = vec![stream_head()];
    steps.extend(asked.iter().map(event));
    steps.push(pause_ms(60_000));
    upstream.script([once("GET", steps)]);
    let response = get(&client).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(messages(response, 4).await, asked);
    for (message, result) in asked.iter().zip([
        json!({ "role": "assistant", "content": { "type": "text", "text": "answer-1" }, "model": "m" }),
        json!({ "action": "accept", "content": { "name": "answer-2" } }),
        json!({ "roots": [{ "uri": "file:///answer-3" }] }),
        json!({}),
    ]) {
        let sent = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
        let accepted = post(&client, &sent).await;
        assert_eq!(accepted.status, 202, "{}", accepted.body);
        let arrived = upstream.wait(|requests| requests.iter().any(|request| request.message() == sent)).await;
        let arrived = arrived.iter().find(|request| request.message() == sent).unwrap();
        assert!(arrived.headers.get("mcp-session-id").unwrap().starts_with("upstream-session-"));
        // A second answer to the same request answers nothing.
        let again = post(&client, &sent).await;
        assert_eq!((again.status, again.code()), (400, "accept.response_unexpected"));
    }
    let invented = post(&client, &json!({ "jsonrpc": "2.0", "id": "never-asked", "result": {} })).await;
    assert_eq!((invented.status, invented.code()), (400, "accept.response_unexpected"));
    assert!(!upstream.saw(b"never-asked"));
}

#[tokio::test]
async fn what_the_client_did_not_declare_is_not_asked_for() {
    let (upstream, door) = start().await;
    let client = Client::legacy(&door.url, None).await;
    ready(&client).await;
    let last =
        json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": "last" } });
    let asked = [sampling(&json!(1)), elicitation(&json!(2)), roots(&json!(3)), last.clone()];
    let mut steps = vec![stream_head()];
    steps.extend(asked.iter().map(event));
    steps.push(pause_ms(60_000));
    upstream.script([once("GET", steps)]);
    assert_eq!(messages(get(&client).send().await.unwrap(), 1).await, [last]);
}

#[tokio::test]
async fn an_elicitation_within_a_calls_stream_is_answered_by_post() {
    let (upstream, door) = start().await;
    let client = able(&door).await;
    let result = json!({ "jsonrpc": "2.0", "id": 1, "result": { "content": [{ "type": "text", "text": "thanks" }] } });
    let steps = vec![stream_head(), event(&elicitation(&json!("e"))), pause_ms(1000), event(&result), Step::Close];
    upstream.script([once("tools/call", steps)]);
    let call =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "echo", "arguments": {} } });
    let request = client.prepared(Method::POST).header("content-type", "application/json");
    let request =
        request.header("mcp-protocol-version", LEGACY).header("accept", "application/json, text/event-stream");
    let response = request.body(call.to_string()).send().await.unwrap();
    let answering = async {
        upstream.wait(|requests| requests.iter().any(|request| request.message() == call)).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let answered = json!({ "jsonrpc": "2.0", "id": "e", "result": { "action": "decline" } });
        post(&client, &answered).await
    };
    let (seen, answered) = tokio::join!(messages(response, 2), answering);
    assert_eq!(answered.status, 202, "{}", answered.body);
    assert_eq!(seen, [elicitation(&json!("e")), result]);
}

#[tokio::test]
async fn a_stream_is_resumed_behind_the_last_event() {
    let (upstream, door) = start().await;
    let client = able(&door).await;
    let log = |text: &str| json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": text } });
    let with_id = |id: &str, message: &Value| Step::Send(format!("id: {id}\ndata: {message}\n\n").into_bytes());
    upstream.script([
        once("GET", vec![stream_head(), with_id("event-1", &log("first")), Step::Close]),
        once("GET", vec![stream_head(), with_id("event-2", &log("second")), pause_ms(60_000)]),
    ]);
    let first = get(&client).send().await.unwrap().text().await.unwrap();
    assert!(first.contains("first"), "{first}");
    let id = first.lines().find_map(|line| line.strip_prefix("id:")).expect("an event id").trim().to_owned();
    let resumed = get(&client).header("last-event-id", &id).send().await.unwrap();
    assert_eq!(messages(resumed, 1).await, [log("second")]);
    let gets: Vec<Recorded> =
        upstream.requests().into_iter().filter(|request| request.start.starts_with("GET ")).collect();
    assert_eq!(gets.len(), 2);
    assert_eq!(gets[0].headers.get("last-event-id"), None);
    assert_eq!(gets[1].headers.get("last-event-id").as_deref(), Some("event-1"), "the upstream's own id");
}

#[tokio::test]
async fn an_upstream_without_a_stream_says_so() {
    let (upstream, door) = start().await;
    let client = able(&door).await;
    let none = Step::Send(crate::support::upstream::response(405, &[("Allow", "POST")], b""));
    upstream.script([once("GET", vec![none.clone()]), once("DELETE", vec![none])]);
    assert_eq!(get(&client).send().await.unwrap().status(), 405);
    let kept = client.prepared(Method::DELETE).header("mcp-protocol-version", LEGACY).send().await.unwrap();
    assert_eq!(kept.status(), 405);
    assert_eq!(client.call("echo", json!({})).await.status, 200, "the session stays");
    // A session that has ended at the upstream has ended here.
    upstream.script([once("tools/call", vec![Step::Send(crate::support::upstream::response(404, &[], b""))])]);
    let gone = client.call("echo", json!({})).await;
    assert_eq!((gone.status, gone.code()), (404, "session.unknown"), "{}", gone.body);
    let gone = get(&client).send().await.unwrap();
    assert_eq!(gone.status(), 404);
}

#[tokio::test]
async fn a_batch_is_decided_and_recorded_member_by_member() {
    let (upstream, door) = start().await;
    let client = Client::legacy_with(&door.url, "2025-03-26", json!({})).await;
    ready(&client).await;
    let already = door.wait_audit(|records| records.iter().any(|record| record["method"] == "tools/call")).await.len();
    let calls = upstream.calls().len();
    let call = |id: Value, tool: &str| json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool, "arguments": { "message": id } } });
    let batch = json!([
        call(json!("a"), "echo"),
        call(json!("b"), "delete_all"),
        { "jsonrpc": "2.0", "method": "notifications/progress", "params": { "progressToken": 1, "progress": 1 } },
        call(json!("c"), "no_such_tool"),
        { "jsonrpc": "2.0", "id": "d", "method": "no/such/method" },
        { "jsonrpc": "2.0", "id": "e", "method": "ping" },
        call(json!("f"), "echo"),
    ]);
    // One of them is answered by a stream, which has its one response in the array.
    let log =
        json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": "x" } });
    let pong = json!({ "jsonrpc": "2.0", "id": "e", "result": {} });
    upstream.script([once("ping", vec![stream_head(), event(&log), event(&pong), Step::Close])]);
    let request = client.prepared(Method::POST).header("content-type", "application/json");
    let seen =
        Client::answer(request.header("accept", "application/json, text/event-stream").body(batch.to_string())).await;
    assert_eq!(seen.status, 200, "{}", seen.body);
    let answers = seen.message.as_array().unwrap_or_else(|| panic!("one array: {}", seen.body));
    let found: Vec<(&str, &str)> = answers
        .iter()
        .map(|answer| {
            let code = answer["error"]["data"]["code"].as_str().unwrap_or("result");
            (answer["id"].as_str().unwrap(), code)
        })
        .collect();
    let expected = [
        ("a", "result"),
        ("b", "authz.denied"),
        ("c", "upstream.catalogue_unknown"),
        ("d", "accept.method_unknown"),
        ("e", "result"),
        ("f", "result"),
    ];
    assert_eq!(found, expected, "{}", seen.body);
    assert_eq!(answers[0]["result"]["content"][0]["text"], "{\"message\":\"a\"}");
    let sent: Vec<Value> =
        upstream.calls().split_off(calls).iter().map(|request| request.message()["id"].clone()).collect();
    assert_eq!(sent, [json!("a"), Value::Null, json!("e"), json!("f")], "one message a request, in their order");
    let records =
        door.wait_audit(|records| records[already..].iter().any(|record| record["jsonrpc_id"] == "\"f\"")).await;
    for (id, effect) in [("a", "allow"), ("b", "deny"), ("e", "allow"), ("f", "allow")] {
        let own = format!("\"{id}\"");
        let mine: Vec<&Value> = records.iter().filter(|record| record["jsonrpc_id"] == own.as_str()).collect();
        assert_eq!(mine.len(), 1, "{id}: {mine:?}");
        assert_eq!(mine[0]["effect"], effect, "{id}");
    }
}

/// A door whose policies can be changed, and which looks at open streams every second.
async fn changeable(upstream: &Scripted) -> (Door, std::path::PathBuf) {
    let yaml = format!(
        "listen: {{ address: 127.0.0.1:0 }}\n\
         authentication: {{ disabled: true }}\n\
         authorization: {{ policies: policies }}\n\
         upstreams: {{ test: {{ url: \"{}\" }} }}\n\
         observe: {{ audit: {{ file: {{{{folder}}}}/audit.jsonl }} }}\n\
         streams: {{ recheck_interval: 1s }}\n",
        upstream.url
    );
    let everything = "permit(principal, action, resource);";
    let door = Setup::config(&yaml).file("policies/p.cedar", everything).start().await;
    let file = door.folder().join("policies/p.cedar");
    (door, file)
}

#[tokio::test]
async fn a_member_of_a_batch_that_waits_is_decided_again() {
    let upstream = Scripted::start(Era::Legacy).await;
    let (door, policies) = changeable(&upstream).await;
    let client = Client::legacy_with(&door.url, "2025-03-26", json!({})).await;
    ready(&client).await;
    let call = |id: &str, tool: &str| json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool, "arguments": {} } });
    let batch = json!([call("a", "echo"), call("b", "delete_all")]);
    upstream.script([once("tools/call", vec![stream_head(), pause_ms(60_000)])]);
    let request = client.prepared(Method::POST).header("content-type", "application/json");
    let asked = request.header("accept", "application/json, text/event-stream").body(batch.to_string());
    let waiting = tokio::spawn(Client::answer(asked));
    upstream.wait(|seen| seen.iter().any(|request| request.message()["id"] == "a")).await;
    let narrower = "permit(principal, action, resource) unless { resource is Mcp::Tool && resource.name == \"echo\" };";
    std::fs::write(policies, narrower).unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("it ends").unwrap();
    let codes: Vec<(&str, &str)> = answer
        .message
        .as_array()
        .unwrap_or_else(|| panic!("one array: {}", answer.body))
        .iter()
        .map(|each| (each["id"].as_str().unwrap(), each["error"]["data"]["code"].as_str().unwrap_or("result")))
        .collect();
    assert_eq!(codes, [("a", "authz.denied"), ("b", "result")], "{}", answer.body);
    let outcome = |record: &Value| record["kind"] == "outcome" && record["code"] == "authz.denied";
    door.wait_audit(|records| records.iter().any(outcome)).await;
}

#[tokio::test]
async fn a_batch_in_a_later_revision_is_refused() {
    let (upstream, door) = start().await;
    let client = able(&door).await;
    let calls = upstream.calls().len();
    let batch = json!([{ "jsonrpc": "2.0", "id": 1, "method": "prompts/get", "params": { "name": "greet" } }]);
    let refused = post(&client, &batch).await;
    assert_eq!((refused.status, refused.code()), (400, "accept.batch_forbidden"), "{}", refused.body);
    // Nor by leaving the version out within a session of a later one.
    let request = client.prepared(Method::POST).header("content-type", "application/json");
    let seen =
        Client::answer(request.header("accept", "application/json, text/event-stream").body(batch.to_string())).await;
    assert!(seen.body.contains("accept.batch_forbidden"), "{}", seen.body);
    assert_eq!(upstream.calls().len(), calls);
}
