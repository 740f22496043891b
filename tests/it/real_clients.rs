//! Real clients and real servers on both sides of the door.

use serde_json::json;

use crate::support::{
    clients::{Mode, Seen, Target, call, fastmcp, inspector, python_sdk, rust_sdk},
    door::Setup,
    parts,
    rpc::{LEGACY, MODERN},
    upstream::{Server, everything_stdio, filesystem_stdio, memory_stdio, reference_stdio},
};

const POLICIES: &str = r#"
permit(principal, action, resource);
forbid(principal, action, resource == Mcp::Tool::"upstream/get-env");
"#;

/// `doorward wrap … -- COMMAND`, as a client's configuration would have it in the place of the command.
fn wrapped(folder: &std::path::Path, command: Vec<String>) -> Vec<String> {
    wrapped_with(folder, POLICIES, command)
}

fn wrapped_with(folder: &std::path::Path, cedar: &str, command: Vec<String>) -> Vec<String> {
    let policies = folder.join("policies");
    std::fs::create_dir_all(&policies).unwrap();
    std::fs::write(policies.join("p.cedar"), cedar).unwrap();
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
        assert!(seen.ok(0).as_array().unwrap().contains(&json!("echo")), "{:?}", seen.steps);
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

const RUST_POLICIES: &str = r#"
permit(principal, action, resource);
forbid(principal, action, resource == Mcp::Tool::"upstream/delete_file");
forbid(principal, action, resource == Mcp::McpResource::"upstream/test://static-binary");
forbid(principal, action, resource == Mcp::Prompt::"upstream/test_prompt_with_image");
"#;

/// What a client of the reference server does in these tests.
fn everything_once() -> serde_json::Value {
    json!([
        ["list"],
        call("echo", json!({ "message": "hi" })),
        call("delete_file", json!({ "path": "a" })),
        ["read", "test://static-text"],
        ["read", "test://static-binary"],
        ["prompt", "test_prompt_with_arguments", { "arg1": "one", "arg2": "two" }],
        ["prompt", "test_prompt_with_image", {}],
        ["complete", "test_prompt_with_arguments", "arg1", ""],
        ["resources"],
        ["prompts"],
        ["templates"],
        call("test_tool_with_progress", json!({})),
        call("test_tool_with_logging", json!({})),
    ])
}

/// The Rust SDK takes a 403 for a failure of the transport, and shows its body.
fn denied(error: &serde_json::Value) -> bool {
    let by_transport = |text: &str| text.contains("\"code\":\"authz.denied\"") && text.contains("decision_id");
    error["transport"].as_str().is_some_and(by_transport)
        || (error["data"]["code"] == "authz.denied" && error["data"]["decision_id"].is_string())
}

fn assert_everything(seen: &Seen, protocol: &str) {
    let shown = || format!("{:#?}", seen.steps);
    assert_eq!(seen.protocol, protocol);
    let lists = |step: usize, name: &str| seen.ok(step).as_array().unwrap().contains(&json!(name));
    assert!(lists(0, "echo") && !lists(0, "delete_file"), "{}", shown());
    assert!(seen.ok(1)["content"][0]["text"].as_str().unwrap().contains("hi"), "{}", shown());
    assert!(denied(seen.error(2)), "{}", shown());
    assert_eq!(seen.ok(3)["contents"][0]["uri"], "test://static-text", "{}", shown());
    assert!(denied(seen.error(4)), "{}", shown());
    assert!(seen.ok(5).to_string().contains("one"), "{}", shown());
    assert!(denied(seen.error(6)), "{}", shown());
    assert!(seen.ok(7)["values"].is_array(), "{}", shown());
    assert!(lists(8, "test://static-text") && !lists(8, "test://static-binary"), "{}", shown());
    assert!(lists(9, "test_prompt_with_arguments") && !lists(9, "test_prompt_with_image"), "{}", shown());
    assert!(lists(10, "test://template/{id}/data"), "{}", shown());
    assert!(seen.ok(11)["content"][0]["text"].is_string(), "{}", shown());
    assert!(seen.ok(12)["content"][0]["text"].is_string(), "{}", shown());
}

#[tokio::test]
async fn rust_sdk_does_everything_through_serve_in_both_eras() {
    let server = Server::reference().await;
    let door = Setup::serve(&server.url).no_authentication().policies(RUST_POLICIES).start().await;
    let target = Target::Http { url: &door.url, token: None };
    for (mode, protocol) in [(Mode::Auto, MODERN), (Mode::Legacy, LEGACY)] {
        // The catalogue comes by requests of the door's own; a client lists before it calls.
        assert_everything(&rust_sdk(&target, mode, everything_once()).await, protocol);
    }
}

#[tokio::test]
async fn rust_sdk_does_everything_through_wrap_in_both_eras() {
    let folder = tempfile::tempdir().unwrap();
    let line = wrapped_with(folder.path(), RUST_POLICIES, reference_stdio());
    for (mode, protocol) in [(Mode::Auto, MODERN), (Mode::Legacy, LEGACY)] {
        assert_everything(&rust_sdk(&Target::Stdio(&line), mode, everything_once()).await, protocol);
    }
}

#[tokio::test]
async fn rust_sdk_does_everything_through_a_listening_wrap_in_both_eras() {
    let command = reference_stdio();
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let setup = Setup::wrap_listen().policies(RUST_POLICIES);
    let door = setup.command(&command).start().await;
    let target = Target::Http { url: &door.url, token: None };
    for (mode, protocol) in [(Mode::Auto, MODERN), (Mode::Legacy, LEGACY)] {
        assert_everything(&rust_sdk(&target, mode, everything_once()).await, protocol);
    }
}
