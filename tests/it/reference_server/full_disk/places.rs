//! Files of the served directory, and objects in a directory.

use std::{collections::BTreeSet, path::Path};

use serde_json::{Value, json};

use super::{ready, refused, until_refused, words};
use crate::{
    reference_server::done,
    support::{rpc::Client, small_disk::SmallDisk, upstream::Server},
};

const MEBIBYTES: u32 = 12;

const PIECE_BYTES: usize = 400_000;

/// Serves the folders `files` and `objects` of the disk, with the folder for temporary files on it as well.
async fn start(disk: &SmallDisk) -> Server {
    let [files, objects, temporary] = ["files", "objects", "temporary"].map(|name| disk.path().join(name));
    for folder in [&files, &objects, &temporary] {
        std::fs::create_dir(folder).unwrap();
    }
    Server::reference_with(|command| {
        command.arg("--files").arg(&files).arg("--objects").arg(format!("file://{}", objects.display()));
        command.env("TMPDIR", &temporary)
    })
    .await
}

/// Everything below a folder, unfinished writes and empty folders included.
fn everything(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(everything(&entry.path()).iter().map(|below| format!("{name}/{below}")));
        }
        found.insert(name);
    }
    found
}

fn file(number: usize) -> Value {
    json!({ "path": format!("f{number}"), "content": words(number, PIECE_BYTES) })
}

fn object(number: usize) -> Value {
    // Of a type that is not compressed.
    json!({ "key": format!("o{number}"), "content": words(number, PIECE_BYTES), "media_type": "x/y" })
}

