//! The reference server's objects: one scenario on every store, each a real server.

mod faults;
mod links;
mod local;

use std::time::Duration;

use serde_json::{Value, json};

use super::{both_eras, done, refused};
use crate::support::{
    rpc::Client,
    stores::{S3_SECRET, Store},
    upstream::Server,
};

async fn serving(store: &Store, more: &[&str]) -> Server {
    Server::reference_with(|command| {
        command.args(&store.arguments).args(more).envs(store.variables.iter().map(|(name, value)| (name, value)))
    })
    .await
}

/// Bytes that no compression makes smaller, the same every time.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..bytes).map(|_| next()).collect()
}

async fn upload_link(client: &Client, arguments: Value) -> String {
    done(client, "object_upload_link", arguments).await["url"].as_str().unwrap().to_owned()
}

async fn put(url: &str, kind: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
    let request = reqwest::Client::new().put(url).header("content-type", kind).body(body);
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default())
}

async fn keys(client: &Client, arguments: Value) -> (Vec<String>, Option<String>) {
    let page = done(client, "object_list", arguments).await;
    let keys = page["objects"].as_array().unwrap().iter().map(|entry| entry["key"].as_str().unwrap().to_owned());
    (keys.collect(), page["next_cursor"].as_str().map(str::to_owned))
}

async fn written_replaced_and_read(client: &Client) {
    let new = json!({ "key": "notes/plan ~1.md", "content": "# Plän\n" });
    let written = done(client, "object_write", new.clone()).await;
    assert_eq!(written["uri"], "object://notes/plan%20~1.md");
    assert_eq!((&written["size"], &written["media_type"]), (&json!(8), &json!("text/markdown")));
    assert_eq!(refused(client, "object_write", new).await["code"], "object_exists");
    let change = json!({ "key": "notes/plan ~1.md", "content": "0123456789", "media_type": "Text/X-Plan; charset=utf-8",
        "expected_etag": written["etag"] });
    let replaced = done(client, "object_write", change.clone()).await;
    assert_ne!(replaced["etag"], written["etag"]);
    let late = refused(client, "object_write", change).await;
    assert_eq!((&late["code"], &late["current_etag"]), (&json!("revision_conflict"), &replaced["etag"]));
    for etag in [&written["etag"], &json!("0"), &json!("earlier")] {
        let none = json!({ "key": "none", "content": "x", "expected_etag": etag });
        assert_eq!(refused(client, "object_write", none).await["code"], "object_not_found", "{etag}");
    }
    let read = done(client, "object_read", json!({ "key": "notes/plan ~1.md" })).await;
    assert_eq!((&read["content"], &read["media_type"]), (&json!("0123456789"), &json!("text/x-plan")));
    assert_eq!(read["etag"], replaced["etag"]);
    let part = done(client, "object_read", json!({ "key": "notes/plan ~1.md", "offset": 3, "length": 4 })).await;
    assert_eq!((&part["content"], &part["next_offset"]), (&json!("3456"), &json!(7)));
    let behind = refused(client, "object_read", json!({ "key": "notes/plan ~1.md", "offset": 11 })).await;
    assert_eq!(behind["code"], "invalid_range");
    let over = json!({ "key": "notes/plan ~1.md", "content_base64": "/wA=", "overwrite": true });
    done(client, "object_write", over).await;
    let read = done(client, "object_read", json!({ "key": "notes/plan ~1.md" })).await;
    assert_eq!((&read["content_base64"], read.get("content")), (&json!("/wA="), None));
}

async fn of_writers_at_once_one_wins(client: &Client) {
    let write = |content: String, etag: Option<Value>| async move {
        let mut arguments = json!({ "key": "contended", "content": content });
        if let Some(etag) = etag {
            arguments["expected_etag"] = etag;
        }
        client.call("object_write", arguments).await.result().clone()
    };
    let mut etag = None;
    for round in 0..4 {
        // An ETag of S3 is made from the content: the same content again would be no change.
        let writes = (0..6).map(|number| write(format!("{round} from {number}"), etag.clone()));
        let results = futures_util::future::join_all(writes).await;
        let won: Vec<&Value> = results.iter().filter(|result| result["isError"] != true).collect();
        assert_eq!(won.len(), 1, "{results:?}");
        let lost = results.iter().filter(|result| result["isError"] == true);
        for text in lost.map(|result| result["content"][0]["text"].as_str().unwrap()) {
            assert!(text.contains("object_exists") || text.contains("revision_conflict"), "{text}");
        }
        etag = Some(won[0]["structuredContent"]["etag"].clone());
    }
}

