//! The reference server's document store: by itself, and through the door.

mod approval;
mod archives;
mod batches;
mod cancellation;
mod clients;
mod crashes;
mod early_answers;
mod examples;
mod features;
mod fetch;
mod files;
mod full_disk;
mod legacy_sse;
mod limits;
mod lists;
mod objects;
mod progress;
mod prompts;
mod questions;
mod readiness;
mod records;
mod reload;
mod schemas;
mod settings;
mod stdio;
mod stop;
pub(crate) mod subscriptions;
mod tasks;
mod telemetry;
mod transfer;
mod walkthrough;

use serde_json::{Value, json};

use crate::storage::{engine::Engine, on_every_engine};
use crate::support::{
    door::Setup,
    rpc::{Answer, Client},
};

on_every_engine!(
    document_is_stored_found_changed_and_deleted_in_both_eras,
    document_is_stored_found_changed_and_deleted_through_the_door,
    every_kind_of_path_is_read_as_a_resource_through_the_door,
    pages_of_documents_and_resources_reach_every_document_once,
    two_writers_lose_no_update,
);

/// The structured result of a call that went well.
async fn done(client: &Client, tool: &str, arguments: Value) -> Value {
    let answer = client.call(tool, arguments).await;
    assert_ne!(answer.result()["isError"], true, "{tool}: {}", answer.body);
    schemas::hold(client, tool, answer.result()).await;
    answer.result()["structuredContent"].clone()
}

/// What a refused call tells: an object with its code.
fn refusal(answer: &Answer) -> Value {
    let result = answer.result();
    assert_eq!(result["isError"], true, "{}", answer.body);
    assert!(result.get("structuredContent").is_none(), "{}", answer.body);
    serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap()
}

pub(crate) async fn refused(client: &Client, tool: &str, arguments: Value) -> Value {
    refusal(&client.call(tool, arguments).await)
}

async fn both_eras(url: &str) -> [Client; 2] {
    [Client::modern(url, None), Client::legacy(url, None).await]
}

async fn write_and_find(client: &Client, folder: &str) {
    let path = format!("{folder}/plan.md");
    let first = json!({
        "path": path, "content": "# Plan\n\nBuy bread\n", "media_type": "text/markdown", "tags": ["shop"],
        "metadata": { "owner": "ann" },
    });
    let created = done(client, "document_create", first.clone()).await;
    assert_eq!((&created["version"], &created["title"]), (&json!(1), &json!("plan.md")));
    assert_eq!(created["uri"], format!("doc://{path}"));
    assert_eq!(refused(client, "document_create", first).await["code"], "document_exists");
    let wanted = json!({ "query": "bread", "prefix": format!("{folder}/"), "tags": ["shop"] });
    let found = done(client, "document_search", wanted).await;
    assert_eq!(found["hits"].as_array().unwrap().len(), 1, "{found}");
    assert!(found["hits"][0]["snippet"].as_str().unwrap().contains("**bread**"), "{found}");
    let read = client.request("resources/read", json!({ "uri": found["hits"][0]["uri"] })).await;
    assert_eq!(read.result()["contents"][0]["text"], "# Plan\n\nBuy bread\n");
    assert_eq!(read.result()["contents"][0]["mimeType"], "text/markdown");
    let listed = client.request("resources/list", json!({})).await;
    assert!(listed.result()["resources"].to_string().contains(&format!("\"doc://{path}\"")), "{}", listed.body);
    let templates = client.request("resources/templates/list", json!({})).await;
    assert!(templates.result()["resourceTemplates"].to_string().contains("\"doc://{+path}\""), "{}", templates.body);
    let template = json!({ "type": "ref/resource", "uri": "doc://{+path}" });
    let argument = json!({ "name": "path", "value": format!("{folder}/p") });
    let completed = client.request("completion/complete", json!({ "ref": template, "argument": argument })).await;
    assert_eq!(completed.result()["completion"]["values"], json!([path]));
}

async fn change_and_delete(client: &Client, folder: &str, gone: i64) {
    let path = format!("{folder}/plan.md");
    let change = json!({ "path": path, "expected_version": 1, "content": "# Plan\n\nBuy milk\n" });
    let updated = done(client, "document_update", change.clone()).await;
    assert_eq!((&updated["version"], &updated["metadata"]["owner"]), (&json!(2), &json!("ann")));
    let stale = refused(client, "document_update", change).await;
    assert_eq!((&stale["code"], &stale["current_version"]), (&json!("version_conflict"), &json!(2)));
    let history = done(client, "document_history", json!({ "path": path })).await;
    let versions: Vec<&Value> = history["versions"].as_array().unwrap().iter().map(|each| &each["version"]).collect();
    assert_eq!(versions, [2, 1]);
    let earlier = done(client, "document_read", json!({ "path": path, "version": 1 })).await;
    assert_eq!(earlier["content"], "# Plan\n\nBuy bread\n");
    let diff = done(client, "document_diff", json!({ "path": path })).await;
    assert_eq!((&diff["added"], &diff["removed"]), (&json!(1), &json!(1)));
    assert!(diff["diff"].as_str().unwrap().contains("-Buy bread\n+Buy milk\n"), "{diff}");
    let moved = format!("{folder}/done/plan.md");
    done(client, "document_move", json!({ "path": path, "new_path": moved })).await;
    let deleted = done(client, "document_delete", json!({ "path": moved, "expected_version": 3 })).await;
    assert_eq!(deleted["last_version"], 3);
    assert_eq!(refused(client, "document_read", json!({ "path": moved })).await["code"], "document_not_found");
    let read = client.request("resources/read", json!({ "uri": format!("doc://{moved}") })).await;
    assert_eq!(read.rpc_code(), gone, "{}", read.body);
}

