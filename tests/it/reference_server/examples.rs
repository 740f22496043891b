//! The small servers of `reference-server/examples`: each is started and asked for what it is there to show.

use serde_json::{Value, json};
use tokio::process::Command;

use super::{done, refused, subscriptions::Events};
use crate::support::{
    clients::{Mode, Target, call, python_sdk, rust_sdk},
    parts,
    process::Process,
    rpc::{Answer, Client, LEGACY},
    upstream::Server,
};

/// The example on a free port, with more arguments behind it.
async fn started(name: &str, more: &[&str]) -> Server {
    let mut command = Command::new(parts::example(name));
    command.arg("127.0.0.1:0").args(more);
    let mut process = Process::start(name, &mut command);
    let line = process.ready(|line| line.starts_with("listening on ")).await;
    Server { url: line.trim_start_matches("listening on ").to_owned(), process }
}

async fn with_client(name: &str) -> (Server, Client) {
    let server = started(name, &[]).await;
    let client = Client::modern(&server.url, None);
    (server, client)
}

#[test]
fn every_example_is_in_the_index_and_tried_here() {
    let folder = parts::repository().join("reference-server/examples");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: Vec<String> = files.map(|file| file.strip_suffix(".rs").unwrap().to_owned()).collect();
    let (index, tests) = (parts::repository_text("reference-server/README.md"), include_str!("examples.rs"));
    assert!(names.len() > 9, "{names:?}");
    for name in &names {
        assert!(index.contains(&format!("| [`{name}`](examples/{name}.rs) |")), "{name} is not in the index");
        assert!(tests.contains(&format!("(\"{name}\"")), "{name} is not started here");
    }
    let listed = index.lines().filter_map(|line| line.strip_prefix("| [`")?.split_once("`](examples/"));
    for (name, _) in listed {
        assert!(names.iter().any(|file| file == name), "{name} is in the index, and not there");
    }
}

#[tokio::test]
async fn tools_converts_and_refuses_with_its_own_code() {
    let (_server, client) = with_client("tools").await;
    let listed = client.request("tools/list", json!({})).await;
    assert_eq!(listed.names(), ["convert"]);
    assert_eq!(listed.result()["tools"][0]["outputSchema"]["properties"]["fahrenheit"]["type"], "number");
    assert_eq!(done(&client, "convert", json!({ "celsius": 100 })).await, json!({ "fahrenheit": 212.0 }));
    assert_eq!(refused(&client, "convert", json!({ "celsius": -300 })).await["code"], "too_cold");
    // Nothing of the reference server's is left over.
    for list in ["resources/list", "prompts/list"] {
        assert_eq!(client.request(list, json!({})).await.names(), [""; 0], "{list}");
    }
}

#[tokio::test]
async fn documents_keeps_documents_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("documents.db").display().to_string();
    let mut server = started("documents", &[&file]).await;
    let client = Client::modern(&server.url, None);
    done(&client, "document_create", json!({ "path": "a", "content": "bread and butter" })).await;
    let large = json!({ "path": "b", "content": "x".repeat(65 << 10) });
    assert_eq!(refused(&client, "document_create", large).await["code"], "invalid_document");
    server.process.signal(rustix::process::Signal::TERM);
    assert_eq!(server.process.exit_code(std::time::Duration::from_secs(20)).await, Some(0));
    let server = started("documents", &[&file]).await;
    let client = Client::modern(&server.url, None);
    assert_eq!(client.request("resources/list", json!({})).await.result()["resources"][0]["uri"], "doc://a");
    let found = done(&client, "document_search", json!({ "query": "butter" })).await;
    assert_eq!(found["hits"][0]["snippet"], "bread and **butter**");
}

#[tokio::test]
async fn search_finds_by_its_small_language() {
    let (_server, client) = with_client("search").await;
    let lines = |words: &str| done(&client, "find", json!({ "words": words }));
    let both = lines("i wandered OR").await;
    assert_eq!(both["lines"], json!([]));
    let found = lines("wander* -forests").await;
    assert_eq!(found["lines"], json!([["daffodils", "I **wandered** lonely as a cloud that floats on high"]]));
    assert_eq!(lines("\"weak and weary\"").await["lines"][0][0], "raven");
    assert_eq!(refused(&client, "find", json!({ "words": "-only" })).await["code"], "bad_words");
}

