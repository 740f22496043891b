//! The orderly end: a call under way is answered, nothing new is taken, and what has no end of its own holds nothing up.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{
    legacy_sse::Stream,
    subscriptions::{Events, modern_events},
};
use crate::support::{
    process::Process,
    rpc::{Answer, Client, LEGACY, MODERN},
    stdio::Stdio,
    upstream::Server,
};

const SIGNALS: [Signal; 2] = [Signal::TERM, Signal::INT];

/// What calls have, in seconds, and what a busy machine may take beside it.
const GRACE: Duration = Duration::from_secs(5);
const BESIDE: Duration = Duration::from_secs(3);

/// Tells in its log when a call begins.
const TELLING: [&str; 2] = ["--log", "warn,doorward_reference_server=debug"];

fn slow(seconds: u64) -> Value {
    json!({ "name": "slow_compute", "arguments": { "seconds": seconds }, "_meta": { "progressToken": "p" } })
}

const COMPUTED: &str = "Computed \"\" in 2 seconds.";

async fn called(process: &Process) {
    let called = |line: &str| line.contains("called tool=slow_compute");
    let line = process.stderr.wait_line(0, Duration::from_secs(20), called).await;
    assert!(line.is_some(), "{}", process.stderr.text());
}

/// Signals and waits for the end, which must be a good one and come in time.
async fn stopped(process: &mut Process, signal: Signal) -> Duration {
    let begun = Instant::now();
    process.signal(signal);
    assert_eq!(process.exit_code(GRACE + BESIDE).await, Some(0), "{}", process.stderr.text());
    begun.elapsed()
}

/// Signals while a call is under way that ends after two seconds. Meanwhile nobody new is served.
async fn stopped_within_call(server: &mut Server, signal: Signal, call: impl Future<Output = Answer>) {
    let url = server.url.replace("/mcp", "/ready");
    let meanwhile = async {
        called(&server.process).await;
        let begun = Instant::now();
        server.process.signal(signal);
        // The signal takes a moment to arrive.
        while reqwest::get(&url).await.is_ok_and(|answer| answer.status() == 200) {
            assert!(begun.elapsed() < Duration::from_secs(1), "{signal:?}: still ready");
        }
        assert!(server.process.alive(), "{signal:?}: the call is still under way");
    };
    let (answer, ()) = tokio::join!(call, meanwhile);
    assert_eq!(answer.result()["content"][0]["text"], COMPUTED, "{signal:?}: {}", answer.body);
    assert_eq!(server.process.exit_code(BESIDE).await, Some(0), "{signal:?}");
}

#[tokio::test]
async fn stateless_call_under_way_is_answered_before_the_server_ends() {
    for signal in SIGNALS {
        let mut server = Server::reference_with(|command| command.args(TELLING)).await;
        let client = Client::modern(&server.url, None);
        stopped_within_call(&mut server, signal, client.call("slow_compute", json!({ "seconds": 2 }))).await;
    }
}

#[tokio::test]
async fn call_of_a_session_with_a_stream_is_answered_before_the_server_ends() {
    for signal in SIGNALS {
        let mut server = Server::reference_with(|command| command.args(TELLING)).await;
        let client = Client::legacy(&server.url, None).await;
        let mut events = Events::of_session(&client).await;
        stopped_within_call(&mut server, signal, client.request("tools/call", slow(2))).await;
        events.until_end().await;
    }
}

#[tokio::test]
async fn calls_end_in_order_where_settings_may_change() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("settings.toml");
    std::fs::write(&settings, "").unwrap();
    let watching = |command: &mut tokio::process::Command| {
        command.args(TELLING).arg("--watch-config").arg("--config").arg(&settings);
    };
    let mut server = Server::reference_with(|command| {
        watching(command);
        command
    })
    .await;
    let client = Client::modern(&server.url, None);
    stopped_within_call(&mut server, Signal::TERM, client.call("slow_compute", json!({ "seconds": 2 }))).await;
}

