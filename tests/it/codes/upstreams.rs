//! Codes of faults between the door and an HTTP upstream, or between the door and its client.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{expect_fault, expect_unseen};
use crate::support::{
    door::{Door, Setup},
    process::free_port,
    rpc::Client,
    upstream::{Era, Reply, Scripted, Step},
};

/// An upstream that takes its time for this method.
fn slow(on: &str, pause: Duration) -> Reply {
    Reply { on: Some(on.to_owned()), steps: vec![Step::Pause(pause), Step::Close], times: 1 }
}

#[tokio::test]
async fn upstream_that_does_not_listen_cannot_be_reached() {
    let url = format!("url: \"http://127.0.0.1:{}/mcp\"", free_port());
    let door = Setup::open(&url, "").start().await;
    let answer = Client::modern(&door.url, None).request("prompts/get", json!({ "name": "greet" })).await;
    expect_fault("upstream.connect", 502, -31051, &answer, &door).await;
}

#[tokio::test]
async fn upstream_that_does_not_answer_in_time_is_given_up() {
    let upstream = Scripted::start(Era::Modern).await;
    let door = Setup::open(&format!("url: \"{}\", first_byte_timeout: 400ms", upstream.url), "").start().await;
    upstream.script([slow("prompts/get", Duration::from_secs(60))]);
    let begin = Instant::now();
    let answer = Client::modern(&door.url, None).request("prompts/get", json!({ "name": "greet" })).await;
    expect_fault("upstream.timeout", 504, -31052, &answer, &door).await;
    assert!(begin.elapsed() >= Duration::from_millis(400), "{:?}", begin.elapsed());
    assert_eq!(upstream.calls().len(), 1, "what may have been done is not asked again");
}

#[tokio::test]
async fn client_that_leaves_is_recorded_and_its_call_ends() {
    let upstream = Scripted::start(Era::Modern).await;
    let door = Setup::open(&format!("url: \"{}\"", upstream.url), "").start().await;
    let client = Client::modern(&door.url, None);
    upstream.script([slow("prompts/get", Duration::from_secs(600))]);
    let asked = tokio::spawn(async move { client.request("prompts/get", json!({ "name": "greet" })).await });
    until(|| !upstream.calls().is_empty()).await;
    asked.abort();
    expect_outcome("downstream.closed", &door).await;
}

/// One audit record has this code; it is the outcome of a call that was permitted. For a code that nobody is there to read.
async fn expect_outcome(code: &str, door: &Door) {
    let coded = |record: &&Value| record["code"] == code;
    let records = door.wait_audit(|records| records.iter().any(|record| coded(&record))).await;
    let found: Vec<_> = records.iter().filter(coded).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0]["kind"], &found[0]["status"]), (&json!("outcome"), &json!(499)), "{found:?}");
    let decided = records.iter().filter(|record| record["decision_id"] == found[0]["decision_id"]);
    let kinds: Vec<_> = decided.map(|record| record["kind"].as_str().unwrap_or_default()).collect();
    assert_eq!(kinds, ["decision", "outcome"]);
}

#[tokio::test]
async fn client_that_leaves_within_its_request_is_recorded_and_nothing_goes_upstream() {
    use tokio::io::AsyncWriteExt as _;
    let upstream = Scripted::start(Era::Modern).await;
    let door = Setup::open(&format!("url: \"{}\"", upstream.url), "").start().await;
    let mut stream = tokio::net::TcpStream::connect(door.address()).await.unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{\"canary\":",
        door.address()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    drop(stream);
    let closed = |records: &[Value]| records.iter().filter(|record| record["code"] == "downstream.closed").count();
    let records = door.wait_audit(|records| closed(records) > 0).await;
    assert_eq!(closed(&records), 1, "{records:?}");
    expect_unseen(&upstream.bytes(), "canary");
}

async fn until(holds: impl Fn() -> bool) {
    for _ in 0..400 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it did not come");
}
