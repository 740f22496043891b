#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use serde_json::Map;
use sqlx::Row;

use super::*;
use crate::storage::record::RecordName;
use crate::storage::{PromptStore, RecordStore};

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

#[tokio::test]
async fn file_is_created_for_its_owner_only_and_holds_everything_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("documents.db");
    let store = SqliteStore::open(&file, Limits::default()).await.unwrap();
    store.create(&path("a"), body("one")).await.unwrap();
    let two = Changes { content: Some("two".to_owned()), ..Changes::default() };
    store.update(&path("a"), 1, two).await.unwrap();
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
    let found = again.search(&SearchText::parse("two").unwrap(), &Filter::default(), 10).await.unwrap();
    assert_eq!(found.items.len(), 1);
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

/// The schema as every earlier release left it, with a document.
#[tokio::test]
async fn schema_of_every_earlier_server_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    for last in 1..MIGRATIONS.len() {
        let file = folder.path().join(format!("{last}.db"));
        let options = SqliteConnectOptions::new().filename(&file).create_if_missing(true);
        let pool = single().connect_with(options).await.unwrap();
        let step = |&(version, name, sql): &(i64, &'static str, &'static str)| {
            Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
        };
        Migrator::with_migrations(MIGRATIONS[..last].iter().map(step).collect()).run(&pool).await.unwrap();
        let old =
            "INSERT INTO documents (path, version, title, media_type, content, metadata, tags, created_at, updated_at)
            VALUES ('a', 7, 'A', 'text/plain', 'old', '{}', '[]', 1, 2)";
        sqlx::query(old).execute(&pool).await.unwrap();
        if last > 1 {
            // Swept since: a reader that is still there must see what comes as later.
            for change in [
                "INSERT INTO changes (seq, path, listed, origin, at) VALUES (41, 'a', 1, 'x', 1)",
                "DELETE FROM changes",
                "INSERT INTO changes (path, listed, origin, at) VALUES ('a', 1, 'x', 9000000000000)",
                "DELETE FROM changes WHERE seq > 42",
            ] {
                sqlx::query(change).execute(&pool).await.unwrap();
            }
        }
        pool.close().await;
        let store = SqliteStore::open(&file, Limits::default()).await.unwrap();
        assert_eq!(store.read(&path("a"), None).await.unwrap().version, 7);
        let mut feed = store.feed().await.unwrap().unwrap();
        let other = SqliteStore::open(&file, Limits::default()).await.unwrap();
        other.create(&path("b"), body("text")).await.unwrap();
        assert_eq!(feed.next().await.unwrap().documents[0].path, path("b"));
        assert!(store.prompts(None, 10).await.unwrap().items.is_empty());
        let name = RecordName::of_path("c/r").unwrap();
        other.create_record(&name, Map::new()).await.unwrap();
        assert_eq!(feed.next().await.unwrap().records, [name]);
        let last_seq = sqlx::query("SELECT max(seq) AS seq FROM changes").fetch_one(&store.reader).await.unwrap();
        assert_eq!(last_seq.try_get::<i64, _>("seq").unwrap(), if last > 1 { 44 } else { 2 });
    }
}

async fn found(store: &SqliteStore, text: &str) -> Vec<String> {
    let page = store.search(&SearchText::parse(text).unwrap(), &Filter::default(), 10).await.unwrap();
    page.items.iter().map(|hit| hit.summary.path.to_string()).collect()
}

#[tokio::test]
async fn rebuilt_index_finds_every_document_and_nothing_else() {
    let store = SqliteStore::in_memory(Limits::default()).await.unwrap();
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
