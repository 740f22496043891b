//! Two server processes on one PostgreSQL and one Redis.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{create, server, until, update, version};
use crate::{
    storage::engine::Engine,
    support::{redis::Redis, rpc::Client},
};

/// The database is asked for changes twice a second, so that what is heard at once was heard by Redis.
#[tokio::test(flavor = "multi_thread")]
async fn servers_see_each_others_changes_at_once() {
    const ROUNDS: u64 = 20;
    let (engine, redis) = (Engine::postgres().await, Redis::start().await);
    let servers = [server(&engine, &redis).await, server(&engine, &redis).await];
    let [one, two] = [0, 1].map(|number| Client::modern(&servers[number].url, None));
    create(&one, "a", "text").await;
    let mut delays = vec![];
    for round in 1..=ROUNDS {
        let (writer, reader) = if round % 2 == 0 { (&one, &two) } else { (&two, &one) };
        for client in [writer, reader] {
            until("both have the version", async || version(client, "a").await == round).await;
            version(client, "a").await;
        }
        update(writer, "a", round, &format!("text {round}")).await;
        assert_eq!(version(writer, "a").await, round + 1);
        let begun = Instant::now();
        while version(reader, "a").await != round + 1 {
            assert!(begun.elapsed() < Duration::from_secs(5), "the change is not heard of");
        }
        delays.push(begun.elapsed());
    }
    delays.sort();
    println!("heard of after {delays:?}");
    assert!(delays[delays.len() / 2] < Duration::from_millis(100), "{delays:?}");
    // A change that the database tells of later than Redis did removes it once more.
    until("it is in Redis", async || {
        version(&one, "a").await;
        version(&two, "a").await;
        redis.kept().await.iter().any(|key| key == "tests:1:document:a")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_change_is_seen_by_the_other_server() {
    let (engine, redis) = (Engine::postgres().await, Redis::start().await);
    let servers = [server(&engine, &redis).await, server(&engine, &redis).await];
    let [one, two] = [0, 1].map(|number| Client::modern(&servers[number].url, None));
    create(&one, "a", "text").await;
    let is_there = async |client: &Client, path: &str| {
        client.call("document_read", json!({ "path": path })).await.result()["isError"] != true
    };
    until("the other has it", async || is_there(&two, "a").await).await;
    one.call("document_move", json!({ "path": "a", "new_path": "b" })).await;
    until("the other has it moved", async || !is_there(&two, "a").await && is_there(&two, "b").await).await;
    two.call("document_delete", json!({ "path": "b" })).await;
    until("it is gone", async || !is_there(&one, "b").await).await;

    let text = |text: &str| json!({ "name": "p", "messages": [{ "role": "user", "text": text }] });
    assert_ne!(one.call("prompt_save", text("first")).await.result()["isError"], true);
    let said = async |client: &Client| {
        let answer = client.request("prompts/get", json!({ "name": "p" })).await;
        answer.result()["messages"][0]["content"]["text"].as_str().unwrap_or_default().to_owned()
    };
    until("the other has the prompt", async || said(&two).await == "first").await;
    let mut second = text("second");
    second["expected_version"] = json!(1);
    assert_ne!(two.call("prompt_save", second).await.result()["isError"], true);
    assert_eq!(said(&two).await, "second");
    until("the other has the new prompt", async || said(&one).await == "second").await;
}
