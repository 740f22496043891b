//! What subscribers hear when a tool changes a document, in both eras.

use std::time::Duration;

use serde_json::{Value, json};

use super::done;
use crate::storage::{engine::Engine, on_every_engine};
use crate::support::{
    postgres::Postgres,
    rpc::{Client, Message},
    upstream::Server,
};

/// How often a server looks for others' changes where nothing wakes it.
const POLL: Duration = Duration::from_millis(500);

const PATIENCE: Duration = Duration::from_secs(20);

/// An open stream of events.
pub(crate) struct Events {
    response: reqwest::Response,
    text: String,
}

impl Events {
    pub(super) async fn open(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        Self { response, text: String::new() }
    }

    /// The stream of a legacy session.
    pub(super) async fn of_session(client: &Client) -> Self {
        Self::open(client.prepared(http::Method::GET).header("accept", "text/event-stream")).await
    }

    /// What came so far is not looked at again.
    pub(super) fn forget(&mut self) {
        self.text.clear();
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

    /// Reads until the server ends the stream.
    pub(super) async fn until_end(&mut self) {
        let reading = async { while let Ok(Some(_)) = self.response.chunk().await {} };
        assert!(tokio::time::timeout(PATIENCE, reading).await.is_ok(), "it does not end: {}", self.text);
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
    pub(super) async fn until(&mut self, wanted: &[(&str, Value)]) -> Vec<Value> {
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

pub(super) fn updated(uri: &str) -> (&'static str, Value) {
    ("notifications/resources/updated", json!(uri))
}

pub(super) const LIST_CHANGED: (&str, Value) = ("notifications/resources/list_changed", Value::Null);

/// Creates, updates and deletes what is subscribed to, after something that is not.
pub(crate) async fn change(client: &Client, events: &mut Events) {
    done(client, "document_create", json!({ "path": "other", "content": "x" })).await;
    let created = done(client, "document_create", json!({ "path": "a b", "content": "one" })).await;
    let messages = events.until(&[LIST_CHANGED, updated("doc://a%20b")]).await;
    assert!(messages.iter().all(|message| message["params"]["uri"] != "doc://other"), "{messages:?}");
    events.forget();
    let tags = json!({ "path": "a b", "expected_version": created["version"], "tags": ["t"] });
    done(client, "document_update", tags).await;
    let messages = events.until(&[updated("doc://a%20b")]).await;
    // Tags are not in the list of resources.
    assert!(messages.iter().all(|message| message["method"] != LIST_CHANGED.0), "{messages:?}");
    events.forget();
    done(client, "document_delete", json!({ "path": "a b" })).await;
    events.until(&[LIST_CHANGED, updated("doc://a%20b")]).await;
}

/// A legacy session at a server that listens to one document.
async fn legacy_events(server: &Server) -> Events {
    let client = Client::legacy(&server.url, None).await;
    let events = Events::of_session(&client).await;
    client.request("resources/subscribe", json!({ "uri": "doc://a%20b" })).await.result();
    let other = client.request("resources/subscribe", json!({ "uri": "doc://a b" })).await;
    assert_eq!(other.rpc_code(), -32002, "another spelling names nothing: {}", other.body);
    events
}

/// The same by the stateless revision.
pub(crate) async fn modern_events(server: &Server) -> Events {
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
    events
}

#[tokio::test]
async fn legacy_session_hears_of_the_documents_it_subscribed_to() {
    let server = Server::reference().await;
    let mut events = legacy_events(&server).await;
    change(&Client::legacy(&server.url, None).await, &mut events).await;
}

#[tokio::test]
async fn stream_of_the_stateless_revision_hears_of_the_documents_it_names() {
    let server = Server::reference().await;
    let mut events = modern_events(&server).await;
    change(&Client::modern(&server.url, None), &mut events).await;
}

on_every_engine!(
    subscribers_hear_of_changes_that_another_server_made,
    own_changes_are_told_once,
    changes_of_before_are_nobodys_news,
);

async fn subscribers_hear_of_changes_that_another_server_made(engine: Engine) {
    let (server, other) = (engine.server().await, engine.server().await);
    let client = Client::modern(&other.url, None);
    let mut events = legacy_events(&server).await;
    change(&client, &mut events).await;
    drop(events);
    done(&client, "document_delete", json!({ "path": "other" })).await;
    let mut events = modern_events(&server).await;
    change(&client, &mut events).await;
}

/// The changes of one server alone come by a shorter way, and not a second time by the long one.
async fn own_changes_are_told_once(engine: Engine) {
    let server = engine.server().await;
    let client = Client::modern(&server.url, None);
    let mut events = modern_events(&server).await;
    done(&client, "document_create", json!({ "path": "a b", "content": "one" })).await;
    tokio::time::sleep(2 * POLL).await;
    // What another server does comes after all that might come a second time.
    let other = engine.server().await;
    let update = json!({ "path": "a b", "expected_version": 1, "tags": ["t"] });
    done(&Client::modern(&other.url, None), "document_update", update).await;
    tokio::time::sleep(2 * POLL).await;
    let messages = events.until(&[updated("doc://a%20b")]).await;
    tokio::time::timeout(POLL, events.until(&[("never", Value::Null)])).await.unwrap_err();
    let heard = events.messages().iter().filter(|message| message["params"]["uri"] == "doc://a%20b").count();
    assert_eq!(heard, 2, "{messages:?}");
}

async fn changes_of_before_are_nobodys_news(engine: Engine) {
    let other = engine.server().await;
    let client = Client::modern(&other.url, None);
    done(&client, "document_create", json!({ "path": "a b", "content": "one" })).await;
    let server = engine.server().await;
    let mut events = modern_events(&server).await;
    tokio::time::sleep(2 * POLL).await;
    done(&client, "document_delete", json!({ "path": "a b" })).await;
    events.until(&[updated("doc://a%20b")]).await;
    let heard = events.messages().iter().filter(|message| message["params"]["uri"] == "doc://a%20b").count();
    assert_eq!(heard, 1, "{}", events.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_hear_again_after_the_database_was_away() {
    let mut database = Postgres::start().await;
    let servers =
        [Server::reference_on(database.url().as_ref()).await, Server::reference_on(database.url().as_ref()).await];
    let client = Client::modern(&servers[1].url, None);
    let mut events = modern_events(&servers[0]).await;
    change(&client, &mut events).await;
    database.kill().await;
    database.run().await;
    events.forget();
    // The first call waits for the database.
    change_again(&client, &mut events).await;
}

async fn change_again(client: &Client, events: &mut Events) {
    done(client, "document_create", json!({ "path": "a b", "content": "again" })).await;
    events.until(&[LIST_CHANGED, updated("doc://a%20b")]).await;
}

/// A notification makes the other server look at once; by the clock alone it would be twice a second.
#[tokio::test(flavor = "multi_thread")]
async fn polling_takes_the_place_of_notifications_where_told() {
    let database = Postgres::start().await;
    let url = database.url();
    let polling = ["--database", &url, "--database-events-url", "poll"];
    let server = Server::reference_with(|command| command.args(polling)).await;
    let other = Server::reference_with(|command| command.args(polling)).await;
    assert_eq!(database.sql(LISTENERS).await, "0");
    let mut events = modern_events(&server).await;
    change(&Client::modern(&other.url, None), &mut events).await;
    assert_eq!(database.sql(LISTENERS).await, "0");
    let listening = Server::reference_on(url.as_ref()).await;
    change_again(&Client::modern(&listening.url, None), &mut events).await;
    tokio::time::timeout(PATIENCE, async { while database.sql(LISTENERS).await != "1" {} }).await.unwrap();
}

/// How many connections have listened.
const LISTENERS: &str = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'";
