//! Storing, changing and deleting structured records, and writers at the same time.

mod queries;
mod random;

use std::collections::BTreeSet;

use doorward_reference_server::storage::{
    Limits,
    record::{Change, CollectionName, InvalidRecord, RecordError, RecordName},
};
use serde_json::{Map, Value, json};

use super::{Store, engine::Engine, on_every_engine};

on_every_engine!(
    record_comes_back_as_it_was_stored,
    record_is_replaced_and_merged,
    stale_writer_of_a_record_is_refused_and_told_the_current_version,
    name_and_version_never_mean_a_second_record,
    record_beyond_a_limit_changes_nothing,
    collections_and_ids_are_listed_in_order,
    concurrent_writers_of_a_record_lose_no_update,
    concurrent_creators_and_deleters_of_a_record_never_repeat_a_version,
    feed_tells_of_records_that_others_change,
);

pub(crate) fn collection(text: &str) -> CollectionName {
    CollectionName::parse(text).unwrap()
}

pub(crate) fn record(text: &str) -> RecordName {
    RecordName::of_path(text).unwrap()
}

/// Ids of the records that a filter lets through.
pub(crate) async fn queried(store: &Store, name: &str, filter: Value) -> Vec<String> {
    queries::ids(store, name, queries::query(filter, json!([]))).await
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

async fn record_comes_back_as_it_was_stored(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    let body = object(json!({
        "z": 1, "a": { "ü.$\"'\\": [u64::MAX, i64::MIN, 1.0, -0.0, 0.1, 5e-324, 1e300, 1.797_693_134_862_315_7e308] },
        "text": "\u{1}\"\\ \u{1f980}\u{2028}'; --", "null": null, "list": [[], {}, true], "e": 9_007_199_254_740_993_i64,
        "near": 0.300_000_000_000_000_04, "odd": 123_456.789_012_345_67,
    }));
    let created = store.create_record(&record("Stock_1.x/a-1"), body.clone()).await.unwrap();
    let read = engine.open(Limits::default()).await.record(&record("Stock_1.x/a-1")).await.unwrap();
    assert_eq!((&created, read.version), (&read, 1));
    assert_eq!(serde_json::to_string(&read.body).unwrap(), serde_json::to_string(&body).unwrap());
    let (one, other) = (RecordName::new(collection("c")).unwrap(), RecordName::new(collection("c")).unwrap());
    assert_ne!(one, other);
    store.create_record(&one, Map::new()).await.unwrap();
    assert_eq!(store.record(&one).await.unwrap().body, Map::new());
}

async fn record_is_replaced_and_merged(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    let name = record("c/a");
    let created = store.create_record(&name, object(json!({ "a": { "b": 1, "c": 2 }, "d": [1] }))).await.unwrap();
    let patch = Change::Merge(object(json!({ "a": { "b": null, "e": 3 }, "d": [2], "f": null })));
    let merged = store.update_record(&name, 1, patch).await.unwrap();
    assert_eq!(Value::Object(merged.body.clone()), json!({ "a": { "c": 2, "e": 3 }, "d": [2] }));
    assert_eq!((merged.version, merged.created_at), (2, created.created_at));
    assert_eq!(store.record(&name).await.unwrap(), merged);
    let replaced = store.update_record(&name, 2, Change::Replace(object(json!({ "x": null })))).await.unwrap();
    assert_eq!(Value::Object(replaced.body), json!({ "x": null }));
}

async fn stale_writer_of_a_record_is_refused_and_told_the_current_version(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    let name = record("c/a");
    let change = |text: &str| Change::Replace(object(json!({ "text": text })));
    store.create_record(&name, Map::new()).await.unwrap();
    store.update_record(&name, 1, change("two")).await.unwrap();
    for expected in [0, 1, 3] {
        let stale = store.update_record(&name, expected, change("lost")).await;
        assert!(
            matches!(stale, Err(RecordError::Conflict { expected: told, current: 2, .. }) if told == expected),
            "{stale:?}"
        );
        let stale = store.delete_record(&name, Some(expected)).await;
        assert!(matches!(stale, Err(RecordError::Conflict { current: 2, .. })), "{stale:?}");
    }
    assert!(matches!(store.create_record(&name, Map::new()).await, Err(RecordError::Exists(_))));
    assert_eq!(store.record(&name).await.unwrap().body["text"], "two");
    let none = record("c/none");
    assert!(matches!(store.record(&none).await, Err(RecordError::NotFound(_))));
    assert!(matches!(store.update_record(&none, 1, change("x")).await, Err(RecordError::NotFound(_))));
    assert!(matches!(store.delete_record(&none, None).await, Err(RecordError::NotFound(_))));
    // What was refused leaves nothing behind: the first version is the first.
    assert_eq!(store.create_record(&none, Map::new()).await.unwrap().version, 1);
}

async fn name_and_version_never_mean_a_second_record(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    let name = record("c/a");
    store.create_record(&name, object(json!({ "a": 1 }))).await.unwrap();
    store.update_record(&name, 1, Change::Replace(Map::new())).await.unwrap();
    assert_eq!(store.delete_record(&name, Some(2)).await.unwrap(), 2);
    assert!(matches!(store.record(&name).await, Err(RecordError::NotFound(_))));
    assert!(matches!(store.update_record(&name, 2, Change::Merge(Map::new())).await, Err(RecordError::NotFound(_))));
    assert!(store.collections("", None, 9).await.unwrap().items.is_empty());
    assert_eq!(store.create_record(&name, Map::new()).await.unwrap().version, 3);
    // Another collection is another record.
    assert_eq!(store.create_record(&record("d/a"), Map::new()).await.unwrap().version, 1);
}

async fn record_beyond_a_limit_changes_nothing(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    let name = record("c/a");
    store.create_record(&name, object(json!({ "a": 1 }))).await.unwrap();
    for (body, reason) in [
        (json!({ "a": "\0" }), InvalidRecord::Nul),
        (json!({ "": 1 }), InvalidRecord::Member),
        (json!({ "a": vec![0; 1_000] }), InvalidRecord::Values),
    ] {
        let refused = |answer| matches!(answer, Err(RecordError::Invalid(invalid)) if invalid == reason);
        assert!(refused(store.create_record(&record("c/b"), object(body.clone())).await.map(|_| ())));
        assert!(refused(store.update_record(&name, 1, Change::Replace(object(body.clone()))).await.map(|_| ())));
        assert!(refused(store.update_record(&name, 1, Change::Merge(object(body))).await.map(|_| ())));
    }
    // A patch that is small by itself.
    let half = |name: &str| object(json!({ name: "x".repeat(40 * 1024) }));
    store.update_record(&name, 1, Change::Merge(half("b"))).await.unwrap();
    let refused = store.update_record(&name, 2, Change::Merge(half("c"))).await;
    assert!(matches!(refused, Err(RecordError::Invalid(InvalidRecord::Size(_)))), "{refused:?}");
    assert_eq!(store.record(&name).await.unwrap().version, 2);
    for wrong in ["", ".", "..", "a b", "a/b", "ä", &"x".repeat(129)] {
        assert_eq!(CollectionName::parse(wrong), Err(InvalidRecord::Name));
        assert_eq!(RecordName::parse(collection("c"), wrong), Err(InvalidRecord::Name));
    }
}

async fn collections_and_ids_are_listed_in_order(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    for each in ["b/1", "a.b/1", "B/1", "B/_2", "_x/1", "a-b/1", "9/1", "ab/1", "gone/1", "b/2", "b/A", "b/a", "b/gone"]
    {
        store.create_record(&record(each), Map::new()).await.unwrap();
    }
    for gone in ["gone/1", "b/gone"] {
        store.delete_record(&record(gone), None).await.unwrap();
    }
    let mut seen: Vec<String> = vec![];
    let mut counts = vec![];
    loop {
        let page = store.collections("", seen.last().map(String::as_str), 3).await.unwrap();
        counts.extend(page.items.iter().map(|each| each.records));
        seen.extend(page.items.iter().map(|each| each.name.to_string()));
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, ["9", "B", "_x", "a-b", "a.b", "ab", "b"]);
    assert_eq!(counts, [1, 2, 1, 1, 1, 1, 4]);
    let begin = |prefix: &'static str| {
        let store = Store::clone(&store);
        async move { store.collections(prefix, None, 9).await.unwrap().items.len() }
    };
    assert_eq!((begin("a").await, begin("a.").await, begin("a\0").await, begin("a%").await), (3, 1, 0, 0));
    assert_eq!(store.record_ids(&collection("b"), "", 3).await.unwrap().items, ["1", "2", "A"]);
    assert_eq!(store.record_ids(&collection("b"), "a", 3).await.unwrap().items, ["a"]);
    assert!(store.record_ids(&collection("b"), "'", 3).await.unwrap().items.is_empty());
}