/// Each era has its code for a resource that is not there.
const GONE: [(&str, i64); 2] = [("modern", -32602), ("legacy", -32002)];

async fn document_is_stored_found_changed_and_deleted_in_both_eras(engine: Engine) {
    let server = engine.server().await;
    for (client, (folder, gone)) in both_eras(&server.url).await.iter().zip(GONE) {
        write_and_find(client, folder).await;
        change_and_delete(client, folder, gone).await;
    }
}

async fn document_is_stored_found_changed_and_deleted_through_the_door(engine: Engine) {
    let server = engine.server().await;
    let door = Setup::serve(&server.url).no_authentication().bundle("permit-all").start().await;
    for (client, (folder, gone)) in both_eras(&door.url).await.iter().zip(GONE) {
        write_and_find(client, folder).await;
        change_and_delete(client, folder, gone).await;
    }
}

async fn every_kind_of_path_is_read_as_a_resource_through_the_door(engine: Engine) {
    let server = engine.server().await;
    let door = Setup::serve(&server.url).no_authentication().bundle("permit-all").start().await;
    let client = Client::modern(&door.url, None);
    for path in ["plan.md", "Notes/Plan A.md", "Pläne/été", "a b", "a/b(1) & c;d=e,f+g!.txt", "$~'x'/-_.z", "1.2/3"]
    {
        let created = done(&client, "document_create", json!({ "path": path, "content": path })).await;
        let read = client.request("resources/read", json!({ "uri": created["uri"] })).await;
        assert_eq!(read.result()["contents"][0]["text"], path);
    }
}

async fn pages_of_documents_and_resources_reach_every_document_once(engine: Engine) {
    let server = engine.server().await;
    for client in both_eras(&server.url).await {
        let folder = if client.session.is_some() { "legacy" } else { "modern" };
        let wanted: Vec<String> = (0..7).map(|number| format!("{folder}/{number}")).collect();
        for path in &wanted {
            done(&client, "document_create", json!({ "path": path, "content": "x" })).await;
        }
        let mut arguments = json!({ "prefix": format!("{folder}/"), "limit": 3 });
        let mut seen: Vec<String> = vec![];
        for expected in [3, 3, 1] {
            let page = done(&client, "document_list", arguments.clone()).await;
            let paths =
                page["documents"].as_array().unwrap().iter().map(|each| each["path"].as_str().unwrap().to_owned());
            let before = seen.len();
            seen.extend(paths);
            assert_eq!(seen.len() - before, expected, "{page}");
            arguments["cursor"] = page["next_cursor"].clone();
        }
        assert_eq!((seen, &arguments["cursor"]), (wanted, &Value::Null));
        let unknown = json!({ "cursor": "not a cursor" });
        assert_eq!(refused(&client, "document_list", unknown.clone()).await["code"], "invalid_cursor");
        assert_eq!(client.request("resources/list", unknown).await.rpc_code(), -32602);
    }
}

/// Appends lines to one document, each by a read and an update, again where another writer was faster.
async fn append(client: Client, name: &str, lines: usize) {
    for line in 0..lines {
        loop {
            let read = done(&client, "document_read", json!({ "path": "log" })).await;
            let content = format!("{}{name} {line}\n", read["content"].as_str().unwrap());
            let change = json!({ "path": "log", "expected_version": read["version"], "content": content });
            let answer = client.call("document_update", change).await;
            if answer.result()["isError"] != true {
                break;
            }
            assert_eq!(refusal(&answer)["code"], "version_conflict");
        }
    }
}

/// Each through a server process of its own.
async fn two_writers_lose_no_update(engine: Engine) {
    const LINES: usize = 25;
    let (server, other) = (engine.server().await, engine.server().await);
    let (modern, legacy) = (Client::modern(&server.url, None), Client::legacy(&other.url, None).await);
    done(&modern, "document_create", json!({ "path": "log", "content": "" })).await;
    tokio::join!(append(modern.clone(), "modern", LINES), append(legacy, "legacy", LINES));
    let log = done(&modern, "document_read", json!({ "path": "log" })).await;
    let lines: std::collections::BTreeSet<&str> = log["content"].as_str().unwrap().lines().collect();
    assert_eq!((lines.len(), &log["version"]), (2 * LINES, &json!(2 * LINES + 1)));
    let versions = done(&modern, "document_history", json!({ "path": "log", "limit": 200 })).await;
    assert_eq!(versions["versions"].as_array().unwrap().len(), 2 * LINES + 1);
}
