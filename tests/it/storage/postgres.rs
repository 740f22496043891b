//! What only PostgreSQL has: a server that may be away, and a schema that several servers bring up to date.

use doorward_reference_server::storage::{
    Filter, Limits, SearchText, StoreError,
    location::{Location, Named, OpenError},
    postgres::Access,
};

use aws_lc_rs::digest::{SHA256, digest};

use super::prompts::{name, prompt};
use super::records::record;
use super::{body, engine::Engine, path};
use crate::support::postgres::Postgres;

async fn open(url: &str) -> Result<super::Store, OpenError> {
    Location::of(Some(&Named::from(std::ffi::OsString::from(url))), &Access::default())
        .unwrap()
        .open(Limits::default())
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_start_together_make_one_schema() {
    let engine = Engine::postgres().await;
    let starts = (0..4).map(|_| engine.open(Limits::default()));
    let stores = futures_util::future::join_all(starts).await;
    stores[0].create(&path("a"), body("text")).await.unwrap();
    assert_eq!(stores[3].read(&path("a"), None).await.unwrap().body.content, "text");
}

#[tokio::test(flavor = "multi_thread")]
async fn schema_of_a_newer_server_is_refused() {
    let server = Postgres::start().await;
    open(&server.url()).await.unwrap().close().await;
    server.sql("INSERT INTO _sqlx_migrations VALUES (9999, 'later', now(), TRUE, 'x', 0)").await;
    let refused = open(&server.url()).await.unwrap_err().to_string();
    assert!(refused.contains("step 9999"), "{refused}");
}

/// The schema's steps with their sums, as sqlx and every server note them.
const STEPS: &str = "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL,
    installed_on TIMESTAMPTZ NOT NULL DEFAULT now(), success BOOLEAN NOT NULL, checksum BYTEA NOT NULL,
    execution_time BIGINT NOT NULL)";

/// The text index of the document that servers of the first step had stored; in SQLite triggers make it.
const INDEXED: &str = "INSERT INTO documents_text (document_id, path, title, content, vector)
    VALUES (1, ' a ', ' a ', ' kept words ', 'a kept words'::tsvector)";

/// The steps of the schema, or what their servers had stored: their files' names, in order.
fn sql_files(folder: &str) -> Vec<String> {
    let folder = crate::support::parts::repository().join("reference-server/migrations").join(folder);
    let files = folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<String> = files.collect();
    files.sort();
    files
}

fn sql_file(folder: &str, name: &str) -> String {
    crate::support::parts::repository_text(&format!("reference-server/migrations/{folder}/{name}"))
}

