//! Limits of an issuer's keys: the document's size, the number of keys, how often they are fetched, how old they may become.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{extract::State, routing::get};
use serde_json::json;

use crate::support::{
    door::{Door, Setup},
    rpc::{Answer, Client},
    tokens::{Issuer, Key, Mode, Recipe},
    upstream::{Era, Scripted},
};

const RESOURCE: &str = "https://mcp.example.com/mcp";

fn setup(upstream: &Scripted, issuer: &Issuer, more: &str) -> Setup {
    let yaml = format!(
        "listen: {{ address: 127.0.0.1:0 }}\n\
         authentication: {{ issuers: [ {{ issuer: \"{}\"{more} }} ] }}\n\
         authorization: {{ policies: \"bundle:permit-all\" }}\n\
         upstreams: {{ test: {{ url: \"{}\" }} }}\n\
         routes: {{ /mcp: {{ upstream: test, resource: \"{RESOURCE}\" }} }}\n",
        issuer.url(),
        upstream.url
    );
    Setup::config(&yaml)
}

async fn door(upstream: &Scripted, issuer: &Issuer, more: &str) -> Door {
    setup(upstream, issuer, more).start().await
}

async fn ask(door: &Door, token: &str) -> Answer {
    Client::modern(&door.url, Some(token)).request("prompts/get", json!({ "name": "greet" })).await
}

fn outcome(answer: &Answer) -> (u16, String) {
    (answer.status, answer.code().to_owned())
}

fn passed() -> (u16, String) {
    (200, String::new())
}

fn unavailable() -> (u16, String) {
    (503, "authn.unavailable".to_owned())
}

/// Serves one text as a JWK set; the address.
async fn serving(text: String) -> String {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let document = Arc::new(Mutex::new(text));
    let answer = async |State(text): State<Arc<Mutex<String>>>| text.lock().unwrap().clone();
    let router = axum::Router::new().route("/jwks", get(answer)).with_state(document);
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/jwks")
}

async fn with_document(upstream: &Scripted, issuer: &Issuer, text: String) -> (u16, String) {
    let url = serving(text).await;
    let door = door(upstream, issuer, &format!(", jwks: {{ url: \"{url}\" }}")).await;
    outcome(&ask(&door, &issuer.token("alice")).await)
}

#[tokio::test]
async fn key_set_up_to_256_kib_is_taken() {
    let (upstream, issuer) = (Scripted::start(Era::Modern).await, Issuer::start(RESOURCE).await);
    let padded = |bytes: usize| {
        let text = issuer.jwks().to_string();
        format!("{text}{}", " ".repeat(bytes - text.len()))
    };
    for (bytes, expected) in [((256 << 10) - 1, passed()), (256 << 10, passed()), ((256 << 10) + 1, unavailable())] {
        assert_eq!(with_document(&upstream, &issuer, padded(bytes)).await, expected, "{bytes}");
    }
}

#[tokio::test]
async fn key_set_of_50_keys_is_taken_and_of_51_is_not() {
    let (upstream, issuer) = (Scripted::start(Era::Modern).await, Issuer::start(RESOURCE).await);
    let filled = |count: usize| {
        let mut document = issuer.jwks();
        let keys = document["keys"].as_array_mut().unwrap();
        keys.resize_with(count, || json!({ "kty": "oct", "kid": "filler", "k": "AA" }));
        document.to_string()
    };
    for (count, expected) in [(49, passed()), (50, passed()), (51, unavailable())] {
        assert_eq!(with_document(&upstream, &issuer, filled(count)).await, expected, "{count}");
    }
}

#[tokio::test]
async fn keys_are_not_fetched_again_within_10_s_whoever_asks() {
    let (upstream, issuer) = (Scripted::start(Era::Modern).await, Issuer::start(RESOURCE).await);
    let door = door(&upstream, &issuer, "").await;
    assert_eq!(outcome(&ask(&door, &issuer.token("alice")).await), passed());
    let loaded = Instant::now();
    assert_eq!(issuer.jwks_fetches(), 1);
    issuer.add_key("new", Key::p256());
    let of_new = || issuer.token_with(&Recipe { key: Some("new".to_owned()), ..Recipe::default() });
    for number in 0..40 {
        let kid = Some(format!("nobody-{number}"));
        let token = issuer.token_with(&Recipe { kid, ..Recipe::default() });
        assert_eq!(outcome(&ask(&door, &token).await), (401, "authn.key_unknown".to_owned()));
    }
    // The first load ended at most 10 s before what was asked until now, unless the machine is very slow.
    if loaded.elapsed() < Duration::from_secs(8) {
        assert_eq!(issuer.jwks_fetches(), 1, "after {:?}", loaded.elapsed());
    }
    tokio::time::sleep(Duration::from_millis(10_200).saturating_sub(loaded.elapsed())).await;
    assert_eq!(outcome(&ask(&door, &of_new()).await), passed(), "a new key is found then");
    assert_eq!(issuer.jwks_fetches(), 2);
}

