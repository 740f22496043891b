//! What every revision has, as a client sees it.

use std::time::Duration;

use serde_json::{Value, json};

use super::{done, subscriptions::Events};
use crate::support::{
    rpc::{Answer, Client, Message, meta},
    upstream::Server,
};

const LEGACY: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

async fn all(url: &str) -> Vec<(&'static str, Client)> {
    let mut clients = vec![("2026-07-28", Client::modern(url, None))];
    for revision in LEGACY {
        clients.push((revision, Client::legacy_with(url, revision, json!({})).await));
    }
    clients
}

/// A call with members of `_meta` beside those that every modern request has.
pub(super) async fn call_with(client: &Client, tool: &str, arguments: Value, more: &Value) -> Answer {
    let mut own = if client.session.is_none() { meta() } else { json!({}) };
    own.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let params = json!({ "name": tool, "arguments": arguments, "_meta": own });
    if client.session.is_some() {
        return client.request("tools/call", params).await;
    }
    let message = Message::modern("tools/call", params);
    let mut request = client.prepared(http::Method::POST).body(message.body);
    for (name, value) in message.headers {
        request = request.header(name, value);
    }
    Client::answer(request).await
}

fn count(answer: &Answer, method: &str) -> usize {
    answer.messages.iter().filter(|message| message["method"] == method).count()
}

#[tokio::test]
async fn every_revision_reports_progress_and_logs_what_was_asked_for() {
    let server = Server::reference().await;
    for (revision, client) in all(&server.url).await {
        let answer = call_with(&client, "test_tool_with_progress", json!({}), &json!({ "progressToken": "p" })).await;
        assert_eq!(count(&answer, "notifications/progress"), 3, "{revision}: {}", answer.body);
        let silent = client.call("test_tool_with_progress", json!({})).await;
        assert_eq!(count(&silent, "notifications/progress"), 0, "{revision}: {}", silent.body);
        if client.session.is_none() {
            let level = json!({ "io.modelcontextprotocol/logLevel": "info" });
            let answer = call_with(&client, "test_tool_with_logging", json!({}), &level).await;
            assert_eq!(count(&answer, "notifications/message"), 3, "{revision}: {}", answer.body);
            continue;
        }
        // A session hears log messages on its own stream.
        let listening = client.prepared(http::Method::GET).header("accept", "text/event-stream");
        let mut events = Events::open(listening).await;
        client.request("logging/setLevel", json!({ "level": "info" })).await.result();
        client.call("test_tool_with_logging", json!({})).await.result();
        let messages = events.until_one(|message| message["params"]["data"] == "Tool execution completed").await;
        let logged = messages.iter().filter(|message| message["method"] == "notifications/message").count();
        assert_eq!(logged, 3, "{revision}: {messages:?}");
    }
}

#[tokio::test]
async fn every_revision_has_typed_tools_with_icons_links_and_pages() {
    let server = Server::reference().await;
    for (revision, client) in all(&server.url).await {
        let listed = client.request("tools/list", json!({})).await;
        let tools = listed.result()["tools"].as_array().unwrap().clone();
        let tool = |name: &str| tools.iter().find(|tool| tool["name"] == name).unwrap_or_else(|| panic!("{name}"));
        let create = tool("document_create");
        assert_eq!(create["annotations"]["destructiveHint"], false, "{revision}");
        assert_eq!(create["outputSchema"]["type"], "object", "{revision}");
        assert!(create["icons"][0]["src"].as_str().unwrap().starts_with("data:image/svg+xml;base64,"), "{revision}");
        let mirrored = &tool("test_custom_headers")["inputSchema"]["properties"]["region"]["x-mcp-header"];
        assert_eq!(mirrored, "Region", "{revision}");
        let created = client.call("document_create", json!({ "path": revision, "content": "x" })).await;
        assert_eq!(created.result()["structuredContent"]["path"], revision, "{}", created.body);
        let link = created.result()["content"].as_array().unwrap().last().unwrap().clone();
        assert_eq!((&link["type"], &link["uri"]), (&json!("resource_link"), &json!(format!("doc://{revision}"))));
        let template = json!({ "type": "ref/resource", "uri": "doc://{+path}" });
        let argument = json!({ "name": "path", "value": revision });
        let completed = client.request("completion/complete", json!({ "ref": template, "argument": argument })).await;
        assert_eq!(completed.result()["completion"]["values"], json!([revision]));
        let unknown = client.request("tools/list", json!({ "cursor": "no" })).await;
        assert_eq!(unknown.rpc_code(), -32602, "{revision}");
        let hints = (listed.result().get("ttlMs"), listed.result().get("cacheScope"));
        if client.session.is_none() {
            assert_eq!(hints, (Some(&json!(1000)), Some(&json!("public"))));
        }
    }
    let documents = done(&Client::modern(&server.url, None), "document_list", json!({ "limit": 2 })).await;
    assert!(documents["next_cursor"].is_string(), "{documents}");
}

