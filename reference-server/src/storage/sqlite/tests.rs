#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Map, json};
use sqlx::Row;

use super::*;
use crate::storage::Invalid;

async fn store() -> SqliteStore {
    SqliteStore::in_memory(Limits::default()).await.unwrap()
}

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

async fn found(store: &SqliteStore, text: &str) -> Vec<String> {
    let page = store.search(&search(text), &Filter::default(), 10).await.unwrap();
    page.items.into_iter().map(|hit| hit.summary.path.to_string()).collect()
}

#[tokio::test]
async fn document_comes_back_as_it_was_stored() {
    let store = store().await;
    let mut stored = tagged("text\0 with 'quotes' and \u{1f980}", &["b", "a"]);
    stored.metadata.insert("nested".to_owned(), json!({"list": [1, null, "x"]}));
    let created = store.create(&path("a/b"), stored.clone()).await.unwrap();
    let read = store.read(&path("a/b"), None).await.unwrap();
    assert_eq!(created, read);
    assert_eq!((read.version, read.body), (1, stored));
}

#[tokio::test]
async fn second_document_at_a_path_is_refused() {
    let store = store().await;
    store.create(&path("a"), body("first")).await.unwrap();
    assert!(matches!(store.create(&path("a"), body("second")).await, Err(StoreError::Exists(_))));
    assert_eq!(store.read(&path("a"), None).await.unwrap().body.content, "first");
}

#[tokio::test]
async fn every_update_keeps_the_version_before() {
    let store = store().await;
    store.create(&path("a"), body("one")).await.unwrap();
    store.update(&path("a"), 1, content("two")).await.unwrap();
    let third = Changes { title: Some("New".to_owned()), ..Changes::default() };
    store.update(&path("a"), 2, third).await.unwrap();
    let contents = [(1, "Title", "one"), (2, "Title", "two"), (3, "New", "two")];
    for (version, title, content) in contents {
        let document = store.read(&path("a"), Some(version)).await.unwrap();
        assert_eq!((document.body.title.as_str(), document.body.content.as_str()), (title, content));
    }
    let refused = store.read(&path("a"), Some(4)).await;
    assert!(matches!(refused, Err(StoreError::NoVersion { version: 4, .. })));
    let page = store.history(&path("a"), None, 2).await.unwrap();
    assert_eq!(page.items.iter().map(|revision| revision.version).collect::<Vec<_>>(), [3, 2]);
    assert!(page.more);
    let rest = store.history(&path("a"), Some(2), 2).await.unwrap();
    assert_eq!(rest.items.iter().map(|revision| revision.version).collect::<Vec<_>>(), [1]);
    assert!(!rest.more);
}

#[tokio::test]
async fn stale_writer_is_refused_and_told_the_current_version() {
    let store = store().await;
    store.create(&path("a"), body("one")).await.unwrap();
    store.update(&path("a"), 1, content("two")).await.unwrap();
    let stale = [
        store.update(&path("a"), 1, content("lost")).await.map(|_| ()),
        store.delete(&path("a"), Some(1)).await.map(|_| ()),
        store.relocate(&path("a"), &path("b"), Some(1)).await.map(|_| ()),
    ];
    for refused in stale {
        assert!(matches!(refused, Err(StoreError::Conflict { expected: 1, current: 2, .. })), "{refused:?}");
    }
    assert_eq!(store.read(&path("a"), None).await.unwrap().body.content, "two");
}

#[tokio::test]
async fn path_and_version_never_name_a_second_content() {
    let store = store().await;
    store.create(&path("a"), body("one")).await.unwrap();
    store.update(&path("a"), 1, content("two")).await.unwrap();
    assert_eq!(store.delete(&path("a"), None).await.unwrap(), 2);
    assert!(matches!(store.read(&path("a"), Some(1)).await, Err(StoreError::NotFound(_))));
    assert_eq!(store.create(&path("a"), body("new")).await.unwrap().version, 3);
    assert!(matches!(store.update(&path("a"), 2, content("lost")).await, Err(StoreError::Conflict { .. })));
    // Neither by a document that moves to where another was.
    store.delete(&path("a"), None).await.unwrap();
    store.create(&path("b"), body("moved")).await.unwrap();
    assert_eq!(store.relocate(&path("b"), &path("a"), None).await.unwrap().version, 4);
    assert_eq!(store.create(&path("b"), body("again")).await.unwrap().version, 2);
}

