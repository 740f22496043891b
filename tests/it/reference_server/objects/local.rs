//! Objects in a directory of the host: nothing outside it, and within the quotas.

use std::os::unix::fs::symlink;

use serde_json::json;

use super::{keys, put, serving, upload_link};
use crate::{
    reference_server::{done, refused},
    support::{rpc::Client, stores::Store},
};

#[tokio::test]
async fn no_key_leads_out_of_the_directory() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    let store = Store::directory();
    symlink(outside.path(), store.path().join("out")).unwrap();
    symlink(outside.path().join("secret"), store.path().join("link")).unwrap();
    let server = serving(&store, &[]).await;
    let client = Client::modern(&server.url, None);
    for key in ["../secret", "/etc/passwd", "a/../../secret", "a//b", "./a", "a\0", "a\\b", "", "%2e%2e/secret", "a/"] {
        for tool in ["object_read", "object_stat", "object_delete", "object_link", "object_upload_link"] {
            assert_eq!(refused(&client, tool, json!({ "key": key })).await["code"], "invalid_path", "{tool} {key:?}");
        }
        let write = json!({ "key": key, "content": "x" });
        assert_eq!(refused(&client, "object_write", write).await["code"], "invalid_path", "{key:?}");
    }
    assert_eq!(refused(&client, "object_list", json!({ "prefix": "../" })).await["code"], "invalid_path");
    for key in ["out/secret", "link"] {
        assert_eq!(refused(&client, "object_read", json!({ "key": key })).await["code"], "not_an_object", "{key}");
    }
    let url = upload_link(&client, json!({ "key": "out/new", "overwrite": true })).await;
    assert_eq!(put(&url, "x/y", "x").await.0, 404);
    let url = upload_link(&client, json!({ "key": "link", "overwrite": true })).await;
    assert_eq!(put(&url, "x/y", "x").await.0, 404);
    assert!(keys(&client, json!({})).await.0.is_empty());
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
    assert_eq!(std::fs::read_to_string(outside.path().join("secret")).unwrap(), "secret");
}

#[tokio::test]
async fn quotas_of_the_operator_hold() {
    for store in [Store::directory(), Store::memory()] {
        let server = serving(&store, &["--objects-quota-bytes", "1000", "--objects-quota", "2"]).await;
        let client = Client::modern(&server.url, None);
        let write = |key: &str, bytes: usize| json!({ "key": key, "content": "x".repeat(bytes) });
        done(&client, "object_write", write("a", 600)).await;
        assert_eq!(refused(&client, "object_write", write("b", 600)).await["code"], "objects_full");
        let url = upload_link(&client, json!({ "key": "b" })).await;
        let (status, told) = put(&url, "x/y", vec![7; 600]).await;
        assert_eq!((status, told["code"].as_str()), (507, Some("objects_full")));
        done(&client, "object_write", write("b", 10)).await;
        assert_eq!(refused(&client, "object_write", write("c", 0)).await["code"], "objects_full");
        // What is given up is free again.
        done(&client, "object_delete", json!({ "key": "a" })).await;
        done(&client, "object_write", write("c", 600)).await;
    }
}

#[tokio::test]
async fn files_of_others_are_objects_and_damaged_ones_are_refused() {
    let store = Store::directory();
    let server = serving(&store, &[]).await;
    let client = Client::modern(&server.url, None);
    std::fs::write(store.path().join("theirs.html"), "<p>").unwrap();
    let read = done(&client, "object_read", json!({ "key": "theirs.html" })).await;
    assert_eq!((&read["content"], &read["media_type"]), (&json!("<p>"), &json!("text/html")));
    done(&client, "object_write", json!({ "key": "ours.txt", "content": "text ".repeat(1000) })).await;
    let mut bytes = std::fs::read(store.path().join("ours.txt")).unwrap();
    bytes[30] ^= 0xff;
    std::fs::write(store.path().join("ours.txt"), bytes).unwrap();
    assert_eq!(refused(&client, "object_read", json!({ "key": "ours.txt" })).await["code"], "object_corrupt");
}