#[tokio::test]
async fn server_has_icons() {
    let server = Server::reference().await;
    let discovered = Client::modern(&server.url, None).request("server/discover", json!({})).await;
    let info = &discovered.result()["_meta"]["io.modelcontextprotocol/serverInfo"];
    assert_eq!(info["icons"][0]["mimeType"], "image/svg+xml", "{}", discovered.body);
}

#[tokio::test]
async fn cancelled_call_ends_without_an_answer_in_every_session() {
    let server = Server::reference().await;
    for revision in LEGACY {
        let client = Client::legacy_with(&server.url, revision, json!({})).await;
        let slow = client.call("slow_compute", json!({ "seconds": 600 }));
        let cancelling = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            client.notify("notifications/cancelled", json!({ "requestId": 1 })).await
        };
        let (answer, accepted) = tokio::join!(slow, cancelling);
        assert_eq!(accepted.status, 202);
        assert!(answer.messages.iter().all(|message| message.get("result").is_none()), "{revision}: {}", answer.body);
    }
}

#[tokio::test]
async fn log_lines_of_a_request_carry_its_trace() {
    let server = Server::reference_with(|command| command.args(["--log", "doorward_reference_server=debug"])).await;
    for (number, (revision, client)) in all(&server.url).await.into_iter().enumerate() {
        let trace = format!("4bf92f3577b34da6a3ce929d0e0e47{number:02}");
        let parent = json!({ "traceparent": format!("00-{trace}-00f067aa0ba902b7-01") });
        call_with(&client, "echo", json!({ "message": "x" }), &parent).await.result();
        let wanted = format!("trace_id=\"{trace}\" parent_id=\"00f067aa0ba902b7\"");
        let line = server.process.stderr.wait_line(0, Duration::from_secs(10), |line| line.contains(&wanted)).await;
        assert!(line.is_some(), "{revision}: {}", server.process.stderr.text());
    }
}

#[tokio::test]
async fn page_to_open_is_asked_for_where_the_client_opens_pages() {
    let server = Server::reference().await;
    let opens = Client::modern(&server.url, None).declaring(json!({ "elicitation": { "url": {} } }));
    let params = json!({ "name": "test_elicitation_url", "arguments": {} });
    let asked = opens.request("tools/call", params.clone()).await;
    let question = &asked.result()["inputRequests"]["page"]["params"];
    assert_eq!((&question["mode"], &question["url"]), (&json!("url"), &json!("https://example.com/connect")));
    let mut params = params;
    params["inputResponses"] = json!({ "page": { "action": "accept" } });
    let answer = opens.request("tools/call", params).await;
    assert_eq!(answer.result()["content"][0]["text"], "The user's decision: action=accept, content=null");
    let forms = Client::modern(&server.url, None).declaring(json!({ "elicitation": {} }));
    assert_eq!(forms.call("test_elicitation_url", json!({})).await.rpc_code(), -32021);
}
