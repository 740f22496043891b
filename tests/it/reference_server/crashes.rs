//! The store after an end: a kill in the middle of writing, of the server or of the database, and an orderly stop.

use std::path::Path;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{done, refusal};
use crate::storage::{engine::Engine, on_every_engine};
use crate::support::{
    postgres::Postgres,
    rpc::{Answer, Client, Message},
    upstream::Server,
};

on_every_engine!(every_acknowledged_write_is_there_after_a_kill);

/// Kills of the server; fewer where the database is another process, which is what keeps the writes there.
fn rounds(engine: &Engine) -> u64 {
    match engine {
        Engine::Sqlite(_) | Engine::Cached(..) => 100,
        Engine::Postgres(_) => 20,
    }
}

async fn start(database: &Path) -> Server {
    Server::reference_with(|command| command.arg("--database").arg(database)).await
}

/// A call that may meet the server's end, or the database's: `None` then.
async fn attempt(client: &Client, tool: &str, arguments: Value) -> Option<Value> {
    let message = Message::call(tool, arguments);
    let mut request = client.prepared(http::Method::POST).body(message.body);
    for (name, value) in message.headers {
        request = request.header(name, value);
    }
    let response = request.send().await.ok()?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let answer = Answer::read(status, headers, response.text().await.ok()?);
    let result = answer.message.get("result")?.clone();
    if result["isError"] == true {
        assert_eq!(refusal(&answer)["code"], "store_unavailable");
        return None;
    }
    Some(result["structuredContent"].clone())
}

/// The content that a document of this name has at its second version. Large enough to need several pages.
fn content(path: &str) -> String {
    format!("word {path}\n").repeat(500)
}

/// A writer under way.
struct Writer {
    task: JoinHandle<Vec<(String, u64)>>,
    done: Arc<AtomicUsize>,
}

impl Writer {
    fn start(url: &str, folder: String) -> Self {
        let done = Arc::new(AtomicUsize::new(0));
        Self { task: tokio::spawn(write(url.to_owned(), folder, Arc::clone(&done))), done }
    }

    /// Waits until this much was acknowledged, however fast the machine is.
    async fn reached(&self, writes: usize) {
        let reached = async {
            while self.done.load(Ordering::SeqCst) < writes {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), reached).await.unwrap();
    }
}

/// Creates and updates documents until the server is gone; the paths and versions that were acknowledged.
async fn write(url: String, folder: String, done: Arc<AtomicUsize>) -> Vec<(String, u64)> {
    let client = Client::modern(&url, None);
    let mut acknowledged = vec![];
    for number in 0.. {
        let path = format!("{folder}/{number:05}");
        let first = json!({ "path": path, "content": "word first" });
        if attempt(&client, "document_create", first).await.is_none() {
            break;
        }
        acknowledged.push((path.clone(), 1));
        done.fetch_add(1, Ordering::SeqCst);
        let second = json!({ "path": path, "expected_version": 1, "content": content(&path) });
        if attempt(&client, "document_update", second).await.is_none() {
            break;
        }
        acknowledged.push((path, 2));
        done.fetch_add(1, Ordering::SeqCst);
    }
    acknowledged
}

/// Two writers that have both written several times.
async fn start_writers(server: &Server, round: u64) -> [Writer; 2] {
    let writers = ["a", "b"].map(|name| Writer::start(&server.url, format!("{round}{name}")));
    for writer in &writers {
        writer.reached(3).await;
    }
    writers
}

