//! Every revision over standard streams: what its clients get, and what subscribers hear.

use std::time::Duration;

use serde_json::{Value, json};

use super::subscriptions::{LIST_CHANGED, updated};
use crate::support::{
    rpc::{Answer, LEGACY, MODERN},
    stdio::Stdio,
};

const REVISIONS: [&str; 5] = ["2024-11-05", "2025-03-26", "2025-06-18", LEGACY, MODERN];

/// How long nothing must come where nothing may.
const SILENCE: Duration = Duration::from_millis(500);

fn count(answer: &Answer, method: &str) -> usize {
    answer.messages.iter().filter(|message| message["method"] == method).count()
}

/// Calls a tool that must do it; its structured result.
async fn done(client: &mut Stdio, tool: &str, arguments: Value) -> Value {
    let answer = client.call(tool, arguments).await;
    assert_ne!(answer.result()["isError"], true, "{tool}: {}", answer.body);
    answer.result()["structuredContent"].clone()
}

async fn tools_and_documents(client: &mut Stdio) {
    let listed = client.request("tools/list", json!({})).await;
    assert!(listed.names().iter().any(|name| name == "document_create"), "{}", listed.body);
    let created = done(client, "document_create", json!({ "path": "notes/plan", "content": "buy bread" })).await;
    assert_eq!(created["uri"], "doc://notes/plan");
    let read = client.request("resources/read", json!({ "uri": "doc://notes/plan" })).await;
    assert_eq!(read.result()["contents"][0]["text"], "buy bread", "{}", read.body);
    let gone = client.request("resources/read", json!({ "uri": "doc://nowhere" })).await;
    assert_eq!(gone.rpc_code(), if client.is_modern() { -32602 } else { -32002 }, "{}", gone.body);
    let unknown = client.call("no_such_tool", json!({})).await;
    assert_eq!(unknown.rpc_code(), -32602, "{}", unknown.body);
}

async fn prompts_and_completion(client: &mut Stdio) {
    let params = json!({ "name": "test_prompt_with_arguments", "arguments": { "arg1": "x", "arg2": "y" } });
    let got = client.request("prompts/get", params).await;
    let text = &got.result()["messages"][0]["content"]["text"];
    assert_eq!(text, "Prompt with arguments: arg1='x', arg2='y'", "{}", got.body);
    let reference = json!({ "type": "ref/resource", "uri": "doc://{+path}" });
    let argument = json!({ "name": "path", "value": "notes/" });
    let completed = client.request("completion/complete", json!({ "ref": reference, "argument": argument })).await;
    assert_eq!(completed.result()["completion"]["values"], json!(["notes/plan"]), "{}", completed.body);
}

async fn log_messages(client: &mut Stdio) {
    const TOOL: &str = "test_tool_with_logging";
    let mut params = json!({ "name": TOOL, "arguments": {} });
    if client.is_modern() {
        assert_eq!(client.request("logging/setLevel", json!({ "level": "info" })).await.rpc_code(), -32601);
        let silent = client.request("tools/call", params.clone()).await;
        assert_eq!(count(&silent, "notifications/message"), 0, "{}", silent.body);
        params["_meta"] = json!({ "io.modelcontextprotocol/logLevel": "info" });
    } else {
        client.request("logging/setLevel", json!({ "level": "warning" })).await.result();
        let silent = client.request("tools/call", params.clone()).await;
        assert_eq!(count(&silent, "notifications/message"), 0, "{}", silent.body);
        client.request("logging/setLevel", json!({ "level": "info" })).await.result();
    }
    let logged = client.request("tools/call", params).await;
    assert_eq!(count(&logged, "notifications/message"), 3, "{}", logged.body);
}

async fn progress(client: &mut Stdio) {
    let mut params = json!({ "name": "test_tool_with_progress", "arguments": {} });
    let silent = client.request("tools/call", params.clone()).await;
    assert_eq!(count(&silent, "notifications/progress"), 0, "{}", silent.body);
    params["_meta"] = json!({ "progressToken": "p" });
    let reported = client.request("tools/call", params).await;
    let steps: Vec<_> = reported.messages.iter().filter(|message| message["params"]["progressToken"] == "p").collect();
    let done: Vec<_> = steps.iter().map(|step| step["params"]["progress"].as_f64().unwrap()).collect();
    assert_eq!(done, [0.0, 50.0, 100.0], "{}", reported.body);
}

#[tokio::test]
async fn every_revision_is_served_over_standard_streams() {
    for revision in REVISIONS {
        println!("revision {revision}");
        let mut client = Stdio::start(revision).await;
        tools_and_documents(&mut client).await;
        prompts_and_completion(&mut client).await;
        log_messages(&mut client).await;
        progress(&mut client).await;
        client.process.close_stdin();
        assert_eq!(client.process.exit_code(Duration::from_secs(10)).await, Some(0), "{revision}");
    }
}

