//! Stores that are gone, slow or not to be talked to.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::{net::TcpListener, process::Command, sync::mpsc};

use super::{keys, noise, put, serving, upload_link};
use crate::{
    reference_server::{done, refused},
    support::{parts, process::run_command, rpc::Client, stores::Store},
};

#[tokio::test]
async fn a_store_that_dies_in_the_middle_leaves_no_part_and_is_used_again() {
    let mut store = Store::s3().await;
    let server = serving(&store, &["--objects-timeout-seconds", "5"]).await;
    let client = Client::modern(&server.url, None);
    done(&client, "object_write", json!({ "key": "before", "content": "x" })).await;
    let url = upload_link(&client, json!({ "key": "cut.bin", "overwrite": true })).await;
    let (sender, receiver) = mpsc::channel::<Result<Vec<u8>, std::io::Error>>(1);
    let pieces =
        futures_util::stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) });
    let sending = tokio::spawn(async move { put(&url, "x/y", reqwest::Body::wrap_stream(Box::pin(pieces))).await });
    let piece = noise(1 << 20);
    // Enough that parts are in the store.
    for _ in 0..32 {
        sender.send(Ok(piece.clone())).await.unwrap();
    }
    store.kill();
    for _ in 0..32 {
        // The server may have given up already.
        if sender.send(Ok(piece.clone())).await.is_err() {
            break;
        }
    }
    drop(sender);
    let (status, told) = sending.await.unwrap();
    assert_eq!((status, told["code"].as_str()), (503, Some("objects_unavailable")), "{told}");
    for tool in ["object_read", "object_stat", "object_link"] {
        assert_eq!(refused(&client, tool, json!({ "key": "before" })).await["code"], "objects_unavailable", "{tool}");
    }
    let write = json!({ "key": "during", "content": "x" });
    assert_eq!(refused(&client, "object_write", write.clone()).await["code"], "objects_unavailable");
    assert_eq!(refused(&client, "object_list", json!({})).await["code"], "objects_unavailable");
    let ready = || crate::reference_server::settings::ready(&server);
    assert_eq!(ready().await, (503, json!({ "ready": false, "documents": "ok", "objects": "unavailable" })));
    store.restart_s3().await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(ready().await, (200, json!({ "ready": true, "documents": "ok", "objects": "ok" })));
    // What was acknowledged is there, and nothing of what was not.
    assert_eq!(done(&client, "object_read", json!({ "key": "before" })).await["content"], "x");
    for key in ["cut.bin", "during"] {
        assert_eq!(refused(&client, "object_stat", json!({ "key": key })).await["code"], "object_not_found", "{key}");
    }
    assert_eq!(keys(&client, json!({})).await.0, ["before"]);
    done(&client, "object_write", write).await;
}

#[tokio::test]
async fn what_a_store_did_not_give_to_its_end_is_not_taken_for_the_whole() {
    let mut store = Store::azure().await;
    let server = serving(&store, &["--objects-own-links", "--objects-timeout-seconds", "5"]).await;
    let client = Client::modern(&server.url, None);
    let url = upload_link(&client, json!({ "key": "large.bin", "overwrite": true })).await;
    assert_eq!(put(&url, "x/y", noise(120_000_000)).await.0, 200);
    let link = done(&client, "object_link", json!({ "key": "large.bin" })).await;
    let mut response = reqwest::get(link["url"].as_str().unwrap()).await.unwrap();
    assert_eq!((response.status().as_u16(), response.content_length()), (200, Some(120_000_000)));
    response.chunk().await.unwrap().unwrap();
    store.kill();
    let rest = loop {
        match response.chunk().await {
            Ok(Some(_)) => {}
            ended => break ended,
        }
    };
    assert!(rest.is_err(), "the body came to a good end");
}

#[tokio::test]
async fn a_slow_store_is_given_up_with_its_code() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let holding = tokio::spawn(async move {
        let mut held = vec![];
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    let mut store = Store::memory();
    store.arguments =
        ["--objects", "s3://objects", "--objects-allow-http", "--objects-endpoint"].map(str::to_owned).into();
    store.arguments.push(endpoint);
    store.variables = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| (name, "x".to_owned())).into();
    let server = serving(&store, &["--objects-timeout-seconds", "1"]).await;
    let client = Client::modern(&server.url, None);
    let begin = Instant::now();
    for tool in ["object_read", "object_stat", "object_delete"] {
        assert_eq!(refused(&client, tool, json!({ "key": "a" })).await["code"], "objects_timeout", "{tool}");
    }
    let write = json!({ "key": "a", "content": "x" });
    assert_eq!(refused(&client, "object_write", write).await["code"], "objects_timeout");
    assert_eq!(refused(&client, "object_list", json!({})).await["code"], "objects_timeout");
    let url = upload_link(&client, json!({ "key": "a" })).await;
    let (status, told) = put(&url, "x/y", "x").await;
    assert_eq!((status, told["code"].as_str()), (504, Some("objects_timeout")));
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    holding.abort();
}

#[tokio::test]
async fn wrong_credentials_are_refused_without_showing_them() {
    let mut store = Store::azure().await;
    store.variables.retain(|(name, _)| *name != "AZURE_STORAGE_ACCOUNT_KEY");
    store.variables.push(("AZURE_STORAGE_ACCOUNT_KEY", "bm90LXRoZS1zZWNyZXQ=".to_owned()));
    let server = serving(&store, &["--log", "debug,rmcp=error"]).await;
    let client = Client::modern(&server.url, None);
    let refusal = refused(&client, "object_write", json!({ "key": "a", "content": "x" })).await;
    assert_eq!(refusal["code"], "objects_refused");
    assert!(!refusal.to_string().contains("secret"), "{refusal}");
    assert!(!server.process.stderr.text().contains("bm90LXRoZS1zZWNyZXQ="));
}

#[tokio::test]
async fn a_store_in_the_clear_needs_the_operators_word() {
    for (objects, endpoint, name, value) in [
        ("s3://objects", Some("http://127.0.0.1:1"), "AWS_ALLOW_HTTP", "true"),
        ("az://objects", None, "AZURE_STORAGE_USE_EMULATOR", "true"),
        ("gs://objects", Some("http://127.0.0.1:1"), "GOOGLE_SKIP_SIGNATURE", "true"),
        ("s3://objects", None, "AWS_ENDPOINT", "http://127.0.0.1:1"),
    ] {
        let mut command = Command::new(parts::binary("doorward-reference-server"));
        command.args(["--stdio", "--objects", objects]).env(name, value).env("AZURE_STORAGE_ACCOUNT_NAME", "a");
        if let Some(endpoint) = endpoint {
            command.args(["--objects-endpoint", endpoint]);
        }
        let ended = run_command(&mut command, Duration::from_secs(20)).await;
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(ended.stderr.contains("--objects-allow-http"), "{objects}: {}", ended.stderr);
    }
}
