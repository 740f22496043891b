//! A PostgreSQL in trouble: no room, or frozen.

use std::time::{Duration, Instant};

use doorward_reference_server::storage::{
    Filter, Limits, StoreError,
    location::{Location, Named, OpenError},
    postgres::Access,
};
use serde_json::json;

use super::{Store, body, path};
use crate::{
    reference_server::refused,
    support::{postgres::Postgres, rpc::Client, small_disk::SmallDisk, upstream::Server},
};

async fn open(url: &str) -> Result<Store, OpenError> {
    let named = Named::from(std::ffi::OsString::from(url));
    Location::of(Some(&named), &Access::default()).unwrap().open(Limits::default()).await
}

/// The database says that its disk is full, in the last statement of each write. That it is, is told by a trigger here, so
/// that this needs no file system of its own; for one see the next test.
#[tokio::test(flavor = "multi_thread")]
async fn database_that_says_its_disk_is_full_keeps_nothing_of_the_write() {
    let database = Postgres::start().await;
    let server = Server::reference_on(database.url().as_ref()).await;
    let client = Client::modern(&server.url, None);
    let write = |path: &str| json!({ "path": path, "title": "T", "content": "text" });
    client.call("document_create", write("a")).await.result();
    database
        .sql(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql
                AS $$BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END$$;
            CREATE TRIGGER full_disk BEFORE INSERT ON changes EXECUTE FUNCTION full_disk()",
        )
        .await;
    assert_eq!(refused(&client, "document_create", write("b")).await["code"], "store_full");
    let update = json!({ "path": "a", "expected_version": 1, "content": "new" });
    assert_eq!(refused(&client, "document_update", update.clone()).await["code"], "store_full");
    assert_eq!(database.sql("SELECT string_agg(path || version, ' ') FROM documents").await, "a1");
    assert_eq!(database.sql("SELECT count(*) FROM document_versions").await, "0");
    assert_eq!(database.sql("SELECT count(*) FROM documents_text").await, "1");
    database.sql("DROP TRIGGER full_disk ON changes").await;
    client.call("document_create", write("b")).await.result();
    client.call("document_update", update).await.result();
}

#[tokio::test(flavor = "multi_thread")]
async fn full_disk_of_the_database_refuses_writes_until_there_is_room() {
    let Some(small) = SmallDisk::new(24).await else { return };
    let database = Postgres::start().await;
    let place = small.path().join("space");
    std::fs::create_dir(&place).unwrap();
    crate::support::postgres::give(&place);
    database.sql(&format!("CREATE TABLESPACE small LOCATION '{}'", place.display())).await;
    database.sql("CREATE DATABASE documents TABLESPACE small").await;
    let store = open(&database.url_of("documents")).await.unwrap();
    // Different words, so that nothing is made smaller by compression.
    let large = |number: usize| {
        let words = (0..30_000)
            .map(|word: usize| format!("{:x} ", (number * 30_000 + word).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        body(&words.collect::<String>())
    };
    let mut kept = 0;
    let refused = loop {
        match store.create(&path(&kept.to_string()), large(kept)).await {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 100, "the disk is never full");
    };
    assert!(matches!(refused, StoreError::Full), "{refused:?}");
    // A read may need room as well, for what PostgreSQL has to write before it.
    let listed = store.list(&Filter::default(), None, 200).await;
    assert!(
        listed.as_ref().map_or_else(|error| matches!(error, StoreError::Full), |page| page.items.len() == kept),
        "{listed:?}"
    );
    small.grow(96).await;
    let listed = store.list(&Filter::default(), None, 200).await.unwrap().items.len();
    assert_eq!(listed, kept);
    for number in 0..kept {
        assert_eq!(store.read(&path(&number.to_string()), None).await.unwrap().body, large(number));
    }
    store.create(&path(&kept.to_string()), large(kept)).await.unwrap();
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen_database_is_told_of_in_time_and_used_again_afterwards() {
    let database = Postgres::start().await;
    let server = Server::reference_on(database.url().as_ref()).await;
    let client = Client::modern(&server.url, None);
    client.call("document_create", json!({ "path": "a", "title": "T", "content": "text" })).await.result();
    let frozen = database.freeze();
    let begun = Instant::now();
    let (read, written) = tokio::join!(
        refused(&client, "document_read", json!({ "path": "a" })),
        refused(&client, "document_update", json!({ "path": "a", "expected_version": 1, "content": "late" })),
    );
    assert_eq!((&read["code"], &written["code"]), (&json!("store_unavailable"), &json!("store_unavailable")));
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    // What needs no database goes on.
    client.call("echo", json!({ "message": "here" })).await.result();
    drop(frozen);
    let again = async {
        while client.call("document_read", json!({ "path": "a" })).await.result()["isError"] == true {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), again).await.unwrap();
}
