//! The promises of the store of documents, prompts and records, held by every engine: one suite, run on each.

mod backup;
mod documents;
pub(crate) mod engine;
mod plans;
mod pooler;
mod postgres;
mod postgres_faults;
pub(crate) mod prompts;
mod records;
mod search;
mod writers;

use std::{collections::BTreeSet, sync::Arc};

use doorward_reference_server::storage::{self, Body, Changes, DocumentPath, Filter, SearchText};
use serde_json::Map;

type Store = Arc<dyn storage::Store>;

/// Runs each of these functions as a test on every engine.
macro_rules! on_every_engine {
    ($($test:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test($crate::storage::engine::Engine::sqlite()).await;
            })+
        }

        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test($crate::storage::engine::Engine::postgres().await).await;
            })+
        }
    };
}
pub(crate) use on_every_engine;

/// The same, and behind each cache.
macro_rules! on_every_engine_and_cache {
    ($($test:ident),+ $(,)?) => {
        $crate::storage::on_every_engine!($($test),+);

        mod behind_memory {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test($crate::storage::engine::Engine::cached(None)).await;
            })+
        }

        mod behind_redis {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                let redis = $crate::support::redis::Redis::start().await;
                super::$test($crate::storage::engine::Engine::cached(Some(redis))).await;
            })+
        }
    };
}
pub(crate) use on_every_engine_and_cache;

fn path(text: &str) -> DocumentPath {
    DocumentPath::parse(text).unwrap()
}

fn body(content: &str) -> Body {
    Body {
        title: "Title".to_owned(),
        media_type: "text/plain".to_owned(),
        content: content.to_owned(),
        metadata: Map::new(),
        tags: BTreeSet::new(),
    }
}

fn tagged(content: &str, tags: &[&str]) -> Body {
    Body { tags: tags.iter().map(|tag| (*tag).to_owned()).collect(), ..body(content) }
}

fn content(content: &str) -> Changes {
    Changes { content: Some(content.to_owned()), ..Changes::default() }
}

fn search(text: &str) -> SearchText {
    SearchText::parse(text).unwrap()
}

async fn found(store: &Store, text: &str) -> Vec<String> {
    let page = store.search(&search(text), &Filter::default(), 10).await.unwrap();
    page.items.into_iter().map(|hit| hit.summary.path.to_string()).collect()
}
