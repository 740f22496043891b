//! How the door reaches its upstreams: TLS with names and certificates, HTTP/2, unix sockets.

use std::fs;

use serde_json::json;

use super::{POLICIES, door_to, ready, setup_to};
use crate::support::{
    door::{Door, Setup},
    rpc::Client,
    tls::{Ca, HTTP1, HTTP2, Identity},
    upstream::{Era, Front, Scripted},
};

/// An `upstreams` entry for TLS at this URL, with the authority in `ca.crt` and further members.
fn tls_entry(url: &str, more: &str) -> String {
    format!("url: \"{url}\", tls: {{ ca: {{{{folder}}}}/ca.crt{more} }}")
}

fn with_ca(upstream: &str, ca: &Ca) -> Setup {
    setup_to(upstream).file("ca.crt", &ca.pem)
}

fn local(front: &Front) -> String {
    format!("https://{}/mcp", front.address.replace("127.0.0.1", "localhost"))
}

/// A message that needs no catalogue: the answer's status and code.
async fn ask(door: &Door) -> (u16, String) {
    let answer = Client::modern(&door.url, None).request("prompts/get", json!({ "name": "greet" })).await;
    (answer.status, answer.code().to_owned())
}

fn refused() -> (u16, String) {
    (502, "upstream.connect".to_owned())
}

fn fine() -> (u16, String) {
    (200, String::new())
}

#[tokio::test]
async fn an_upstream_is_trusted_by_its_own_authority_only() {
    let (ours, others, upstream) = (Ca::new(), Ca::new(), Scripted::start(Era::Modern).await);
    let front = Front::tls(&upstream, ours.server_config(&ours.server(&["localhost"]), &[HTTP1], None)).await;
    let door = with_ca(&tls_entry(&local(&front), ""), &ours).start().await;
    let client = Client::modern(&door.url, None);
    ready(&client).await;
    let answer = client.call("echo", json!({ "message": "hi" })).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(
        upstream.calls().last().unwrap().headers.get("host"),
        Some(front.address.replace("127.0.0.1", "localhost"))
    );

    // One of its own, since the first door goes on asking for its catalogue.
    let upstream = Scripted::start(Era::Modern).await;
    let front = Front::tls(&upstream, ours.server_config(&ours.server(&["localhost"]), &[HTTP1], None)).await;
    let strangers = with_ca(&tls_entry(&local(&front), ""), &others).start().await;
    assert_eq!(ask(&strangers).await, refused());
    // Neither do the system's authorities know it.
    let system = door_to(&format!("url: \"{}\"", local(&front))).await;
    assert_eq!(ask(&system).await, refused());
    assert!(upstream.requests().is_empty(), "nothing was sent");
    assert!(front.refused() > 0);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let (ca, upstream) = (Ca::new(), Scripted::start(Era::Modern).await);
    let names = ["other.example", "*.localhost", "127.0.0.1"];
    let front = Front::tls(&upstream, ca.server_config(&ca.server(&names), &[HTTP1], None)).await;
    let door = with_ca(&tls_entry(&local(&front), ""), &ca).start().await;
    assert_eq!(ask(&door).await, refused());
    assert!(upstream.requests().is_empty(), "nothing was sent");
    // The name may be given, and so may an address.
    for name in ["other.example", "127.0.0.1"] {
        let door = with_ca(&tls_entry(&local(&front), &format!(", server_name: {name}")), &ca).start().await;
        assert_eq!(ask(&door).await, fine(), "{name}");
    }
    let address = format!("https://{}/mcp", front.address);
    let wrong = with_ca(&tls_entry(&address, ", server_name: third.example"), &ca).start().await;
    assert_eq!(ask(&wrong).await, refused());
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let (ca, upstream) = (Ca::new(), Scripted::start(Era::Modern).await);
    let front = Front::tls(&upstream, ca.server_config(&ca.expired(&["localhost"]), &[HTTP1], None)).await;
    let door = with_ca(&tls_entry(&local(&front), ""), &ca).start().await;
    assert_eq!(ask(&door).await, refused());
    assert!(upstream.requests().is_empty(), "nothing was sent");
}

#[tokio::test]
async fn an_upstream_without_a_name_to_verify_is_refused_at_start() {
    let ca = Ca::new();
    let (code, stderr) = with_ca(&tls_entry("https://127.0.0.1:1/mcp", ""), &ca).refuse().await;
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("no name to verify") && stderr.contains("server_name"), "{stderr}");
    // TLS settings for an upstream that is not reached by it would verify nothing.
    let (code, stderr) = with_ca(&tls_entry("http://127.0.0.1:1/mcp", ""), &ca).refuse().await;
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("not reached by https"), "{stderr}");
}