#[tokio::test]
async fn call_over_http_and_sse_is_answered_before_the_server_ends() {
    let mut server = Server::reference_with(|command| command.args(TELLING).arg("--legacy-sse")).await;
    let mut stream = Stream::open(server.url.trim_end_matches("/mcp")).await;
    stream.initialize(json!({})).await;
    stream.send(json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": slow(2) })).await;
    called(&server.process).await;
    server.process.signal(Signal::TERM);
    assert_eq!(stream.answer(1).await["result"]["content"][0]["text"], COMPUTED);
    assert_eq!(server.process.exit_code(BESIDE).await, Some(0));
}

#[tokio::test]
async fn call_over_standard_streams_is_answered_before_the_server_ends() {
    for (revision, signal) in [(MODERN, Signal::TERM), (MODERN, Signal::INT), (LEGACY, Signal::TERM)] {
        let mut client = Stdio::start_with(revision, &TELLING, json!({})).await;
        let id = client.begin("tools/call", slow(2)).await;
        called(&client.process).await;
        client.process.signal(signal);
        let answer = client.answer(id).await;
        assert_eq!(answer.result()["content"][0]["text"], COMPUTED, "{revision}: {}", answer.body);
        let reports = answer.messages.iter().filter(|message| message["params"]["progressToken"] == "p").count();
        assert_eq!(reports, 2, "{revision}: {}", answer.body);
        assert_eq!(client.process.exit_code(BESIDE).await, Some(0), "{revision}");
    }
}

/// A client may say all it has to say, close its end and read the answers.
#[tokio::test]
async fn call_under_way_at_the_end_of_input_is_answered() {
    for revision in [LEGACY, MODERN] {
        let mut client = Stdio::start(revision).await;
        let id = client.begin("tools/call", slow(2)).await;
        client.process.close_stdin();
        let answer = client.answer(id).await;
        assert_eq!(answer.result()["content"][0]["text"], COMPUTED, "{revision}: {}", answer.body);
        assert_eq!(client.process.exit_code(BESIDE).await, Some(0), "{revision}");
    }
}

#[tokio::test]
async fn what_takes_longer_than_the_grace_is_cut() {
    let mut server = Server::reference_with(|command| command.args(TELLING)).await;
    let client = Client::legacy(&server.url, None).await;
    let mut stdio = Stdio::start_with(MODERN, &TELLING, json!({})).await;
    let over_http = tokio::spawn(async move { client.request("tools/call", slow(60)).await });
    let over_stdio = stdio.begin("tools/call", slow(60)).await;
    called(&server.process).await;
    called(&stdio.process).await;
    let ended = tokio::join!(stopped(&mut server.process, Signal::TERM), stopped(&mut stdio.process, Signal::TERM));
    assert!(ended.0 >= GRACE && ended.1 >= GRACE, "{ended:?}");
    let is_unanswered = over_http.await.map_or(true, |answer| !answer.body.contains("Computed"));
    assert!(is_unanswered);
    let answer = stdio.answer(over_stdio).await;
    assert_eq!(answer.result()["isError"], true, "{}", answer.body);
}

#[tokio::test]
async fn streams_without_an_end_hold_nothing_up() {
    let mut server = Server::reference().await;
    let mut modern = modern_events(&server).await;
    let client = Client::legacy(&server.url, None).await;
    let mut legacy = Events::of_session(&client).await;
    assert!(stopped(&mut server.process, Signal::TERM).await < BESIDE);
    modern.until_end().await;
    legacy.until_end().await;
    let mut stdio = Stdio::start(MODERN).await;
    let wanted = json!({ "notifications": { "resourcesListChanged": true } });
    let id = stdio.begin("subscriptions/listen", wanted).await;
    stdio.line().await;
    assert!(stopped(&mut stdio.process, Signal::TERM).await < BESIDE);
    stdio.answer(id).await.result();
}
