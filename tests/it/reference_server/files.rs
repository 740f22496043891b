//! The reference server's directory: files written, found, read in parts and had by links, and nothing outside it.

use std::{os::unix::fs::symlink, path::Path, time::Duration};

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    both_eras, done, refused,
    subscriptions::{Events, LIST_CHANGED, updated},
};
use crate::support::{process::resident_kib, rpc::Client, upstream::Server};

pub(super) async fn serving(more: &[&str]) -> (TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::reference_with(|command| command.arg("--files").arg(folder.path()).args(more)).await;
    (folder, server)
}

pub(super) async fn paths(client: &Client, tool: &str, arguments: Value) -> Vec<String> {
    let page = done(client, tool, arguments).await;
    page["entries"].as_array().unwrap().iter().map(|entry| entry["path"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_file_is_written_found_read_replaced_and_deleted() {
    let (folder, server) = serving(&[]).await;
    for client in both_eras(&server.url).await {
        let new = json!({ "path": "notes/plan.md", "content": "# Plän\n" });
        let written = done(&client, "file_write", new.clone()).await;
        assert_eq!(written["uri"], "file:///notes/plan.md");
        assert_eq!((&written["size"], &written["media_type"]), (&json!(8), &json!("text/markdown")));
        assert_eq!(std::fs::read_to_string(folder.path().join("notes/plan.md")).unwrap(), "# Plän\n");
        assert_eq!(refused(&client, "file_write", new).await["code"], "file_exists");
        assert_eq!(paths(&client, "file_list", json!({})).await, ["notes"]);
        assert_eq!(paths(&client, "file_list", json!({ "recursive": true })).await, ["notes", "notes/plan.md"]);
        assert_eq!(paths(&client, "file_glob", json!({ "pattern": "**/*.md" })).await, ["notes/plan.md"]);
        let read = done(&client, "file_read", json!({ "path": "notes/plan.md" })).await;
        assert_eq!(read["content"], "# Plän\n");
        // The second half of a letter is left for the next part.
        let part = done(&client, "file_read", json!({ "path": "notes/plan.md", "length": 5 })).await;
        assert_eq!((&part["content"], &part["next_offset"]), (&json!("# Pl"), &json!(4)));
        let bytes = json!({ "path": "notes/plan.md", "content_base64": "/wA=", "expected_revision": read["revision"] });
        let replaced = done(&client, "file_write", bytes.clone()).await;
        let late = refused(&client, "file_write", bytes).await;
        assert_eq!((&late["code"], &late["current_revision"]), (&json!("revision_conflict"), &replaced["revision"]));
        let read = done(&client, "file_read", json!({ "path": "notes/plan.md" })).await;
        assert_eq!((&read["content_base64"], read.get("content")), (&json!("/wA="), None));
        assert_eq!(done(&client, "file_stat", json!({ "path": "notes" })).await["kind"], "folder");
        done(&client, "file_delete", json!({ "path": "notes/plan.md" })).await;
        let gone = refused(&client, "file_read", json!({ "path": "notes/plan.md" })).await;
        assert_eq!(gone["code"], "file_not_found");
    }
}

#[tokio::test]
async fn files_are_resources_with_ranges_and_completion() {
    let (folder, server) = serving(&[]).await;
    std::fs::write(folder.path().join("a b.txt"), "0123456789").unwrap();
    std::fs::write(folder.path().join("pixel.png"), [0x89, b'P', 0xff]).unwrap();
    for client in both_eras(&server.url).await {
        let read = |uri: &str| client.request("resources/read", json!({ "uri": uri }));
        let whole = read("file:///a%20b.txt").await;
        assert_eq!(whole.result()["contents"][0]["text"], "0123456789");
        let part = read("file:///a%20b.txt?offset=3&length=4").await;
        assert_eq!(part.result()["contents"][0]["text"], "3456");
        let image = read("file:///pixel.png").await;
        assert_eq!(image.result()["contents"][0]["blob"], "iVD/");
        assert_eq!(image.result()["contents"][0]["mimeType"], "image/png");
        for uri in
            ["file:///none", "file:///a b.txt", "file:///../a", "file:////etc/passwd", "file:///a%20b.txt?offset=03"]
        {
            let refused = read(uri).await;
            assert!(matches!(refused.rpc_code(), -32002 | -32602), "{uri}: {}", refused.body);
        }
        assert_eq!(read("file:///a%20b.txt?offset=11").await.rpc_code(), -32602);
        // The list goes on from documents to files.
        let (mut found, mut cursor) = (Vec::new(), json!({}));
        loop {
            let page = client.request("resources/list", cursor).await.result().clone();
            found.extend(page["resources"].as_array().unwrap().iter().map(|each| each["uri"].clone()));
            match page.get("nextCursor") {
                Some(next) => cursor = json!({ "cursor": next }),
                None => break,
            }
        }
        assert!(found.ends_with(&[json!("file:///a%20b.txt"), json!("file:///pixel.png")]), "{found:?}");
        let template = json!({ "type": "ref/resource", "uri": "file:///{+path}{?offset,length}" });
        let typed = json!({ "ref": template, "argument": { "name": "path", "value": "a" } });
        let completed = client.request("completion/complete", typed).await;
        assert_eq!(completed.result()["completion"]["values"], json!(["a b.txt"]));
    }
}

#[tokio::test]
async fn nothing_outside_is_read_or_written() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    let (folder, server) = serving(&[]).await;
    symlink(outside.path(), folder.path().join("out")).unwrap();
    symlink(outside.path().join("secret"), folder.path().join("link")).unwrap();
    for client in both_eras(&server.url).await {
        for path in ["../secret", "/etc/passwd", "a/../../secret", "a//b", "./a", "a\0", "a\\b", ""] {
            for tool in ["file_read", "file_stat", "file_delete"] {
                assert_eq!(refused(&client, tool, json!({ "path": path })).await["code"], "invalid_path", "{path:?}");
            }
            let write = json!({ "path": path, "content": "x" });
            assert_eq!(refused(&client, "file_write", write).await["code"], "invalid_path", "{path:?}");
        }
        for path in ["out/secret", "link"] {
            assert_eq!(refused(&client, "file_read", json!({ "path": path })).await["code"], "not_a_file", "{path}");
        }
        let write = json!({ "path": "out/new", "content": "x" });
        assert_eq!(refused(&client, "file_write", write).await["code"], "not_a_file");
        assert!(paths(&client, "file_list", json!({ "recursive": true })).await.is_empty());
    }
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn quotas_of_the_operator_hold() {
    let (_folder, server) =
        serving(&["--max-file-bytes", "10", "--files-quota-bytes", "15", "--files-quota", "2"]).await;
    let client = Client::modern(&server.url, None);
    let write = |path: &str, bytes: usize| json!({ "path": path, "content": "x".repeat(bytes) });
    done(&client, "file_write", write("a", 10)).await;
    assert_eq!(refused(&client, "file_write", write("b", 11)).await["code"], "file_too_large");
    assert_eq!(refused(&client, "file_write", write("b", 6)).await["code"], "directory_full");
    done(&client, "file_write", write("b", 5)).await;
    assert_eq!(refused(&client, "file_write", write("c", 0)).await["code"], "directory_full");
}

#[tokio::test]
async fn changes_of_others_are_heard() {
    let (folder, server) = serving(&[]).await;
    let client = Client::legacy(&server.url, None).await;
    let mut events = Events::of_session(&client).await;
    client.request("resources/subscribe", json!({ "uri": "file:///a%20b" })).await.result();
    std::fs::write(folder.path().join("a b"), "x").unwrap();
    events.until(&[LIST_CHANGED, updated("file:///a%20b")]).await;
    events.forget();
    std::fs::remove_file(folder.path().join("a b")).unwrap();
    events.until(&[LIST_CHANGED, updated("file:///a%20b")]).await;
}

/// The link in place of a file's content.
async fn link(client: &Client, path: &str) -> String {
    let answer = client.call("file_read", json!({ "path": path })).await;
    let read = answer.result()["structuredContent"].clone();
    assert!(read.get("content").is_none(), "{read}");
    let url = read["url"].as_str().unwrap().to_owned();
    let block = &answer.result()["content"][1];
    assert_eq!((&block["type"], &block["uri"]), (&json!("resource_link"), &json!(url)));
    url
}

fn sparse(path: &Path, bytes: u64) {
    std::fs::File::create(path).unwrap().set_len(bytes).unwrap();
}

#[tokio::test]
async fn a_gibibyte_streams_by_a_link_with_flat_memory() {
    const GIBIBYTE: u64 = 1 << 30;
    const ALLOWED_KIB: u64 = 16 << 10;
    let (folder, server) = serving(&[]).await;
    sparse(&folder.path().join("large.bin"), GIBIBYTE);
    let client = Client::modern(&server.url, None);
    let url = link(&client, "large.bin").await;
    let before = resident_kib(server.process.id());
    let response = reqwest::get(&url).await.unwrap();
    assert_eq!((response.status().as_u16(), response.content_length()), (200, Some(GIBIBYTE)));
    let (mut received, mut most) = (0, before);
    let mut body = response.bytes_stream();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.unwrap();
        if received >> 26 != (received + chunk.len()) >> 26 {
            most = most.max(resident_kib(server.process.id()));
        }
        received += chunk.len();
    }
    assert_eq!(u64::try_from(received).unwrap(), GIBIBYTE);
    assert!(most < before + ALLOWED_KIB, "from {before} to {most} KiB");
}

#[tokio::test]
async fn links_end_cannot_be_altered_and_give_ranges() {
    let (folder, server) = serving(&["--link-seconds", "2"]).await;
    let content: Vec<u8> = (0..3_u32 << 20).map(|number| u8::try_from(number % 251).unwrap()).collect();
    std::fs::write(folder.path().join("large.html"), &content).unwrap();
    std::fs::write(folder.path().join("other"), &content).unwrap();
    let client = Client::modern(&server.url, None);
    let url = link(&client, "large.html").await;
    let http = reqwest::Client::new();
    let part = http.get(&url).header("range", "bytes=1000000-1000009").send().await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()["content-range"], format!("bytes 1000000-1000009/{}", content.len()));
    assert_eq!(part.headers()["x-content-type-options"], "nosniff");
    assert!(part.headers()["content-disposition"].to_str().unwrap().starts_with("attachment"));
    assert_eq!(part.bytes().await.unwrap(), content[1_000_000..1_000_010]);
    // A part of another revision is no part of this one; the last bytes of less than that are all.
    let other = http.get(&url).header("range", "bytes=0-9").header("if-range", "\"other\"").send().await.unwrap();
    assert_eq!((other.status().as_u16(), other.content_length()), (200, Some(3 << 20)));
    let suffix = http.get(&url).header("range", "bytes=-9999999").send().await.unwrap();
    assert_eq!((suffix.status().as_u16(), suffix.content_length()), (200, Some(3 << 20)));
    let behind = http.get(&url).header("range", "bytes=4000000-").send().await.unwrap();
    assert_eq!(behind.status(), 416);
    for altered in [url.replace("large.html", "other"), url.replace("expires=", "expires=9"), format!("{url}A")] {
        assert_eq!(http.get(altered).send().await.unwrap().status(), 403);
    }
    assert_eq!(http.get(url.split('?').next().unwrap()).send().await.unwrap().status(), 400);
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert_eq!(http.get(&url).send().await.unwrap().status(), 403);
}