/// Everything below `folder`: whole documents only, each found by the search as well; their paths and versions.
async fn stored(client: &Client, folder: &str) -> Vec<(String, u64)> {
    let mut wanted = json!({ "prefix": format!("{folder}/"), "limit": 200 });
    let mut found = vec![];
    loop {
        let page = done(client, "document_list", wanted.clone()).await;
        for each in page["documents"].as_array().unwrap() {
            let path = each["path"].as_str().unwrap().to_owned();
            for version in 1..=each["version"].as_u64().unwrap() {
                let read = done(client, "document_read", json!({ "path": path, "version": version })).await;
                let whole = if version == 1 { "word first".to_owned() } else { content(&path) };
                assert_eq!(read["content"], whole, "{path} at version {version}");
                found.push((path.clone(), version));
            }
        }
        let Some(cursor) = page.get("next_cursor") else { break };
        wanted["cursor"] = cursor.clone();
    }
    for (path, _) in found.iter().filter(|(_, version)| *version == 1) {
        let query = json!({ "query": "word", "prefix": path });
        assert_eq!(done(client, "document_search", query).await["hits"].as_array().unwrap().len(), 1, "{path}");
    }
    found
}

async fn every_acknowledged_write_is_there_after_a_kill(engine: Engine) {
    let mut server = engine.server().await;
    for round in 0..rounds(&engine) {
        let writers = start_writers(&server, round).await;
        // Another moment each time.
        tokio::time::sleep(Duration::from_millis(7 * (round % 20))).await;
        server.process.signal(Signal::KILL);
        server.process.exit_code(Duration::from_secs(10)).await;
        server = engine.server().await;
        let client = Client::modern(&server.url, None);
        for (writer, name) in writers.into_iter().zip(["a", "b"]) {
            let acknowledged = writer.task.await.unwrap();
            let stored = stored(&client, &format!("{round}{name}")).await;
            let lost: Vec<_> = acknowledged.iter().filter(|write| !stored.contains(write)).collect();
            assert!(lost.is_empty(), "round {round}: {lost:?} of {} lost", acknowledged.len());
            // At most the one write whose answer was on its way is there without having been acknowledged.
            assert!(stored.len() <= acknowledged.len() + 1, "{} of {}", stored.len(), acknowledged.len());
        }
    }
}

/// The server itself goes on all the time.
#[tokio::test(flavor = "multi_thread")]
async fn database_killed_in_the_middle_is_told_and_loses_no_acknowledged_write() {
    let mut database = Postgres::start().await;
    let server = Server::reference_on(database.url().as_ref()).await;
    let client = Client::modern(&server.url, None);
    for round in 0..5 {
        let writers = start_writers(&server, round).await;
        tokio::time::sleep(Duration::from_millis(31 * round)).await;
        database.kill().await;
        let [first, second] = writers;
        let acknowledged = [first.task.await.unwrap(), second.task.await.unwrap()];
        let refused = client.call("document_read", json!({ "path": "x" })).await;
        assert_eq!(refusal(&refused)["code"], "store_unavailable");
        database.run().await;
        for (acknowledged, name) in acknowledged.into_iter().zip(["a", "b"]) {
            let stored = stored(&client, &format!("{round}{name}")).await;
            let lost: Vec<_> = acknowledged.iter().filter(|write| !stored.contains(write)).collect();
            assert!(lost.is_empty(), "round {round}: {lost:?} of {} lost", acknowledged.len());
            assert!(stored.len() <= acknowledged.len() + 1, "{} of {}", stored.len(), acknowledged.len());
        }
    }
}

#[tokio::test]
async fn orderly_stop_leaves_one_file_that_the_next_start_reads() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("documents.db");
    let mut server = Server::reference_with(|command| command.env("REFERENCE_SERVER_DATABASE", &database)).await;
    let client = Client::modern(&server.url, None);
    done(&client, "document_create", json!({ "path": "a", "content": "kept" })).await;
    server.process.signal(Signal::TERM);
    assert_eq!(server.process.exit_code(Duration::from_secs(10)).await, Some(0));
    let files: Vec<_> = folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["documents.db"]);
    let again = start(&database).await;
    let read = done(&Client::modern(&again.url, None), "document_read", json!({ "path": "a" })).await;
    assert_eq!(read["content"], "kept");
}