#[tokio::test]
async fn move_takes_the_history_along_and_overwrites_nothing() {
    let store = store().await;
    store.create(&path("a"), body("one")).await.unwrap();
    store.create(&path("b"), body("other")).await.unwrap();
    assert!(matches!(store.relocate(&path("a"), &path("b"), None).await, Err(StoreError::Exists(_))));
    assert!(matches!(store.relocate(&path("a"), &path("a"), None).await, Err(StoreError::Exists(_))));
    let moved = store.relocate(&path("a"), &path("c/d"), None).await.unwrap();
    assert_eq!((moved.version, moved.body.content.as_str()), (2, "one"));
    let history = store.history(&path("c/d"), None, 10).await.unwrap().items;
    assert_eq!(history.iter().map(|revision| revision.path.as_str()).collect::<Vec<_>>(), ["c/d", "a"]);
    assert!(matches!(store.read(&path("a"), None).await, Err(StoreError::NotFound(_))));
    assert_eq!(found(&store, "one").await, ["c/d"]);
}

#[tokio::test]
async fn list_pages_in_order_and_filters() {
    let store = store().await;
    for (name, tags) in [("n/c", vec!["x"]), ("n/a", vec!["x", "y"]), ("o", vec!["y"]), ("n/b", vec![]), ("n", vec![])]
    {
        store.create(&path(name), tagged("text", &tags)).await.unwrap();
    }
    let names = |page: &Page<Summary>| page.items.iter().map(|each| each.path.to_string()).collect::<Vec<_>>();
    let first = store.list(&Filter::default(), None, 3).await.unwrap();
    assert_eq!((names(&first), first.more), (vec!["n".into(), "n/a".into(), "n/b".into()], true));
    let second = store.list(&Filter::default(), Some("n/b"), 3).await.unwrap();
    assert_eq!((names(&second), second.more), (vec!["n/c".into(), "o".into()], false));
    let below = Filter { prefix: Some("n/".to_owned()), ..Filter::default() };
    assert_eq!(names(&store.list(&below, None, 10).await.unwrap()), ["n/a", "n/b", "n/c"]);
    let tags = Filter { tags: vec!["x".to_owned(), "y".to_owned()], ..Filter::default() };
    assert_eq!(names(&store.list(&tags, None, 10).await.unwrap()), ["n/a"]);
    let media_type = Filter { media_type: Some("text/html".to_owned()), ..Filter::default() };
    assert_eq!(names(&store.list(&media_type, None, 10).await.unwrap()), Vec::<String>::new());
}

#[tokio::test]
async fn search_ranks_filters_and_follows_every_change() {
    let store = store().await;
    store.create(&path("low"), body("a long text in which budget is one word of many others")).await.unwrap();
    let titled = Body { title: "Budget".to_owned(), ..tagged("Café budget", &["money"]) };
    store.create(&path("high"), titled).await.unwrap();
    assert_eq!(found(&store, "budget").await, ["high", "low"]);
    assert_eq!(found(&store, "BUDG*").await, ["high", "low"]);
    assert_eq!(found(&store, "cafe").await, ["high"]);
    assert_eq!(found(&store, "budget -cafe").await, ["low"]);
    assert_eq!(found(&store, "\"one word\"").await, ["low"]);
    assert_eq!(found(&store, "\"word one\"").await, Vec::<String>::new());
    let filter = Filter { tags: vec!["money".to_owned()], ..Filter::default() };
    let page = store.search(&search("budget"), &filter, 10).await.unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!(page.items[0].snippet, "Café **budget**");
    assert!(store.search(&search("budget"), &Filter::default(), 1).await.unwrap().more);
    store.update(&path("low"), 1, content("nothing")).await.unwrap();
    store.delete(&path("high"), None).await.unwrap();
    assert_eq!(found(&store, "budget").await, Vec::<String>::new());
    assert_eq!(found(&store, "nothing").await, ["low"]);
}

#[tokio::test]
async fn body_beyond_a_limit_changes_nothing() {
    let store = SqliteStore::in_memory(Limits { content_bytes: 4 }).await.unwrap();
    let too_large = store.create(&path("a"), body("12345")).await;
    assert!(matches!(too_large, Err(StoreError::Invalid(Invalid::Content { bytes: 5, limit: 4 }))));
    store.create(&path("a"), body("1234")).await.unwrap();
    assert!(matches!(store.update(&path("a"), 1, content("12345")).await, Err(StoreError::Invalid(_))));
    let kept = store.read(&path("a"), None).await.unwrap();
    assert_eq!((kept.version, kept.body.content.as_str()), (1, "1234"));
    assert_eq!(store.history(&path("a"), None, 10).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn file_is_created_for_its_owner_only_and_holds_everything_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("documents.db");
    let store = SqliteStore::open(&file, Limits::default()).await.unwrap();
    store.create(&path("a"), body("one")).await.unwrap();
    store.update(&path("a"), 1, content("two")).await.unwrap();
    for entry in folder.path().read_dir().unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
    }
    store.close().await;
    // A clean end leaves one file, which can be copied as it is.
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    assert!(matches!(store.read(&path("a"), None).await, Err(StoreError::Unavailable(_))));
    let again = SqliteStore::open(&file, Limits::default()).await.unwrap();
    assert_eq!(again.read(&path("a"), Some(1)).await.unwrap().body.content, "one");
    assert_eq!(found(&again, "two").await, ["a"]);
    again.close().await;
}

