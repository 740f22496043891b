#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "tests"
)]

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

struct Admin {
    server: AdminServer,
    readiness: Arc<Readiness>,
    metrics: Arc<Metrics>,
}

async fn admin(hosts: &[&str]) -> Admin {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hosts: Vec<String> = hosts.iter().map(|&host| host.into()).collect();
    let (readiness, metrics) = (Arc::<Readiness>::default(), Arc::<Metrics>::default());
    let server = AdminServer::start(listener, &hosts, Arc::clone(&readiness), Arc::clone(&metrics)).unwrap();
    Admin { server, readiness, metrics }
}

/// Sends bytes and reads the whole answer.
async fn exchange(admin: &Admin, request: &str) -> String {
    let mut stream = TcpStream::connect(admin.server.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn get(admin: &Admin, path: &str, headers: &str) -> String {
    exchange(admin, &format!("GET {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n")).await
}

const LOCAL: &str = "Host: localhost:9090\r\n";

fn status(answer: &str) -> &str {
    &answer[9..12]
}

#[tokio::test]
async fn readiness_follows_its_items_and_names_the_reason() {
    let admin = admin(&[]).await;
    assert_eq!(status(&get(&admin, "/live", LOCAL).await), "200");
    assert_eq!(status(&get(&admin, "/startup", LOCAL).await), "503");
    assert_eq!(status(&get(&admin, "/ready", LOCAL).await), "503");
    admin.readiness.set_started();
    assert_eq!(status(&get(&admin, "/startup", LOCAL).await), "200");
    assert_eq!(status(&get(&admin, "/ready", LOCAL).await), "200");
    admin.readiness.set("jwks", ItemState::Waiting("the keys were never fetched"));
    let answer = get(&admin, "/ready", LOCAL).await;
    assert_eq!(status(&answer), "503");
    let item = r#""jwks":{"state":"waiting","reason":"the keys were never fetched"}"#;
    assert!(answer.contains(item), "{answer}");
    admin.readiness.set("jwks", ItemState::Ready);
    admin.readiness.set("catalogue:files", ItemState::Degraded("the catalogue is not known yet"));
    let answer = get(&admin, "/ready", LOCAL).await;
    assert_eq!(status(&answer), "200");
    assert!(answer.contains("degraded"), "{answer}");
    admin.readiness.remove("catalogue:files");
    admin.readiness.set_draining();
    let answer = get(&admin, "/ready", LOCAL).await;
    assert_eq!(status(&answer), "503");
    assert!(answer.contains(r#""draining":true"#), "{answer}");
}

#[tokio::test]
async fn metrics_page_is_plain_text_without_exemplars() {
    let admin = admin(&[]).await;
    admin.metrics.refused("authn.expired");
    let answer = get(&admin, "/metrics", LOCAL).await;
    assert_eq!(status(&answer), "200");
    assert!(answer.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    assert!(answer.contains("doorward_refusals_total{code=\"authn.expired\"} 1\n"));
    assert!(!answer.contains("# {"));
}

#[tokio::test]
async fn rebound_repeated_or_missing_host_is_refused() {
    let admin = admin(&["doorward.monitoring"]).await;
    for allowed in ["127.0.0.1", "[::1]:9090", "LOCALHOST", "doorward.monitoring:9090"] {
        let answer = get(&admin, "/live", &format!("Host: {allowed}\r\n")).await;
        assert_eq!(status(&answer), "200", "{allowed}");
    }
    let refused = ["evil.example:9090", "192.0.2.1", "localhost.evil.example", "user@localhost", ""];
    for refused in refused {
        let answer = get(&admin, "/metrics", &format!("Host: {refused}\r\n")).await;
        assert_eq!(status(&answer), "403", "{refused}");
    }
    assert_eq!(status(&get(&admin, "/live", "").await), "403");
    let twice = "Host: localhost\r\nHost: localhost\r\n";
    assert_eq!(status(&get(&admin, "/live", twice).await), "403");
}

#[tokio::test]
async fn web_pages_other_methods_and_other_paths_are_refused() {
    let admin = admin(&[]).await;
    let page = format!("{LOCAL}Origin: http://localhost:9090\r\n");
    assert_eq!(status(&get(&admin, "/metrics", &page).await), "403");
    let post = format!("POST /ready HTTP/1.1\r\n{LOCAL}Content-Length: 0\r\nConnection: close\r\n\r\n");
    assert_eq!(status(&exchange(&admin, &post).await), "405");
    for path in ["/", "/metrics/", "/config", "//live", "/LIVE"] {
        assert_eq!(status(&get(&admin, path, LOCAL).await), "404", "{path}");
    }
}

#[test]
fn open_address_serves_ip_literals_but_no_unknown_name() {
    let hosts = hosts::Hosts::new([0, 0, 0, 0].into(), &["doorward.svc".to_owned()]);
    let allow = |host: &str| {
        let mut headers = http::HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        hosts.allow(&headers)
    };
    assert!(allow("10.1.2.3:9090") && allow("[fd00::1]:9090") && allow("doorward.svc"));
    assert!(!allow("evil.example") && !allow("10.1.2.3.evil.example"));
}

#[tokio::test]
async fn stopping_ends_idle_connections() {
    let admin = admin(&[]).await;
    let address = admin.server.address();
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(format!("GET /live HTTP/1.1\r\n{LOCAL}\r\n").as_bytes()).await.unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.unwrap();
    admin.server.stop().await;
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}
