//! Reads and changes at the same time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use doorward_reference_server::{
    cache::{By, Cache, Found, Key, Stale, Ticket, Value},
    storage::{Body, Changes, Document, DocumentPath, prompt::PromptName},
};
use futures_util::FutureExt as _;
use serde_json::Map;

use super::{Store, cache, on_both, opened};
use crate::{storage::engine::Engine, support::redis::Redis};

on_both!(
    old_version_of_a_read_that_a_change_overtook_is_not_kept,
    reader_never_gets_what_was_before_an_acknowledged_change,
    change_whose_caller_went_away_leaves_nothing_kept,
    prompts_are_as_they_were_saved,
);

fn path() -> DocumentPath {
    DocumentPath::parse("a/b").unwrap()
}

fn body(content: &str) -> Body {
    let media_type = "text/plain".to_owned();
    let (metadata, tags) = (Map::new(), [].into());
    Body { title: "Title".to_owned(), media_type, content: content.to_owned(), metadata, tags }
}

fn document(version: u32) -> Value {
    let body = body(&version.to_string());
    Value::Document(Arc::new(Document { path: path(), version, body, created_at: 1, updated_at: 2 }))
}

async fn missing(cache: &Arc<dyn Cache>, key: &Key) -> Ticket {
    match cache.get(key).await {
        Found::Nothing(ticket) => ticket,
        found => panic!("{found:?}"),
    }
}

/// The reader asks the store before the change and is done after it, as slowly as it gets.
async fn old_version_of_a_read_that_a_change_overtook_is_not_kept(redis: Option<Redis>) {
    let (ours, key) = (cache(redis.as_ref()).await, Key::Document(path()));
    let reading = missing(&ours, &key).await;
    ours.invalidate(&[Stale::Document(path())], By::Us).await;
    ours.put(reading, &key, document(1)).await;
    let reading = missing(&ours, &key).await;
    ours.put(reading, &key, document(2)).await;
    assert!(matches!(ours.get(&key).await, Found::Value(value) if value == document(2)));

    if let Some(redis) = &redis {
        // The same with the reader on another server, and with one that shares its lease.
        let theirs = cache(Some(redis)).await;
        ours.invalidate(&[Stale::All], By::Us).await;
        let (one, two) = (missing(&theirs, &key).await, missing(&ours, &key).await);
        ours.invalidate(&[Stale::Document(path())], By::Us).await;
        theirs.put(one, &key, document(2)).await;
        ours.put(two, &key, document(2)).await;
        assert!(redis.kept().await.is_empty());
        let reading = missing(&ours, &key).await;
        ours.put(reading, &key, document(3)).await;
        super::until(
            "the other server has the new version",
            async || matches!(theirs.get(&key).await, Found::Value(value) if value == document(3)),
        )
        .await;
    }
}

/// One server's writer and many readers of it; with Redis a second server that fills it with what it reads.
async fn reader_never_gets_what_was_before_an_acknowledged_change(redis: Option<Redis>) {
    let engine = Engine::sqlite();
    let store = opened(&engine, &cache(redis.as_ref()).await).await;
    let mut readers = vec![Arc::clone(&store)];
    if redis.is_some() {
        readers.push(opened(&engine, &cache(redis.as_ref()).await).await);
    }
    store.create(&path(), body("1")).await.unwrap();
    let acknowledged = Arc::new(AtomicU32::new(1));
    let end = Instant::now() + Duration::from_secs(3);
    let read = |store: Store, own: bool| {
        let acknowledged = Arc::clone(&acknowledged);
        tokio::spawn(async move {
            let mut reads = 0u64;
            while Instant::now() < end {
                let least = acknowledged.load(Ordering::SeqCst);
                let found = store.read(&path(), None).await.unwrap();
                assert!(!own || found.version >= least, "{} after {least} was acknowledged", found.version);
                assert_eq!(found.body.content, found.version.to_string());
                reads += 1;
                tokio::task::yield_now().await;
            }
            reads
        })
    };
    let mut reading = vec![];
    for (number, store) in readers.iter().enumerate() {
        reading.extend((0..3).map(|_| read(Arc::clone(store), number == 0)));
    }
    let mut changes = 0;
    while Instant::now() < end {
        let version = acknowledged.load(Ordering::SeqCst);
        let content = Some((version + 1).to_string());
        let changed = store.update(&path(), version, Changes { content, ..Changes::default() }).await.unwrap();
        acknowledged.store(changed.version, Ordering::SeqCst);
        changes += 1;
        tokio::time::sleep(Duration::from_millis(u64::from(changes % 3u32))).await;
    }
    let reads: u64 = futures_util::future::join_all(reading).await.into_iter().map(Result::unwrap).sum();
    assert!(changes > 20 && reads > 200, "{changes} changes, {reads} reads");
}

/// The change may still happen, at any moment after the caller went.
async fn change_whose_caller_went_away_leaves_nothing_kept(redis: Option<Redis>) {
    let engine = Engine::sqlite();
    let cache = cache(redis.as_ref()).await;
    let store = opened(&engine, &cache).await;
    store.create(&path(), body("1")).await.unwrap();
    store.read(&path(), None).await.unwrap();
    super::until("the version is kept", async || {
        store.read(&path(), None).await.unwrap();
        matches!(cache.get(&Key::Document(path())).await, Found::Value(_))
    })
    .await;
    let text = Changes { content: Some("2".to_owned()), ..Changes::default() };
    assert!(store.update(&path(), 1, text).now_or_never().is_none(), "it is under way when its caller goes");
    assert!(matches!(cache.get(&Key::Document(path())).await, Found::Closed));
    store.read(&path(), None).await.unwrap();
    assert!(matches!(cache.get(&Key::Document(path())).await, Found::Closed));
    if let Some(redis) = &redis {
        super::until("Redis forgot it, too", async || redis.kept().await.is_empty()).await;
    }
}

async fn prompts_are_as_they_were_saved(redis: Option<Redis>) {
    let cache = cache(redis.as_ref()).await;
    let engine = Engine::sqlite();
    let store = opened(&engine, &cache).await;
    let name = |name: &str| PromptName::parse(name).unwrap();
    let prompt = crate::storage::prompts::prompt;
    for (saved, version) in [("one", 1u32), ("two", 2)] {
        let expected = version.checked_sub(1).filter(|expected| *expected > 0);
        store.save_prompt(&name("p"), expected, prompt(saved)).await.unwrap();
        store.save_prompt(&name(saved), None, prompt(saved)).await.unwrap();
        for _ in 0..3 {
            let read = store.prompt(&name("p"), None).await.unwrap();
            assert_eq!((read.version, read.body), (version, prompt(saved)));
            let page = store.prompts(None, 10).await.unwrap();
            assert_eq!(page.items.len(), usize::try_from(version + 1).unwrap());
            assert!(page.items.contains(&store.prompt(&name("p"), None).await.unwrap()));
            assert!(store.prompts(Some("p"), 10).await.unwrap().items.iter().all(|each| each.name > name("p")));
        }
    }
    let counted = cache.counts();
    assert!(counted.hits + counted.shared_hits > 10, "{counted:?}");
}
