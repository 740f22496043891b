//! Every revision over standard streams: what its clients get.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    rpc::{Answer, LEGACY, MODERN},
    stdio::Stdio,
};

const REVISIONS: [&str; 5] = ["2024-11-05", "2025-03-26", "2025-06-18", LEGACY, MODERN];

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
