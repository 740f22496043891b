//! Listeners: whatever a client comes by, it gets the same answers.

use std::{fs, time::Duration};

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{POLICIES, answer, done, event, once, pause_ms, ready, stream_head};
use crate::support::{
    door::{Door, Setup},
    raw::{self, Patience, Piece},
    rpc::{Answer, Client, Message, meta},
    tls::{Ca, HTTP1, HTTP2},
    tokens::Issuer,
    upstream::{Era, Scripted},
    wire::{Carrier, Http2, Version, Way},
};

const RESOURCE: &str = "https://mcp.example.com/mcp";

fn yaml(upstream: &Scripted, authentication: &str) -> String {
    format!(
        "listen:\n\
         - {{ address: 127.0.0.1:0 }}\n\
         - {{ address: 127.0.0.1:0, tls: {{ certificate: {{{{folder}}}}/door.crt, key: {{{{folder}}}}/door.key }} }}\n\
         - {{ address: \"unix:{{{{folder}}}}/door.sock\" }}\n\
         - {{ address: 127.0.0.1:0, http2: false }}\n\
         authentication: {authentication}\n\
         authorization: {{ policies: {{{{folder}}}}/policies }}\n\
         upstreams: {{ upstream: {{ url: {} }} }}\n\
         routes: {{ /mcp: {{ upstream: upstream, resource: {RESOURCE} }} }}\n\
         observe: {{ audit: {{ file: {{{{folder}}}}/audit.jsonl }} }}\n",
        upstream.url
    )
}

async fn start(upstream: &Scripted, ca: &Ca, authentication: &str) -> Door {
    let identity = ca.server(&["localhost", "127.0.0.1"]);
    let setup = Setup::config(&yaml(upstream, authentication)).file("policies/p.cedar", POLICIES);
    setup.file("door.crt", &identity.certificate).file("door.key", &identity.key).start().await
}

fn host(url: &str) -> String {
    url.split("://").nth(1).unwrap().split('/').next().unwrap().to_owned()
}

/// Every way there is to this door.
async fn ways(door: &Door, ca: &Ca) -> Vec<Way> {
    let plain = Carrier::Tcp(door.address());
    let secure = host(&door.url_with("https://").await);
    let unix = Carrier::Unix(door.folder().join("door.sock"));
    let tls = |protocols: &[&[u8]]| Carrier::Tls(secure.clone(), ca.client_config(protocols));
    vec![
        Way::new("TCP, HTTP/1.1", plain.clone(), Version::Http1),
        Way::new("TCP, HTTP/2", plain, Version::Http2),
        Way::new("TLS, HTTP/1.1", tls(&[HTTP1]), Version::Http1),
        Way::new("TLS without ALPN", tls(&[]), Version::Http1),
        Way::new("TLS, HTTP/2", tls(&[HTTP2, HTTP1]), Version::Http2),
        Way::new("unix socket, HTTP/1.1", unix.clone(), Version::Http1),
        Way::new("unix socket, HTTP/2", unix, Version::Http2),
    ]
}

/// What of an answer must be the same everywhere.
fn essence(answer: &Answer) -> Value {
    let mut messages = json!(answer.messages);
    for message in messages.as_array_mut().unwrap() {
        if let Some(data) = message.get_mut("error").and_then(|error| error.get_mut("data")) {
            data["decision_id"] = json!("…");
        }
    }
    let header = |name| answer.headers.get(name).map(|value| value.to_str().unwrap());
    json!({
        "status": answer.status,
        "type": header("content-type"),
        "challenge": header("www-authenticate"),
        "messages": messages,
    })
}

