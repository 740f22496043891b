//! Documents, prompts and records in SQLite.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{ready, refused, until_refused, words};
use crate::{
    reference_server::done,
    support::{rpc::Client, small_disk::SmallDisk, upstream::Server},
};

const PATIENCE: Duration = Duration::from_secs(20);

const DOCUMENT_BYTES: usize = 300_000;

async fn start(disk: &SmallDisk) -> Server {
    let temporary = disk.path().join("temporary");
    std::fs::create_dir_all(&temporary).unwrap();
    Server::reference_with(|command| {
        // What is read is to come from the disk.
        command.args(["--cache", "none", "--database"]).arg(disk.path().join("documents.db"));
        command.env("TMPDIR", &temporary).env("SQLITE_TMPDIR", &temporary)
    })
    .await
}

/// A large document, which a search finds by a word of its own.
fn document(number: usize) -> Value {
    let content = format!("only{number} {}", words(number, DOCUMENT_BYTES));
    json!({ "path": format!("d/{number:04}"), "content": content })
}

fn record(number: usize) -> Value {
    json!({ "collection": "c", "id": format!("r{number:04}"), "body": { "text": words(1_000 + number, 30_000) } })
}

fn prompt(number: usize) -> Value {
    let text = words(2_000 + number, 30_000);
    json!({ "name": format!("p{number:04}"), "messages": [{ "role": "user", "text": text }] })
}

/// What was acknowledged.
struct Kept {
    documents: usize,
    records: usize,
    prompts: usize,
    /// The last version of the document `changed`, whose content says which it is.
    changed: usize,
}

impl Kept {
    /// Everything that was acknowledged is there, and nothing else is.
    async fn check(&self, client: &Client) {
        let listed = done(client, "document_list", json!({ "prefix": "d/", "limit": 200 })).await;
        let paths = listed["documents"].as_array().unwrap().iter().map(|each| each["path"].clone());
        let wanted = (0..self.documents).map(|number| document(number)["path"].clone());
        assert_eq!(paths.collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
        for number in 0..self.documents {
            let wanted = document(number);
            let read = done(client, "document_read", json!({ "path": wanted["path"] })).await;
            assert!(read["content"] == wanted["content"] && read["version"] == 1, "{number}");
            let found = done(client, "document_search", json!({ "query": format!("only{number}") })).await;
            assert_eq!(found["hits"][0]["path"], wanted["path"]);
            assert_eq!(found["hits"].as_array().unwrap().len(), 1);
        }
        let refused_one = done(client, "document_search", json!({ "query": format!("only{}", self.documents) })).await;
        assert_eq!(refused_one["hits"], json!([]));
        let changed = done(client, "document_read", json!({ "path": "changed" })).await;
        assert_eq!((&changed["version"], &changed["content"]), (&json!(self.changed), &version(self.changed)));
        let history = done(client, "document_history", json!({ "path": "changed", "limit": 200 })).await;
        assert_eq!(history["versions"].as_array().unwrap().len(), self.changed.min(200));
        let counted = json!({ "collection": "c", "aggregate": [{ "as": "all", "function": "count" }] });
        assert_eq!(done(client, "record_query", counted).await["groups"][0]["values"]["all"], self.records);
        for number in 0..self.records {
            let wanted = record(number);
            let read = done(client, "record_read", json!({ "collection": "c", "id": wanted["id"] })).await;
            assert!(read["body"] == wanted["body"], "{number}");
        }
        for number in 0..self.prompts {
            let wanted = prompt(number);
            let read = done(client, "prompt_read", json!({ "name": wanted["name"] })).await;
            assert!(read["messages"] == wanted["messages"], "{number}: {read}");
        }
        let none = json!({ "name": prompt(self.prompts)["name"] });
        assert_eq!(refused(client, "prompt_read", none).await["code"], "prompt_not_found");
    }
}

/// What the document `changed` holds at a version.
fn version(version: usize) -> Value {
    json!(format!("version {version} {}", words(3_000 + version, 20_000)))
}

fn change(from: usize) -> Value {
    json!({ "path": "changed", "expected_version": from, "content": version(from + 1) })
}

#[tokio::test(flavor = "multi_thread")]
async fn full_disk_of_sqlite_refuses_writes_and_reads_on_until_there_is_room() {
    let Some(disk) = SmallDisk::new(24).await else { return };
    let mut server = start(&disk).await;
    let client = Client::modern(&server.url, None);
    done(&client, "document_create", json!({ "path": "changed", "content": version(1) })).await;
    // First what needs much room, then what needs little: a write that fits into what is left may go well.
    let (documents, refusal) = until_refused(&client, "document_create", document).await;
    assert_eq!(refusal["code"], "store_full", "{refusal}");
    disk.fill();
    let (changes, refusal) = until_refused(&client, "document_update", |done| change(1 + done)).await;
    assert_eq!(refusal["code"], "store_full", "{refusal}");
    let (records, refusal) = until_refused(&client, "record_create", record).await;
    assert_eq!(refusal["code"], "store_full", "{refusal}");
    let (prompts, refusal) = until_refused(&client, "prompt_save", prompt).await;
    assert_eq!(refusal["code"], "store_full", "{refusal}");
    let mut kept = Kept { documents, records, prompts, changed: 1 + changes };
    assert!(documents > 5, "{documents}");
    assert_eq!(refused(&client, "index_rebuild", json!({})).await["code"], "store_full");
    kept.check(&client).await;
    // Who only reads is served.
    let (status, report) = ready(&server).await;
    assert_eq!((status, &report["documents"]), (200, &json!("ok")), "{report}");
    // Also by a server that starts now.
    server.process.signal(Signal::KILL);
    server.process.exit_code(PATIENCE).await;
    let mut server = start(&disk).await;
    let client = Client::modern(&server.url, None);
    kept.check(&client).await;
    assert_eq!(refused(&client, "document_create", document(kept.documents)).await["code"], "store_full");

    disk.free();
    disk.grow(96).await;
    done(&client, "document_create", document(kept.documents)).await;
    kept.documents += 1;
    done(&client, "document_update", change(kept.changed)).await;
    kept.changed += 1;
    done(&client, "record_create", record(kept.records)).await;
    kept.records += 1;
    done(&client, "prompt_save", prompt(kept.prompts)).await;
    kept.prompts += 1;
    kept.check(&client).await;
    done(&client, "index_rebuild", json!({})).await;
    kept.check(&client).await;
    server.process.signal(Signal::TERM);
    assert_eq!(server.process.exit_code(PATIENCE).await, Some(0));
    let again = start(&disk).await;
    kept.check(&Client::modern(&again.url, None)).await;
}
