//! Codes of `admit` and `observe` that need more than one request, or a door of their own.

use std::{fs, os::unix::fs::symlink, time::Duration};

use rustix::process::Signal;
use serde_json::json;

use super::{expect_fault, expect_refusal};
use crate::support::{
    door::{Door, Setup},
    rpc::{Answer, Client},
    tokens::{Issuer, Mode},
    upstream::{Era, Scripted},
};

const RESOURCE: &str = "https://mcp.example.com/mcp";
const CANARY: &str = "canary-of-admission";

/// A request that needs no catalogue and carries the canary.
async fn ask(client: &Client) -> Answer {
    client.request("prompts/get", json!({ "name": "greet", "arguments": { "who": CANARY } })).await
}

async fn guarded(upstream: &Scripted, issuer: &Issuer, route: &str) -> Door {
    let yaml = format!(
        "listen: {{ address: 127.0.0.1:0 }}\n\
         authentication: {{ issuers: [ {{ issuer: \"{}\" }} ] }}\n\
         authorization: {{ policies: \"bundle:permit-all\" }}\n\
         upstreams: {{ test: {{ url: \"{}\" }} }}\n\
         routes: {{ /mcp: {{ upstream: test, resource: \"{RESOURCE}\"{route} }} }}\n\
         observe: {{ audit: {{ file: {{{{folder}}}}/audit.jsonl }} }}\n",
        issuer.url(),
        upstream.url
    );
    Setup::config(&yaml).start().await
}

#[tokio::test]
async fn tokens_of_an_issuer_without_keys_are_refused_for_the_moment() {
    let (upstream, issuer) = (Scripted::start(Era::Modern).await, Issuer::start(RESOURCE).await);
    issuer.set_mode(Mode::Fail);
    let door = guarded(&upstream, &issuer, "").await;
    let answer = ask(&Client::modern(&door.url, Some(&issuer.token("alice")))).await;
    expect_refusal("authn.unavailable", 503, -31011, &answer, &door, &upstream.bytes(), CANARY).await;
    assert!(answer.headers.contains_key("retry-after"), "{:?}", answer.headers);
    assert!(!answer.headers.contains_key("www-authenticate"), "another token would not help: {:?}", answer.headers);
}

#[tokio::test]
async fn token_without_a_scope_of_the_route_is_refused() {
    let (upstream, issuer) = (Scripted::start(Era::Modern).await, Issuer::start(RESOURCE).await);
    let door = guarded(&upstream, &issuer, ", scopes_required: [ \"mcp:use\" ]").await;
    let token = issuer.token_of("alice", json!({ "scope": "other" }));
    let answer = ask(&Client::modern(&door.url, Some(&token))).await;
    expect_refusal("authn.insufficient_scope", 403, -31012, &answer, &door, &upstream.bytes(), CANARY).await;
    let challenge = answer.headers["www-authenticate"].to_str().unwrap();
    assert!(challenge.starts_with("Bearer error=\"insufficient_scope\""), "{challenge}");
    assert!(challenge.contains("scope=\"mcp:use\""), "{challenge}");
}

#[tokio::test]
async fn request_over_the_rate_limit_is_refused_with_the_time_to_wait() {
    let upstream = Scripted::start(Era::Modern).await;
    let limits = "rate_limits: [ { per: [principal], limit: 1/min, burst: 2 } ]";
    let door = Setup::open(&format!("url: \"{}\"", upstream.url), limits).start().await;
    let client = Client::modern(&door.url, None);
    for _ in 0..2 {
        let answer = client.request("prompts/get", json!({ "name": "greet" })).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let answer = ask(&client).await;
    expect_refusal("rate_limit.exceeded", 429, -31029, &answer, &door, &upstream.bytes(), CANARY).await;
    let wait_s: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait_s), "one comes back each minute: {wait_s} s");
}

#[tokio::test]
async fn call_that_cannot_be_recorded_is_not_made() {
    let upstream = Scripted::start(Era::Modern).await;
    let yaml = format!(
        "listen: {{ address: 127.0.0.1:0 }}\n\
         authentication: {{ disabled: true }}\n\
         authorization: {{ policies: \"bundle:permit-all\" }}\n\
         upstreams: {{ test: {{ url: \"{}\" }} }}\n\
         observe: {{ audit: {{ file: {{{{folder}}}}/audit.jsonl, mode: strict }} }}\n",
        upstream.url
    );
    let door = Setup::config(&yaml).start().await;
    let client = Client::modern(&door.url, None);
    assert_eq!(ask(&client).await.status, 200);
    // The disk is full from now on.
    let (file, kept) = (door.audit_path(), door.folder().join("audit.kept.jsonl"));
    fs::rename(&file, &kept).unwrap();
    symlink("/dev/full", &file).unwrap();
    door.process.signal(Signal::HUP);
    let refused = until(&client, 503).await;
    let calls = upstream.calls().len();
    let again = ask(&client).await;
    assert_eq!(upstream.calls().len(), calls, "nothing is sent that is not recorded");
    for answer in [refused, again] {
        assert_eq!(answer.headers["retry-after"], "1");
        // The record of a call that could not be recorded is nowhere: that is what the code says.
        let id = &answer.message["error"]["data"]["decision_id"];
        assert!(id.is_string(), "{}", answer.body);
        expect_unrecorded("audit.unavailable", 503, -31070, &answer);
    }
    // Room again: calls go on, and the chain says what is missing.
    fs::remove_file(&file).unwrap();
    fs::rename(&kept, &file).unwrap();
    door.process.signal(Signal::HUP);
    until(&client, 200).await;
}

/// The answer is this fault, which by its nature has no audit record.
fn expect_unrecorded(code: &str, status: u16, rpc_code: i64, answer: &Answer) {
    assert_eq!((answer.code(), answer.status, answer.rpc_code()), (code, status, rpc_code), "{}", answer.body);
}

/// Asks until the answer has this status.
async fn until(client: &Client, status: u16) -> Answer {
    for _ in 0..200 {
        let answer = ask(client).await;
        if answer.status == status {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no answer with {status}");
}

#[tokio::test]
async fn credential_that_cannot_be_read_stops_the_call() {
    let upstream = Scripted::start(Era::Modern).await;
    let test = format!("url: \"{}\", credential: {{ value: {{ file: \"{{{{folder}}}}/secret\" }} }}", upstream.url);
    let door = Setup::open(&test, "").file("secret", "a-generated-secret-swordfish").start().await;
    let client = Client::modern(&door.url, None);
    let answer = client.request("prompts/get", json!({ "name": "greet" })).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    fs::remove_file(door.folder().join("secret")).unwrap();
    // The value that was read serves for some seconds more.
    let answer = until(&client, 503).await;
    let calls = upstream.calls().len();
    expect_fault("upstream.credential_unavailable", 503, -31058, &answer, &door).await;
    assert_eq!(ask(&client).await.status, 503);
    assert_eq!(upstream.calls().len(), calls, "nothing goes out without the credential");
    assert!(!format!("{}{}", answer.body, door.process.stderr.text()).contains("a-generated-secret-swordfish"));
}
