//! Archives, images and digests of the reference server's directory, and what a hostile archive or image tries.

use std::io::{Cursor, Write as _};

use serde_json::json;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::{
    done,
    files::{paths, serving},
    refused,
};
use crate::support::rpc::Client;

/// An archive of these names and contents.
fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, content) in entries {
        writer.start_file(*name, options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[tokio::test]
async fn what_was_packed_is_unpacked_elsewhere() {
    let (folder, server) = serving(&[]).await;
    let client = Client::modern(&server.url, None);
    for (path, content) in [("a/x.md", "one"), ("a/deep/y.md", "two"), ("b.txt", "three")] {
        done(&client, "file_write", json!({ "path": path, "content": content })).await;
    }
    let pack = json!({ "new_path": "all.zip", "pattern": "**/*.md", "paths": ["b.txt"] });
    let packed = done(&client, "archive_create", pack.clone()).await;
    assert_eq!((&packed["entries"], &packed["media_type"]), (&json!(3), &json!("application/zip")));
    assert_eq!(refused(&client, "archive_create", pack).await["code"], "file_exists");
    let listed = done(&client, "archive_list", json!({ "path": "all.zip" })).await;
    let names: Vec<&str> =
        listed["entries"].as_array().unwrap().iter().map(|each| each["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["a/deep/y.md", "a/x.md", "b.txt"]);
    let unpack = json!({ "path": "all.zip", "folder": "copy" });
    done(&client, "archive_extract", unpack.clone()).await;
    assert_eq!(std::fs::read_to_string(folder.path().join("copy/a/deep/y.md")).unwrap(), "two");
    // Nothing is overwritten, and nothing half unpacked.
    done(&client, "file_delete", json!({ "path": "copy/a/x.md" })).await;
    assert_eq!(refused(&client, "archive_extract", unpack).await["code"], "file_exists");
    assert!(!folder.path().join("copy/a/x.md").exists());
    assert_eq!(
        refused(&client, "archive_create", json!({ "new_path": "none.zip" })).await["code"],
        "invalid_arguments"
    );
    assert_eq!(refused(&client, "archive_list", json!({ "path": "b.txt" })).await["code"], "invalid_archive");
}

#[tokio::test]
async fn hostile_archives_are_refused_before_anything_is_written() {
    let (folder, server) = serving(&["--max-file-bytes", "2000000", "--files-quota-bytes", "3000000"]).await;
    let client = Client::modern(&server.url, None);
    let zeros = vec![0; 2_000_000];
    let mut link = ZipWriter::new(Cursor::new(Vec::new()));
    link.start_file("fine", SimpleFileOptions::default()).unwrap();
    link.add_symlink("link", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    let many: Vec<String> = (0..1_001).map(|number| format!("n{number}")).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b""[..])).collect();
    // The directory of this one claims one byte where ten are packed.
    let mut liar = archive(&[("fine", b"0123456789")]);
    let place = liar.windows(4).position(|window| window == b"PK\x01\x02").unwrap() + 24;
    liar[place..place + 4].copy_from_slice(&1_u32.to_le_bytes());
    let cases = [
        ("entry_refused", archive(&[("fine", b"x"), ("../out", b"x")])),
        ("entry_refused", archive(&[("fine", b"x"), ("/etc/out", b"x")])),
        ("entry_refused", archive(&[("fine", b"x"), ("a\\..\\out", b"x")])),
        ("entry_refused", link.finish().unwrap().into_inner()),
        ("archive_too_large", archive(&many)),
        ("file_too_large", archive(&[("fine", b"x"), ("bomb", &vec![0; 2_000_001])])),
        ("directory_full", archive(&[("one", &zeros), ("two", &zeros)])),
        ("invalid_archive", liar),
        ("invalid_archive", b"PK\x03\x04 and nothing more".to_vec()),
    ];
    for (number, (code, bytes)) in cases.iter().enumerate() {
        let path = format!("{number}.zip");
        std::fs::write(folder.path().join(&path), bytes).unwrap();
        let refusal = refused(&client, "archive_extract", json!({ "path": path, "folder": "into" })).await;
        assert_eq!(refusal["code"], *code, "{number}: {refusal}");
        let there = done(&client, "file_glob", json!({ "pattern": "into/**" })).await;
        assert_eq!(there["entries"], json!([]), "{number}");
    }
    assert!(!folder.path().join("out").exists());
}

#[tokio::test]
async fn what_fails_midway_leaves_neither_files_nor_folders() {
    let (folder, server) = serving(&[]).await;
    let client = Client::modern(&server.url, None);
    let mut damaged = archive(&[("a/one", b"one"), ("b/c/two", b"two two two two"), ("b/d/three", b"three")]);
    let name = damaged.windows(7).position(|window| window == b"b/c/two").unwrap();
    damaged[name + 8] ^= 0xff;
    std::fs::write(folder.path().join("damaged.zip"), damaged).unwrap();
    let extract = json!({ "path": "damaged.zip", "folder": "into/deep" });
    assert_eq!(refused(&client, "archive_extract", extract).await["code"], "invalid_archive");
    let there: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(there, ["damaged.zip"]);
}

#[tokio::test]
async fn an_image_is_resized_and_converted() {
    let (folder, server) = serving(&[]).await;
    let client = Client::modern(&server.url, None);
    let picture = image::RgbImage::from_fn(200, 100, |x, _| image::Rgb([u8::try_from(x).unwrap(), 0, 0]));
    picture.save(folder.path().join("a.png")).unwrap();
    let wanted = json!({ "path": "a.png", "new_path": "small/a.jpg", "width": 50 });
    let made = done(&client, "image_convert", wanted.clone()).await;
    assert_eq!((&made["width"], &made["height"], &made["media_type"]), (&json!(50), &json!(25), &json!("image/jpeg")));
    let read = image::open(folder.path().join("small/a.jpg")).unwrap();
    assert_eq!((read.width(), read.height()), (50, 25));
    assert_eq!(refused(&client, "image_convert", wanted).await["code"], "file_exists");
    std::fs::write(folder.path().join("no.png"), "no image").unwrap();
    let no = json!({ "path": "no.png", "new_path": "b.png" });
    assert_eq!(refused(&client, "image_convert", no).await["code"], "invalid_image");
    for wrong in
        [json!({ "path": "a.png", "new_path": "b.exe" }), json!({ "path": "a.png", "new_path": "b.png", "width": 0 })]
    {
        assert_eq!(refused(&client, "image_convert", wrong).await["code"], "invalid_arguments");
    }
    assert_eq!(paths(&client, "file_glob", json!({ "pattern": "**/*.{jpg,exe}" })).await, ["small/a.jpg"]);
}

#[tokio::test]
async fn digests_are_those_of_the_standard() {
    let (_folder, server) = serving(&[]).await;
    let client = Client::modern(&server.url, None);
    done(&client, "file_write", json!({ "path": "abc", "content": "abc" })).await;
    // FIPS 180-2, appendices B.1, C.1 and D.1.
    let known = [
        (json!({ "path": "abc" }), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            json!({ "path": "abc", "algorithm": "sha384" }),
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
        ),
        (
            json!({ "path": "abc", "algorithm": "sha512" }),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
    ];
    for (wanted, digest) in known {
        assert_eq!(done(&client, "file_hash", wanted).await["digest"], digest);
    }
    let md5 = json!({ "path": "abc", "algorithm": "md5" });
    assert_eq!(refused(&client, "file_hash", md5).await["code"], "invalid_arguments");
}
