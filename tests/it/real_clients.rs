//! Real clients and real servers on both sides of the door.

use serde_json::json;

use crate::support::{
    clients::{Mode, Target, call, fastmcp, inspector, python_sdk},
    door::Setup,
    parts,
    upstream::{Server, everything_stdio, filesystem_stdio, memory_stdio},
};

const POLICIES: &str = r#"
permit(principal, action, resource);
forbid(principal, action, resource == Mcp::Tool::"upstream/get-env");
"#;

/// `doorward wrap … -- COMMAND`, as a client's configuration would have it in the place of the command.
fn wrapped(folder: &std::path::Path, command: Vec<String>) -> Vec<String> {
    let policies = folder.join("policies");
    std::fs::create_dir_all(&policies).unwrap();
    std::fs::write(policies.join("p.cedar"), POLICIES).unwrap();
    let mut line = vec![
        parts::binary("doorward").display().to_string(),
        "wrap".to_owned(),
        "--policies".to_owned(),
        policies.display().to_string(),
        "--principal".to_owned(),
        "Mcp::User::\"test\"".to_owned(),
        "--".to_owned(),
    ];
    line.extend(command);
    line
}

#[tokio::test]
async fn python_sdk_reaches_server_everything_over_http() {
    let server = Server::everything().await;
    let door = Setup::serve(&server.url).no_authentication().policies(POLICIES).start().await;
    let target = Target::Http { url: &door.url, token: None };
    for mode in [Mode::Auto, Mode::Legacy] {
        let seen = python_sdk(
            &target,
            mode,
            json!([["list"], call("echo", json!({ "message": "hi" })), call("get-env", json!({}))]),
        )
        .await;
        assert!(seen.ok(0).to_string().contains("echo"), "{:?}", seen.steps);
        assert!(!seen.ok(0).to_string().contains("get-env"), "{:?}", seen.steps);
        assert!(seen.ok(1).to_string().contains("Echo: hi"), "{:?}", seen.steps);
        seen.error(2);
    }
}

#[tokio::test]
async fn python_sdk_and_fastmcp_reach_a_wrapped_server_everything() {
    let folder = tempfile::tempdir().unwrap();
    let line = wrapped(folder.path(), everything_stdio());
    let target = Target::Stdio(&line);
    let steps = || json!([["list"], call("echo", json!({ "message": "hi" })), call("get-env", json!({}))]);
    for seen in [python_sdk(&target, Mode::Legacy, steps()).await, fastmcp(&target, Mode::Legacy, steps()).await] {
        assert!(!seen.ok(0).to_string().contains("get-env"), "{:?}", seen.steps);
        assert!(seen.ok(1).to_string().contains("Echo: hi"), "{:?}", seen.steps);
        seen.error(2);
    }
}

#[tokio::test]
async fn inspector_lists_what_policy_permits() {
    let server = Server::everything().await;
    let door = Setup::serve(&server.url).no_authentication().policies(POLICIES).start().await;
    let target = Target::Http { url: &door.url, token: None };
    let (answer, finished) = inspector(&target, &["--method", "tools/list"]).await;
    let answer = answer.unwrap_or_else(|| panic!("{}{}", finished.stdout, finished.stderr)).to_string();
    assert!(answer.contains("\"echo\"") && !answer.contains("get-env"), "{answer}");
}

#[tokio::test]
async fn wrapped_filesystem_and_memory_servers_work_as_before() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), "data").unwrap();
    let path = folder.path().display().to_string();
    let line = wrapped(folder.path(), filesystem_stdio(&path));
    let read = call("read_text_file", json!({ "path": format!("{path}/a.txt") }));
    let seen = python_sdk(&Target::Stdio(&line), Mode::Legacy, json!([read])).await;
    assert!(seen.ok(0).to_string().contains("data"), "{:?}", seen.steps);
    let line = wrapped(folder.path(), memory_stdio());
    let seen = python_sdk(&Target::Stdio(&line), Mode::Legacy, json!([call("read_graph", json!({}))])).await;
    seen.ok(0);
}
