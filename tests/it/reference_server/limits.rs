//! Paths, sizes and arguments beyond what the document store takes.

use serde_json::{Value, json};

use super::{both_eras, done, refused};
use crate::support::{rpc::Client, upstream::Server};

async fn code(client: &Client, tool: &str, arguments: Value) -> String {
    refused(client, tool, arguments).await["code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn paths_that_are_not_canonical_are_refused_everywhere() {
    let server = Server::reference().await;
    let long = "a".repeat(513);
    for client in both_eras(&server.url).await {
        for path in ["", "/etc/passwd", "../a", "a/../b", "a//b", "a/", "a%2fb", "a\\b", "a\0b", "a?b", "a:b", &long] {
            let create = json!({ "path": path, "content": "x" });
            assert_eq!(code(&client, "document_create", create).await, "invalid_path", "{path:?}");
            assert_eq!(code(&client, "document_read", json!({ "path": path })).await, "invalid_path", "{path:?}");
        }
        let folder = if client.session.is_some() { "legacy" } else { "modern" };
        let path = format!("{folder}/{}", "a".repeat(505));
        done(&client, "document_create", json!({ "path": path, "content": "x" })).await;
        let moved = json!({ "path": path, "new_path": "../b" });
        assert_eq!(code(&client, "document_move", moved).await, "invalid_path");
    }
}

#[tokio::test]
async fn contents_up_to_the_limit_are_taken_and_no_larger_ones() {
    const LIMIT: usize = 1024 * 1024;
    let server = Server::reference().await;
    for client in both_eras(&server.url).await {
        let path = if client.session.is_some() { "legacy" } else { "modern" };
        // Twice as large on the wire.
        let full = "\n".repeat(LIMIT);
        let created = done(&client, "document_create", json!({ "path": path, "content": full })).await;
        assert_eq!(created["size"], LIMIT);
        let larger = json!({ "path": path, "expected_version": 1, "content": format!("{full}x") });
        assert_eq!(code(&client, "document_update", larger).await, "invalid_document");
        let read = done(&client, "document_read", json!({ "path": path })).await;
        assert_eq!((&read["version"], &read["content"]), (&json!(1), &json!(full)));
        let metadata = json!({ "path": "m", "content": "", "metadata": { "k": "m".repeat(17_000) } });
        assert_eq!(code(&client, "document_create", metadata).await, "invalid_document");
    }
}

#[tokio::test]
async fn operator_sets_a_smaller_limit() {
    let server = Server::reference_with(|command| command.args(["--max-document-bytes", "10"])).await;
    let client = Client::modern(&server.url, None);
    done(&client, "document_create", json!({ "path": "a", "content": "1234567890" })).await;
    let larger = json!({ "path": "b", "content": "12345678901" });
    assert_eq!(code(&client, "document_create", larger).await, "invalid_document");
}

#[tokio::test]
async fn arguments_outside_the_schema_are_told_apart() {
    let server = Server::reference().await;
    for client in both_eras(&server.url).await {
        let cases = [
            ("document_create", json!({ "path": "a" }), "invalid_arguments"),
            ("document_create", json!({ "path": "a", "content": "x", "owner": "y" }), "invalid_arguments"),
            ("document_create", json!({ "path": "a", "content": "x", "media_type": "text" }), "invalid_document"),
            ("document_create", json!({ "path": "a", "content": "x", "tags": [""] }), "invalid_document"),
            ("document_update", json!({ "path": "a", "expected_version": -1, "content": "x" }), "invalid_arguments"),
            ("document_update", json!({ "path": "a", "expected_version": 1 }), "invalid_arguments"),
            ("document_list", json!({ "limit": 0 }), "invalid_arguments"),
            ("document_list", json!({ "limit": 201 }), "invalid_arguments"),
            ("document_search", json!({ "query": "-only" }), "invalid_search"),
            ("document_search", json!({ "query": "a ".repeat(1000) }), "invalid_search"),
            ("document_read", json!({ "path": "nothing" }), "document_not_found"),
            ("document_history", json!({ "path": "nothing" }), "document_not_found"),
        ];
        for (tool, arguments, wanted) in cases {
            assert_eq!(code(&client, tool, arguments.clone()).await, wanted, "{tool} {arguments}");
        }
        // What would break a search engine's grammar finds nothing, and breaks nothing.
        for query in ["\"", "a\" OR \"b", "NEAR(a b", "title:", "(((", "a AND", "{x}:y", "^a*"] {
            let searched = client.call("document_search", json!({ "query": query })).await;
            let text = searched.result()["content"][0]["text"].as_str().unwrap();
            assert!(text.contains("\"hits\":[]") || text.contains("invalid_search"), "{query}: {text}");
        }
    }
}
