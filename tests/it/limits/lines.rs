//! The size of a message on standard input: the same limit as a body has over HTTP.

use std::{fs, path::Path, time::Duration};

use serde_json::json;

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