/// A door that shows this certificate to its upstream.
fn with_certificate(url: &str, ca: &Ca, identity: &Identity) -> Setup {
    let files = ", certificate: {{folder}}/client.crt, key: {{folder}}/client.key";
    let setup = with_ca(&tls_entry(url, files), ca);
    setup.file("client.crt", &identity.certificate).file("client.key", &identity.key)
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_the_upstream_requires_one() {
    let (ca, clients, upstream) = (Ca::new(), Ca::new(), Scripted::start(Era::Modern).await);
    let config = ca.server_config(&ca.server(&["localhost"]), &[HTTP2, HTTP1], Some(&clients));
    let front = Front::tls(&upstream, config).await;
    let (without, _) = ask(&with_ca(&tls_entry(&local(&front), ""), &ca).start().await).await;
    assert_eq!(without, 502);
    let wrong = with_certificate(&local(&front), &ca, &ca.client("door")).start().await;
    assert_eq!(ask(&wrong).await.0, 502);
    assert!(upstream.requests().is_empty(), "nothing was heard");
    let right = with_certificate(&local(&front), &ca, &clients.client("door")).start().await;
    assert_eq!(ask(&right).await, fine());
}

#[tokio::test]
async fn renewed_client_certificates_and_authorities_are_taken_over() {
    let (ca, clients, upstream) = (Ca::new(), Ca::new(), Scripted::start(Era::Modern).await);
    let config = ca.server_config(&ca.server(&["localhost"]), &[HTTP1], Some(&clients));
    let front = Front::tls(&upstream, config).await;
    let door = with_certificate(&local(&front), &ca, &ca.client("door")).start().await;
    assert_eq!(ask(&door).await.0, 502);
    clients.client("door").write(door.folder(), "client");
    becomes(&door, &fine()).await;
    // An authority that no longer vouches for the upstream counts at once for new connections.
    fs::write(door.folder().join("ca.crt"), &Ca::new().pem).unwrap();
    becomes(&door, &refused()).await;
}

async fn becomes(door: &Door, wanted: &(u16, String)) {
    let mut last = ask(door).await;
    for _ in 0..100 {
        if last == *wanted {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        last = ask(door).await;
    }
    panic!("it stays {last:?}: {}", door.process.stderr.text());
}

#[tokio::test]
async fn http2_is_negotiated_where_both_sides_offer_it() {
    let (ca, upstream) = (Ca::new(), Scripted::start(Era::Modern).await);
    let identity = ca.server(&["localhost"]);
    for (offered, mode, http2) in [
        (&[HTTP2, HTTP1][..], "auto", true),
        (&[HTTP1][..], "auto", false),
        (&[][..], "auto", false),
        (&[HTTP2, HTTP1][..], "never", false),
        (&[HTTP2, HTTP1][..], "always", true),
    ] {
        let front = Front::tls(&upstream, ca.server_config(&identity, offered, None)).await;
        let door = with_ca(&format!("{}, http2: {mode}", tls_entry(&local(&front), "")), &ca).start().await;
        let client = Client::modern(&door.url, None);
        ready(&client).await;
        for _ in 0..3 {
            let answer = client.call("echo", json!({ "message": "hi" })).await;
            assert_eq!(answer.status, 200, "{mode} {offered:?}: {}", answer.body);
            assert_eq!(answer.result()["content"][0]["text"], "{\"message\":\"hi\"}");
        }
        assert_eq!(front.http2_requests() > 0, http2, "{mode} {offered:?}");
        assert_eq!(front.http1_connections() > 0, !http2, "{mode} {offered:?}");
    }
    // Who must have HTTP/2 does not fall back.
    let front = Front::tls(&upstream, ca.server_config(&identity, &[HTTP1], None)).await;
    let door = with_ca(&format!("{}, http2: always", tls_entry(&local(&front), "")), &ca).start().await;
    let seen = upstream.requests().len();
    assert_eq!(ask(&door).await.0, 502);
    assert_eq!(upstream.requests().len(), seen);
}

#[tokio::test]
async fn http2_in_clear_text_is_spoken_where_it_is_demanded() {
    let upstream = Scripted::start(Era::Modern).await;
    let front = Front::http2(&upstream).await;
    let door = door_to(&format!("url: \"http://{}/mcp\", http2: always", front.address)).await;
    let client = Client::modern(&door.url, None);
    ready(&client).await;
    let answer = client.call("echo", json!({ "message": "x".repeat(200_000) })).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body.len() > 200_000, "large in both directions");
    assert!(front.http2_requests() > 1);
    let call = upstream.calls().last().cloned().unwrap();
    assert_eq!(call.headers.get("host"), Some(front.address.clone()), ":authority");
    assert_eq!(call.headers.get("mcp-name").as_deref(), Some("echo"));
    let denied = client.call("delete_all", json!({})).await;
    assert_eq!(denied.code(), "authz.denied");
}

#[tokio::test]
async fn an_upstream_at_a_unix_socket_is_reached() {
    let upstream = Scripted::start(Era::Modern).await;
    let setup = Setup::config(
        "listen: { address: 127.0.0.1:0 }\n\
         authentication: { disabled: true }\n\
         authorization: { policies: \"{{folder}}/policies\" }\n\
         upstreams: { upstream: { url: \"unix:{{folder}}/up.sock\", path: /other/path } }\n",
    )
    .file("policies/p.cedar", POLICIES);
    let socket = setup.folder().join("up.sock");
    let front = Front::unix(&upstream, &socket);
    let door = setup.start().await;
    let client = Client::modern(&door.url, None);
    ready(&client).await;
    assert_eq!(client.call("echo", json!({ "message": "hi" })).await.status, 200);
    assert!(front.http1_connections() > 0);
    assert!(upstream.calls().last().unwrap().start.starts_with("POST /other/path "));
    fs::remove_file(socket).unwrap();
    drop(front);
}
