//! The reference server's cache: never what was before an acknowledged change, whatever runs into what and whatever fails.

mod hostile;
mod outages;
mod races;
mod servers;

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use doorward_reference_server::{
    cache::{
        Bounds, Cache, CachedStore, Memory,
        settings::{Access, CacheSettings},
    },
    storage::{Limits, location::Named},
};
use serde_json::{Value, json};

use crate::{
    storage::engine::Engine,
    support::{redis::Redis, rpc::Client, upstream::Server},
};

type Store = Arc<dyn doorward_reference_server::storage::Store>;

pub(crate) const BOUNDS: Bounds = Bounds { bytes: 16 << 20, lifetime: Duration::from_secs(60) };

/// Each of these functions as a test on a cache in memory and on one in Redis.
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        mod in_memory {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(None).await;
            })+
        }

        mod in_redis {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(Some($crate::support::redis::Redis::start().await)).await;
            })+
        }
    };
}
use on_both;

/// A cache as a server has one, ready to be used.
pub(crate) async fn cache(redis: Option<&Redis>) -> Arc<dyn Cache> {
    let Some(redis) = redis else { return Arc::new(Memory::new(BOUNDS)) };
    let access = Access { prefix: Some("tests".to_owned()), ..Access::default() };
    let named = Named::from(std::ffi::OsString::from(redis.url()));
    let cache = CacheSettings::of(&named, &access, false).unwrap().open(BOUNDS).unwrap().unwrap();
    until("Redis is used", async || cache.reaches() == Some(true)).await;
    cache
}

/// A store behind a cache, as a server has one: with its feed read.
pub(crate) async fn cached(store: Store, cache: &Arc<dyn Cache>) -> Store {
    let cached: Store = Arc::new(CachedStore::new(store, Arc::clone(cache)));
    if let Some(mut feed) = cached.feed().await.unwrap() {
        tokio::spawn(async move { while feed.next().await.is_ok() {} });
        // The first call opens the cache.
        tokio::task::yield_now().await;
    }
    cached
}

async fn opened(engine: &Engine, cache: &Arc<dyn Cache>) -> Store {
    cached(engine.open(Limits::default()).await, cache).await
}

/// Waits until something is so.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, is: impl Fn() -> F) {
    let begun = Instant::now();
    while !is().await {
        assert!(begun.elapsed() < Duration::from_secs(20), "never so: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A server on this database whose cache is this Redis.
async fn server(engine: &Engine, redis: &Redis) -> Server {
    let name = engine.name();
    Server::reference_with(|command| {
        command.arg("--database").arg(name).args(["--cache-prefix", "tests"]);
        // By the clock, so that what is faster came by Redis.
        if matches!(engine, Engine::Postgres(_)) {
            command.args(["--database-events-url", "poll"]);
        }
        command.env("REFERENCE_SERVER_CACHE", redis.url()).env("RUST_LOG", "doorward_reference_server=info")
    })
    .await
}

async fn ready(server: &Server) -> (u16, Value) {
    let answer = reqwest::get(server.url.replace("/mcp", "/ready")).await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn create(client: &Client, path: &str, content: &str) {
    let answer = client.call("document_create", json!({ "path": path, "content": content })).await;
    assert_ne!(answer.result()["isError"], true, "{:?}", answer.result());
}

async fn update(client: &Client, path: &str, version: u64, content: &str) {
    let arguments = json!({ "path": path, "expected_version": version, "content": content });
    let answer = client.call("document_update", arguments).await;
    assert_ne!(answer.result()["isError"], true, "{:?}", answer.result());
}

/// The version of a document.
async fn version(client: &Client, path: &str) -> u64 {
    let answer = client.call("document_read", json!({ "path": path })).await;
    answer.result()["structuredContent"]["version"].as_u64().unwrap_or_else(|| panic!("{:?}", answer.result()))
}
