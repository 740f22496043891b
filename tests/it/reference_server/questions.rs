//! What a session of revision 2025-11-25 is asked within a call: its roots, and to open a page.

use serde_json::{Value, json};

use super::subscriptions::Events;
use crate::support::{
    rpc::{Client, LEGACY},
    stdio::Stdio,
    upstream::Server,
};

const ROOTS: &str = "test_input_required_result_list_roots";
const PAGE: &str = "test_elicitation_url";

fn posted(client: &Client, message: &Value) -> reqwest::RequestBuilder {
    let request = client.prepared(http::Method::POST).header("content-type", "application/json");
    request.header("accept", "application/json, text/event-stream").body(message.to_string())
}

/// Calls a tool that asks this, answers it and gives the question's params and the call's result.
async fn asked(client: &Client, tool: &str, method: &str, reply: &Value) -> (Value, Value) {
    let params = json!({ "name": tool, "arguments": {} });
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let mut events = Events::open(posted(client, &call)).await;
    let messages = events.until_one(|message| message["method"] == method).await;
    let question = messages.iter().find(|message| message["method"] == method).unwrap().clone();
    let mut answer = json!({ "jsonrpc": "2.0", "id": question["id"] });
    answer.as_object_mut().unwrap().extend(reply.as_object().unwrap().clone());
    assert_eq!(Client::answer(posted(client, &answer)).await.status, 202);
    let ended = |message: &Value| message.get("method").is_none() && message["id"] == 1;
    let messages = events.until_one(ended).await;
    assert!(messages.iter().all(|message| message["method"] != "notifications/elicitation/complete"), "{messages:?}");
    (question["params"].clone(), messages.into_iter().find(ended).unwrap())
}

#[tokio::test]
async fn session_is_asked_for_its_roots() {
    let server = Server::reference().await;
    let client = Client::legacy_with(&server.url, LEGACY, json!({ "roots": {} })).await;
    let roots = json!({ "result": { "roots": [{ "uri": "file:///a", "name": "A" }, { "uri": "file:///b" }] } });
    let (_, answer) = asked(&client, ROOTS, "roots/list", &roots).await;
    assert_eq!(answer["result"]["content"][0]["text"], "2 root(s): file:///a, file:///b", "{answer}");
    let refused = json!({ "error": { "code": -32601, "message": "no roots here" } });
    let (_, answer) = asked(&client, ROOTS, "roots/list", &refused).await;
    assert_eq!(answer["error"]["code"], -32603, "{answer}");
    let silent = Client::legacy_with(&server.url, LEGACY, json!({})).await;
    assert_eq!(silent.call(ROOTS, json!({})).await.rpc_code(), -32021);
}

#[tokio::test]
async fn client_on_standard_streams_is_asked_for_its_roots() {
    for revision in ["2024-11-05", "2025-03-26", "2025-06-18", LEGACY] {
        let mut client = Stdio::start_with(revision, &[], json!({ "roots": { "listChanged": true } })).await;
        let id = client.begin("tools/call", json!({ "name": ROOTS, "arguments": {} })).await;
        let question = client.until(|message| message["method"] == "roots/list").await.pop().unwrap();
        let result = json!({ "roots": [{ "uri": "file:///a" }] });
        client.write(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": result })).await;
        let answer = client.answer(id).await;
        assert_eq!(answer.result()["content"][0]["text"], "1 root(s): file:///a", "{revision}: {}", answer.body);
    }
}

#[tokio::test]
async fn session_is_asked_to_open_a_page() {
    let server = Server::reference().await;
    let client = Client::legacy_with(&server.url, LEGACY, json!({ "elicitation": { "url": {} } })).await;
    let mut ids = vec![];
    for action in ["accept", "decline", "cancel"] {
        let reply = json!({ "result": { "action": action } });
        let (question, answer) = asked(&client, PAGE, "elicitation/create", &reply).await;
        assert_eq!((&question["mode"], &question["url"]), (&json!("url"), &json!("https://example.com/connect")));
        assert_eq!(question["message"], "Please connect your account");
        ids.push(question["elicitationId"].as_str().unwrap().to_owned());
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert!(text.starts_with(&format!("The user's decision: action={action}, content=")), "{text}");
    }
    assert!(ids.iter().all(|id| !id.is_empty()), "{ids:?}");
    let other = Client::legacy_with(&server.url, LEGACY, json!({ "elicitation": { "url": {} } })).await;
    let reply = json!({ "result": { "action": "accept" } });
    let (question, _) = asked(&other, PAGE, "elicitation/create", &reply).await;
    assert!(!ids.contains(&question["elicitationId"].as_str().unwrap().to_owned()), "one session has another's id");
    // Forms alone are not pages, and an empty declaration means forms.
    for declared in [json!({}), json!({ "elicitation": {} }), json!({ "elicitation": { "form": {} } })] {
        let client = Client::legacy_with(&server.url, LEGACY, declared.clone()).await;
        assert_eq!(client.call(PAGE, json!({})).await.rpc_code(), -32021, "{declared}");
    }
}
