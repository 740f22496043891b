//! Redis killed, frozen, full, and back with what it held before.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{create, ready, server, until, update, version};
use crate::{
    storage::engine::Engine,
    support::{redis::Redis, rpc::Client, upstream::Server},
};

async fn cache_is(server: &Server, wanted: &str) {
    until(&format!("the cache is {wanted}"), async || {
        let (status, report) = ready(server).await;
        assert_eq!((status, &report["ready"]), (200, &json!(true)), "{report}");
        report["cache"] == wanted
    })
    .await;
}

/// It comes back with a file that holds the version before the last.
#[tokio::test(flavor = "multi_thread")]
async fn killed_redis_costs_no_call_and_gives_no_old_version_when_it_is_back() {
    let (engine, mut redis) = (Engine::postgres().await, Redis::start().await);
    let server = server(&engine, &redis).await;
    let client = Client::modern(&server.url, None);
    cache_is(&server, "ok").await;
    create(&client, "a", "old").await;
    until("the version is in Redis", async || {
        version(&client, "a").await;
        redis.kept().await == ["tests:1:document:a"]
    })
    .await;
    let _: () = redis.ask(&["SAVE"]).await;
    redis.kill().await;
    assert_eq!(version(&client, "a").await, 1);
    update(&client, "a", 1, "new").await;
    assert_eq!(version(&client, "a").await, 2);
    cache_is(&server, "degraded").await;
    assert_eq!(version(&client, "a").await, 2);
    redis.run().await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        assert_eq!(version(&client, "a").await, 2);
    }
    cache_is(&server, "ok").await;
    until("Redis is used again", async || {
        assert_eq!(version(&client, "a").await, 2);
        let kept: Vec<u8> = redis.ask(&["GET", "tests:1:document:a"]).await;
        String::from_utf8_lossy(&kept).contains("\"new\"")
    })
    .await;
    let told = server.process.stderr.text();
    assert_eq!(told.matches("goes on without a cache").count(), 1, "once a change of state: {told}");
}

/// Its connections stay, and nothing is answered.
#[tokio::test(flavor = "multi_thread")]
async fn frozen_redis_delays_one_call_shortly_and_gives_no_old_version_later() {
    let (engine, redis) = (Engine::sqlite(), Redis::start().await);
    let server = server(&engine, &redis).await;
    let client = Client::modern(&server.url, None);
    cache_is(&server, "ok").await;
    create(&client, "a", "old").await;
    until("the version is in Redis", async || {
        version(&client, "a").await;
        !redis.kept().await.is_empty()
    })
    .await;
    redis.freeze();
    let begun = Instant::now();
    update(&client, "a", 1, "new").await;
    assert_eq!(version(&client, "a").await, 2);
    for _ in 0..20 {
        assert_eq!(version(&client, "a").await, 2);
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    cache_is(&server, "degraded").await;
    redis.thaw();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        assert_eq!(version(&client, "a").await, 2);
    }
    cache_is(&server, "ok").await;
}

/// The messages stop, though commands work: another server's change would not be heard.
#[tokio::test(flavor = "multi_thread")]
async fn lost_subscription_empties_the_memory_before_redis() {
    let (engine, redis) = (Engine::sqlite(), Redis::start().await);
    let server = server(&engine, &redis).await;
    let client = Client::modern(&server.url, None);
    cache_is(&server, "ok").await;
    create(&client, "a", "text").await;
    let before = server.process.stderr.text().matches("the cache uses Redis").count();
    let _: i64 = redis.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    until("the loss is noticed", async || server.process.stderr.text().contains("connection for messages is gone"))
        .await;
    assert_eq!(version(&client, "a").await, 1);
    until("it is connected again", async || {
        server.process.stderr.text().matches("the cache uses Redis").count() > before
    })
    .await;
    cache_is(&server, "ok").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn full_redis_costs_no_call_and_is_told_once() {
    let (engine, redis) = (Engine::sqlite(), Redis::start().await);
    let server = server(&engine, &redis).await;
    let client = Client::modern(&server.url, None);
    cache_is(&server, "ok").await;
    create(&client, "a", "text").await;
    let _: () = redis.ask(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    let _: () = redis.ask(&["CONFIG", "SET", "maxmemory", "1"]).await;
    for round in 1..=10 {
        assert_eq!(version(&client, "a").await, round);
        update(&client, "a", round, &format!("text {round}")).await;
        assert_eq!(version(&client, "a").await, round + 1);
    }
    assert!(redis.kept().await.is_empty());
    let told = server.process.stderr.text();
    assert_eq!(told.matches("Redis is full").count(), 1, "{told}");
    cache_is(&server, "ok").await;
    let _: () = redis.ask(&["CONFIG", "SET", "maxmemory", "0"]).await;
    update(&client, "a", 11, "last").await;
    until("it is used again", async || {
        assert_eq!(version(&client, "a").await, 12);
        !redis.kept().await.is_empty()
    })
    .await;
}

/// A server that was never able to reach it starts all the same.
#[tokio::test(flavor = "multi_thread")]
async fn server_starts_without_its_redis_and_uses_it_later() {
    let (engine, mut redis) = (Engine::sqlite(), Redis::start().await);
    redis.kill().await;
    let server = server(&engine, &redis).await;
    let client = Client::modern(&server.url, None);
    create(&client, "a", "text").await;
    assert_eq!(version(&client, "a").await, 1);
    cache_is(&server, "degraded").await;
    redis.run().await;
    cache_is(&server, "ok").await;
}