async fn compressed_text_is_read_as_it_was(client: &Client) {
    let text = "id;name\n".repeat(20_000);
    done(client, "object_write", json!({ "key": "table.csv", "content": text })).await;
    let stat = done(client, "object_stat", json!({ "key": "table.csv" })).await;
    assert_eq!((&stat["encoding"], &stat["size"]), (&json!("gzip"), &json!(text.len())));
    assert!(stat["stored_size"].as_u64().unwrap() < 10_000, "{stat}");
    let whole = done(client, "object_read", json!({ "key": "table.csv" })).await;
    assert_eq!(whole["content"], text);
    let part = done(client, "object_read", json!({ "key": "table.csv", "offset": 8_003, "length": 5 })).await;
    assert_eq!(part["content"], text[8_003..8_008]);
    // Who follows a link gets what was written as well.
    let link = done(client, "object_link", json!({ "key": "table.csv" })).await;
    assert_eq!(link["via"], "server");
    let http = reqwest::Client::new();
    let url = link["url"].as_str().unwrap();
    assert_eq!(http.get(url).send().await.unwrap().text().await.unwrap(), text);
    let part = http.get(url).header("range", "bytes=16-23").send().await.unwrap();
    assert_eq!((part.status().as_u16(), part.text().await.unwrap()), (206, text[16..24].to_owned()));
}

