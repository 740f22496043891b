//! Export and import: from one server to another and back, whole or not at all, and what hostile files try.

mod hostile;
mod interrupted;
mod places;
mod records;
mod roundtrip;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::done;
use crate::support::rpc::Client;

/// The file of an export that comes in its result.
fn file(exported: &Value) -> Vec<u8> {
    match exported["content"].as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => STANDARD.decode(exported["content_base64"].as_str().unwrap()).unwrap(),
    }
}

async fn create(client: &Client, path: &str, content: &str) {
    done(client, "document_create", json!({ "path": path, "content": content })).await;
}

/// Path, version and content of every document below a prefix.
async fn stored(client: &Client, prefix: &str) -> Vec<(String, u64, String)> {
    let listed = done(client, "document_list", json!({ "prefix": prefix, "limit": 200 })).await;
    let mut found = vec![];
    for each in listed["documents"].as_array().unwrap() {
        let read = done(client, "document_read", json!({ "path": each["path"] })).await;
        let text = |name: &str| read[name].as_str().unwrap().to_owned();
        found.push((text("path"), read["version"].as_u64().unwrap(), text("content")));
    }
    found
}

fn counts(created: u64, updated: u64, unchanged: u64, skipped: u64) -> Value {
    json!({ "created": created, "updated": updated, "unchanged": unchanged, "skipped": skipped, "earlier": 0 })
}
