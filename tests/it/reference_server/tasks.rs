//! Tasks: whose they are, how many there may be, how they report and how they end.

use std::time::Duration;

use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};

use super::{done, refused, subscriptions::Events};
use crate::support::{
    clients::{Mode, Target, rust_sdk},
    rpc::{Client, LEGACY},
    upstream::{Server, reference_stdio},
};

const SECRET: &str = "a shared secret of at least thirty-two bytes";

fn declared() -> Value {
    json!({ "extensions": { "io.modelcontextprotocol/tasks": {} }, "elicitation": {} })
}

fn stateless(url: &str) -> Client {
    Client::modern(url, None).declaring(declared())
}

async fn session(url: &str) -> Client {
    Client::legacy_with(url, LEGACY, declared()).await
}

/// Begins a task that takes a minute; its id.
async fn begun(client: &Client) -> String {
    begun_with(client, "slow_compute", json!({ "seconds": 60 })).await
}

async fn begun_with(client: &Client, tool: &str, arguments: Value) -> String {
    let answer = client.call(tool, arguments).await;
    let id = answer.result()["taskId"].as_str().unwrap_or_else(|| panic!("no task: {}", answer.body)).to_owned();
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    id
}

async fn on(client: &Client, method: &str, id: &str) -> crate::support::rpc::Answer {
    client.request(method, json!({ "taskId": id })).await
}

