//! Settings that change while the server runs (`--watch-config`).

use std::{path::Path, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::{done, refused, subscriptions::Events};
use crate::support::{
    parts,
    process::Process,
    rpc::{Client, MODERN, meta},
    upstream::Server,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A server with a folder of settings.
struct Watched {
    server: Server,
    folder: TempDir,
    read: usize,
}

impl Watched {
    async fn start(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("server.toml"), settings).unwrap();
        Self::start_in(folder).await
    }

    async fn start_in(folder: TempDir) -> Self {
        let server = Server::reference_with(|command| {
            command.current_dir(folder.path()).args(["--config", "server.toml", "--watch-config"])
        })
        .await;
        Self { server, folder, read: 0 }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// As editors do: another file in the place of the old one.
    fn replace(&self, settings: &str) {
        std::fs::write(self.path("new"), settings).unwrap();
        std::fs::rename(self.path("new"), self.path("server.toml")).unwrap();
    }

    /// The next line of the log that holds this.
    async fn told(&mut self, text: &str) -> String {
        let found = self.server.process.stderr.wait_line(self.read, PATIENCE, |line| line.contains(text)).await;
        let (line, read) = found.unwrap_or_else(|| panic!("no {text:?} in {}", self.server.process.stderr.text()));
        self.read = read;
        line
    }

    async fn taken(&mut self, settings: &str) {
        self.replace(settings);
        self.told("changed settings are taken").await;
    }

    fn client(&self) -> Client {
        Client::modern(&self.server.url, None)
    }
}

fn document(path: &str, bytes: usize) -> Value {
    json!({ "path": path, "content": "x".repeat(bytes) })
}

const TEN: &str = "database = 'a.db'\nmax-document-bytes = 10\n";
const TWENTY: &str = "database = 'a.db'\nmax-document-bytes = 20\n";

#[tokio::test]
async fn changed_limits_and_tools_take_effect_without_a_restart() {
    let mut watched = Watched::start(TEN).await;
    let client = watched.client();
    done(&client, "document_create", document("before", 10)).await;
    assert_eq!(refused(&client, "document_create", document("a", 20)).await["code"], "invalid_document");
    let legacy = Client::legacy(&watched.server.url, None).await;
    std::fs::create_dir(watched.path("shared")).unwrap();
    let more = "files = 'shared'\nmax-file-bytes = 5\nfetch = true\nlink-seconds = 7\n";
    watched.taken(&format!("{TWENTY}{more}")).await;
    done(&client, "document_create", document("a", 20)).await;
    done(&client, "document_read", json!({ "path": "before" })).await;
    assert_eq!(refused(&client, "document_create", document("b", 21)).await["code"], "invalid_document");
    assert!(client.request("tools/list", json!({})).await.names().contains(&"http_fetch".to_owned()));
    done(&client, "file_write", json!({ "path": "a", "content": "12345" })).await;
    let six = json!({ "path": "b", "content": "123456" });
    assert_eq!(refused(&client, "file_write", six.clone()).await["code"], "file_too_large");
    // A session ends with the settings that it began with, and its client begins another one.
    assert_eq!(legacy.request("ping", json!({})).await.status, 404);
    let legacy = Client::legacy(&watched.server.url, None).await;
    done(&legacy, "document_read", json!({ "path": "a" })).await;
    // The same directory with another quota, and what is in it still counted.
    watched.taken(&format!("{TWENTY}files = 'shared'\nmax-file-bytes = 6\nfiles-quota-bytes = 10\n")).await;
    assert!(!client.request("tools/list", json!({})).await.names().contains(&"http_fetch".to_owned()));
    assert_eq!(refused(&client, "file_write", six).await["code"], "directory_full");
    done(&client, "file_write", json!({ "path": "b", "content": "12345" })).await;
}

#[tokio::test]
async fn wrong_settings_are_told_by_their_place_and_the_old_ones_stay() {
    let mut watched = Watched::start(TWENTY).await;
    let client = watched.client();
    for (settings, reason) in [
        ("# none\nmax-document-bytes = 'many'\n", "server.toml: line 2: max-document-bytes: invalid digit"),
        ("fetch = true\n\nmax-documents = 3\n", "server.toml: line 3: unknown key max-documents"),
        ("database = 'hunter2\n", "server.toml: TOML parse error at line 1"),
        ("stdio = true\npath = '/other'\nlegacy-sse = true\nfetch-allow = ['hunter2/33']\n", "line 4: fetch-allow"),
        ("database = 'a.db'\nfiles = 'none'\n", "none"),
        ("database = 'a.db'\nlog = 'a=b=c'\n", "--log"),
        ("database = 'postgres://ann:hunter2@127.0.0.1:1/x?nothing=1'\n", "database"),
    ] {
        watched.replace(settings);
        let told = watched.told("changed settings are not taken; the old ones stay").await;
        assert!(told.contains("ERROR") && told.contains(reason), "{settings}: {told}");
        assert_eq!(refused(&client, "document_create", document("a", 21)).await["code"], "invalid_document");
    }
    assert!(!watched.server.process.stderr.text().contains("hunter2"));
    // Away and back again is no change.
    watched.replace(TWENTY);
    watched.told("the settings are again those in use").await;
    watched.taken(TEN).await;
    assert_eq!(refused(&client, "document_create", document("a", 11)).await["code"], "invalid_document");
}

#[tokio::test]
async fn calls_under_way_end_with_what_they_began_with() {
    let mut watched = Watched::start(&format!("{TEN}legacy-sse = true\n")).await;
    let slow = |client: Client| {
        tokio::spawn(async move { client.call("slow_compute", json!({ "seconds": 5, "label": "x" })).await })
    };
    let legacy = Client::legacy(&watched.server.url, None).await;
    let mut stream = Events::of_session(&legacy).await;
    let calls = [slow(watched.client()), slow(legacy.clone())];
    let mut sse = super::legacy_sse::Stream::open(watched.server.url.trim_end_matches("/mcp")).await;
    sse.initialize(json!({})).await;
    let params = json!({ "name": "slow_compute", "arguments": { "seconds": 5 } });
    sse.send(json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params })).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    watched.taken(TWENTY).await;
    done(&watched.client(), "document_create", document("a", 20)).await;
    assert!(calls.iter().all(|call| !call.is_finished()), "they were under way over the change");
    for call in calls {
        let answer = call.await.unwrap();
        assert!(answer.result()["content"][0]["text"].as_str().unwrap().contains("in 5 seconds"), "{}", answer.body);
    }
    assert!(sse.answer(7).await["result"]["content"][0]["text"].as_str().unwrap().contains("in 5 seconds"));
    // With the last call the old state is gone, and with it its streams.
    stream.until_end().await;
    assert_eq!(legacy.request("ping", json!({})).await.status, 404);
}

