//! `http_fetch`: off by default, and kept from what is inside.

use axum::{Router, response::Redirect, routing::get};
use serde_json::{Value, json};

use super::{done, refused};
use crate::support::{rpc::Client, upstream::Server};

/// A server on loopback: text, redirects to anywhere, and what is large.
async fn inside() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let hop = |to: String| get(move || async move { Redirect::temporary(&to) });
    let app = Router::new()
        .route("/text", get(|| async { "héllo" }))
        .route("/bytes", get(|| async { vec![0xff_u8, 0] }))
        .route("/large", get(|| async { "é".repeat(600_000) }))
        .route("/hop", hop("/text".to_owned()))
        .route("/round", hop("/round".to_owned()))
        .route("/out", hop("http://169.254.169.254/latest/meta-data".to_owned()))
        .route("/file", hop("file:///etc/passwd".to_owned()));
    tokio::spawn(async move { axum::serve(listener, app).await });
    origin
}

async fn fetching(more: &[&str]) -> (Server, Client) {
    let server = Server::reference_with(|command| command.args(more)).await;
    let client = Client::modern(&server.url, None);
    (server, client)
}

#[tokio::test]
async fn it_is_not_there_unless_switched_on() {
    let (_server, client) = fetching(&[]).await;
    let listed = client.request("tools/list", json!({})).await;
    assert!(!listed.names().iter().any(|name| name == "http_fetch"), "{}", listed.body);
    let called = client.call("http_fetch", json!({ "url": "http://example.com/" })).await;
    assert_eq!(called.rpc_code(), -32602, "{}", called.body);
}

#[tokio::test]
async fn the_inside_is_refused_by_address_and_by_name() {
    let origin = inside().await;
    let (_server, client) = fetching(&["--fetch"]).await;
    let named = origin.replace("127.0.0.1", "localhost");
    for url in [&origin, &named, "http://[::1]/", "http://2130706433/", "http://169.254.169.254/", "http://0.0.0.0/"] {
        let refusal = refused(&client, "http_fetch", json!({ "url": url })).await;
        assert_eq!(refusal["code"], "address_forbidden", "{url}");
    }
    for url in ["file:///etc/passwd", "http://", "no url", "http://user:word@example.com/"] {
        assert_eq!(refused(&client, "http_fetch", json!({ "url": url })).await["code"], "invalid_url", "{url}");
    }
}

#[tokio::test]
async fn what_is_allowed_is_fetched_and_redirects_are_checked_again() {
    let origin = inside().await;
    let (_server, client) = fetching(&["--fetch", "--fetch-allow", "127.0.0.1"]).await;
    let at = |path: &str| json!({ "url": format!("{origin}{path}") });
    let text = done(&client, "http_fetch", at("/text")).await;
    assert_eq!((&text["status"], &text["content"], &text["truncated"]), (&json!(200), &json!("héllo"), &json!(false)));
    assert_eq!(done(&client, "http_fetch", at("/bytes")).await["content_base64"], "/wA=");
    let followed = done(&client, "http_fetch", at("/hop")).await;
    assert_eq!((&followed["content"], &followed["url"]), (&json!("héllo"), &json!(format!("{origin}/text"))));
    assert_eq!(done(&client, "http_fetch", at("/none")).await["status"], 404);
    // No redirect that the client knows: the answer itself, and nothing of the file.
    let file = done(&client, "http_fetch", at("/file")).await;
    assert_eq!((&file["status"], &file["content"]), (&json!(307), &json!("")));
    let large = done(&client, "http_fetch", at("/large")).await;
    assert_eq!((&large["truncated"], large["content"].as_str().map(str::len)), (&json!(true), Some(1 << 20)));
    let code = async |path: &str| -> Value { refused(&client, "http_fetch", at(path)).await["code"].clone() };
    assert_eq!(code("/out").await, "address_forbidden");
    assert_eq!(code("/round").await, "too_many_redirects");
    let closed = json!({ "url": "http://127.0.0.1:1/" });
    assert_eq!(refused(&client, "http_fetch", closed).await["code"], "fetch_failed");
}