async fn listed_in_pages(client: &Client) {
    for number in 0..5 {
        done(client, "object_write", json!({ "key": format!("list/{number}"), "content": "x" })).await;
    }
    done(client, "object_write", json!({ "key": "list2", "content": "x" })).await;
    let (mut found, mut cursor) = (vec![], None);
    loop {
        let (page, next) = keys(client, json!({ "prefix": "list/", "limit": 2, "cursor": cursor })).await;
        assert!(page.len() <= 2);
        found.extend(page);
        match next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(found, ["list/0", "list/1", "list/2", "list/3", "list/4"]);
    assert_eq!(keys(client, json!({ "prefix": "list" })).await.0.len(), 6);
    assert_eq!(keys(client, json!({ "prefix": "list/3" })).await, (vec!["list/3".to_owned()], None));
    assert_eq!(keys(client, json!({ "prefix": "nothing/" })).await, (vec![], None));
}

async fn links_work_and_end(client: &Client, store: &Store) {
    let bytes = json!({ "key": "pixel.png", "content_base64": "iVD/" });
    done(client, "object_write", bytes).await;
    let link = done(client, "object_link", json!({ "key": "pixel.png", "expires_in": 2 })).await;
    assert_eq!(link["via"], if store.signs { "store" } else { "server" });
    let url = link["url"].as_str().unwrap();
    let given = reqwest::get(url).await.unwrap();
    assert_eq!(given.status(), 200, "{url}");
    assert_eq!(given.headers()["content-type"], "image/png");
    assert_eq!(given.bytes().await.unwrap().as_ref(), b"\x89P\xff");
    let other = url.replace("pixel.png", "table.csv");
    assert!(reqwest::get(other).await.unwrap().status().is_client_error());
    for expires_in in [0, 901] {
        let long = refused(client, "object_link", json!({ "key": "pixel.png", "expires_in": expires_in })).await;
        assert_eq!(long["code"], "invalid_arguments");
    }
    tokio::time::sleep(Duration::from_millis(3_100)).await;
    assert!(reqwest::get(url).await.unwrap().status().is_client_error());
}

async fn large_objects_come_and_go_by_links(client: &Client, store: &Store) {
    let content = noise(40_000_000);
    let wanted = json!({ "key": "large.bin", "overwrite": true, "media_type": "application/x-noise" });
    let url = upload_link(client, wanted).await;
    let (status, told) = put(&url, "application/x-noise", content.clone()).await;
    assert_eq!((status, &told["size"]), (200, &json!(content.len())), "{told}");
    let answer = client.call("object_read", json!({ "key": "large.bin" })).await;
    let read = &answer.result()["structuredContent"];
    assert_eq!((&read["size"], &read["media_type"]), (&json!(content.len()), &json!("application/x-noise")));
    assert_eq!(answer.result()["content"][1]["type"], "resource_link");
    let given = reqwest::get(read["url"].as_str().unwrap()).await.unwrap().bytes().await.unwrap();
    assert!(given == content, "{} bytes came", given.len());
    let part = done(client, "object_read", json!({ "key": "large.bin", "offset": 39_999_990, "length": 20 })).await;
    assert!(part.get("next_offset").is_none(), "{part}");
    // A condition is held, or refused where parts know none; never forgotten.
    let url = upload_link(client, json!({ "key": "large.bin" })).await;
    let (status, told) = put(&url, "application/x-noise", content.clone()).await;
    let expected = if store.signs { (422, "condition_unsupported") } else { (412, "object_exists") };
    assert_eq!((status, told["code"].as_str().unwrap()), expected);
    let url = upload_link(client, json!({ "key": "small.bin" })).await;
    assert_eq!(put(&url, "application/x-noise", content[..9_000_000].to_vec()).await.0, 201);
    assert_eq!(put(&url, "application/x-noise", "again").await.0, 412);
    let stat = done(client, "object_stat", json!({ "key": "small.bin" })).await;
    assert_eq!(stat["size"], 9_000_000);
}

async fn objects_are_resources(client: &Client) {
    done(client, "object_write", json!({ "key": "res/a b.txt", "content": "0123456789", "overwrite": true })).await;
    let read = |uri: &str| client.request("resources/read", json!({ "uri": uri }));
    let whole = read("object://res/a%20b.txt").await;
    assert_eq!(whole.result()["contents"][0]["text"], "0123456789");
    assert_eq!(whole.result()["contents"][0]["mimeType"], "text/plain");
    let part = read("object://res/a%20b.txt?offset=3&length=4").await;
    assert_eq!(part.result()["contents"][0]["text"], "3456");
    assert_eq!(read("object://res/a%20b.txt?offset=11").await.rpc_code(), -32602);
    for uri in ["object://none", "object://res/a b.txt", "object://../a", "object:///etc/passwd", "object://a//b"] {
        let refused = read(uri).await;
        assert!(matches!(refused.rpc_code(), -32002 | -32602), "{uri}: {}", refused.body);
    }
    let large = read("object://large.bin").await;
    // Errors go to logs, and who has a link has the object.
    assert!(large.rpc_code() == -32602 && !large.body.contains("://127"), "{}", large.body);
    let (mut found, mut cursor) = (Vec::new(), json!({}));
    loop {
        let page = client.request("resources/list", cursor).await.result().clone();
        found.extend(page["resources"].as_array().unwrap().iter().map(|each| each["uri"].clone()));
        match page.get("nextCursor") {
            Some(next) => cursor = json!({ "cursor": next }),
            None => break,
        }
    }
    assert!(found.contains(&json!("object://res/a%20b.txt")), "{found:?}");
    let template = json!({ "type": "ref/resource", "uri": "object://{+key}{?offset,length}" });
    let typed = json!({ "ref": template, "argument": { "name": "key", "value": "res/a" } });
    let completed = client.request("completion/complete", typed).await;
    assert_eq!(completed.result()["completion"]["values"], json!(["res/a b.txt"]));
}

async fn deleted(client: &Client, store: &Store, directory: bool) {
    let key = json!({ "key": "list2" });
    let guarded = json!({ "key": "list2", "expected_etag": "other" });
    let code = if directory { "revision_conflict" } else { "condition_unsupported" };
    assert_eq!(refused(client, "object_delete", guarded).await["code"], code, "{:?}", store.arguments);
    done(client, "object_delete", key.clone()).await;
    for tool in ["object_read", "object_stat", "object_delete", "object_link"] {
        assert_eq!(refused(client, tool, key.clone()).await["code"], "object_not_found", "{tool}");
    }
}

/// Everything, in the modern era; the tools are the same in both.
async fn scenario(store: Store, directory: bool) {
    let server = serving(&store, &["--log", "debug,rmcp=error"]).await;
    let client = Client::modern(&server.url, None);
    written_replaced_and_read(&client).await;
    of_writers_at_once_one_wins(&client).await;
    compressed_text_is_read_as_it_was(&client).await;
    listed_in_pages(&client).await;
    links_work_and_end(&client, &store).await;
    large_objects_come_and_go_by_links(&client, &store).await;
    for client in both_eras(&server.url).await {
        objects_are_resources(&client).await;
    }
    deleted(&client, &store, directory).await;
    let log = server.process.stderr.text();
    assert!(!log.contains(S3_SECRET) && !log.contains("X-Amz-Signature") && !log.contains("sig="), "{log}");
}

#[tokio::test]
async fn objects_in_memory_follow_the_scenario() {
    scenario(Store::memory(), false).await;
}

#[tokio::test]
async fn objects_in_a_directory_follow_the_scenario() {
    scenario(Store::directory(), true).await;
}

#[tokio::test]
async fn objects_in_s3_follow_the_scenario() {
    scenario(Store::s3().await, false).await;
}

#[tokio::test]
async fn objects_in_azure_follow_the_scenario() {
    scenario(Store::azure().await, false).await;
}

#[tokio::test]
async fn objects_at_google_follow_the_scenario() {
    scenario(Store::gcs().await, false).await;
}
