//! Reload, drain, records: what happens around the messages.

use std::{fs, time::Duration};

use rustix::process::Signal;
use serde_json::json;

use crate::support::{
    door::Setup,
    parts,
    process::run_command,
    rpc::{Client, LEGACY, meta},
    upstream::{Server, reference_stdio},
};

const ALL: &str = "@id(\"all\") permit(principal, action, resource);";
const NONE: &str = "@id(\"none\") forbid(principal, action, resource);";

async fn ready(client: &Client) {
    for _ in 0..100 {
        if client.call("echo", json!({ "message": "x" })).await.code() != "upstream.catalogue_unknown" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn changed_policies_take_effect_and_broken_ones_do_not() {
    let server = Server::reference().await;
    let door = Setup::serve(&server.url).no_authentication().policies(ALL).audit().start().await;
    let client = Client::modern(&door.url, None);
    ready(&client).await;
    assert_eq!(client.call("echo", json!({ "message": "x" })).await.status, 200);
    let folder = door.folder().join("policies");
    let file = fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let becomes = async |status: u16| {
        for _ in 0..100 {
            if client.call("echo", json!({ "message": "x" })).await.status == status {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    };
    fs::write(&file, NONE).unwrap();
    assert!(becomes(403).await, "{}", door.process.stderr.text());
    fs::write(&file, "permit(principal, action").unwrap();
    door.wait_audit(|records| records.iter().any(|record| record["kind"] == "reload_refused")).await;
    assert_eq!(client.call("echo", json!({ "message": "x" })).await.status, 403, "the old policies stay");
    fs::write(&file, ALL).unwrap();
    assert!(becomes(200).await, "{}", door.process.stderr.text());
}

#[tokio::test]
async fn what_counts_from_the_next_start_only_is_told_when_it_changes() {
    let server = Server::reference().await;
    let door = Setup::open(&format!("url: '{}'", server.url), "").start().await;
    let file = door.folder().join("doorward.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let told = async |part: &str| {
        for _ in 0..100 {
            if door.process.stderr.text().contains(part) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    };
    fs::write(&file, format!("{text}\nstreams: {{ recheck_interval: 7s }}\n")).unwrap();
    assert!(told("were reloaded").await, "{}", door.process.stderr.text());
    assert!(!door.process.stderr.text().contains("next start"), "{}", door.process.stderr.text());
    fs::write(&file, format!("{text}\naccept: {{ head_timeout: 3s, depth_max: 9 }}\nsessions: {{ idle_max: 61s }}\n"))
        .unwrap();
    assert!(told("from the next start on only").await, "{}", door.process.stderr.text());
    assert!(told("accept.head_timeout, sessions").await, "{}", door.process.stderr.text());
}

#[tokio::test]
async fn a_drain_lets_calls_under_way_finish() {
    let server = Server::reference().await;
    let mut door = Setup::serve(&server.url).no_authentication().policies(ALL).audit().start().await;
    let client = Client::modern(&door.url, None);
    ready(&client).await;
    let url = door.url.clone();
    // It sends progress for a while before it answers.
    let slow = tokio::spawn(async move { Client::modern(&url, None).call("test_tool_with_progress", json!({})).await });
    door.wait_audit(|records| records.iter().any(|record| record["target"] == "test_tool_with_progress")).await;
    door.process.signal(Signal::TERM);
    let answer = slow.await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.message.get("result").is_some(), "{}", answer.body);
    assert_eq!(door.process.exit_code(Duration::from_secs(35)).await, Some(0));
}

#[tokio::test]
async fn every_message_is_recorded_and_the_chain_verifies_until_it_is_touched() {
    let server = Server::reference().await;
    let policies = "permit(principal, action, resource); forbid(principal, action == Mcp::Action::\"tools/call/upstream/delete_file\", resource);";
    let mut door = Setup::serve(&server.url).no_authentication().policies(policies).audit().start().await;
    let client = Client::modern(&door.url, None);
    ready(&client).await;
    let canary = "canary-4711-secret";
    client.call("echo", json!({ "message": canary })).await;
    let denied = client.call("delete_file", json!({ "path": canary })).await;
    let id = denied.message["error"]["data"]["decision_id"].clone();
    client.request("no/such/method", json!({})).await;
    let records = door
        .wait_audit(|records| {
            records.iter().any(|record| record["code"] == "accept.method_unknown")
                && records.iter().any(|record| record["decision_id"] == id && record["effect"] == "deny")
                && records.iter().any(|record| record["kind"] == "outcome")
        })
        .await;
    assert_eq!(records.iter().filter(|record| record["decision_id"] == id).count(), 1);
    assert!(!door.audit_text().contains(canary), "arguments are never recorded");
    door.process.signal(Signal::TERM);
    assert_eq!(door.process.exit_code(Duration::from_secs(10)).await, Some(0));

    let path = door.audit_path();
    let verify = async || {
        let mut command = tokio::process::Command::new(parts::binary("doorward"));
        run_command(command.args(["audit", "verify"]).arg(&path), Duration::from_secs(10)).await
    };
    assert_eq!(verify().await.code, Some(0));
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\"effect\":\"deny\"", "\"effect\":\"allow\"", 1)).unwrap();
    let found = verify().await;
    assert_eq!(found.code, Some(1), "{}{}", found.stdout, found.stderr);
}

#[tokio::test]
async fn health_and_metrics_are_on_a_listener_of_their_own() {
    let server = Server::reference().await;
    let door = Setup::serve(&server.url).no_authentication().policies(ALL).admin().start().await;
    let client = Client::modern(&door.url, None);
    ready(&client).await;
    client.call("echo", json!({ "message": "x" })).await;
    for _ in 0..40 {
        if reqwest::get(format!("{}/ready", door.admin())).await.unwrap().status() == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for path in ["/live", "/ready", "/startup"] {
        let answer = reqwest::get(format!("{}{path}", door.admin())).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}: {}", answer.text().await.unwrap());
    }
    let page = reqwest::get(format!("{}/metrics", door.admin())).await.unwrap().text().await.unwrap();
    assert!(page.contains("mcp_server_operation_duration_seconds_count"), "{page}");
    assert!(page.contains("gen_ai_tool_name=\"echo\""), "{page}");
    let elsewhere = reqwest::get(door.url.replace("/mcp", "/metrics")).await.unwrap();
    assert_eq!(elsewhere.status(), 404, "not on the listener of the traffic");
}

#[tokio::test]
async fn connections_sessions_and_streams_are_counted_while_they_last() {
    let server = Server::reference().await;
    let door = Setup::serve(&server.url).no_authentication().policies(ALL).admin().start().await;
    let page = async || reqwest::get(format!("{}/metrics", door.admin())).await.unwrap().text().await.unwrap();
    let shows = async |lines: &[&str]| {
        for _ in 0..60 {
            let page = page().await;
            if lines.iter().all(|line| page.contains(line)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{lines:?} are not all in\n{}", page().await);
    };
    let client = Client::legacy(&door.url, None).await;
    let stream = client.prepared(http::Method::GET).header("accept", "text/event-stream").send().await.unwrap();
    assert_eq!(stream.status(), 200);
    shows(&[
        "doorward_sessions_active 1",
        "doorward_streams_active{upstream=\"upstream\"} 1",
        "doorward_connections_active 1",
        "doorward_catalogue_changes_total{server=\"upstream\"} 1",
    ])
    .await;
    drop(stream);
    client.prepared(http::Method::DELETE).send().await.unwrap();
    drop(client);
    shows(&[
        "doorward_sessions_active 0",
        "doorward_streams_active{upstream=\"upstream\"} 0",
        "doorward_connections_active 0",
        "mcp_server_session_duration_seconds_count{mcp_protocol_version=\"2025-11-25\",network_transport=\"tcp\"} 1",
    ])
    .await;
}

#[tokio::test]
async fn requests_beside_the_messages_leave_no_false_records() {
    let server = Server::reference().await;
    let door = Setup::serve(&server.url).no_authentication().policies(ALL).audit().start().await;
    let client = Client::legacy(&door.url, None).await;
    ready(&client).await;
    let base = door.url.trim_end_matches("/mcp");
    let document = reqwest::get(format!("{base}/.well-known/oauth-protected-resource")).await.unwrap();
    assert_eq!(document.status(), 200);
    let stream = client.prepared(http::Method::GET).header("accept", "text/event-stream").send().await.unwrap();
    assert_eq!(stream.status(), 200);
    drop(stream);
    let ended = client.prepared(http::Method::DELETE).send().await.unwrap();
    assert!(ended.status().is_success(), "{}", ended.status());
    let records = door.wait_audit(|records| records.iter().any(|record| record["method"] == "DELETE")).await;
    for record in &records {
        assert!(record["kind"] != "refusal", "{record}");
    }
    assert_eq!(records.iter().filter(|record| record["method"] == "GET").count(), 1);
    let gone = client.call("echo", json!({ "message": "x" })).await;
    assert_eq!((gone.status, gone.code()), (404, "session.unknown"), "{}", gone.body);
}

#[tokio::test]
async fn an_upstream_by_name_is_reached_at_whichever_of_its_addresses_answers() {
    let server = Server::reference().await;
    // `localhost` may be ::1 first; the server listens on 127.0.0.1 only.
    let url = server.url.replace("127.0.0.1", "localhost");
    let door = Setup::serve(&url).no_authentication().policies(ALL).start().await;
    let client = Client::modern(&door.url, None);
    ready(&client).await;
    let answer = client.call("echo", json!({ "message": "x" })).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn a_wrapper_ends_on_sigterm_though_its_client_stays() {
    let command = reference_stdio();
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let mut door = Setup::wrap().policies(ALL).command(&command).start_stdio();
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "echo", "arguments": { "message": "x" }, "_meta": meta() } });
    let answer = door.request(&call).await;
    assert!(answer.get("result").is_some(), "{answer}");
    door.process.signal(Signal::TERM);
    assert_eq!(door.process.exit_code(Duration::from_secs(10)).await, Some(0));
}

#[tokio::test]
async fn a_wrapper_refuses_to_audit_into_its_protocol() {
    let mut command = tokio::process::Command::new(parts::binary("doorward"));
    command.args(["wrap", "--policies", "bundle:permit-all", "--audit", "-", "--", "true"]);
    let refused = run_command(&mut command, Duration::from_secs(10)).await;
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("standard output carries"), "{}", refused.stderr);
    assert_eq!(refused.stdout, "");
}

#[tokio::test]
async fn a_wrapped_server_whose_tools_change_is_asked_again() {
    let command = reference_stdio();
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    for modern in [true, false] {
        let mut door = Setup::wrap().policies(ALL).command(&command).start_stdio();
        if !modern {
            let info = json!({ "name": "doorward-tests", "version": "1" });
            let params = json!({ "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": info });
            let message = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
            assert!(door.request(&message).await.get("result").is_some());
            door.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        }
        let message = |method: &str, mut params: serde_json::Value| {
            if modern {
                params["_meta"] = meta();
            }
            json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
        };
        let call = |tool: &str| message("tools/call", json!({ "name": tool, "arguments": {} }));
        let list = message("tools/list", json!({}));
        let lists = |answer: &serde_json::Value, tool: &str| {
            answer["result"]["tools"].as_array().unwrap().iter().any(|each| each["name"] == tool)
        };
        let first = door.request(&list).await;
        assert!(lists(&first, "echo") && !lists(&first, "test_dynamic_tool"), "{first}");
        let unknown = door.request(&call("test_dynamic_tool")).await;
        assert_eq!(unknown["error"]["data"]["code"], "upstream.catalogue_unknown", "{unknown}");
        assert!(door.request(&call("test_trigger_tool_change")).await.get("result").is_some());
        let second = door.request(&list).await;
        assert!(lists(&second, "test_dynamic_tool"), "modern: {modern}: {second}");
        let called = door.request(&call("test_dynamic_tool")).await;
        assert!(called.get("result").is_some(), "modern: {modern}: {called}");
        // Gone again, it is neither listed nor let through.
        assert!(door.request(&call("test_trigger_tool_change")).await.get("result").is_some());
        let third = door.request(&list).await;
        assert!(!lists(&third, "test_dynamic_tool"), "modern: {modern}: {third}");
        let gone = door.request(&call("test_dynamic_tool")).await;
        assert_eq!(gone["error"]["data"]["code"], "upstream.catalogue_unknown", "{gone}");
    }
}

#[tokio::test]
async fn changed_policies_count_for_the_very_next_line_of_a_wrapper() {
    let command = reference_stdio();
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let setup = Setup::wrap().policies(ALL).audit();
    let policies = setup.folder().join("policies/test.cedar");
    let mut door = setup.command(&command).start_stdio();
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "echo", "arguments": { "message": "x" }, "_meta": meta() } });
    assert!(door.request(&call).await.get("result").is_some());
    let snapshots = |door: &crate::support::door::StdioDoor| {
        door.audit().iter().filter(|record| record["kind"] == "snapshot").count()
    };
    let becomes = async |door: &crate::support::door::StdioDoor, count| {
        for _ in 0..200 {
            if snapshots(door) >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{} snapshots: {}", snapshots(door), door.process.stderr.text());
    };
    // The first state, and the one with the child's tools; records are written behind the answer.
    becomes(&door, 2).await;
    for (text, code) in [(NONE, "authz.denied"), (ALL, "")] {
        let before = snapshots(&door);
        fs::write(&policies, text).unwrap();
        becomes(&door, before + 1).await;
        // What was recorded is installed a moment later.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let answer = door.request(&call).await;
        assert_eq!(answer["error"]["data"]["code"].as_str().unwrap_or_default(), code, "{answer}");
    }
}
