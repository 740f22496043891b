//! Where exports go and imports come from: the result, files, objects.

use serde_json::json;

use super::{create, file, stored};
use crate::reference_server::{both_eras, done, files::serving, refused};
use crate::support::{process::resident_kib, rpc::Client, stores::Store, upstream::Server};

#[tokio::test]
async fn exports_go_to_files_and_objects_and_come_back() {
    let (folder, server) = serving(&["--objects", "memory:"]).await;
    for client in both_eras(&server.url).await {
        let era = if client.session.is_some() { "legacy" } else { "modern" };
        create(&client, &format!("{era}/a.md"), "# A\n").await;
        for (format, ending) in [("jsonl", "jsonl"), ("markdown", "zip")] {
            let path = format!("out/{era}.{ending}");
            let what = json!({ "prefix": format!("{era}/"), "format": format });
            let inline = done(&client, "export", what.clone()).await;
            for place in [format!("file:///{path}"), format!("object://{path}")] {
                let mut what = what.clone();
                what["to"] = json!(place);
                let exported = done(&client, "export", what.clone()).await;
                assert_eq!((&exported["uri"], &exported["sha256"]), (&json!(place), &inline["sha256"]));
                // Nothing is overwritten by who does not say what.
                let refusal = refused(&client, "export", what.clone()).await;
                let file = place.starts_with("file");
                assert_eq!(refusal["code"], if file { "file_exists" } else { "object_exists" });
                let (wrong, right) = if file { ("expected_etag", "revision") } else { ("expected_revision", "etag") };
                what[wrong] = json!("x");
                assert_eq!(refused(&client, "export", what.clone()).await["code"], "invalid_arguments");
                what.as_object_mut().unwrap().remove(wrong);
                what[format!("expected_{right}")] = exported[right].clone();
                assert!(done(&client, "export", what).await[right].is_string());
                let back = json!({ "from": place, "prefix": format!("{era} back/{format}/{file}") });
                assert_eq!(done(&client, "import", back).await["documents"]["created"], 1);
            }
            assert_eq!(std::fs::read(folder.path().join(&path)).unwrap(), file(&inline));
        }
        assert_eq!(stored(&client, &format!("{era} back/")).await.len(), 4);
    }
}

#[tokio::test]
async fn places_that_there_are_not_are_refused() {
    let server = Server::reference().await;
    let client = Client::modern(&server.url, None);
    for (place, code) in [
        ("file:///a", "place_unavailable"),
        ("object://a", "place_unavailable"),
        ("https://example.com/", "invalid_uri"),
        ("file:///../a", "invalid_uri"),
        ("file:///a%2fb", "invalid_uri"),
        ("a", "invalid_uri"),
    ] {
        assert_eq!(refused(&client, "export", json!({ "to": place })).await["code"], code, "{place}");
        assert_eq!(refused(&client, "import", json!({ "from": place })).await["code"], code, "{place}");
    }
    for wrong in [
        json!({ "overwrite": true }),
        json!({ "format": "markdown", "prompts": true }),
        json!({ "format": "markdown", "history": true }),
        json!({ "format": "xml" }),
    ] {
        assert_eq!(refused(&client, "export", wrong).await["code"], "invalid_arguments");
    }
    for wrong in [json!({}), json!({ "content": "", "content_base64": "" }), json!({ "content_base64": "?" })] {
        assert_eq!(refused(&client, "import", wrong).await["code"], "invalid_arguments");
    }
    assert_eq!(refused(&client, "import", json!({ "content": "", "prefix": "../a" })).await["code"], "invalid_path");
}

#[tokio::test]
async fn an_export_that_is_too_large_leaves_nothing() {
    let (folder, server) = serving(&["--max-file-bytes", "1500000"]).await;
    let client = Client::modern(&server.url, None);
    for number in 0..4 {
        create(&client, &format!("{number}"), &"x".repeat(500_000)).await;
    }
    assert_eq!(refused(&client, "export", json!({})).await["code"], "transfer_too_large");
    let large = refused(&client, "export", json!({ "to": "file:///deep/all.jsonl" })).await;
    assert_eq!(large["code"], "transfer_too_large");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    // Packed, they are small.
    assert_eq!(done(&client, "export", json!({ "format": "markdown" })).await["documents"], 4);
    done(&client, "export", json!({ "prefix": "1", "to": "file:///deep/one.jsonl" })).await;
}

#[tokio::test]
async fn memory_does_not_grow_with_what_is_exported_and_imported() {
    const DOCUMENTS: usize = 48;
    let store = Store::directory();
    let database = tempfile::tempdir().unwrap();
    let server = Server::reference_with(|command| {
        command.arg("--database").arg(database.path().join("db")).args(&store.arguments)
    })
    .await;
    let client = Client::modern(&server.url, None);
    // 48 MB of JSON: a line end is two bytes there.
    let content = "\n".repeat(500_000);
    for number in 0..DOCUMENTS {
        create(&client, &format!("a/{number}"), &content).await;
    }
    let before = resident_kib(server.process.id());
    let exported = done(&client, "export", json!({ "to": "object://all.jsonl" })).await;
    assert!(exported["size"].as_u64().unwrap() > 45_000_000, "{exported}");
    let imported = done(&client, "import", json!({ "from": "object://all.jsonl", "prefix": "b" })).await;
    assert_eq!(imported["documents"]["created"], DOCUMENTS);
    let grown = resident_kib(server.process.id()).saturating_sub(before);
    assert!(grown < 32 * 1024, "{grown} KiB more");
}
