//! What was stored after an end: a kill in the middle of writing, of the server or of the database, and an orderly stop.

use std::ffi::OsString;
use std::path::Path;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::{done, refusal};
use crate::storage::{engine::Engine, on_every_engine};
use crate::support::{
    postgres::Postgres,
    rpc::{Answer, Client, Message},
    upstream::Server,
};

on_every_engine!(every_acknowledged_write_is_there_after_a_kill);

/// Kills of the server.
const ROUNDS: u64 = 100;

/// Kills of the database, which takes longer to start.
const DATABASE_ROUNDS: u64 = 5;

async fn start(database: &Path) -> Server {
    Server::reference_with(|command| command.arg("--database").arg(database)).await
}

/// Where everything is that a server stores.
struct Places {
    database: OsString,
    files: TempDir,
    objects: TempDir,
}

impl Places {
    fn new(database: OsString) -> Self {
        Self { database, files: tempfile::tempdir().unwrap(), objects: tempfile::tempdir().unwrap() }
    }

    async fn server(&self) -> Server {
        Server::reference_with(|command| {
            command.arg("--database").arg(&self.database).arg("--files").arg(self.files.path());
            command.arg("--objects").arg(self.objects.path())
        })
        .await
    }
}

/// One write of each kind; a writer does them in this order, over and over, each time under another name.
#[derive(Clone, Copy, Debug)]
enum Step {
    Create,
    Update,
    Record,
    Prompt,
    File,
    Object,
}

const STEPS: [Step; 6] = [Step::Create, Step::Update, Step::Record, Step::Prompt, Step::File, Step::Object];

impl Step {
    /// A writer's step of this number, and the name that it writes under.
    fn of(folder: &str, number: usize) -> (Self, String) {
        (STEPS[number % STEPS.len()], format!("{folder}/{:05}", number / STEPS.len()))
    }

    /// The tool that writes, and its arguments.
    fn write(self, name: &str) -> (&'static str, Value) {
        match self {
            Self::Create => ("document_create", json!({ "path": name, "content": "word first" })),
            Self::Update => {
                ("document_update", json!({ "path": name, "expected_version": 1, "content": content(name) }))
            }
            Self::Record => {
                ("record_create", json!({ "collection": "crash", "id": id(name), "body": { "name": name } }))
            }
            Self::Prompt => {
                ("prompt_save", json!({ "name": id(name), "messages": [{ "role": "user", "text": name }] }))
            }
            Self::File => ("file_write", json!({ "path": format!("{name}.txt"), "content": content(name) })),
            Self::Object => ("object_write", json!({ "key": format!("{name}.txt"), "content": content(name) })),
        }
    }

    /// The tool that reads it, its arguments, and what is to be found where in its result.
    fn read(self, name: &str) -> (&'static str, Value, &'static str, Value) {
        match self {
            Self::Create => ("document_read", json!({ "path": name, "version": 1 }), "/content", json!("word first")),
            Self::Update => ("document_read", json!({ "path": name, "version": 2 }), "/content", json!(content(name))),
            Self::Record => {
                ("record_read", json!({ "collection": "crash", "id": id(name) }), "/body/name", json!(name))
            }
            Self::Prompt => ("prompt_read", json!({ "name": id(name) }), "/messages/0/text", json!(name)),
            Self::File => ("file_read", json!({ "path": format!("{name}.txt") }), "/content", json!(content(name))),
            Self::Object => ("object_read", json!({ "key": format!("{name}.txt") }), "/content", json!(content(name))),
        }
    }
}

