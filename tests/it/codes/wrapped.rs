//! Codes of upstreams that are child processes, and of the stdio connection.

use std::{fs, path::Path, time::Duration};

use serde_json::{Value, json};

use super::{expect_fault, expect_line, expect_unseen};
use crate::support::{
    door::Setup,
    rpc::{Client, meta},
    tokens::Issuer,
};

const RESOURCE: &str = "https://mcp.example.com/mcp";

fn ask(id: i64, who: &str) -> Value {
    let params = json!({ "name": "greet", "arguments": { "who": who }, "_meta": meta() });
    json!({ "jsonrpc": "2.0", "id": id, "method": "prompts/get", "params": params })
}

/// A child that keeps what it reads in a file and never answers.
fn silent(file: &Path) -> String {
    format!("while read -r line; do echo \"$line\" >> '{}'; done", file.display())
}

async fn file_with(file: &Path, text: &str) {
    for _ in 0..400 {
        if fs::read_to_string(file).is_ok_and(|seen| seen.contains(text)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the child did not get {text}");
}

#[tokio::test]
async fn child_that_ends_within_a_call_is_told_at_once() {
    let door = Setup::wrap_listen().bundle("permit-all").audit().command(&["sh", "-c", "read line"]).start().await;
    let answer = Client::modern(&door.url, None).request("prompts/get", json!({ "name": "greet" })).await;
    expect_fault("upstream.exited", 502, -31057, &answer, &door).await;
}

#[tokio::test]
async fn child_that_ends_within_a_call_is_told_over_stdio_too() {
    let mut door = Setup::wrap().bundle("permit-all").audit().command(&["sh", "-c", "read line"]).start_stdio();
    let answer = door.request(&ask(1, "x")).await;
    expect_line("upstream.exited", -31057, &answer, || door.audit()).await;
}

#[tokio::test]
async fn id_that_is_under_way_on_the_connection_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let seen = folder.path().join("seen");
    let mut door = Setup::wrap().bundle("permit-all").audit().command(&["sh", "-c", &silent(&seen)]).start_stdio();
    door.send(&ask(7, "first")).await;
    file_with(&seen, "first").await;
    let answer = door.request(&ask(7, "canary-second")).await;
    expect_line("accept.id_in_use", -32600, &answer, || door.audit()).await;
    // What the child reads comes in order: had the second gone through, it would stand before the third.
    door.send(&ask(8, "third")).await;
    file_with(&seen, "third").await;
    expect_unseen(&fs::read(&seen).unwrap(), "canary-second");
}

#[tokio::test]
async fn child_over_the_limit_is_not_started() {
    let issuer = Issuer::start(RESOURCE).await;
    let folder = tempfile::tempdir().unwrap();
    let seen = folder.path().join("seen");
    let yaml = format!(
        "listen: {{ address: 127.0.0.1:0 }}\n\
         authentication: {{ issuers: [ {{ issuer: \"{}\" }} ] }}\n\
         authorization: {{ policies: \"bundle:permit-all\" }}\n\
         upstreams: {{ test: {{ command: [ sh, -c, {} ], children_max: 1 }} }}\n\
         routes: {{ /mcp: {{ upstream: test, resource: \"{RESOURCE}\" }} }}\n\
         observe: {{ audit: {{ file: {{{{folder}}}}/audit.jsonl }} }}\n",
        issuer.url(),
        json!(silent(&seen)),
    );
    let door = Setup::config(&yaml).start().await;
    let alice = Client::modern(&door.url, Some(&issuer.token("alice")));
    let waiting = tokio::spawn(async move { alice.request("prompts/get", json!({ "name": "alice" })).await });
    file_with(&seen, "alice").await;
    let bob = Client::modern(&door.url, Some(&issuer.token("bob")));
    let answer = bob.request("prompts/get", json!({ "name": "canary-of-bob" })).await;
    expect_fault("overloaded", 503, -31071, &answer, &door).await;
    assert_eq!(answer.headers["retry-after"], "1");
    expect_unseen(&fs::read(&seen).unwrap(), "canary-of-bob");
    waiting.abort();
}