#[tokio::test]
async fn file_that_is_no_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("text");
    std::fs::write(&file, "not a database".repeat(100)).unwrap();
    assert!(SqliteStore::open(&file, Limits::default()).await.is_err());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "not a database".repeat(100));
    let missing = folder.path().join("missing/documents.db");
    assert!(matches!(SqliteStore::open(&missing, Limits::default()).await, Err(OpenError::File(_))));
}

/// Writers of two stores on one file, as two processes would be.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_writers_lose_no_update() {
    const ROUNDS: usize = 50;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("documents.db");
    let first = Arc::new(SqliteStore::open(&file, Limits::default()).await.unwrap());
    first.create(&path("log"), body("")).await.unwrap();
    let second = Arc::new(SqliteStore::open(&file, Limits::default()).await.unwrap());
    let writer = |name: &'static str, store: Arc<SqliteStore>| async move {
        for round in 0..ROUNDS {
            loop {
                let read = store.read(&path("log"), None).await.unwrap();
                let longer = format!("{}{name}{round}\n", read.body.content);
                match store.update(&path("log"), read.version, content(&longer)).await {
                    Ok(_) => break,
                    Err(StoreError::Conflict { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    };
    let (one, two) =
        tokio::join!(tokio::spawn(writer("a", Arc::clone(&first))), tokio::spawn(writer("b", Arc::clone(&second))));
    one.unwrap().unwrap();
    two.unwrap().unwrap();
    let log = first.read(&path("log"), None).await.unwrap();
    let lines: BTreeSet<&str> = log.body.content.lines().collect();
    assert_eq!((lines.len(), log.body.content.lines().count()), (2 * ROUNDS, 2 * ROUNDS));
    assert_eq!(usize::try_from(log.version).unwrap(), 2 * ROUNDS + 1);
}

#[test]
fn no_text_of_a_caller_breaks_the_search() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = runtime.block_on(async {
        let store = store().await;
        store.create(&path("a"), body("some text")).await.unwrap();
        store
    });
    let grammar = "[\"'*^:(){}+\\-,. ]|AND|OR|NOT|NEAR|title|text|some|\\PC|[\\x00-\\x1f]";
    let config = ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(parts in proptest::collection::vec(grammar, 0..24))| {
        if let Ok(text) = SearchText::parse(&parts.concat()) {
            let searched = runtime.block_on(store.search(&text, &Filter::default(), 5));
            prop_assert!(searched.is_ok(), "{:?}: {:?}", text, searched);
        }
    });
}

#[tokio::test]
async fn rebuilt_index_finds_every_document_and_nothing_else() {
    let store = store().await;
    for number in 0..250 {
        store.create(&path(&format!("d/{number}")), body(&format!("word{number} common"))).await.unwrap();
    }
    // What an index could hold that no document does.
    let stray = "INSERT INTO documents_text (rowid, path, title, content) VALUES (9999, 'x', 'x', 'stray')";
    sqlx::query(stray).execute(&store.writer).await.unwrap();
    let steps = std::sync::Mutex::new(vec![]);
    let indexed = store.rebuild_index(&|done, total| steps.lock().unwrap().push((done, total))).await.unwrap();
    assert_eq!(indexed, 250);
    assert_eq!(*steps.lock().unwrap(), [(0, 250), (100, 250), (200, 250), (250, 250)]);
    assert_eq!(found(&store, "word7").await, ["d/7"]);
    let check = "INSERT INTO documents_text (documents_text, rank) VALUES ('integrity-check', 1)";
    sqlx::query(check).execute(&store.writer).await.unwrap();
}

#[tokio::test]
async fn rebuild_that_is_dropped_leaves_the_old_index_and_no_lock() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("documents.db"), Limits::default()).await.unwrap();
    for number in 0..150 {
        store.create(&path(&format!("d/{number}")), body("common")).await.unwrap();
    }
    let (steps, mut step) = tokio::sync::watch::channel(0);
    let progress = |done, _| {
        steps.send_replace(done);
    };
    tokio::select! {
        biased;
        Ok(_) = step.wait_for(|done| *done > 0) => {}
        ended = store.rebuild_index(&progress) => panic!("{ended:?}"),
    }
    store.create(&path("after"), body("afterwards")).await.unwrap();
    assert_eq!(found(&store, "afterwards").await, ["after"]);
    let count: i64 = sqlx::query("SELECT count(*) FROM documents_text WHERE documents_text MATCH 'common'")
        .fetch_one(&store.writer)
        .await
        .unwrap()
        .try_get(0)
        .unwrap();
    assert_eq!(count, 150);
}