#[test]
fn both_engines_have_the_same_steps_and_released_ones_do_not_change() {
    assert_eq!(sql_files("postgres"), sql_files("sqlite"));
    let sums = ["postgres", "sqlite"].map(|folder| {
        let sum = |name: &String| {
            let sum = digest(&SHA256, sql_file(folder, name).as_bytes());
            format!("{}  {folder}/{name}\n", sum.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        };
        sql_files(folder).iter().map(sum).collect::<String>()
    });
    assert_eq!(sums.concat(), sql_file(".", "released.sha256"), "a step that is new: add its line, by sha256sum");
}

/// Everything that a server of the step `last` had stored is there, and what it had retired stays retired.
async fn holds_what_was_there(store: &super::Store, last: usize) {
    let kept = store.read(&path("a"), None).await.unwrap();
    assert_eq!((kept.version, kept.body.content.as_str(), kept.body.tags.len()), (7, "kept words", 1));
    assert_eq!(store.read(&path("a"), Some(6)).await.unwrap().body.content, "earlier words");
    assert_eq!(store.create(&path("gone"), body("again")).await.unwrap().version, 5);
    let found = store.search(&SearchText::parse("kept").unwrap(), &Filter::default(), 10).await.unwrap();
    assert_eq!(found.items.iter().map(|hit| hit.summary.path.to_string()).collect::<Vec<_>>(), ["a"]);
    if last >= 3 {
        assert_eq!(store.prompt(&name("old"), None).await.unwrap().version, 2);
        assert_eq!(store.prompt(&name("old"), Some(1)).await.unwrap().version, 1);
        assert_eq!(store.save_prompt(&name("gone"), None, prompt("text")).await.unwrap().version, 6);
    }
    if last >= 4 {
        assert_eq!(store.record(&record("c/old")).await.unwrap().version, 3);
        assert_eq!(store.create_record(&record("c/gone"), serde_json::Map::new()).await.unwrap().version, 7);
    }
}

/// The schema as every earlier release left it, with what it had stored.
#[tokio::test(flavor = "multi_thread")]
async fn schema_of_every_earlier_server_is_brought_up_to_date() {
    let server = Postgres::start().await;
    let steps = sql_files("postgres");
    for last in 1..steps.len() {
        let database = format!("step{last}");
        server.sql(&format!("CREATE DATABASE {database}")).await;
        server.sql_in(&database, STEPS).await;
        for (step, version) in steps.iter().take(last).zip(1..) {
            let text = sql_file("postgres", step);
            server.sql_in(&database, &text).await;
            let note = format!(
                "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                VALUES ({version}, 'step', TRUE, sha384(convert_to($sql${text}$sql$, 'UTF8')), 0)"
            );
            server.sql_in(&database, &note).await;
        }
        for rows in sql_files("rows").iter().filter(|rows| **rows <= steps[last - 1]) {
            server.sql_in(&database, &sql_file("rows", rows)).await;
        }
        server.sql_in(&database, INDEXED).await;
        let store = open(&server.url_of(&database)).await.unwrap();
        store.create(&path("b"), body("text")).await.unwrap();
        store.save_prompt(&name("p"), None, prompt("text")).await.unwrap();
        store.create_record(&record("c/r"), serde_json::Map::new()).await.unwrap();
        assert_eq!(
            server.sql_in(&database, "SELECT string_agg(kind, ' ' ORDER BY seq) FROM changes").await,
            "document prompt record"
        );
        holds_what_was_there(&store, last).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn database_of_another_encoding_is_refused() {
    let server = Postgres::start().await;
    server.sql("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'").await;
    let refused = open(&server.url_of("latin")).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("LATIN1"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_password_is_refused_without_showing_it() {
    let server = Postgres::start().await;
    let url = format!("postgres://postgres:hunter2@127.0.0.1:{}/postgres", server.port);
    let refused = open(&url).await.unwrap_err();
    assert!(!format!("{refused} {refused:?}").contains("hunter2"), "{refused:?}");
}

/// Another transaction holds what a call needs, for ever: the database itself gives the call up.
#[tokio::test(flavor = "multi_thread")]
async fn call_that_waits_for_ever_is_given_up_and_leaves_nothing() {
    let server = Postgres::start().await;
    let store = open(&server.url()).await.unwrap();
    store.create(&path("a"), body("text")).await.unwrap();
    let holder = server.hold("SELECT * FROM documents FOR UPDATE").await;
    let refused = store.update(&path("a"), 1, super::content("late")).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert_eq!(store.read(&path("a"), None).await.unwrap().version, 1);
    drop(holder);
    let again = async { while store.update(&path("a"), 1, super::content("again")).await.is_err() {} };
    tokio::time::timeout(std::time::Duration::from_secs(60), again).await.unwrap();
}

/// A large index takes longer than a call may.
#[tokio::test(flavor = "multi_thread")]
async fn rebuild_may_take_longer_than_a_call() {
    let server = Postgres::start().await;
    let store = open(&server.url()).await.unwrap();
    store.create(&path("a"), body("text")).await.unwrap();
    server
        .sql(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(11); RETURN NULL; END';
            CREATE TRIGGER slow AFTER DELETE ON documents_text FOR EACH STATEMENT EXECUTE FUNCTION slow()",
        )
        .await;
    let (rebuilt, late) = tokio::join!(store.rebuild_index(&|_, _| {}), async {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        store.create(&path("b"), body("text")).await
    });
    assert_eq!(rebuilt.unwrap(), 1);
    // As the documentation tells.
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
}

/// Whoever holds the documents is not waited for without end.
#[tokio::test(flavor = "multi_thread")]
async fn rebuild_that_waits_for_ever_is_given_up() {
    let server = Postgres::start().await;
    let store = open(&server.url()).await.unwrap();
    let _holder = server.hold("LOCK TABLE documents IN ROW EXCLUSIVE MODE").await;
    let refused = tokio::time::timeout(std::time::Duration::from_secs(20), store.rebuild_index(&|_, _| {})).await;
    assert!(matches!(refused, Ok(Err(StoreError::Unavailable(_)))), "{refused:?}");
}

/// As the documentation tells.
#[tokio::test(flavor = "multi_thread")]
async fn database_goes_back_to_a_moment_by_its_archive() {
    let mut server = Postgres::start_archiving().await;
    let store = open(&server.url()).await.unwrap();
    store.create(&path("a"), body("before the base backup")).await.unwrap();
    let base = server.base_backup().await;
    store.update(&path("a"), 1, super::content("before the moment")).await.unwrap();
    let moment = server.sql("SELECT clock_timestamp()").await;
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    store.update(&path("a"), 2, super::content("after the moment")).await.unwrap();
    server.sql("SELECT pg_switch_wal()").await;
    let archived = "SELECT last_archived_wal IS NOT NULL AND (SELECT count(*) FROM pg_ls_archive_statusdir()
        WHERE name LIKE '%.ready') = 0 FROM pg_stat_archiver";
    while server.sql(archived).await != "t" {}
    store.close().await;
    server.kill().await;
    server.recover(&base, &moment).await;
    let store = open(&server.url()).await.unwrap();
    let read = store.read(&path("a"), None).await.unwrap();
    assert_eq!((read.version, read.body.content.as_str()), (2, "before the moment"));
    assert_eq!(store.read(&path("a"), Some(1)).await.unwrap().body.content, "before the base backup");
    store.update(&path("a"), 2, super::content("anew")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn store_works_again_when_the_database_does() {
    let mut server = Postgres::start().await;
    let store = open(&server.url()).await.unwrap();
    store.create(&path("a"), body("text")).await.unwrap();
    server.kill().await;
    assert!(matches!(store.read(&path("a"), None).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.create(&path("b"), body("text")).await, Err(StoreError::Unavailable(_))));
    server.run().await;
    assert_eq!(store.read(&path("a"), None).await.unwrap().version, 1);
    assert!(matches!(store.read(&path("b"), None).await, Err(StoreError::NotFound(_))));
    store.create(&path("b"), body("text")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn news_beside_an_unreadable_change_is_told() {
    let server = Postgres::start().await;
    let (store, other) = (open(&server.url()).await.unwrap(), open(&server.url()).await.unwrap());
    let mut feed = store.feed().await.unwrap().unwrap();
    // In one transaction with what is readable, so that one look sees them all.
    let changes = "INSERT INTO changes (path, listed, origin, at) VALUES
        ('before', TRUE, 'x', 9999999999999), ('../a', TRUE, 'x', 9999999999999), ('behind', TRUE, 'x', 9999999999999)";
    server.sql(changes).await;
    let news = tokio::time::timeout(std::time::Duration::from_secs(20), feed.next()).await.unwrap().unwrap();
    let paths: Vec<&str> = news.documents.iter().map(|change| change.path.as_str()).collect();
    assert_eq!(paths, ["before", "behind"]);
    other.create(&path("later"), body("text")).await.unwrap();
    assert_eq!(feed.next().await.unwrap().documents[0].path.as_str(), "later");
}
