//! What subscribers hear when a tool changes a document, in both eras.

use std::time::Duration;

use serde_json::{Value, json};

use super::done;
use crate::support::{
    rpc::{Client, Message},
    upstream::Server,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// An open stream of events.
pub(super) struct Events {
    response: reqwest::Response,
    text: String,
}

impl Events {
    pub(super) async fn open(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        Self { response, text: String::new() }
    }

    /// Everything that came so far.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Reads until this text has come.
    pub(super) async fn until_text(&mut self, wanted: &str) {
        while !self.text.contains(wanted) {
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("it comes in time");
            self.text.push_str(std::str::from_utf8(&chunk.unwrap().expect("the stream goes on")).unwrap());
        }
    }

    /// The messages so far.
    pub(super) fn messages(&self) -> Vec<Value> {
        let data = self.text.lines().filter_map(|line| line.strip_prefix("data:"));
        data.filter_map(|data| serde_json::from_str(data).ok()).collect()
    }

    /// Reads until one of the messages is `wanted`; all that came.
    pub(super) async fn until_one(&mut self, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let reading = async {
            while !self.messages().iter().any(&wanted) {
                let chunk = self.response.chunk().await.unwrap().expect("the stream goes on");
                self.text.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        };
        assert!(tokio::time::timeout(PATIENCE, reading).await.is_ok(), "it did not come: {}", self.text);
        self.messages()
    }

    /// Reads until messages of these methods have come, in any order; all that came.
    async fn until(&mut self, wanted: &[(&str, Value)]) -> Vec<Value> {
        let there = |messages: &[Value]| {
            let like = |method: &str, uri: &Value| {
                messages.iter().any(|message| message["method"] == method && message["params"]["uri"] == *uri)
            };
            wanted.iter().all(|(method, uri)| like(method, uri))
        };
        let reading = async {
            while !there(&self.messages()) {
                let chunk = self.response.chunk().await.unwrap().expect("the stream goes on");
                self.text.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        };
        assert!(tokio::time::timeout(PATIENCE, reading).await.is_ok(), "{wanted:?} did not come: {}", self.text);
        self.messages()
    }
}

fn updated(uri: &str) -> (&'static str, Value) {
    ("notifications/resources/updated", json!(uri))
}

const LIST_CHANGED: (&str, Value) = ("notifications/resources/list_changed", Value::Null);

/// Creates, updates and deletes what is subscribed to, after something that is not.
async fn change(client: &Client, events: &mut Events) {
    done(client, "document_create", json!({ "path": "other", "content": "x" })).await;
    done(client, "document_create", json!({ "path": "a b", "content": "one" })).await;
    let messages = events.until(&[LIST_CHANGED, updated("doc://a%20b")]).await;
    assert!(messages.iter().all(|message| message["params"]["uri"] != "doc://other"), "{messages:?}");
    events.text.clear();
    let tags = json!({ "path": "a b", "expected_version": 1, "tags": ["t"] });
    done(client, "document_update", tags).await;
    let messages = events.until(&[updated("doc://a%20b")]).await;
    // Tags are not in the list of resources.
    assert!(messages.iter().all(|message| message["method"] != LIST_CHANGED.0), "{messages:?}");
    events.text.clear();
    done(client, "document_delete", json!({ "path": "a b" })).await;
    events.until(&[LIST_CHANGED, updated("doc://a%20b")]).await;
}

#[tokio::test]
async fn legacy_session_hears_of_the_documents_it_subscribed_to() {
    let server = Server::reference().await;
    let client = Client::legacy(&server.url, None).await;
    let listening = client.prepared(http::Method::GET).header("accept", "text/event-stream");
    let mut events = Events::open(listening).await;
    client.request("resources/subscribe", json!({ "uri": "doc://a%20b" })).await.result();
    let other = client.request("resources/subscribe", json!({ "uri": "doc://a b" })).await;
    assert_eq!(other.rpc_code(), -32002, "another spelling names nothing: {}", other.body);
    change(&client, &mut events).await;
}

#[tokio::test]
async fn stream_of_the_stateless_revision_hears_of_the_documents_it_names() {
    let server = Server::reference().await;
    let client = Client::modern(&server.url, None);
    let wanted = json!({ "resourcesListChanged": true, "resourceSubscriptions": ["doc://a%20b", "doc://../x"] });
    let message = Message::modern("subscriptions/listen", json!({ "notifications": wanted }));
    let mut request = client.prepared(http::Method::POST).body(message.body);
    for (name, value) in message.headers {
        request = request.header(name, value);
    }
    let mut events = Events::open(request).await;
    let acknowledged = events.until(&[("notifications/subscriptions/acknowledged", Value::Null)]).await;
    let accepted = acknowledged[0]["params"]["notifications"]["resourceSubscriptions"].clone();
    assert_eq!(accepted, json!(["doc://a%20b"]), "{acknowledged:?}");
    change(&client, &mut events).await;
}