/// Whether a message tells this of this resource.
fn tells(message: &Value, (method, uri): &(&str, Value)) -> bool {
    message["method"] == *method && message["params"]["uri"] == *uri
}

/// Calls a tool and reads until what subscribers hear has come as well, in whatever order; everything that came.
async fn heard(client: &mut Stdio, tool: &str, arguments: Value, wanted: &[(&str, Value)]) -> Vec<Value> {
    let id = client.begin("tools/call", json!({ "name": tool, "arguments": arguments })).await;
    let mut messages: Vec<Value> = vec![];
    while !messages.iter().any(|message| message["id"] == id && message["result"]["isError"] != true)
        || !wanted.iter().all(|wanted| messages.iter().any(|message| tells(message, wanted)))
    {
        messages.push(client.line().await);
    }
    messages
}

/// Creates, updates and deletes what is subscribed to, after something that is not. What was told to the subscriber.
async fn change(client: &mut Stdio) -> Vec<Value> {
    let uri = "doc://a%20b";
    done(client, "document_create", json!({ "path": "other", "content": "x" })).await;
    let arguments = json!({ "path": "a b", "content": "one" });
    let mut told = heard(client, "document_create", arguments, &[LIST_CHANGED, updated(uri)]).await;
    let arguments = json!({ "path": "a b", "expected_version": 1, "tags": ["t"] });
    let update = heard(client, "document_update", arguments, &[updated(uri)]).await;
    assert!(update.iter().all(|message| message["method"] != LIST_CHANGED.0), "tags are in no list: {update:?}");
    told.extend(update);
    told.extend(heard(client, "document_delete", json!({ "path": "a b" }), &[LIST_CHANGED, updated(uri)]).await);
    let other = told.iter().find(|message| tells(message, &updated("doc://other")));
    assert_eq!(other, None, "nobody subscribed to this");
    told.retain(|message| message.get("method").is_some());
    told
}

/// Changes it once more: nothing is told of it.
async fn change_in_silence(client: &mut Stdio) {
    let created = client.call("document_create", json!({ "path": "a b", "content": "again" })).await;
    let mut told = created.messages;
    while let Some(message) = client.line_within(SILENCE).await {
        told.push(message);
    }
    assert!(!told.iter().any(|message| tells(message, &updated("doc://a%20b"))), "{told:?}");
}

#[tokio::test]
async fn legacy_client_hears_of_the_documents_it_subscribed_to() {
    for revision in &REVISIONS[..4] {
        println!("revision {revision}");
        let mut client = Stdio::start(revision).await;
        let subscription = json!({ "uri": "doc://a%20b" });
        client.request("resources/subscribe", subscription.clone()).await.result();
        let other = client.request("resources/subscribe", json!({ "uri": "doc://a b" })).await;
        assert_eq!(other.rpc_code(), -32002, "another spelling names nothing: {}", other.body);
        change(&mut client).await;
        client.request("resources/unsubscribe", subscription).await.result();
        change_in_silence(&mut client).await;
    }
}

#[tokio::test]
async fn modern_client_hears_of_the_documents_that_it_listens_to_until_it_cancels() {
    const ID: &str = "io.modelcontextprotocol/subscriptionId";
    let mut client = Stdio::start(MODERN).await;
    let wanted = json!({ "resourcesListChanged": true, "resourceSubscriptions": ["doc://a%20b", "doc://../x"] });
    let id = client.begin("subscriptions/listen", json!({ "notifications": wanted })).await;
    let acknowledged = client.line().await;
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged", "{acknowledged}");
    assert_eq!(acknowledged["params"]["notifications"]["resourceSubscriptions"], json!(["doc://a%20b"]));
    assert_eq!(acknowledged["params"]["_meta"][ID], id, "{acknowledged}");
    for told in change(&mut client).await {
        assert_eq!(told["params"]["_meta"][ID], id, "{told}");
    }
    client.notify("notifications/cancelled", json!({ "requestId": id })).await;
    change_in_silence(&mut client).await;
    assert_eq!(client.request("resources/subscribe", json!({ "uri": "doc://a%20b" })).await.rpc_code(), -32601);
}

#[tokio::test]
async fn subscription_does_not_hold_the_server_at_the_end_of_its_input() {
    let mut client = Stdio::start(MODERN).await;
    let wanted = json!({ "resourcesListChanged": true });
    client.begin("subscriptions/listen", json!({ "notifications": wanted })).await;
    client.line().await;
    client.process.close_stdin();
    assert_eq!(client.process.exit_code(Duration::from_secs(2)).await, Some(0));
}