/// A name without slashes, which neither records nor prompts may have.
fn id(name: &str) -> String {
    name.replace('/', "-")
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

/// Large enough to need several pages of a database, and to be compressed as an object.
fn content(name: &str) -> String {
    format!("word {name}\n").repeat(300)
}

/// A writer under way.
struct Writer {
    folder: String,
    task: JoinHandle<()>,
    done: Arc<AtomicUsize>,
}

impl Writer {
    fn start(url: &str, folder: String) -> Self {
        let done = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(write(url.to_owned(), folder.clone(), Arc::clone(&done)));
        Self { folder, task, done }
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

    /// Waits until it could write no more.
    async fn ended(self) -> Written {
        self.task.await.unwrap();
        Written { folder: self.folder, acknowledged: self.done.load(Ordering::SeqCst) }
    }
}

/// What a writer has left.
struct Written {
    folder: String,
    acknowledged: usize,
}

impl Written {
    /// Everything that was acknowledged is there as a whole; of the one write whose answer was on its way, all or nothing;
    /// and nothing else.
    async fn check(self, client: &Client, round: u64) {
        let acknowledged = self.acknowledged;
        for number in 0..acknowledged {
            assert!(is_there(client, &self.folder, number).await, "round {round}: {number} of {acknowledged} is lost");
        }
        let _either = is_there(client, &self.folder, acknowledged).await;
        assert!(!is_there(client, &self.folder, acknowledged + 1).await, "round {round}: nobody wrote this");
    }
}

/// Writes until the server, or its database, is gone.
async fn write(url: String, folder: String, done: Arc<AtomicUsize>) {
    let client = Client::modern(&url, None);
    for number in 0.. {
        let (step, name) = Step::of(&folder, number);
        let (tool, arguments) = step.write(&name);
        if attempt(&client, tool, arguments).await.is_none() {
            break;
        }
        done.fetch_add(1, Ordering::SeqCst);
    }
}

/// Two writers that have both written something of every kind.
async fn start_writers(server: &Server, round: u64) -> [Writer; 2] {
    let writers = ["a", "b"].map(|name| Writer::start(&server.url, format!("{round}{name}")));
    for writer in &writers {
        writer.reached(STEPS.len()).await;
    }
    writers
}

/// Whether this step's thing is there. What is there must be whole, and a document found by the search as well.
async fn is_there(client: &Client, folder: &str, number: usize) -> bool {
    let (step, name) = Step::of(folder, number);
    let (tool, arguments, place, whole) = step.read(&name);
    let answer = client.call(tool, arguments).await;
    if answer.result()["isError"] == true {
        let code = refusal(&answer)["code"].clone();
        assert!(code.as_str().unwrap().ends_with("_not_found"), "{step:?} {name}: {}", answer.body);
        return false;
    }
    assert_eq!(answer.result()["structuredContent"].pointer(place), Some(&whole), "{step:?} {name}");
    if matches!(step, Step::Create) {
        let query = json!({ "query": "word", "prefix": name });
        assert_eq!(done(client, "document_search", query).await["hits"].as_array().unwrap().len(), 1, "{name}");
    }
    true
}

async fn every_acknowledged_write_is_there_after_a_kill(engine: Engine) {
    let places = Places::new(engine.name());
    let mut server = places.server().await;
    for round in 0..ROUNDS {
        let writers = start_writers(&server, round).await;
        // Another moment each time.
        tokio::time::sleep(Duration::from_millis(2 * (round % 20))).await;
        server.process.signal(Signal::KILL);
        server.process.exit_code(Duration::from_secs(10)).await;
        server = places.server().await;
        let client = Client::modern(&server.url, None);
        let [first, second] = writers;
        let (first, second) = (first.ended().await, second.ended().await);
        tokio::join!(first.check(&client, round), second.check(&client, round));
    }
}

/// The server itself goes on all the time.
#[tokio::test(flavor = "multi_thread")]
async fn database_killed_in_the_middle_is_told_and_loses_no_acknowledged_write() {
    let mut database = Postgres::start().await;
    let places = Places::new(database.url().into());
    let server = places.server().await;
    let client = Client::modern(&server.url, None);
    for round in 0..DATABASE_ROUNDS {
        let [first, second] = start_writers(&server, round).await;
        tokio::time::sleep(Duration::from_millis(31 * (round % 5))).await;
        database.kill().await;
        let (first, second) = (first.ended().await, second.ended().await);
        let refused = client.call("document_read", json!({ "path": "x" })).await;
        assert_eq!(refusal(&refused)["code"], "store_unavailable");
        database.run().await;
        tokio::join!(first.check(&client, round), second.check(&client, round));
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
