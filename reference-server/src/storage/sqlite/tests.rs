#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use serde_json::Map;
use sqlx::Row;

use super::*;
use crate::storage::prompt::PromptName;
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

#[tokio::test(flavor = "multi_thread")]
async fn documents_in_memory_stay_when_callers_go_away() {
    let store = SqliteStore::in_memory(Limits::default()).await.unwrap();
    store.create(&path("first"), body("one")).await.unwrap();
    for number in 0..2_000_u32 {
        let (path, store) = (path(&number.to_string()), store.clone());
        let writing = tokio::spawn(async move { store.create(&path, body("text")).await });
        tokio::time::sleep(std::time::Duration::from_micros(u64::from(number % 400))).await;
        writing.abort();
    }
    assert_eq!(store.read(&path("first"), None).await.unwrap().body.content, "one");
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

/// What servers of a step had stored, by its version.
const ROWS: [(usize, &str); 3] = [
    (1, include_str!("../../../migrations/rows/0001_documents.sql")),
    (3, include_str!("../../../migrations/rows/0003_prompts.sql")),
    (4, include_str!("../../../migrations/rows/0004_records.sql")),
];

/// Everything that a server of the step `last` had stored is there, and what it had retired stays retired.
async fn holds_what_was_there(store: &SqliteStore, last: usize) {
    let kept = store.read(&path("a"), None).await.unwrap();
    assert_eq!((kept.version, kept.body.content.as_str(), kept.body.tags.len()), (7, "kept words", 1));
    assert_eq!(store.read(&path("a"), Some(6)).await.unwrap().body.content, "earlier words");
    assert_eq!(store.create(&path("gone"), body("again")).await.unwrap().version, 5);
    assert_eq!(found(store, "kept").await, ["a"]);
    if last >= 3 {
        let name = PromptName::parse("old").unwrap();
        let kept = store.prompt(&name, None).await;
        assert_eq!(kept.as_ref().unwrap().version, 2);
        assert_eq!(store.prompt(&name, Some(1)).await.unwrap().version, 1);
        let gone = store.save_prompt(&PromptName::parse("gone").unwrap(), None, kept.unwrap().body).await;
        assert_eq!(gone.unwrap().version, 6);
    }
    if last >= 4 {
        assert_eq!(store.record(&RecordName::of_path("c/old").unwrap()).await.unwrap().version, 3);
        let gone = store.create_record(&RecordName::of_path("c/gone").unwrap(), Map::new()).await;
        assert_eq!(gone.unwrap().version, 7);
    }
}

/// The schema as every earlier release left it, with what it had stored.
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
        for (_, rows) in ROWS.iter().filter(|(step, _)| *step <= last) {
            sqlx::raw_sql(*rows).execute(&pool).await.unwrap();
        }
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
        let mut feed = store.feed().await.unwrap().unwrap();
        let other = SqliteStore::open(&file, Limits::default()).await.unwrap();
        other.create(&path("b"), body("text")).await.unwrap();
        assert_eq!(feed.next().await.unwrap().documents[0].path, path("b"));
        let name = RecordName::of_path("c/r").unwrap();
        other.create_record(&name, Map::new()).await.unwrap();
        assert_eq!(feed.next().await.unwrap().records, [name]);
        let last_seq = sqlx::query("SELECT max(seq) AS seq FROM changes").fetch_one(&store.reader).await.unwrap();
        assert_eq!(last_seq.try_get::<i64, _>("seq").unwrap(), if last > 1 { 44 } else { 2 });
        holds_what_was_there(&store, last).await;
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

/// A document of a corpus in which word and place follow from the number, with times that several share.
fn numbered(number: u32) -> Document {
    let held = |every: u32, word: &'static str| if number.is_multiple_of(every) { word } else { "other" };
    let tags = if number.is_multiple_of(3) { vec!["third".to_owned()] } else { vec![] };
    Document {
        path: path(&format!("d/{}-{number:04}", held(5, "common"))),
        version: 1,
        body: Body {
            title: format!("{} {}", held(7, "common"), held(11, "also")),
            tags: tags.into_iter().collect(),
            ..body(&format!("common {}", held(2, "also")))
        },
        created_at: 1,
        updated_at: i64::from(number * 7919 % 3600 / 3),
    }
}

/// The order of the store's documentation, by looking at every document.
fn ranked(documents: &[Document], wanted: &[&str], tag: bool) -> Vec<String> {
    let holds = |text: &str, word: &str| text.split([' ', '-', '/']).any(|part| part == word);
    let mut ranked: Vec<_> = documents
        .iter()
        .filter(|document| !tag || document.body.tags.contains("third"))
        .filter_map(|document| {
            let (title, place) = (document.body.title.as_str(), document.path.as_str());
            let somewhere = |word: &&str| [title, place, &document.body.content].iter().any(|text| holds(text, word));
            let score: i32 =
                wanted.iter().map(|word| 2 * i32::from(holds(title, word)) + i32::from(holds(place, word))).sum();
            wanted.iter().all(somewhere).then_some((-score, -document.updated_at, place.to_owned()))
        })
        .collect();
    ranked.sort();
    ranked.into_iter().map(|(.., path)| path).collect()
}

#[tokio::test]
async fn words_of_many_documents_are_found_in_the_same_order() {
    let store = SqliteStore::in_memory(Limits::default()).await.unwrap();
    let documents: Vec<Document> = (0..3_600).map(numbered).collect();
    let (send, receive) = tokio::sync::mpsc::channel(16);
    let records: Vec<Record> = documents.iter().cloned().map(Record::Document).chain([Record::End]).collect();
    tokio::spawn(async move {
        for record in records {
            send.send(record).await.unwrap();
        }
    });
    store.load(receive).await.unwrap();
    for wanted in [&["common"][..], &["common", "other"], &["common", "also"], &["other"]] {
        for tag in [false, true] {
            let expected = ranked(&documents, wanted, tag);
            let filter = Filter { tags: if tag { vec!["third".to_owned()] } else { vec![] }, ..Filter::default() };
            // The best alone, those with a place, and all.
            for limit in [1, 20, 90, 700, 1_500, 3_600] {
                let text = SearchText::parse(&wanted.join(" ")).unwrap();
                let page = store.search(&text, &filter, limit).await.unwrap();
                let found: Vec<String> = page.items.iter().map(|hit| hit.summary.path.to_string()).collect();
                let limit = usize::try_from(limit).unwrap();
                assert_eq!(found, expected[..limit.min(expected.len())], "{wanted:?} {tag} {limit}");
                assert_eq!(page.more, expected.len() > limit, "{wanted:?} {tag} {limit}");
            }
        }
    }
}

/// What a search ranks by is read of indexes, which hold no content.
#[tokio::test]
async fn searches_and_lists_read_the_indexes_that_are_meant_for_them() {
    let store = SqliteStore::in_memory(Limits::default()).await.unwrap();
    for (statement, index) in [
        (search::RANKED, "USING COVERING INDEX documents_ranked (id=?)"),
        (search::WALKED, "SCAN documents USING COVERING INDEX documents_recent"),
        (read::LIST, "SEARCH documents USING INDEX sqlite_autoindex_documents_1 (path>? AND path<?)"),
    ] {
        let explained = format!("EXPLAIN QUERY PLAN {statement}");
        let plan: Vec<String> = sqlx::query(sqlx::AssertSqlSafe(explained))
            .fetch_all(&store.reader)
            .await
            .unwrap()
            .iter()
            .map(|row| row.get("detail"))
            .collect();
        assert!(plan.iter().any(|step| step.contains(index)), "{plan:#?}");
    }
}