#[tokio::test]
async fn every_listener_and_http_version_gives_the_same_answers() {
    let (ca, upstream) = (Ca::new(), Scripted::start(Era::Modern).await);
    let issuer = Issuer::start(RESOURCE).await;
    let door = start(&upstream, &ca, &format!("{{ issuers: [ {{ issuer: {} }} ] }}", issuer.url())).await;
    let token = issuer.token("alice");
    ready(&Client::modern(&door.url, Some(&token))).await;
    let bearer = format!("Bearer {token}");
    let mut with_progress = meta();
    with_progress["progressToken"] = json!("p");
    let stream = Message::modern("resources/read", json!({ "uri": "file:///allowed/a.txt", "_meta": with_progress }));
    let big = "é".repeat(150_000);
    let messages = [
        ("allow", 200, Message::call("echo", json!({ "message": "hi" })).with("authorization", &bearer)),
        ("large", 200, Message::call("echo", json!({ "message": big })).with("authorization", &bearer)),
        ("deny", 403, Message::call("delete_all", json!({})).with("authorization", &bearer)),
        ("list", 200, Message::modern("tools/list", json!({})).with("authorization", &bearer)),
        ("stream", 200, stream.with("authorization", &bearer)),
        ("nobody", 401, Message::call("echo", json!({ "message": "hi" }))),
    ];
    let ways = ways(&door, &ca).await;
    for (what, status, message) in &messages {
        let mut first = None;
        for way in &ways {
            let progress = json!({ "jsonrpc": "2.0", "method": "notifications/progress",
                "params": { "progressToken": "p", "progress": 1 } });
            let contents = json!({ "resultType": "complete", "contents": [] });
            let result = json!({ "jsonrpc": "2.0", "id": 1, "result": contents });
            upstream
                .script([once("resources/read", vec![stream_head(), event(&progress), pause_ms(20), event(&result)])]);
            let seen = way.send(message).await;
            assert_eq!(seen.status, *status, "{what} by {}: {}", way.name, seen.body);
            let seen = essence(&seen);
            let first = first.get_or_insert_with(|| seen.clone());
            assert_eq!(seen, *first, "{what} by {}", way.name);
        }
        let messages = first.as_ref().map_or(0, |seen| seen["messages"].as_array().unwrap().len());
        assert_eq!(messages, if *what == "stream" { 2 } else { 1 }, "{what}");
    }
    // One record for each.
    let of = |records: &[Value], code: &str| records.iter().filter(|record| record["code"] == code).count();
    let enough = |records: &[Value]| of(records, "authn.token_missing") == ways.len();
    let records = door.wait_audit(enough).await;
    assert_eq!(of(&records, "authz.denied"), ways.len());
    assert!(!upstream.saw(b"delete_all"));
    assert!(!upstream.saw(token.as_bytes()), "the caller's token never travels");
}

#[tokio::test]
async fn http2_is_not_spoken_where_it_is_switched_off() {
    let (ca, upstream) = (Ca::new(), Scripted::start(Era::Modern).await);
    let door = start(&upstream, &ca, "{ disabled: true }").await;
    let urls = door.urls(4).await;
    let carrier = Carrier::Tcp(host(&urls[3]));
    ready(&Client::modern(&urls[3], None)).await;
    let (io, _) = carrier.connect().await.unwrap();
    // The preface is an HTTP/1.1 request line with an unknown version: a refusal, or the end of the connection.
    let answered = async {
        let (mut send, connection) = h2::client::handshake(io).await?;
        tokio::spawn(connection);
        send = send.ready().await?;
        let request = http::Request::get("http://localhost/mcp").body(()).unwrap();
        send.send_request(request, true)?.0.await
    };
    let answered = tokio::time::timeout(Duration::from_secs(10), answered).await.expect("no silence");
    assert!(answered.is_err(), "{answered:?}");
}