#[tokio::test]
async fn keys_are_fetched_again_after_max_age_without_being_asked() {
    let (upstream, issuer) = (Scripted::start(Era::Modern).await, Issuer::start(RESOURCE).await);
    let begin = Instant::now();
    let door = door(&upstream, &issuer, ", staleness: { max_age: 10s }").await;
    let token = issuer.token("alice");
    assert_eq!(outcome(&ask(&door, &token).await), passed());
    issuer.withdraw_key("p256");
    while issuer.jwks_fetches() < 2 {
        assert!(begin.elapsed() < Duration::from_secs(40), "the keys are not fetched again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(begin.elapsed() >= Duration::from_secs(10), "{:?}", begin.elapsed());
    for _ in 0..100 {
        // The token was verified before, by a key that has left the set since.
        if ask(&door, &token).await.status == 401 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("a token of a withdrawn key still passes");
}

#[tokio::test]
async fn keys_older_than_max_stale_do_not_serve() {
    let (upstream, issuer) = (Scripted::start(Era::Modern).await, Issuer::start(RESOURCE).await);
    let begin = Instant::now();
    let short =
        door(&upstream, &issuer, ", staleness: { max_age: 2s, max_stale: 3s }, key_set: { fetch_interval_min: 1s }")
            .await;
    let usual = door(&upstream, &issuer, "").await;
    let token = issuer.token("alice");
    for door in [&short, &usual] {
        assert_eq!(outcome(&ask(door, &token).await), passed());
    }
    issuer.set_mode(Mode::Fail);
    loop {
        let seen = outcome(&ask(&short, &token).await);
        if seen == unavailable() {
            break;
        }
        assert_eq!(seen, passed());
        assert!(begin.elapsed() < Duration::from_secs(30), "old keys still serve");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(begin.elapsed() >= Duration::from_secs(3), "{:?}", begin.elapsed());
    assert_eq!(outcome(&ask(&usual, &token).await), passed(), "24 h are not over");
}

async fn with_key_set(upstream: &Scripted, issuer: &Issuer, text: String, bounds: &str) -> (u16, String) {
    let url = serving(text).await;
    let door = door(upstream, issuer, &format!(", jwks: {{ url: \"{url}\" }}, key_set: {{ {bounds} }}")).await;
    outcome(&ask(&door, &issuer.token("alice")).await)
}

#[tokio::test]
async fn key_set_has_a_configured_size() {
    let (upstream, issuer) = (Scripted::start(Era::Modern).await, Issuer::start(RESOURCE).await);
    for (bytes, expected) in [(4096, passed()), (4097, unavailable())] {
        let text = format!("{:bytes$}", issuer.jwks().to_string());
        assert_eq!(text.len(), bytes);
        let seen = with_key_set(&upstream, &issuer, text, "document_bytes_max: 4KiB").await;
        assert_eq!(seen, expected, "{bytes}");
    }
}

#[tokio::test]
async fn key_set_in_a_file_has_a_configured_size() {
    let (upstream, issuer) = (Scripted::start(Era::Modern).await, Issuer::start(RESOURCE).await);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    let more = format!(", jwks: {{ file: \"{}\" }}, key_set: {{ document_bytes_max: 4KiB }}", file.display());
    std::fs::write(&file, format!("{:4096}", issuer.jwks().to_string())).unwrap();
    let door = door(&upstream, &issuer, &more).await;
    assert_eq!(outcome(&ask(&door, &issuer.token("alice")).await), passed());
    std::fs::write(&file, format!("{:4097}", issuer.jwks().to_string())).unwrap();
    let (code, stderr) = setup(&upstream, &issuer, &more).refuse().await;
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("jwks.json") && stderr.contains("over the size limit"), "{stderr}");
}

#[tokio::test]
async fn metadata_has_the_configured_size_too() {
    let (upstream, issuer) = (Scripted::start(Era::Modern).await, Issuer::start(RESOURCE).await);
    for (bytes, expected) in [(4096, passed()), (4097, unavailable())] {
        issuer.set_mode(Mode::Padded(bytes));
        let door = door(&upstream, &issuer, ", key_set: { document_bytes_max: 4KiB }").await;
        assert_eq!(outcome(&ask(&door, &issuer.token("alice")).await), expected, "{bytes}");
    }
}

#[tokio::test]
async fn key_set_has_a_configured_number_of_keys() {
    let (upstream, issuer) = (Scripted::start(Era::Modern).await, Issuer::start(RESOURCE).await);
    for (count, expected) in [(6, passed()), (7, unavailable())] {
        let mut document = issuer.jwks();
        let keys = document["keys"].as_array_mut().unwrap();
        keys.resize_with(count, || json!({ "kty": "oct", "kid": "filler", "k": "AA" }));
        let seen = with_key_set(&upstream, &issuer, document.to_string(), "keys_max: 6").await;
        assert_eq!(seen, expected, "{count}");
    }
}

#[tokio::test]
async fn keys_are_not_fetched_again_within_a_configured_time() {
    let (upstream, issuer) = (Scripted::start(Era::Modern).await, Issuer::start(RESOURCE).await);
    let door = door(&upstream, &issuer, ", key_set: { fetch_interval_min: 3s }").await;
    let begin = Instant::now();
    assert_eq!(outcome(&ask(&door, &issuer.token("alice")).await), passed());
    let loaded = Instant::now();
    issuer.add_key("new", Key::p256());
    let token = issuer.token_with(&Recipe { key: Some("new".to_owned()), ..Recipe::default() });
    loop {
        let seen = outcome(&ask(&door, &token).await);
        if seen == passed() {
            break;
        }
        assert_eq!(seen, (401, "authn.key_unknown".to_owned()));
        assert!(loaded.elapsed() < Duration::from_secs(9), "10 s are the default");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The first load began when the door did, which was before `begin`.
    assert!(begin.elapsed() >= Duration::from_millis(2_500), "{:?}", begin.elapsed());
    assert_eq!(issuer.jwks_fetches(), 2);
}
