//! What links to the server itself let through, and what they do not.

use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::json;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use super::{keys, noise, put, serving, upload_link};
use crate::{
    reference_server::{
        done, refused,
        subscriptions::{Events, LIST_CHANGED, updated},
    },
    support::{process::resident_kib, rpc::Client, stores::Store},
};

#[tokio::test]
async fn an_upload_beyond_its_limit_or_of_another_type_is_refused() {
    let store = Store::directory();
    let server = serving(&store, &["--max-object-bytes", "3000000"]).await;
    let client = Client::modern(&server.url, None);
    let limited = upload_link(&client, json!({ "key": "a.bin", "max_bytes": 1000 })).await;
    let pieces = || [vec![7; 600], vec![7; 600]].map(Ok::<_, std::io::Error>);
    let streamed = || reqwest::Body::wrap_stream(futures_util::stream::iter(pieces()));
    for body in [reqwest::Body::from(vec![7; 1001]), streamed()] {
        let (status, told) = put(&limited, "x/y", body).await;
        assert_eq!((status, told["code"].as_str()), (413, Some("object_too_large")));
    }
    let operators = upload_link(&client, json!({ "key": "a.bin", "max_bytes": 9_000_000 })).await;
    assert_eq!(put(&operators, "x/y", vec![7; 3_000_001]).await.0, 413);
    let large = json!({ "key": "a.bin", "content": "x".repeat(3_000_001) });
    assert_eq!(refused(&client, "object_write", large).await["code"], "object_too_large");
    let image = upload_link(&client, json!({ "key": "a.bin", "media_type": "image/png" })).await;
    for kind in ["text/html", "image/pngx", "nonsense", ""] {
        let (status, told) = put(&image, kind, "x").await;
        assert_eq!(status, 415, "{kind}: {told}");
    }
    let bare = reqwest::Client::new().put(&image).body("x").send().await.unwrap();
    assert_eq!(bare.status(), 415);
    let encoded =
        reqwest::Client::new().put(&image).header("content-type", "image/png").header("content-encoding", "br");
    assert_eq!(encoded.body("x").send().await.unwrap().status(), 415);
    assert_eq!(refused(&client, "object_stat", json!({ "key": "a.bin" })).await["code"], "object_not_found");
    assert_eq!(put(&image, "image/PNG; q=1", "x").await.0, 201);
    assert_eq!(done(&client, "object_stat", json!({ "key": "a.bin" })).await["media_type"], "image/png");
}

#[tokio::test]
async fn a_link_grants_what_it_was_made_for_and_nothing_else() {
    let store = Store::memory();
    let server = serving(&store, &[]).await;
    let client = Client::modern(&server.url, None);
    done(&client, "object_write", json!({ "key": "a.txt", "content": "x" })).await;
    let reading = done(&client, "object_link", json!({ "key": "a.txt" })).await["url"].as_str().unwrap().to_owned();
    let sending = upload_link(&client, json!({ "key": "b.txt", "max_bytes": 10, "expires_in": 2 })).await;
    // A link for reading does not write, and the other way round.
    let signed = reading.split_once('?').unwrap().1;
    assert_eq!(put(&format!("{reading}&if=always&max=10"), "x/y", "x").await.0, 403);
    assert_eq!(reqwest::get(&sending).await.unwrap().status(), 403);
    for altered in [
        sending.replace("b.txt", "c.txt"),
        sending.replace("if=absent", "if=always"),
        sending.replace("max=10", "max=11"),
        sending.replace("expires=", "expires=9"),
        format!("{sending}A"),
        sending.replace("if=", "type=x%2Fy&if="),
    ] {
        assert_eq!(put(&altered, "x/y", "x").await.0, 403, "{altered}");
    }
    let origin = server.url.trim_end_matches("/mcp");
    for key in ["%2e%2e/a.txt", "..%2fa.txt", "x/..%2f..%2fetc/passwd", "x//a.txt", "%00", "a.txt%0a"] {
        let answer = reqwest::get(format!("{origin}/objects/{key}?{signed}")).await.unwrap();
        assert!([403, 404].contains(&answer.status().as_u16()), "{key}: {}", answer.status());
    }
    assert_eq!(keys(&client, json!({})).await.0, ["a.txt"]);
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert_eq!(put(&sending, "x/y", "x").await.0, 403);
}