#[tokio::test]
async fn http2_is_not_negotiated_where_it_is_switched_off() {
    let (ca, upstream) = (Ca::new(), Scripted::start(Era::Modern).await);
    let identity = ca.server(&["localhost"]);
    let yaml = yaml(&upstream, "{ disabled: true }")
        .replace("key: {{folder}}/door.key }", "key: {{folder}}/door.key }, http2: false");
    let setup = Setup::config(&yaml).file("policies/p.cedar", POLICIES);
    let door = setup.file("door.crt", &identity.certificate).file("door.key", &identity.key).start().await;
    let secure = host(&door.url_with("https://").await);
    let carrier = |protocols: &[&[u8]]| Carrier::Tls(secure.clone(), ca.client_config(protocols));
    let (_, chosen) = carrier(&[HTTP2, HTTP1]).connect().await.unwrap();
    assert_eq!(chosen.as_deref(), Some(HTTP1));
    assert!(carrier(&[HTTP2]).connect().await.is_err(), "nothing in common");
}

#[tokio::test]
async fn whoever_leaves_by_tls_or_a_unix_socket_cancels_too() {
    let (ca, upstream) = (Ca::new(), Scripted::start(Era::Modern).await);
    let door = start(&upstream, &ca, "{ disabled: true }").await;
    ready(&Client::modern(&door.url, None)).await;
    let call = Message::call("echo", json!({}));
    let mut request = "POST /mcp HTTP/1.1\r\nhost: localhost\r\n".to_owned();
    for (name, value) in &call.headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    let request = format!("{request}content-length: {}\r\n\r\n{}", call.body.len(), call.body);
    let secure = Carrier::Tls(host(&door.url_with("https://").await), ca.client_config(&[HTTP1]));
    for carrier in [secure, Carrier::Unix(door.folder().join("door.sock"))] {
        let before = upstream.calls().len();
        upstream.script([once("tools/call", vec![pause_ms(60_000)])]);
        let (mut io, _) = carrier.connect().await.unwrap();
        io.write_all(request.as_bytes()).await.unwrap();
        io.flush().await.unwrap();
        upstream.wait(|requests| requests.iter().filter(|request| !request.housekeeping()).count() > before).await;
        let connection = upstream.calls().last().unwrap().connection;
        drop(io);
        assert!(upstream.ends(connection, Duration::from_secs(5)).await, "the call goes on");
    }
}

