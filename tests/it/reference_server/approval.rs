//! A tool that asks the user before it deletes, in both eras.

use serde_json::{Value, json};

use super::{done, refusal, subscriptions::Events};
use crate::support::{
    rpc::{Answer, Client, LEGACY},
    upstream::Server,
};

fn forms() -> Value {
    json!({ "elicitation": { "form": {} } })
}

async fn stored(client: &Client) -> Vec<String> {
    let listed = done(client, "document_list", json!({})).await;
    let documents = listed["documents"].as_array().unwrap();
    documents.iter().map(|each| each["path"].as_str().unwrap().to_owned()).collect()
}

async fn with_documents() -> (Server, Client) {
    let server = Server::reference().await;
    let client = Client::modern(&server.url, None).declaring(forms());
    for path in ["keep", "old/a", "old/b"] {
        done(&client, "document_create", json!({ "path": path, "content": "x" })).await;
    }
    (server, client)
}

fn purge() -> Value {
    json!({ "name": "document_purge", "arguments": { "prefix": "old/" } })
}

/// The question of the first round, and the state to send back.
async fn asked(client: &Client) -> (Value, Value) {
    let answer = client.request("tools/call", purge()).await;
    let result = answer.result().clone();
    assert_eq!(result["resultType"], "input_required", "{}", answer.body);
    (result["inputRequests"]["approval"].clone(), result["requestState"].clone())
}

async fn answered(client: &Client, form: Value, state: Option<&Value>) -> Answer {
    let mut params = purge();
    params["inputResponses"] = json!({ "approval": form });
    if let Some(state) = state {
        params["requestState"] = state.clone();
    }
    client.request("tools/call", params).await
}

fn yes() -> Value {
    json!({ "action": "accept", "content": { "approve": true } })
}

#[tokio::test]
async fn approved_documents_are_deleted_and_no_others() {
    let (_server, client) = with_documents().await;
    let (question, state) = asked(&client).await;
    assert_eq!(question["method"], "elicitation/create");
    let message = question["params"]["message"].as_str().unwrap();
    assert_eq!(message, "Delete 2 documents below old/ with their whole history? old/a, old/b");
    let result = answered(&client, yes(), Some(&state)).await.result()["structuredContent"].clone();
    let wanted = json!({ "approved": true, "deleted": ["old/a", "old/b"], "kept": [], "more": false });
    assert_eq!(result, wanted);
    assert_eq!(stored(&client).await, ["keep"]);
}

#[tokio::test]
async fn approval_covers_what_the_user_saw() {
    let (_server, client) = with_documents().await;
    let (_, state) = asked(&client).await;
    let change = json!({ "path": "old/a", "expected_version": 1, "content": "changed" });
    done(&client, "document_update", change).await;
    done(&client, "document_create", json!({ "path": "old/c", "content": "new" })).await;
    let result = answered(&client, yes(), Some(&state)).await.result()["structuredContent"].clone();
    assert_eq!((&result["deleted"], &result["kept"]), (&json!(["old/b"]), &json!(["old/a"])));
    assert_eq!(stored(&client).await, ["keep", "old/a", "old/c"]);
}

#[tokio::test]
async fn nothing_is_deleted_without_approval() {
    let (server, client) = with_documents().await;
    let (_, state) = asked(&client).await;
    let unsaid = json!({ "action": "accept", "content": { "approve": false } });
    for form in [json!({ "action": "decline" }), json!({ "action": "cancel" }), unsaid] {
        let answer = answered(&client, form, Some(&state)).await;
        assert_eq!(answer.result()["structuredContent"]["approved"], false, "{}", answer.body);
    }
    let forged = answered(&client, yes(), None).await;
    assert_eq!(forged.result()["resultType"], "input_required", "an answer to nothing is asked for: {}", forged.body);
    let tampered = json!(format!("{}x", state.as_str().unwrap()));
    assert_eq!(answered(&client, yes(), Some(&tampered)).await.rpc_code(), -32602);
    let silent = Client::modern(&server.url, None);
    assert_eq!(silent.request("tools/call", purge()).await.rpc_code(), -32021);
    let everything = client.call("document_purge", json!({ "prefix": "" })).await;
    assert_eq!(refusal(&everything)["code"], "invalid_arguments");
    assert_eq!(stored(&client).await, ["keep", "old/a", "old/b"]);
}

#[tokio::test]
async fn session_is_asked_within_the_call() {
    let (server, _) = with_documents().await;
    for revision in ["2025-06-18", LEGACY] {
        let client = Client::legacy_with(&server.url, revision, json!({ "elicitation": {} })).await;
        let approved = revision == LEGACY;
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": purge() });
        let request = client.prepared(http::Method::POST).header("content-type", "application/json");
        let request = request.header("accept", "application/json, text/event-stream").body(call.to_string());
        let mut events = Events::open(request).await;
        let messages = events.until_one(|message| message["method"] == "elicitation/create").await;
        let question = messages.iter().find(|message| message["method"] == "elicitation/create").unwrap();
        let form = if approved { yes() } else { json!({ "action": "decline" }) };
        let reply = json!({ "jsonrpc": "2.0", "id": question["id"], "result": form });
        let request = client.prepared(http::Method::POST).header("content-type", "application/json");
        let request = request.header("accept", "application/json, text/event-stream").body(reply.to_string());
        assert_eq!(Client::answer(request).await.status, 202);
        let messages = events.until_one(|message| message.get("result").is_some()).await;
        assert_eq!(messages.last().unwrap()["result"]["structuredContent"]["approved"], approved, "{messages:?}");
    }
    assert_eq!(stored(&Client::modern(&server.url, None)).await, ["keep"]);
}
