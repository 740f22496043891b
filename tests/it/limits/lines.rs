//! The size of a message on standard input, the same limit as a body has over HTTP, and how many are under way there.

use std::{fs, path::Path, time::Duration};

use serde_json::{Value, json};

use crate::support::{
    door::{Setup, StdioDoor},
    rpc::meta,
};

const BODY_BYTES_MAX: usize = 4 << 20;

/// A line of this many bytes, without its end.
fn line(id: usize, bytes: usize) -> Vec<u8> {
    let params = json!({ "name": "greet", "arguments": { "who": "" }, "_meta": meta() });
    let text = json!({ "jsonrpc": "2.0", "id": id, "method": "prompts/get", "params": params }).to_string();
    let filled = text.replace("\"who\":\"\"", &format!("\"who\":\"{}\"", "x".repeat(bytes - text.len())));
    assert_eq!(filled.len(), bytes);
    filled.into_bytes()
}

/// A door around a child that keeps what it reads in a file and never answers.
fn door(seen: &Path) -> StdioDoor {
    let child = format!("cat >> '{}'; true", seen.display());
    Setup::wrap().bundle("permit-all").audit().command(&["sh", "-c", &child]).start_stdio()
}

async fn write(door: &mut StdioDoor, line: Vec<u8>) {
    door.process.write(&[line, b"\n".to_vec()].concat()).await;
}

async fn grown_to(seen: &Path, bytes: usize) {
    for _ in 0..800 {
        if fs::metadata(seen).is_ok_and(|metadata| usize::try_from(metadata.len()).unwrap() >= bytes) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the child did not get {bytes} bytes");
}

#[tokio::test]
async fn line_up_to_4_mib_passes() {
    let folder = tempfile::tempdir().unwrap();
    let seen = folder.path().join("seen");
    let mut door = door(&seen);
    write(&mut door, line(1, BODY_BYTES_MAX - 1)).await;
    write(&mut door, line(2, BODY_BYTES_MAX)).await;
    // The ids that the child sees are as long as these; each line has its end.
    grown_to(&seen, 2 * BODY_BYTES_MAX + 1).await;
}

#[tokio::test]
async fn line_over_4_mib_is_refused_and_ends_the_connection() {
    let folder = tempfile::tempdir().unwrap();
    let seen = folder.path().join("seen");
    let mut door = door(&seen);
    door.process.write(&line(1, BODY_BYTES_MAX)).await;
    // One byte more, and no end: it is not waited for.
    door.process.write(b" ").await;
    let refused = door.next().await;
    let code = &refused["error"]["data"]["code"];
    assert_eq!((code, &refused["id"]), (&json!("accept.body_too_large"), &json!(null)), "{refused}");
    assert_eq!(door.process.exit_code(Duration::from_secs(30)).await, Some(0), "what follows is no message");
    assert!(!seen.exists(), "no child was even started");
}

/// As [`door`], where this many requests may be under way.
fn door_for(seen: &Path, requests_max: usize) -> StdioDoor {
    let child = format!("cat >> '{}'; true", seen.display());
    let yaml = format!("accept: {{ stdio_requests_max: {requests_max} }}\n");
    let setup = Setup::wrap().file("doorward.yaml", &yaml);
    let file = setup.folder().join("doorward.yaml").display().to_string();
    let setup = setup.arguments(&["-c", &file]).bundle("permit-all").audit();
    setup.command(&["sh", "-c", &child]).start_stdio()
}

fn request(id: usize) -> Value {
    let params = json!({ "name": "greet", "arguments": { "who": format!("caller {id}") }, "_meta": meta() });
    json!({ "jsonrpc": "2.0", "id": id, "method": "prompts/get", "params": params })
}

async fn reaches(seen: &Path, id: usize) {
    for _ in 0..800 {
        if fs::read_to_string(seen).is_ok_and(|text| text.contains(&format!("caller {id}\""))) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the child did not get request {id}");
}

#[tokio::test]
async fn request_beyond_a_configured_number_under_way_is_overloaded() {
    let folder = tempfile::tempdir().unwrap();
    let seen = folder.path().join("seen");
    let mut door = door_for(&seen, 2);
    for id in [1, 2, 3] {
        door.send(&request(id)).await;
    }
    let refused = door.next().await;
    assert_eq!((&refused["id"], &refused["error"]["data"]["code"]), (&json!(3), &json!("overloaded")), "{refused}");
    for id in [1, 2] {
        reaches(&seen, id).await;
    }
    // One that ends makes room for another.
    let params = json!({ "requestId": 1, "_meta": meta() });
    door.send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params })).await;
    door.send(&request(4)).await;
    reaches(&seen, 4).await;
    assert!(!fs::read_to_string(&seen).unwrap().contains("caller 3\""), "the refused one went no further");
}

#[tokio::test]
async fn as_many_requests_as_the_default_says_are_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let mut door = door(&folder.path().join("seen"));
    for id in 1..=257 {
        door.send(&request(id)).await;
    }
    let refused = door.next().await;
    assert_eq!((&refused["id"], &refused["error"]["data"]["code"]), (&json!(257), &json!("overloaded")), "{refused}");
}