#[tokio::test]
async fn renewed_certificates_are_taken_over_while_connections_stay() {
    let (old, new, upstream) = (Ca::new(), Ca::new(), Scripted::start(Era::Modern).await);
    let door = start(&upstream, &old, "{ disabled: true }").await;
    let secure = host(&door.url_with("https://").await);
    let carrier = |ca: &Ca| Carrier::Tls(secure.clone(), ca.client_config(&[HTTP2]));
    ready(&Client::modern(&door.url, None)).await;
    let held = Http2::connect(&carrier(&old)).await;
    let call = Message::call("echo", json!({ "message": "hi" }));
    assert_eq!(held.send(&call).await.status, 200);
    upstream.script([once("tools/call", vec![pause_ms(2000), answer(&done())])]);
    let under_way = held.begin("localhost", &call).await;
    upstream.wait(|requests| requests.iter().filter(|request| request.method() == "tools/call").count() == 3).await;

    new.server(&["localhost"]).write(door.folder(), "door");
    let served = async |ca: &Ca, expected: bool| {
        for _ in 0..100 {
            if carrier(ca).connect().await.is_ok() == expected {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    };
    assert!(served(&new, true).await, "the new certificate: {}", door.process.stderr.text());
    assert!(carrier(&old).connect().await.is_err(), "the old one is served no more");
    assert_eq!(under_way.answer().await.unwrap().status, 200, "what was under way finishes");
    assert_eq!(held.send(&call).await.status, 200, "the old connection stays");
    assert!(!held.ended());

    // A broken pair changes nothing, by file as by signal.
    fs::write(door.folder().join("door.crt"), "no certificate").unwrap();
    door.process.signal(Signal::HUP);
    door.wait_audit(|records| records.iter().any(|record| record["kind"] == "reload_refused")).await;
    assert!(served(&new, true).await, "{}", door.process.stderr.text());
    assert_eq!(Http2::connect(&carrier(&new)).await.send(&call).await.status, 200);
}

#[tokio::test]
async fn a_connection_may_rest_between_requests_and_a_head_may_not_dawdle() {
    let (ca, upstream) = (Ca::new(), Scripted::start(Era::Modern).await);
    let identity = ca.server(&["localhost"]);
    let yaml = format!("{}accept: {{ head_timeout: 400ms }}\n", yaml(&upstream, "{ disabled: true }"));
    let setup = Setup::config(&yaml).file("policies/p.cedar", POLICIES);
    let mut door = setup.file("door.crt", &identity.certificate).file("door.key", &identity.key).start().await;
    let secure = Carrier::Tls(host(&door.url_with("https://").await), ca.client_config(&[HTTP1]));
    let unix = Carrier::Unix(door.folder().join("door.sock"));
    let mut resting = vec![];
    for carrier in [Carrier::Tcp(door.address()), secure, unix] {
        let list = Message::modern("prompts/list", json!({}));
        let mut request = "POST /mcp HTTP/1.1\r\nhost: localhost\r\n".to_owned();
        for (name, value) in &list.headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        let request = format!("{request}content-length: {}\r\n\r\n{}", list.body.len(), list.body);
        let (mut io, _) = carrier.connect().await.unwrap();
        for pause_ms in [900, 900, 0] {
            io.write_all(request.as_bytes()).await.unwrap();
            let mut seen = vec![];
            while !String::from_utf8_lossy(&seen).ends_with("}}") {
                assert!(io.read_buf(&mut seen).await.unwrap() > 0, "{}", String::from_utf8_lossy(&seen));
            }
            assert!(seen.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&seen));
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        }
        resting.push(io);
        let (io, _) = carrier.connect().await.unwrap();
        let slow = raw::exchange_on(io, &[Piece::from(request.as_bytes()[..30].to_vec())], Patience::default()).await;
        assert_eq!(slow.first().status, 408, "{}", slow.first().text());
    }
    let timeouts = |records: &[Value]| records.iter().filter(|record| record["code"] == "accept.timeout").count();
    let records = door.wait_audit(|records| timeouts(records) == 3).await;
    assert!(records.iter().all(|record| record["kind"] != "refusal" || record["code"] == "accept.timeout"));
    // Nobody who rests holds up the end.
    door.process.signal(Signal::TERM);
    assert_eq!(door.process.exit_code(Duration::from_secs(5)).await, Some(0));
    for mut io in resting {
        assert_eq!(io.read(&mut [0; 16]).await.unwrap_or(0), 0);
    }
}

#[tokio::test]
async fn a_socket_file_left_behind_is_replaced_and_any_other_file_is_not() {
    let (ca, upstream) = (Ca::new(), Scripted::start(Era::Modern).await);
    let identity = ca.server(&["localhost"]);
    let setup = || {
        let setup = Setup::config(&yaml(&upstream, "{ disabled: true }")).file("policies/p.cedar", POLICIES);
        setup.file("door.crt", &identity.certificate).file("door.key", &identity.key)
    };
    let stale = setup();
    drop(std::os::unix::net::UnixListener::bind(stale.folder().join("door.sock")).unwrap());
    let mut door = stale.start().await;
    let socket = door.folder().join("door.sock");
    let way = Way::new("unix", Carrier::Unix(socket.clone()), Version::Http1);
    assert_eq!(way.send(&Message::modern("prompts/list", json!({}))).await.status, 200);
    door.process.signal(Signal::TERM);
    assert_eq!(door.process.exit_code(Duration::from_secs(10)).await, Some(0));
    assert!(!socket.exists(), "removed at the end");

    let (code, stderr) = setup().file("door.sock", "precious").refuse().await;
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("is no socket"), "{stderr}");
}