#[tokio::test]
async fn another_database_is_taken_and_memory_is_not_given_up() {
    let mut watched = Watched::start("database = 'a.db'\n").await;
    let client = watched.client();
    let listed = async || client.request("resources/list", json!({})).await.body.contains("doc://a");
    done(&client, "document_create", document("a", 1)).await;
    watched.taken("database = 'b.db'\n").await;
    assert!(!listed().await);
    watched.taken("database = 'a.db'\n").await;
    assert!(listed().await);
    // The one that was left has been closed: one file stays of it.
    for _ in 0..100 {
        if !watched.path("b.db-wal").exists() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(watched.path("b.db").exists() && !watched.path("b.db-wal").exists());
    // Also where the server ends before the calls that hold the old one do.
    let held = watched.client();
    let held = tokio::spawn(async move { held.call("slow_compute", json!({ "seconds": 60 })).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    watched.taken("database = 'b.db'\n").await;
    watched.server.process.signal(rustix::process::Signal::TERM);
    assert_eq!(watched.server.process.exit_code(PATIENCE).await, Some(0));
    assert!(!watched.path("a.db-wal").exists() && !watched.path("b.db-wal").exists());
    held.abort();

    let mut watched = Watched::start("objects = 'memory:'\n").await;
    let client = watched.client();
    done(&client, "document_create", document("a", 1)).await;
    done(&client, "object_write", json!({ "key": "a", "content": "x" })).await;
    watched.replace(
        "objects = 'memory:'\ndatabase = 'a.db'\nmax-document-bytes = 1\nobjects-quota = 1\nunix = 'socket'\n",
    );
    watched.told("changed settings are taken").await;
    let log = watched.server.process.stderr.text();
    for setting in ["unix", "database", "max-document-bytes", "objects"] {
        let told = format!("needs a restart; the old one stays setting=\"{setting}\"");
        assert!(log.contains(&told) == (setting != "unix"), "{setting}: {log}");
    }
    done(&client, "document_read", json!({ "path": "a" })).await;
    done(&client, "object_read", json!({ "key": "a" })).await;
}

#[tokio::test]
async fn what_clients_hold_works_on() {
    let mut watched = Watched::start("objects = 'memory:'\n").await;
    let capabilities = json!({ "elicitation": { "form": {} }, "extensions": { "io.modelcontextprotocol/tasks": {} } });
    let client = watched.client().declaring(capabilities);
    done(&client, "document_create", document("old/a", 1)).await;
    done(&client, "object_write", json!({ "key": "a", "content": "x" })).await;
    let link = done(&client, "object_link", json!({ "key": "a" })).await;
    let task = client.call("slow_compute", json!({ "seconds": 2 })).await.result()["taskId"].clone();
    let mut purge = json!({ "name": "document_purge", "arguments": { "prefix": "old/" } });
    let asked = client.request("tools/call", purge.clone()).await;
    let mut listening = listening(&client).await;
    watched.taken("objects = 'memory:'\nmax-tasks = 3\n").await;
    assert_eq!(reqwest::get(link["url"].as_str().unwrap()).await.unwrap().status(), 200);
    purge["requestState"] = asked.result()["requestState"].clone();
    purge["inputResponses"] = json!({ "approval": { "action": "accept", "content": { "approve": true } } });
    let purged = client.request("tools/call", purge).await;
    assert_ne!(purged.result()["isError"], true, "{}", purged.body);
    assert!(purged.result()["structuredContent"].is_object(), "{}", purged.body);
    let state = async || client.request("tasks/get", json!({ "taskId": task })).await.result()["status"].clone();
    while state().await == "working" {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(state().await, "completed");
    // A stream without an end does not hold the old state back.
    listening.until_end().await;
}

async fn listening(client: &Client) -> Events {
    let params = json!({ "notifications": { "toolsListChanged": true }, "_meta": meta() });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": params });
    let request = client.prepared(http::Method::POST).header("content-type", "application/json");
    let request =
        request.header("accept", "application/json, text/event-stream").header("mcp-protocol-version", MODERN);
    Events::open(request.header("mcp-method", "subscriptions/listen").body(message.to_string())).await
}

#[tokio::test]
async fn dotenv_links_and_the_log_are_followed() {
    let folder = tempfile::tempdir().unwrap();
    let set = |version: &str, settings: &str| {
        let path = folder.path().join(version);
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("server.toml"), settings).unwrap();
    };
    set("1", "database = 'a.db'\n");
    set("2", "database = 'a.db'\nlog = 'debug'\n");
    let link = |to: &Path| {
        std::os::unix::fs::symlink(to, folder.path().join("next")).unwrap();
        std::fs::rename(folder.path().join("next"), folder.path().join("current")).unwrap();
    };
    link(Path::new("1"));
    std::os::unix::fs::symlink("current/server.toml", folder.path().join("server.toml")).unwrap();
    let mut watched = Watched::start_in(folder).await;
    let client = watched.client();
    // It was not there before.
    std::fs::write(watched.path(".env"), "REFERENCE_SERVER_MAX_DOCUMENT_BYTES=3\n").unwrap();
    watched.told("changed settings are taken").await;
    assert_eq!(refused(&client, "document_create", document("a", 4)).await["code"], "invalid_document");
    assert!(!watched.server.process.stderr.text().contains("DEBUG"));
    std::os::unix::fs::symlink("2", watched.path("next")).unwrap();
    std::fs::rename(watched.path("next"), watched.path("current")).unwrap();
    watched.told("changed settings are taken").await;
    client.call("echo", json!({ "message": "x" })).await.result();
    watched.told("DEBUG").await;
}

#[tokio::test]
async fn over_standard_streams_only_the_log_changes() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("server.toml"), "max-document-bytes = 10\n").unwrap();
    let mut command = Command::new(parts::binary("doorward-reference-server"));
    command.current_dir(folder.path()).args(["--stdio", "--config", "server.toml", "--watch-config"]);
    let mut process = Process::start("reference server", command.env_remove("RUST_LOG"));
    let call = |id: u64, tool: &str, arguments: Value| {
        let params = json!({ "name": tool, "arguments": arguments, "_meta": meta() });
        format!("{}\n", json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }))
    };
    process.write(call(1, "echo", json!({ "message": "x" })).as_bytes()).await;
    process.ready(|line| line.contains("\"id\":1")).await;
    std::fs::write(folder.path().join("server.toml"), "max-document-bytes = 20\nlog = 'debug'\n").unwrap();
    let told = process.stderr.wait_line(0, PATIENCE, |line| line.contains("over standard streams only --log")).await;
    assert!(told.is_some(), "{}", process.stderr.text());
    process.write(call(2, "document_create", document("a", 20)).as_bytes()).await;
    let answer = process.ready(|line| line.contains("\"id\":2")).await;
    assert!(answer.contains("invalid_document"), "{answer}");
    assert!(process.stderr.text().contains("DEBUG"));
}
