//! Files that are wrong, by mistake or on purpose: told by place and code, before anything is written.

use std::io::{Cursor, Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::stored;
use crate::reference_server::{done, refused};
use crate::support::{process::resident_kib, rpc::Client, upstream::Server};

pub(super) const FIRST: &str = r#"{"format":{"name":"doorward-export","version":1}}"#;

pub(super) fn lines(lines: &[&str]) -> Value {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    json!({ "content": text })
}

fn document(path: &str) -> String {
    json!({ "document": { "path": path, "content": "x" } }).to_string()
}

pub(super) async fn complaint(client: &Client, arguments: Value) -> Value {
    let refusal = refused(client, "import", arguments.clone()).await;
    assert_eq!(refusal["code"], "import_refused", "{refusal} for {arguments}");
    refusal["complaints"][0].clone()
}

#[tokio::test]
async fn wrong_lines_are_told_by_number_and_code() {
    let server = Server::reference().await;
    let client = Client::modern(&server.url, None);
    let a = document("a");
    let [none, one, two] = [0, 1, 2].map(|count| format!(r#"{{"end":{{"documents":{count}}}}}"#));
    let earlier = r#"{"earlier":{"path":"b","content":"x"}}"#;
    let prompt = |name: &str| {
        json!({ "prompt": { "name": name, "body": { "messages": [{ "role": "user", "text": "{{no}}" }] } } })
            .to_string()
    };
    let tags = json!({ "document": { "path": "t", "content": "x", "tags": [""] } }).to_string();
    let cases: Vec<(Vec<&str>, u64, &str)> = vec![
        (vec![], 1, "invalid_line"),
        (vec![&a], 1, "invalid_line"),
        (vec![r#"{"format":{"name":"doorward-export","version":3}}"#], 1, "invalid_line"),
        (vec![FIRST, &a], 3, "invalid_line"),
        (vec![FIRST, &a, ""], 3, "invalid_line"),
        (vec![FIRST, &a, &two], 3, "invalid_line"),
        (vec![FIRST, &a, &one, &a], 3, "invalid_line"),
        (vec![FIRST, &a, r#"{"end":{"documents":1,"sha256":"00"}}"#], 3, "invalid_line"),
        (vec![FIRST, &a, FIRST], 3, "invalid_line"),
        (vec![FIRST, &a, &a, &two], 3, "duplicate"),
        (vec![FIRST, "{", &none], 2, "invalid_line"),
        (vec![FIRST, r#"{"document":{"path":"a","content":"x","owner":"y"}}"#, &one], 2, "invalid_line"),
        (vec![FIRST, r#"{"record":{"a":1}}"#, &none], 2, "invalid_line"),
        (vec![FIRST, earlier, &a, &one], 3, "invalid_line"),
        (vec![FIRST, earlier, r#"{"end":{"documents":0,"earlier":1}}"#], 3, "invalid_line"),
        (vec![FIRST, r#"{"document":{"path":"../a","content":"x"}}"#, &one], 2, "invalid_path"),
        (vec![FIRST, r#"{"document":{"path":"a","content":"\u0000"}}"#, &one], 2, "invalid_document"),
        (vec![FIRST, &tags, &one], 2, "invalid_document"),
    ];
    for (wrong, line, code) in cases {
        let complaint = complaint(&client, lines(&wrong)).await;
        assert_eq!((&complaint["line"], &complaint["code"]), (&json!(line), &json!(code)), "{complaint} for {wrong:?}");
    }
    for (name, code) in [("p", "invalid_prompt"), ("a b", "invalid_prompt"), ("test_simple_prompt", "prompt_built_in")]
    {
        let complaint =
            complaint(&client, lines(&[FIRST, &prompt(name), r#"{"end":{"documents":0,"prompts":1}}"#])).await;
        assert_eq!((&complaint["line"], &complaint["code"]), (&json!(2), &json!(code)));
    }
    // Many mistakes are not told all.
    let many: Vec<String> = (0..50).map(|number| document(&format!("{number}/"))).collect();
    let many: Vec<&str> = std::iter::once(FIRST).chain(many.iter().map(String::as_str)).collect();
    let refusal = refused(&client, "import", lines(&many)).await;
    assert_eq!(refusal["complaints"].as_array().unwrap().len(), 20);
    assert!(refusal["message"].as_str().unwrap().contains("more than 20"), "{refusal}");
    // What is right beside what is wrong is not written either.
    complaint(&client, lines(&[FIRST, &a, "{", &one])).await;
    assert!(stored(&client, "").await.is_empty());
    // Whoever edits leaves the SHA-256 away.
    assert_eq!(done(&client, "import", lines(&[FIRST, &a, &one])).await["documents"]["created"], 1);
}

#[tokio::test]
async fn an_edited_file_does_not_pass_for_the_exported_one() {
    let server = Server::reference().await;
    let client = Client::modern(&server.url, None);
    super::create(&client, "a", "one").await;
    let exported = done(&client, "export", json!({})).await["content"].as_str().unwrap().to_owned();
    let edited = exported.replace("\"one\"", "\"two\"");
    let wrong = complaint(&client, json!({ "content": edited, "on_conflict": "update" })).await;
    assert_eq!((&wrong["line"], &wrong["code"]), (&json!(3), &json!("invalid_line")));
    assert_eq!(stored(&client, "").await[0].2, "one");
}

fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, content) in entries {
        writer.start_file(*name, options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn base64(bytes: &[u8]) -> Value {
    json!({ "content_base64": STANDARD.encode(bytes) })
}

#[tokio::test]
async fn hostile_archives_are_refused_before_anything_is_written() {
    let server = Server::reference().await;
    let client = Client::modern(&server.url, None);
    let mut link = ZipWriter::new(Cursor::new(Vec::new()));
    link.add_symlink("link", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    // The directory of this one claims one byte where ten are packed.
    let mut liar = archive(&[("fine", b"0123456789")]);
    let place = liar.windows(4).position(|window| window == b"PK\x01\x02").unwrap() + 24;
    liar[place..place + 4].copy_from_slice(&1_u32.to_le_bytes());
    let twice = {
        let mut bytes = archive(&[("aa", b"x"), ("ab", b"x")]);
        while let Some(place) = bytes.windows(2).position(|window| window == b"ab") {
            bytes[place + 1] = b'a';
        }
        bytes
    };
    let cases = [
        (archive(&[("fine", b"x"), ("../out", b"x")]), "invalid_path"),
        (archive(&[("/etc/out", b"x")]), "invalid_path"),
        (archive(&[("a\\..\\out", b"x")]), "invalid_path"),
        (archive(&[("a", b"\xff")]), "invalid_document"),
        (archive(&[("a", b"\0")]), "invalid_document"),
        (archive(&[("a", b"---\ntitle: x\n")]), "invalid_front_matter"),
        (archive(&[("a", b"---\ntitle: x\nauthor: y\n---\n")]), "invalid_front_matter"),
        (archive(&[("a", b"---\ntitle: !!int x\n---\n")]), "invalid_front_matter"),
        (archive(&[("a", b"---\nmetadata: {a: &a [*a]}\n---\n")]), "invalid_front_matter"),
        (archive(&[("a", b"---\ntitle: \"\"\n---\n")]), "invalid_document"),
        (archive(&[("a", &vec![b'x'; 1_400_000])]), "invalid_document"),
        (link.finish().unwrap().into_inner(), "entry_refused"),
        (liar, "invalid_archive"),
        // Readers disagree on which of two entries of one name is there, so neither is.
        (twice, "invalid_archive"),
        (b"PK\x03\x04 and nothing more".to_vec(), "invalid_archive"),
    ];
    for (number, (bytes, code)) in cases.iter().enumerate() {
        let complaint = complaint(&client, base64(bytes)).await;
        assert_eq!(complaint["code"], *code, "{number}: {complaint}");
    }
    assert!(stored(&client, "").await.is_empty());
}

#[tokio::test]
async fn a_small_archive_does_not_become_many_bytes() {
    let server = Server::reference().await;
    let client = Client::modern(&server.url, None);
    let zeros = vec![b'0'; 1_000_000];
    let names: Vec<String> = (0..100).map(|number| format!("n{number}")).collect();
    let bomb: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), zeros.as_slice())).collect();
    let bomb = archive(&bomb);
    assert!(bomb.len() < 200_000);
    let before = resident_kib(server.process.id());
    let told = complaint(&client, base64(&bomb)).await;
    assert_eq!(told["code"], "archive_too_large", "{told}");
    assert!(resident_kib(server.process.id()).saturating_sub(before) < 32 * 1024);
    assert!(stored(&client, "").await.is_empty());
}

#[tokio::test]
async fn what_people_edit_comes_back() {
    let server = Server::reference().await;
    let client = Client::modern(&server.url, None);
    let bytes = archive(&[
        ("notes/", b""),
        ("notes/plain.md", b"# Plain\n"),
        ("notes/full.md", b"---\r\ntitle: Full\r\ntags: [b, a]\r\nmetadata:\r\n  due: 2026-01-02\r\n---\r\nText\n"),
    ]);
    let imported = done(&client, "import", base64(&bytes)).await;
    assert_eq!(imported["documents"]["created"], 2);
    let plain = done(&client, "document_read", json!({ "path": "notes/plain.md" })).await;
    assert_eq!((&plain["title"], &plain["media_type"]), (&json!("plain.md"), &json!("text/markdown")));
    let full = done(&client, "document_read", json!({ "path": "notes/full.md" })).await;
    assert_eq!((&full["title"], &full["content"]), (&json!("Full"), &json!("Text\n")));
    assert_eq!((&full["tags"], &full["metadata"]), (&json!(["a", "b"]), &json!({ "due": "2026-01-02" })));
}
