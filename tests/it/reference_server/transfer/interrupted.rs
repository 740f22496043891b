//! Long transfers: as tasks, with progress, cancelled, and killed.

use std::time::Duration;

use serde_json::{Value, json};

use super::{counts, stored};
use crate::reference_server::{done, files::serving};
use crate::storage::engine::Engine;
use crate::support::rpc::{Client, LEGACY};

fn tasks() -> Value {
    json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } })
}

/// An export of this many documents, each with an earlier version where wanted.
fn exported(documents: usize, earlier: bool) -> String {
    let mut lines = vec![json!({ "format": { "name": "doorward-export", "version": 1 } })];
    for number in 0..documents {
        let path = format!("n/{number:05}");
        if earlier {
            lines.push(json!({ "earlier": { "path": path, "content": format!("first {number}") } }));
            lines.push(json!({ "earlier": { "path": path, "content": format!("second {number}") } }));
        }
        lines.push(json!({ "document": { "path": path, "content": format!("last {number}") } }));
    }
    let earlier = if earlier { 2 * documents } else { 0 };
    lines.push(json!({ "end": { "documents": documents, "earlier": earlier } }));
    lines.iter().map(|line| format!("{line}\n")).collect()
}

async fn state(client: &Client, id: &Value) -> Value {
    client.request("tasks/get", json!({ "taskId": id })).await.result().clone()
}

async fn ended(client: &Client, id: &Value) -> Value {
    for _ in 0..600 {
        let state = state(client, id).await;
        if state["status"] != "working" {
            return state;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the task does not end");
}

async fn count(client: &Client) -> usize {
    let exported = done(client, "export", json!({ "prefix": "n/", "format": "markdown" })).await;
    usize::try_from(exported["documents"].as_u64().unwrap()).unwrap()
}

#[tokio::test]
async fn a_cancelled_import_is_completed_by_another_one() {
    const DOCUMENTS: usize = 3_000;
    let (folder, server) = serving(&[]).await;
    std::fs::write(folder.path().join("all.jsonl"), exported(DOCUMENTS, false)).unwrap();
    let client = Client::modern(&server.url, None).declaring(tasks());
    let plain = Client::modern(&server.url, None);
    let begun = client.call("import", json!({ "from": "file:///all.jsonl" })).await;
    let id = begun.result()["taskId"].clone();
    while done(&plain, "document_list", json!({ "prefix": "n/" })).await["documents"] == json!([]) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    client.request("tasks/cancel", json!({ "taskId": id })).await;
    assert_eq!(ended(&client, &id).await["status"], "cancelled");
    let there = count(&plain).await;
    assert!(there < DOCUMENTS, "the import was faster than the cancellation");
    let rest = done(&plain, "import", json!({ "from": "file:///all.jsonl", "on_conflict": "skip" })).await;
    let (there, missing) = (u64::try_from(there).unwrap(), u64::try_from(DOCUMENTS - there).unwrap());
    assert_eq!(rest["documents"], counts(missing, 0, 0, there));
    assert_eq!(count(&plain).await, DOCUMENTS);
}

#[tokio::test]
async fn an_export_as_a_task_has_its_result_there() {
    let (folder, server) = serving(&[]).await;
    let client = Client::modern(&server.url, None).declaring(tasks());
    let id = client.call("import", json!({ "content": exported(20, false) })).await.result()["taskId"].clone();
    let state = ended(&client, &id).await;
    assert_eq!(state["result"]["structuredContent"]["documents"], counts(20, 0, 0, 0), "{state}");
    let id =
        client.call("export", json!({ "to": "file:///a.zip", "format": "markdown" })).await.result()["taskId"].clone();
    let state = ended(&client, &id).await;
    assert_eq!(state["result"]["structuredContent"]["documents"], 20, "{state}");
    assert!(folder.path().join("a.zip").exists());
    // A refusal is a result, too.
    let id = client.call("export", json!({ "to": "file:///a.zip" })).await.result()["taskId"].clone();
    let state = ended(&client, &id).await;
    assert!(state["result"]["content"][0]["text"].as_str().unwrap().contains("file_exists"), "{state}");
}

#[tokio::test]
async fn progress_is_told_and_grows() {
    let (_folder, server) = serving(&[]).await;
    let client = Client::legacy_with(&server.url, LEGACY, json!({})).await;
    for (tool, arguments) in [("import", json!({ "content": exported(2_000, false) })), ("export", json!({}))] {
        let call = json!({ "name": tool, "arguments": arguments, "_meta": { "progressToken": "p" } });
        let answer = client.request("tools/call", call).await;
        let told = answer.messages.iter().filter(|message| message["params"]["progressToken"] == "p");
        let told: Vec<f64> = told.map(|message| message["params"]["progress"].as_f64().unwrap()).collect();
        assert!(!told.is_empty(), "{tool}: {}", answer.body);
        assert!(told.is_sorted(), "{tool}: {told:?}");
        assert_eq!(told.last(), Some(&if tool == "import" { 4_000.0 } else { 2_000.0 }));
    }
}

/// A document that has only its earlier versions when the server dies gets the rest, and none twice.
#[tokio::test]
async fn a_killed_import_with_history_is_completed_by_an_update() {
    const DOCUMENTS: usize = 150;
    let engine = Engine::sqlite();
    let content = exported(DOCUMENTS, true);
    for reached in [1, 7, 23] {
        let server = engine.server().await;
        let client = Client::modern(&server.url, None);
        let import = json!({ "content": content, "on_conflict": "update", "prefix": format!("{reached}") });
        let importing = tokio::spawn({
            let (client, import) = (client.clone(), import.clone());
            async move {
                let request = client.prepared(http::Method::POST);
                let message = crate::support::rpc::Message::call("import", import);
                let request =
                    message.headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
                let _killed = request.body(message.body).send().await;
            }
        });
        let wanted = json!({ "prefix": format!("{reached}/"), "limit": 200 });
        while done(&client, "document_list", wanted.clone()).await["documents"].as_array().unwrap().len() < reached {}
        server.process.signal(rustix::process::Signal::KILL);
        importing.await.unwrap();
        drop(server);
        let server = engine.server().await;
        let client = Client::modern(&server.url, None);
        done(&client, "import", import).await;
        let found = stored(&client, &format!("{reached}/n/000")).await;
        assert_eq!(found.len(), 100);
        for (number, (path, version, content)) in found.iter().enumerate() {
            assert_eq!((*version, content.as_str()), (3, format!("last {number}").as_str()), "{path}");
        }
    }
}