#[tokio::test]
async fn files_are_those_of_the_directory_only() {
    let folder = tempfile::tempdir().unwrap();
    let server = started("files", &[&folder.path().display().to_string()]).await;
    let client = Client::legacy(&server.url, None).await;
    let mut events = Events::of_session(&client).await;
    client.request("resources/subscribe", json!({ "uri": "file:///notes/a.txt" })).await.result();
    done(&client, "file_write", json!({ "path": "notes/a.txt", "content": "bread" })).await;
    assert_eq!(std::fs::read_to_string(folder.path().join("notes/a.txt")).unwrap(), "bread");
    assert_eq!(refused(&client, "file_read", json!({ "path": "../a" })).await["code"], "invalid_path");
    let large = json!({ "path": "large", "content": "x".repeat((1 << 20) + 1) });
    assert_eq!(refused(&client, "file_write", large).await["code"], "file_too_large");
    // Also of what somebody else writes.
    std::fs::write(folder.path().join("notes/a.txt"), "milk").unwrap();
    events.until(&[("notifications/resources/updated", json!("file:///notes/a.txt"))]).await;
    let read = client.request("resources/read", json!({ "uri": "file:///notes/a.txt" })).await;
    assert_eq!(read.result()["contents"][0]["text"], "milk");
}

#[tokio::test]
async fn objects_are_had_by_their_links() {
    let server = started("objects", &["memory:"]).await;
    let client = Client::modern(&server.url, None);
    done(&client, "object_write", json!({ "key": "a/b.bin", "content_base64": "/wA=" })).await;
    let link = done(&client, "object_link", json!({ "key": "a/b.bin" })).await;
    let given = reqwest::get(link["url"].as_str().unwrap()).await.unwrap();
    assert_eq!((given.status().as_u16(), given.bytes().await.unwrap().to_vec()), (200, vec![0xff, 0]));
}

#[tokio::test]
async fn prompts_are_filled_in_and_completed() {
    let (_server, client) = with_client("prompts").await;
    assert_eq!(client.request("prompts/list", json!({})).await.names(), ["review"]);
    let arguments = json!({ "language": "rust", "focus": "errors" });
    let filled = client.request("prompts/get", json!({ "name": "review", "arguments": arguments })).await;
    let text = "Review this rust code. First look at: errors";
    assert_eq!(filled.result()["messages"][0]["content"]["text"], text);
    let prompt = json!({ "type": "ref/prompt", "name": "review" });
    let typed = json!({ "ref": prompt, "argument": { "name": "language", "value": "r" } });
    let completed = client.request("completion/complete", typed).await;
    assert_eq!(completed.result()["completion"]["values"], json!(["rust"]));
}

#[tokio::test]
async fn subscriptions_tells_each_tick_to_who_subscribed() {
    let (server, _) = with_client("subscriptions").await;
    let client = Client::legacy(&server.url, None).await;
    let mut events = Events::of_session(&client).await;
    client.request("resources/subscribe", json!({ "uri": "doc://clock" })).await.result();
    let read = async || {
        let read = client.request("resources/read", json!({ "uri": "doc://clock" })).await;
        read.result()["contents"][0]["text"].as_str().unwrap().to_owned()
    };
    let before = read().await;
    events.until(&[("notifications/resources/updated", json!("doc://clock"))]).await;
    assert_ne!(read().await, before);
}

#[tokio::test]
async fn tasks_report_and_end() {
    let (server, client) = with_client("tasks").await;
    let begun = client.declaring(json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } }));
    assert!(begun.call("print", json!({ "pages": 1 })).await.result()["taskId"].is_string());
    let target = Target::Http { url: &server.url, token: None };
    let seen = rust_sdk(&target, Mode::Auto, json!([["task", "print", { "pages": 3 }]])).await;
    assert_eq!(seen.ok(0)["status"], "completed", "{:?}", seen.steps);
    assert_eq!(seen.ok(0)["result"]["structuredContent"], json!({ "pages": 3 }));
    // Within the call, for a client that knows no tasks.
    let legacy = Client::legacy(&server.url, None).await;
    let params = json!({ "name": "print", "arguments": { "pages": 3 }, "_meta": { "progressToken": "p" } });
    let answer = legacy.request("tools/call", params).await;
    let progress = answer.messages.iter().filter(|message| message["method"] == "notifications/progress");
    let told: Vec<&Value> = progress.map(|message| &message["params"]["progress"]).collect();
    assert_eq!(
        (told, &answer.result()["structuredContent"]["pages"]),
        (vec![&json!(1.0), &json!(2.0), &json!(3.0)], &json!(3))
    );
}