async fn concurrent_writers_of_a_record_lose_no_update(engine: Engine) {
    const ROUNDS: u32 = 40;
    let stores = [engine.open(Limits::default()).await, engine.open(Limits::default()).await];
    let name = record("c/log");
    stores[0].create_record(&name, Map::new()).await.unwrap();
    let write = |store: Store, who: u32| async move {
        for round in 0..ROUNDS {
            loop {
                let read = store.record(&record("c/log")).await.unwrap();
                let patch = Change::Merge(object(json!({ format!("{who}.{round}"): true })));
                match store.update_record(&read.name, read.version, patch).await {
                    Ok(_) => break,
                    Err(RecordError::Conflict { .. }) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
        }
    };
    let [first, second] = stores.clone();
    let (one, two) = tokio::join!(tokio::spawn(write(first, 1)), tokio::spawn(write(second, 2)));
    one.unwrap();
    two.unwrap();
    let log = stores[0].record(&name).await.unwrap();
    assert_eq!((log.body.len(), log.version), (2 * 40, 2 * ROUNDS + 1));
}

async fn concurrent_creators_and_deleters_of_a_record_never_repeat_a_version(engine: Engine) {
    const ROUNDS: usize = 40;
    let stores = [engine.open(Limits::default()).await, engine.open(Limits::default()).await];
    let work = |store: Store| async move {
        let name = record("c/r");
        let mut created = vec![];
        for _ in 0..ROUNDS {
            match store.create_record(&name, Map::new()).await {
                Ok(record) => created.push(record.version),
                Err(RecordError::Exists(_)) => {}
                Err(error) => panic!("{error:?}"),
            }
            match store.delete_record(&name, None).await {
                Ok(_) | Err(RecordError::NotFound(_)) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        created
    };
    let [first, second] = stores.map(|store| tokio::spawn(work(store)));
    let mut created = first.await.unwrap();
    created.extend(second.await.unwrap());
    let different: BTreeSet<u32> = created.iter().copied().collect();
    assert!(created.len() >= ROUNDS, "in every round somebody creates: {}", created.len());
    assert_eq!(different.len(), created.len(), "{created:?}");
}

async fn feed_tells_of_records_that_others_change(engine: Engine) {
    let (store, other) = (engine.open(Limits::default()).await, engine.open(Limits::default()).await);
    let mut feed = store.feed().await.unwrap().unwrap();
    store.create_record(&record("c/own"), Map::new()).await.unwrap();
    other.create_record(&record("c/a"), Map::new()).await.unwrap();
    let news = feed.next().await.unwrap();
    assert_eq!((news.records, news.documents.len(), news.prompts), (vec![record("c/a")], 0, false));
    other.update_record(&record("c/a"), 1, Change::Merge(Map::new())).await.unwrap();
    assert_eq!(feed.next().await.unwrap().records, [record("c/a")]);
    other.delete_record(&record("c/a"), None).await.unwrap();
    assert_eq!(feed.next().await.unwrap().records, [record("c/a")]);
}