#[tokio::test]
async fn who_goes_away_in_the_middle_leaves_nothing() {
    let store = Store::directory();
    let server = serving(&store, &[]).await;
    let client = Client::modern(&server.url, None);
    let url = upload_link(&client, json!({ "key": "cut/large.bin" })).await;
    let (authority, path) = url.trim_start_matches("http://").split_once('/').unwrap();
    let mut stream = TcpStream::connect(authority).await.unwrap();
    let head = format!("PUT /{path} HTTP/1.1\r\nhost: {authority}\r\ncontent-length: 60000000\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&noise(30_000_000)).await.unwrap();
    let unfinished = || std::fs::read_dir(store.path().join("cut")).is_ok_and(|folder| folder.count() == 1);
    while !unfinished() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(stream);
    for _ in 0..500 {
        if !store.path().join("cut").exists() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!store.path().join("cut").exists(), "neither the beginning of it nor the folder made for it");
    assert_eq!(refused(&client, "object_stat", json!({ "key": "cut/large.bin" })).await["code"], "object_not_found");
}

#[tokio::test]
async fn who_stays_and_sends_nothing_more_is_given_up() {
    let store = Store::directory();
    let server = serving(&store, &["--objects-timeout-seconds", "1"]).await;
    let client = Client::modern(&server.url, None);
    let stalled = upload_link(&client, json!({ "key": "stalled.bin" })).await;
    let pieces =
        futures_util::stream::iter([Ok::<_, std::io::Error>(vec![7; 9])]).chain(futures_util::stream::pending());
    let (status, told) = put(&stalled, "x/y", reqwest::Body::wrap_stream(pieces)).await;
    assert_eq!((status, told["code"].as_str()), (400, Some("content_cut")));
    assert_eq!(refused(&client, "object_stat", json!({ "key": "stalled.bin" })).await["code"], "object_not_found");
}

#[tokio::test]
async fn a_gibibyte_streams_both_ways_with_flat_memory() {
    const GIBIBYTE: usize = 1 << 30;
    const ALLOWED_KIB: u64 = 48 << 10;
    let store = Store::directory();
    let server = serving(&store, &[]).await;
    let client = Client::modern(&server.url, None);
    let id = server.process.id();
    let before = resident_kib(id);
    let url = upload_link(&client, json!({ "key": "large.bin" })).await;
    let piece = bytes::Bytes::from(noise(1 << 20));
    let most = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(before));
    let seen = std::sync::Arc::clone(&most);
    let pieces = futures_util::stream::iter(0..GIBIBYTE >> 20).map(move |number| {
        if number % 64 == 63 {
            seen.fetch_max(resident_kib(id), std::sync::atomic::Ordering::SeqCst);
        }
        Ok::<_, std::io::Error>(piece.clone())
    });
    let (status, told) = put(&url, "x/y", reqwest::Body::wrap_stream(pieces)).await;
    assert_eq!((status, &told["size"]), (201, &json!(GIBIBYTE)), "{told}");
    let sent = most.load(std::sync::atomic::Ordering::SeqCst);
    let read = done(&client, "object_read", json!({ "key": "large.bin" })).await;
    let response = reqwest::get(read["url"].as_str().unwrap()).await.unwrap();
    let (mut received, mut given) = (0, 0);
    let mut body = response.bytes_stream();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.unwrap();
        if received >> 26 != (received + chunk.len()) >> 26 {
            given = given.max(resident_kib(id));
        }
        received += chunk.len();
    }
    assert_eq!(received, GIBIBYTE);
    eprintln!("resident: {before} KiB before, {sent} while it came, {given} while it went");
    assert!(sent.max(given) < before + ALLOWED_KIB, "from {before} to {sent} and {given} KiB");
}