#[tokio::test(flavor = "multi_thread")]
async fn full_disk_of_files_refuses_writes_and_reads_on_until_there_is_room() {
    let Some(disk) = SmallDisk::new(MEBIBYTES).await else { return };
    let server = start(&disk).await;
    let client = Client::modern(&server.url, None);
    let folder = disk.path().join("files");
    let mut first = done(&client, "file_write", json!({ "path": "first", "content": "one" })).await;
    for name in ["a", "b"] {
        done(&client, "file_write", json!({ "path": format!("pair/{name}"), "content": "x".repeat(600_000) })).await;
    }
    done(&client, "archive_create", json!({ "new_path": "pair.zip", "paths": ["pair/a", "pair/b"] })).await;
    let (written, refusal) = until_refused(&client, "file_write", file).await;
    assert_eq!(refusal["code"], "directory_full", "{refusal}");
    assert!(written > 5, "{written}");
    disk.fill();
    let there = everything(&folder);
    assert_eq!(there.len(), written + 5, "{there:?}");

    // A new one in a new folder, another content, a copy of what is there.
    let new = json!({ "path": "new/folder/file", "content": "new" });
    let change = |from: &Value| json!({ "path": "first", "content": "two", "expected_revision": from["revision"] });
    assert_eq!(refused(&client, "file_write", new.clone()).await["code"], "directory_full");
    assert_eq!(refused(&client, "file_write", change(&first)).await["code"], "directory_full");
    let pack = json!({ "new_path": "again.zip", "paths": ["f0"] });
    assert_eq!(refused(&client, "archive_create", pack.clone()).await["code"], "directory_full");
    // Room for one of the two that are in the archive.
    disk.grow(MEBIBYTES + 1).await;
    let unpack = json!({ "path": "pair.zip", "folder": "unpacked" });
    assert_eq!(refused(&client, "archive_extract", unpack.clone()).await["code"], "directory_full");
    disk.fill();
    assert_eq!(everything(&folder), there);

    for number in 0..written {
        assert_eq!(
            done(&client, "file_read", json!({ "path": format!("f{number}") })).await["content"],
            file(number)["content"]
        );
    }
    assert_eq!(done(&client, "file_read", json!({ "path": "first" })).await["content"], "one");
    assert_eq!(done(&client, "file_list", json!({})).await["entries"].as_array().unwrap().len(), written + 3);
    let (status, report) = ready(&server).await;
    assert_eq!((status, &report["directory"]), (200, &json!("ok")), "{report}");

    // What is deleted makes room, as what others take away does.
    done(&client, "file_delete", json!({ "path": "f0" })).await;
    done(&client, "file_write", file(0)).await;
    disk.free();
    disk.grow(MEBIBYTES + 8).await;
    done(&client, "file_write", new).await;
    first = done(&client, "file_write", change(&first)).await;
    assert_eq!(done(&client, "file_read", json!({ "path": "first" })).await["revision"], first["revision"]);
    done(&client, "archive_create", pack).await;
    done(&client, "archive_extract", unpack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn full_disk_of_objects_refuses_writes_and_reads_on_until_there_is_room() {
    let Some(disk) = SmallDisk::new(MEBIBYTES).await else { return };
    let server = start(&disk).await;
    let client = Client::modern(&server.url, None);
    let folder = disk.path().join("objects");
    let first = done(&client, "object_write", json!({ "key": "first", "content": "one" })).await;
    let (written, refusal) = until_refused(&client, "object_write", object).await;
    assert_eq!(refusal["code"], "objects_full", "{refusal}");
    assert!(written > 5, "{written}");
    disk.fill();
    let there = everything(&folder);
    assert_eq!(there.len(), written + 1, "{there:?}");

    let new = json!({ "key": "new/folder/object", "content": "new" });
    let change = json!({ "key": "first", "content": "two", "expected_etag": first["etag"] });
    let over = json!({ "key": "first", "content": "two", "overwrite": true });
    for write in [&new, &change, &over] {
        assert_eq!(refused(&client, "object_write", write.clone()).await["code"], "objects_full", "{write}");
    }
    // In the middle of what comes piece by piece: more than the disk has, which is not held in memory.
    disk.grow(MEBIBYTES + 1).await;
    let link = done(&client, "object_upload_link", json!({ "key": "sent/large" })).await;
    let send = async |bytes: usize| {
        let sent = reqwest::Client::new().put(link["url"].as_str().unwrap()).header("content-type", "x/y");
        let answer = sent.body(vec![7; bytes]).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let (status, told) = send(20 << 20).await;
    assert_eq!((status, &told["code"]), (507, &json!("objects_full")), "{told}");
    disk.fill();
    let (status, told) = send(10_000).await;
    assert_eq!((status, &told["code"]), (507, &json!("objects_full")), "{told}");
    assert_eq!(everything(&folder), there);

    for number in 0..written {
        assert_eq!(
            done(&client, "object_read", json!({ "key": format!("o{number}") })).await["content"],
            object(number)["content"]
        );
    }
    assert_eq!(done(&client, "object_read", json!({ "key": "first" })).await["content"], "one");
    assert_eq!(done(&client, "object_list", json!({})).await["objects"].as_array().unwrap().len(), written + 1);
    assert_eq!(ready(&server).await.0, 200);

    done(&client, "object_delete", json!({ "key": "o0" })).await;
    done(&client, "object_write", object(0)).await;
    disk.free();
    done(&client, "object_write", new).await;
    done(&client, "object_write", change).await;
    assert_eq!(send(10_000).await.0, 201);
    assert_eq!(everything(&folder).len(), written + 6);
}

/// More than is held in memory goes by the folder for temporary files.
#[tokio::test(flavor = "multi_thread")]
async fn full_disk_of_temporary_files_refuses_exports_until_there_is_room() {
    let Some(disk) = SmallDisk::new(MEBIBYTES).await else { return };
    let server = start(&disk).await;
    let client = Client::modern(&server.url, None);
    for number in 0..4 {
        let document = json!({ "path": format!("d{number}"), "content": words(number, PIECE_BYTES) });
        done(&client, "document_create", document).await;
    }
    disk.fill();
    let export = json!({ "format": "jsonl", "to": "file:///all.jsonl" });
    assert_eq!(refused(&client, "export", export.clone()).await["code"], "scratch_unavailable");
    // Small enough for memory, so that it is the place that has no room.
    let one = json!({ "format": "jsonl", "prefix": "d0", "to": "file:///one.jsonl" });
    assert_eq!(refused(&client, "export", one.clone()).await["code"], "directory_full");
    let object = json!({ "format": "jsonl", "prefix": "d0", "to": "object://one.jsonl" });
    assert_eq!(refused(&client, "export", object.clone()).await["code"], "objects_full");
    // Room for temporary files, but none for the place beside them.
    disk.grow(MEBIBYTES + 2).await;
    assert_eq!(refused(&client, "export", export.clone()).await["code"], "directory_full");
    for folder in ["files", "objects", "temporary"] {
        assert_eq!(everything(&disk.path().join(folder)), BTreeSet::new(), "{folder}");
    }
    disk.free();
    for place in [export, one, object] {
        done(&client, "export", place).await;
    }
}
