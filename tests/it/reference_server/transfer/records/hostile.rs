//! Files whose records are wrong: told by line and code, before anything is written.

use serde_json::{Value, json};

use super::collections;
use crate::reference_server::{
    done, refused,
    transfer::hostile::{complaint, lines},
};
use crate::support::{rpc::Client, upstream::Server};

pub(super) const FIRST: &str = r#"{"format":{"name":"doorward-export","version":2}}"#;

const ONE: &str = r#"{"end":{"documents":0,"records":1}}"#;

fn record(collection: &str, id: &str, body: &Value) -> String {
    json!({ "record": { "collection": collection, "id": id, "body": body } }).to_string()
}

/// An object this many levels deep.
fn deep(levels: usize) -> Value {
    (1..levels).fold(json!({}), |inner, _| json!({ "a": inner }))
}

/// A body of this many bytes of JSON.
fn large(bytes: usize) -> Value {
    json!({ "a": "x".repeat(bytes - r#"{"a":""}"#.len()) })
}

/// A body of this many members and items.
fn many(values: usize) -> Value {
    json!({ "a": vec![0; values - 1] })
}

#[tokio::test]
async fn every_limit_of_record_create_is_one_of_import() {
    let server = Server::reference().await;
    let client = Client::modern(&server.url, None);
    let long = "n".repeat(128);
    for (collection, id, body) in [
        (long.as_str(), long.as_str(), json!({})),
        ("c", "large", large(64 << 10)),
        ("c", "deep", deep(16)),
        ("c", "many", many(1_000)),
        ("c", "member", json!({ "m".repeat(128): 0 })),
    ] {
        let imported = done(&client, "import", lines(&[FIRST, &record(collection, id, &body), ONE])).await;
        assert_eq!(imported["records"]["created"], 1, "{id}");
        let read = done(&client, "record_read", json!({ "collection": collection, "id": id })).await;
        assert_eq!(read["body"], body, "{id}");
        done(&client, "record_delete", json!({ "collection": collection, "id": id })).await;
    }
    let longer = "n".repeat(129);
    for (collection, id, body) in [
        ("c", longer.as_str(), json!({})),
        (longer.as_str(), "a", json!({})),
        ("", "a", json!({})),
        ("c", "", json!({})),
        ("c", "..", json!({})),
        ("a/b", "c", json!({})),
        ("c", "é", json!({})),
        ("c", "a", large((64 << 10) + 1)),
        ("c", "a", deep(17)),
        ("c", "a", many(1_001)),
        ("c", "a", json!({ "m".repeat(129): 0 })),
        ("c", "a", json!({ "": 0 })),
        ("c", "a", json!({ "a": [{ "b": "\0" }] })),
        ("c", "a", json!({ "\0": 0 })),
    ] {
        let wrong = json!({ "collection": collection, "id": id, "body": body });
        let told = refused(&client, "record_create", wrong).await;
        assert_eq!(told["code"], "invalid_record");
        // What is right before it is not written either.
        let right = record("c", "right", &json!({}));
        let two = r#"{"end":{"documents":0,"records":2}}"#;
        let complaint = complaint(&client, lines(&[FIRST, &right, &record(collection, id, &body), two])).await;
        assert_eq!((&complaint["line"], &complaint["code"]), (&json!(3), &json!("invalid_record")));
        assert_eq!(complaint["message"], told["message"]);
    }
    assert_eq!(collections(&client).await, json!([]));
}

#[tokio::test]
async fn wrong_lines_of_records_are_told_by_number_and_code() {
    // A line may be as long as the largest document needs, and 1 MiB more.
    let server = Server::reference_with(|command| command.args(["--max-document-bytes", "1000"])).await;
    let client = Client::modern(&server.url, None);
    let a = record("c", "a", &json!({}));
    let earlier = r#"{"earlier":{"path":"b","content":"x"}}"#;
    let nested = format!(r#"{{"record":{{"collection":"c","id":"a","body":{{"a":{}}}}}}}"#, "[".repeat(200_000));
    let huge = record("c", "a", &large(2 << 20));
    let no_number = r#"{"record":{"collection":"c","id":"a","body":{"n":1e400}}}"#;
    let cases: Vec<(Vec<&str>, u64, &str)> = vec![
        (vec![FIRST, &a, &a, r#"{"end":{"documents":0,"records":2}}"#], 3, "duplicate"),
        (vec![FIRST, &a, r#"{"end":{"documents":0}}"#], 3, "invalid_line"),
        (vec![FIRST, &a, r#"{"end":{"documents":1,"records":0}}"#], 3, "invalid_line"),
        (vec![FIRST, &a, r#"{"end":{"documents":0,"records":2}}"#], 3, "invalid_line"),
        (vec![FIRST, &a], 3, "invalid_line"),
        (vec![FIRST, &a, "{\"record\":", ONE], 3, "invalid_line"),
        (vec![FIRST, r#"{"record":{"collection":"c","body":{}}}"#, ONE], 2, "invalid_line"),
        (vec![FIRST, r#"{"record":{"id":"a","body":{}}}"#, ONE], 2, "invalid_line"),
        (vec![FIRST, r#"{"record":{"collection":"c","id":"a"}}"#, ONE], 2, "invalid_line"),
        (vec![FIRST, r#"{"record":{"collection":"c","id":"a","body":[]}}"#, ONE], 2, "invalid_line"),
        (vec![FIRST, r#"{"record":{"collection":"c","id":"a","body":null}}"#, ONE], 2, "invalid_line"),
        (vec![FIRST, r#"{"record":{"collection":"c","id":"a","body":{},"uri":"x"}}"#, ONE], 2, "invalid_line"),
        (vec![FIRST, r#"{"earlier_record":{"collection":"c","id":"a","body":{}}}"#, ONE], 2, "invalid_line"),
        (vec![FIRST, no_number, ONE], 2, "invalid_line"),
        (vec![FIRST, &nested, ONE], 2, "invalid_line"),
        (vec![FIRST, &huge, ONE], 2, "invalid_line"),
        (vec![FIRST, earlier, &a, r#"{"end":{"documents":0,"earlier":1,"records":1}}"#], 3, "invalid_line"),
    ];
    for (wrong, line, code) in cases {
        let complaint = complaint(&client, lines(&wrong)).await;
        let shown: Vec<String> = wrong.iter().map(|line| line.chars().take(100).collect()).collect();
        assert_eq!((&complaint["line"], &complaint["code"]), (&json!(line), &json!(code)), "{complaint} for {shown:?}");
    }
    assert_eq!(collections(&client).await, json!([]));
    // A document, a prompt and a record may have one name; records are read wherever they are.
    let document = json!({ "document": { "path": "c/a", "content": "x" } }).to_string();
    let all = [FIRST, &a, &document, &record("c", "b", &json!({})), r#"{"end":{"documents":1,"records":2}}"#];
    let imported = done(&client, "import", lines(&all)).await;
    assert_eq!((&imported["documents"]["created"], &imported["records"]["created"]), (&json!(1), &json!(2)));
}