/// A call that answers earlier questions.
async fn again(client: &Client, tool: &str, arguments: Value, responses: Value, state: Option<&Value>) -> Answer {
    let mut params = json!({ "name": tool, "arguments": arguments, "inputResponses": responses });
    if let Some(state) = state {
        params["requestState"] = state.clone();
    }
    client.request("tools/call", params).await
}

#[tokio::test]
async fn elicitation_orders_only_what_the_user_wants() {
    let (_server, client) = with_client("elicitation").await;
    let client = client.declaring(json!({ "elicitation": { "form": {} } }));
    let soup = json!({ "meal": "soup" });
    let asked = client.call("order", soup.clone()).await;
    assert_eq!(asked.result()["inputRequests"]["order"]["params"]["message"], "Order soup? For how many?");
    let accept = json!({ "order": { "action": "accept", "content": { "guests": 4 } } });
    let ordered = again(&client, "order", soup.clone(), accept, None).await;
    assert_eq!(ordered.result()["structuredContent"], json!({ "meal": "soup", "guests": "4" }));
    let declined = again(&client, "order", soup, json!({ "order": { "action": "decline" } }), None).await;
    assert_eq!(super::refusal(&declined)["code"], "declined");
}

#[tokio::test]
async fn sampling_carries_its_first_round_to_the_second() {
    let (_server, client) = with_client("sampling").await;
    let client = client.declaring(json!({ "sampling": {}, "roots": {} }));
    let first = client.call("guess", json!({})).await;
    assert_eq!(first.result()["inputRequests"]["roots"]["method"], "roots/list");
    let roots = json!({ "roots": { "roots": [{ "uri": "file:///home/ann/bakery" }] } });
    let second = again(&client, "guess", json!({}), roots, None).await;
    let question = &second.result()["inputRequests"]["opinion"];
    assert_eq!(question["method"], "sampling/createMessage");
    assert!(question.to_string().contains("file:///home/ann/bakery"), "{question}");
    let content = json!({ "type": "text", "text": "A bakery." });
    let opinion = json!({ "opinion": { "role": "assistant", "content": content, "model": "m" } });
    let state = second.result()["requestState"].clone();
    let third = again(&client, "guess", json!({}), opinion.clone(), Some(&state)).await;
    let told = json!({ "roots": "1 root(s): file:///home/ann/bakery", "opinion": "A bakery." });
    assert_eq!(third.result()["structuredContent"], told);
    let forged = again(&client, "guess", json!({}), opinion, Some(&json!("forged"))).await;
    assert_eq!(forged.rpc_code(), -32602);
}

#[tokio::test]
async fn transports_are_all_of_them() {
    let server = started("transports", &[]).await;
    let line = [parts::example("transports").display().to_string(), "--stdio".to_owned()];
    let sse = server.url.replace("/mcp", "/sse");
    let steps = || json!([call("add", json!({ "a": 1, "b": 2 }))]);
    let http = Target::Http { url: &server.url, token: None };
    for (target, mode) in [
        (http.clone(), Mode::Auto),
        (http, Mode::Legacy),
        (Target::Stdio(&line), Mode::Legacy),
        (Target::Sse(&sse), Mode::Legacy),
    ] {
        let seen = python_sdk(&target, mode, steps()).await;
        assert_eq!(seen.ok(0)["structuredContent"]["sum"], 3, "{target:?}");
    }
}

#[tokio::test]
async fn embedded_serves_both_the_application_and_mcp() {
    let (server, client) = with_client("embedded").await;
    let hello = async || {
        let answer = reqwest::get(server.url.replace("/mcp", "/hello")).await.unwrap();
        answer.text().await.unwrap()
    };
    assert_eq!(hello().await, "0 documents\n");
    done(&client, "document_create", json!({ "path": "a", "content": "x" })).await;
    assert_eq!(hello().await, "1 documents\n");
    assert_eq!(reqwest::get(server.url.replace("/mcp", "/ready")).await.unwrap().status(), 200);
    let foreign = client.prepared(http::Method::POST).header("origin", "http://evil.example").body("{}");
    assert_eq!(Client::answer(foreign).await.status, 403);
    assert_eq!(Client::legacy(&server.url, None).await.request("ping", json!({})).await.status, 200, "{LEGACY}");
}
