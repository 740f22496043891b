//! Imports of records that end early, and large ones.

use serde_json::{Value, json};

use super::{collections, read};
use crate::reference_server::{done, transfer::counts};
use crate::storage::{engine::Engine, on_every_engine};
use crate::support::{
    process::resident_kib,
    rpc::{Client, Message},
    upstream::Server,
};

on_every_engine!(a_killed_import_of_records_is_completed_by_an_update);

/// An export of these records, each with a body that has a number and this text.
fn exported(collection: &str, records: usize, text: &str) -> String {
    let mut lines = vec![json!({ "format": { "name": "doorward-export", "version": 2 } })];
    for number in 0..records {
        let body = json!({ "n": number, "text": text });
        lines.push(json!({ "record": { "collection": collection, "id": format!("{number:05}"), "body": body } }));
    }
    lines.push(json!({ "end": { "documents": 0, "records": records } }));
    lines.iter().map(|line| format!("{line}\n")).collect()
}

async fn count(client: &Client) -> usize {
    let there = collections(client).await[0]["records"].as_u64().unwrap_or(0);
    usize::try_from(there).unwrap()
}

/// Sends a call that nobody answers.
async fn sent(client: &Client, tool: &str, arguments: Value) {
    let message = Message::call(tool, arguments);
    let request = client.prepared(http::Method::POST);
    let request = message.headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
    let _killed = request.body(message.body).send().await;
}

async fn a_killed_import_of_records_is_completed_by_an_update(engine: Engine) {
    const RECORDS: usize = 1_500;
    let server = engine.server().await;
    let client = Client::modern(&server.url, None);
    let import = json!({ "content": exported("c", RECORDS, ""), "on_conflict": "update" });
    let importing = tokio::spawn({
        let (client, import) = (client.clone(), import.clone());
        async move { sent(&client, "import", import).await }
    });
    while count(&client).await < 20 {}
    server.process.signal(rustix::process::Signal::KILL);
    importing.await.unwrap();
    drop(server);
    let server = engine.server().await;
    let client = Client::modern(&server.url, None);
    let there = count(&client).await;
    assert!((20..RECORDS).contains(&there), "{there}");
    let imported = done(&client, "import", import).await;
    let (there, missing) = (u64::try_from(there).unwrap(), u64::try_from(RECORDS - there).unwrap());
    assert_eq!(imported["records"], counts(missing, 0, there, 0));
    assert_eq!(count(&client).await, RECORDS);
    let newer = json!({ "collection": "c", "filter": { "ne": { "field": "$version", "value": 1 } } });
    assert_eq!(done(&client, "record_query", newer).await["records"], json!([]));
    assert_eq!(read(&client, "c/01499").await["body"]["n"], 1_499);
}

/// Brings records of almost 64 KiB in, out, and in again.
async fn round(client: &Client, folder: &std::path::Path, collection: &str, records: usize) {
    let content = exported(collection, records, &"x".repeat(63 << 10));
    std::fs::write(folder.join(format!("{collection}.jsonl")), content).unwrap();
    let from = format!("file:///{collection}.jsonl");
    assert_eq!(done(client, "import", json!({ "from": from })).await["records"]["created"], records);
    let to = format!("file:///out/{collection}.jsonl");
    let what = json!({ "documents": false, "collections": [collection], "to": to });
    assert_eq!(done(client, "export", what).await["records"], records);
    let again = done(client, "import", json!({ "from": to, "on_conflict": "update" })).await;
    assert_eq!(again["records"]["unchanged"], records);
}

#[tokio::test]
async fn memory_does_not_grow_with_the_records_that_are_exported_and_imported() {
    let (folder, database) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::reference_with(|command| {
        command.arg("--files").arg(folder.path()).arg("--database").arg(database.path().join("db"));
        command.args(["--max-file-bytes", "100000000"])
    })
    .await;
    let client = Client::modern(&server.url, None);
    // What a few take, many take: 38 MB of them.
    round(&client, folder.path(), "few", 50).await;
    let before = resident_kib(server.process.id());
    round(&client, folder.path(), "many", 600).await;
    let grown = resident_kib(server.process.id()).saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB more");
}