#[tokio::test]
async fn a_cdn_and_own_links_are_the_operators_choice() {
    let store = Store::memory();
    let server = serving(&store, &["--objects-cdn-url", "https://cdn.example/files/"]).await;
    let client = Client::modern(&server.url, None);
    done(&client, "object_write", json!({ "key": "a b/c.bin", "content_base64": "/wA=" })).await;
    let link = done(&client, "object_link", json!({ "key": "a b/c.bin" })).await;
    assert_eq!((&link["url"], &link["via"]), (&json!("https://cdn.example/files/a%20b/c.bin"), &json!("cdn")));
    assert!(link.get("expires_at").is_none());
    // What is kept compressed would not be read as it was written there.
    done(&client, "object_write", json!({ "key": "c.txt", "content": "text ".repeat(1000) })).await;
    assert_eq!(done(&client, "object_link", json!({ "key": "c.txt" })).await["via"], "server");
}

#[tokio::test]
async fn a_clouds_objects_go_through_this_server_where_the_operator_says_so() {
    let store = Store::azure().await;
    let server = serving(&store, &["--objects-own-links"]).await;
    let client = Client::modern(&server.url, None);
    let content = noise(20_000_000);
    let url = upload_link(&client, json!({ "key": "large.bin", "overwrite": true })).await;
    assert_eq!(put(&url, "x/y", content.clone()).await.0, 200);
    let link = done(&client, "object_link", json!({ "key": "large.bin" })).await;
    assert_eq!(link["via"], "server");
    let http = reqwest::Client::new();
    let given = http.get(link["url"].as_str().unwrap()).send().await.unwrap();
    assert!(given.bytes().await.unwrap() == content);
    let part = http.get(link["url"].as_str().unwrap()).header("range", "bytes=-5").send().await.unwrap();
    assert_eq!(part.headers()["content-range"], "bytes 19999995-19999999/20000000");
    assert_eq!(part.bytes().await.unwrap(), content[19_999_995..]);
}

#[tokio::test]
async fn links_are_not_in_the_log() {
    let store = Store::memory();
    let server = serving(&store, &[]).await;
    let client = Client::modern(&server.url, None);
    let url = upload_link(&client, json!({ "key": "large.bin" })).await;
    assert_eq!(put(&url, "x/y", noise(2_000_000)).await.0, 201);
    assert_eq!(put(&url.replace("max=", "max=1"), "x/y", "x").await.0, 403);
    // Errors go to logs, those of clients too.
    let large = client.request("resources/read", json!({ "uri": "object://large.bin" })).await;
    assert!(large.rpc_code() == -32602 && !large.body.contains("signature="), "{}", large.body);
    let link = done(&client, "object_link", json!({ "key": "large.bin" })).await;
    let told = link["url"].as_str().unwrap();
    assert!(told.contains("signature="), "{told}");
    assert_eq!(reqwest::get(told).await.unwrap().status(), 200);
    let log = server.process.stderr.text();
    assert!(!log.contains("signature="), "{log}");
}

#[tokio::test]
async fn changes_are_told_to_subscribers() {
    let store = Store::memory();
    let server = serving(&store, &[]).await;
    let client = Client::legacy(&server.url, None).await;
    let mut events = Events::of_session(&client).await;
    client.request("resources/subscribe", json!({ "uri": "object://a%20b" })).await.result();
    done(&client, "object_write", json!({ "key": "a b", "content": "x" })).await;
    events.until(&[LIST_CHANGED, updated("object://a%20b")]).await;
    events.forget();
    let url = upload_link(&client, json!({ "key": "a b", "overwrite": true })).await;
    assert_eq!(put(&url, "x/y", "y").await.0, 200);
    events.until(&[updated("object://a%20b")]).await;
    events.forget();
    done(&client, "object_delete", json!({ "key": "a b" })).await;
    events.until(&[LIST_CHANGED, updated("object://a%20b")]).await;
}