async fn ended(client: &Client, id: &str) -> Value {
    for _ in 0..200 {
        let state = on(client, "tasks/get", id).await.result().clone();
        if !["working", "input_required"].contains(&state["status"].as_str().unwrap()) {
            return state;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the task does not end");
}

async fn listed(client: &Client) -> Vec<String> {
    let answer = client.request("tasks/list", json!({})).await;
    let tasks = answer.result()["tasks"].as_array().unwrap().clone();
    tasks.iter().map(|task| task["taskId"].as_str().unwrap().to_owned()).collect()
}

/// None of the methods reaches the task, and none tells that there is one.
async fn unreachable(client: &Client, id: &str) {
    let unknown = on(client, "tasks/get", "0123456789abcdef0123456789abcdef").await.message["error"].clone();
    for method in ["tasks/get", "tasks/cancel"] {
        assert_eq!(on(client, method, id).await.message["error"], unknown, "{method}");
    }
    let update = client.request("tasks/update", json!({ "taskId": id, "inputResponses": {} })).await;
    assert_eq!(update.message["error"], unknown);
    assert_eq!(unknown["code"], -32602);
}

#[tokio::test]
async fn index_is_rebuilt_as_a_task_and_within_the_call() {
    let server = Server::reference().await;
    let client = stateless(&server.url);
    for path in ["a", "b"] {
        done(&client, "document_create", json!({ "path": path, "content": "bread" })).await;
    }
    let id = begun_with(&client, "index_rebuild", json!({})).await;
    let state = ended(&client, &id).await;
    assert_eq!(state["status"], "completed", "{state}");
    assert_eq!(state["result"]["structuredContent"]["documents"], 2, "{state}");
    let plain = Client::modern(&server.url, None);
    assert_eq!(done(&plain, "index_rebuild", json!({})).await["documents"], 2);
    let found = done(&plain, "document_search", json!({ "query": "bread" })).await;
    assert_eq!(found["hits"].as_array().unwrap().len(), 2, "{found}");
}

#[tokio::test]
async fn rust_sdk_waits_for_a_task_over_both_transports_in_both_eras() {
    let server = Server::reference().await;
    let line = reference_stdio();
    for target in [Target::Http { url: &server.url, token: None }, Target::Stdio(&line)] {
        for mode in [Mode::Auto, Mode::Legacy] {
            let steps = json!([["task", "index_rebuild", {}], ["task", "slow_compute", { "seconds": 1 }]]);
            let seen = rust_sdk(&target, mode, steps).await;
            assert_eq!(
                seen.ok(0)["result"]["structuredContent"]["documents"],
                0,
                "{target:?} {mode:?}: {:?}",
                seen.steps
            );
            assert_eq!(seen.ok(1)["status"], "completed", "{target:?} {mode:?}");
        }
    }
}

#[tokio::test]
async fn task_of_a_session_is_reached_from_there_only() {
    let server = Server::reference().await;
    let (own, other) = (session(&server.url).await, session(&server.url).await);
    let id = begun(&own).await;
    unreachable(&other, &id).await;
    unreachable(&stateless(&server.url), &id).await;
    assert_eq!(listed(&own).await, [id.as_str()]);
    assert_eq!(listed(&other).await, Vec::<String>::new());
    on(&own, "tasks/cancel", &id).await.result();
    assert_eq!(ended(&own, &id).await["status"], "cancelled");
}

#[tokio::test]
async fn session_waits_for_the_result_of_its_task() {
    let server = Server::reference().await;
    let client = session(&server.url).await;
    let id = begun_with(&client, "slow_compute", json!({ "seconds": 1, "label": "x" })).await;
    let result = on(&client, "tasks/result", &id).await;
    assert_eq!(result.result()["content"][0]["text"], "Computed \"x\" in 1 seconds.");
    let id = begun_with(&client, "protocol_error_job", json!({})).await;
    assert_eq!(on(&client, "tasks/result", &id).await.rpc_code(), -32603);
    let modern = stateless(&server.url);
    let id = begun(&modern).await;
    assert_eq!(on(&modern, "tasks/result", &id).await.rpc_code(), -32601);
    assert_eq!(modern.request("tasks/list", json!({})).await.rpc_code(), -32601);
}

#[tokio::test]
async fn task_of_nobody_is_reached_by_its_id_and_never_listed() {
    let server = Server::reference().await;
    let id = begun(&stateless(&server.url)).await;
    assert_ne!(begun(&stateless(&server.url)).await, id);
    assert_eq!(on(&stateless(&server.url), "tasks/get", &id).await.result()["status"], "working");
    assert_eq!(listed(&session(&server.url).await).await, Vec::<String>::new());
}

fn assertion(subject: &str, audience: &str) -> String {
    let claims = json!({ "sub": subject, "aud": audience, "exp": get_current_timestamp() + 60 });
    encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

#[tokio::test]
async fn task_of_a_subject_follows_it_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, SECRET).unwrap();
    let server = Server::reference_with(|command| {
        command.arg("--assertion-key-file").arg(&key).args([
            "--assertion-audience",
            "ref",
            "--assertion-header",
            "x-sub",
        ])
    })
    .await;
    let subject = |client: Client, name: &str| client.with_header("x-sub", &assertion(name, "ref"));
    let id = begun(&subject(stateless(&server.url), "alice")).await;
    let elsewhere = subject(session(&server.url).await, "alice");
    assert_eq!(on(&elsewhere, "tasks/get", &id).await.result()["status"], "working");
    assert_eq!(listed(&elsewhere).await, [id.as_str()]);
    unreachable(&subject(stateless(&server.url), "bob"), &id).await;
    unreachable(&stateless(&server.url), &id).await;
    unreachable(&session(&server.url).await, &id).await;
    assert_eq!(listed(&subject(session(&server.url).await, "bob")).await, Vec::<String>::new());
    let foreign = stateless(&server.url).with_header("x-sub", &assertion("alice", "another"));
    assert_eq!(on(&foreign, "tasks/get", &id).await.status, 401);
    assert_eq!(foreign.request("tools/list", json!({})).await.status, 401);
}

#[tokio::test]
async fn no_owner_takes_more_than_its_share() {
    let server =
        Server::reference_with(|command| command.args(["--max-tasks-per-owner", "2", "--max-tasks", "5"])).await;
    let (one, other) = (session(&server.url).await, session(&server.url).await);
    let slow = json!({ "seconds": 60 });
    for client in [&one, &other] {
        begun(client).await;
        begun(client).await;
        assert_eq!(refused(client, "slow_compute", slow.clone()).await["code"], "too_many_tasks");
    }
    begun(&stateless(&server.url)).await;
    let third = session(&server.url).await;
    assert_eq!(refused(&third, "slow_compute", slow.clone()).await["code"], "too_many_tasks", "five are there");
    assert_eq!(refused(&stateless(&server.url), "slow_compute", slow).await["code"], "too_many_tasks");
}

#[tokio::test]
async fn task_is_ended_and_forgotten_after_its_time() {
    let server = Server::reference_with(|command| command.args(["--task-ttl-seconds", "1", "--max-tasks", "2"])).await;
    let client = stateless(&server.url);
    let id = begun(&client).await;
    assert_eq!(on(&client, "tasks/get", &id).await.result()["ttlMs"], 1000);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(on(&client, "tasks/get", &id).await.rpc_code(), -32602);
    begun(&client).await;
}

#[tokio::test]
async fn session_hears_how_its_task_goes() {
    let server = Server::reference().await;
    let client = session(&server.url).await;
    let listening = client.prepared(http::Method::GET).header("accept", "text/event-stream");
    let mut events = Events::open(listening).await;
    let call = json!({
        "name": "slow_compute", "arguments": { "seconds": 2 }, "_meta": { "progressToken": "p" },
    });
    let id = client.request("tools/call", call).await.result()["taskId"].as_str().unwrap().to_owned();
    let messages = events
        .until_one(|message| message["method"] == "notifications/tasks" && message["params"]["status"] == "completed")
        .await;
    let last = messages.last().unwrap();
    assert_eq!((&last["params"]["taskId"], &last["params"]["result"]["isError"]), (&json!(id), &json!(false)));
    // What was reported before the call was answered may have come with the answer.
    let wanted = json!({ "progressToken": "p", "progress": 1.0, "total": 2.0, "message": "1 of 2 seconds" });
    let progress = messages.iter().find(|message| message["params"] == wanted);
    assert_eq!(progress.map(|message| &message["method"]), Some(&json!("notifications/progress")), "{messages:?}");
}

#[tokio::test]
async fn long_call_of_a_client_without_tasks_reports_within_it() {
    let server = Server::reference().await;
    let client = Client::legacy(&server.url, None).await;
    let call = json!({ "name": "slow_compute", "arguments": { "seconds": 2 }, "_meta": { "progressToken": 7 } });
    let answer = client.request("tools/call", call).await;
    assert_eq!(answer.result()["content"][0]["text"], "Computed \"\" in 2 seconds.");
    let reports = answer.messages.iter().filter(|message| message["params"]["progressToken"] == 7).count();
    assert_eq!(reports, 2, "{}", answer.body);
    assert_eq!(client.call("failing_job", json!({})).await.rpc_code(), -32021);
}
