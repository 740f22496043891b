//! The records' table: what is done with it, once for every engine, within a transaction that an engine began.
//!
//! Statements are those of [`crate::storage::statements`]. A writer first takes hold of the record's row ([`HOLD`]), so
//! that writers of one record take turns also where the engine lets others write.

use serde_json::{Map, Value};

use super::{Change, Collection, CollectionName, Record, RecordError, RecordName, body, keys};
use crate::storage::backup::{self, BackupError, Records};
use crate::storage::prompt::is_name;
use crate::storage::statements::{Bound, Dialect, Row, Rows};
use crate::storage::{Page, StoreError, now};

const HOLD: &str = "
    INSERT INTO records (collection, id, version, created_at, updated_at) VALUES ($1, $2, 0, 0, 0)
    ON CONFLICT (collection, id) DO UPDATE SET id = excluded.id";

const CURRENT: &str = "
    SELECT collection || '/' || id AS name, version, body, created_at, updated_at FROM records
    WHERE collection = $1 AND id = $2";

const SET: &str = "
    UPDATE records SET version = $3, body = $4, keys = $5, created_at = $6, updated_at = $7
    WHERE collection = $1 AND id = $2";

const SET_IN_POSTGRES: &str = "
    UPDATE records SET version = $3, body = $4, keys = $5::text::jsonb, created_at = $6, updated_at = $7
    WHERE collection = $1 AND id = $2";

const EMPTY: &str = "
    UPDATE records SET version = $3, body = NULL, keys = NULL, created_at = 0, updated_at = 0
    WHERE collection = $1 AND id = $2";

const ALL: &str = "
    SELECT collection || '/' || id AS name, version, body, created_at, updated_at FROM records
    WHERE (collection, id) > ($1, $2) ORDER BY collection, id LIMIT $3";

const COLLECTIONS: &str = "
    SELECT collection AS name, count(*) AS version, CAST(NULL AS TEXT) AS body, CAST(0 AS BIGINT) AS created_at,
        CAST(0 AS BIGINT) AS updated_at
    FROM records WHERE body IS NOT NULL AND collection >= $1 AND collection < $2 AND collection > $3
    GROUP BY collection ORDER BY collection LIMIT $4";

const IDS: &str = "
    SELECT id AS name, version, CAST(NULL AS TEXT) AS body, created_at, updated_at FROM records
    WHERE collection = $1 AND body IS NOT NULL AND id >= $2 AND id < $3 ORDER BY id LIMIT $4";

/// Records that a dump reads at once: 1 MiB at most, and few questions where records are small.
const DUMPED_AT_ONCE: i64 = 16;

/// Behind every character of a name.
const BEHIND: char = '~';

fn bound(name: &RecordName) -> [Bound<'_>; 2] {
    [Bound::Text(name.collection().as_str()), Bound::Text(name.id())]
}

/// The name of a row.
fn name(row: &Row) -> Result<RecordName, StoreError> {
    RecordName::of_path(&row.name).map_err(|_| StoreError::Corrupt("record's name"))
}

/// The body of a stored text.
pub(super) fn read_body(text: &str) -> Result<Map<String, Value>, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Corrupt("record"))
}

/// The record of a row; `None` where it is deleted.
fn record(row: &Row) -> Result<Option<Record>, StoreError> {
    let Some(body) = &row.body else { return Ok(None) };
    let (created_at, updated_at) = (row.created_at, row.updated_at);
    Ok(Some(Record { name: name(row)?, version: row.version()?, body: read_body(body)?, created_at, updated_at }))
}

/// The last version, and the record where it is not deleted.
async fn current(rows: &mut dyn Rows, name: &RecordName) -> Result<(u32, Option<Record>), StoreError> {
    let found = rows.fetch(CURRENT, &bound(name)).await?;
    let Some(row) = found.first() else { return Ok((0, None)) };
    Ok((row.version()?, record(row)?))
}

async fn set(rows: &mut dyn Rows, record: &Record) -> Result<(), StoreError> {
    let body = serde_json::to_string(&record.body).map_err(|_| StoreError::Corrupt("record"))?;
    let keys = keys::of(record);
    let [collection, id] = bound(&record.name);
    let bound = [
        collection,
        id,
        Bound::Number(record.version.into()),
        Bound::Text(&body),
        Bound::Text(&keys),
        Bound::Number(record.created_at),
        Bound::Number(record.updated_at),
    ];
    let statement = match rows.dialect() {
        Dialect::Sqlite => SET,
        Dialect::Postgres => SET_IN_POSTGRES,
    };
    rows.execute(statement, &bound).await
}

fn following(version: u32) -> Result<u32, StoreError> {
    version.checked_add(1).ok_or(StoreError::Corrupt("version"))
}

/// See [`super::RecordStore::create_record`].
pub(in crate::storage) async fn create(
    rows: &mut dyn Rows,
    name: &RecordName,
    body: Map<String, Value>,
) -> Result<Record, RecordError> {
    body::check(&body)?;
    rows.execute(HOLD, &bound(name)).await?;
    let (last, before) = current(rows, name).await?;
    if before.is_some() {
        return Err(RecordError::Exists(name.clone()));
    }
    let at = now();
    let record = Record { name: name.clone(), version: following(last)?, body, created_at: at, updated_at: at };
    set(rows, &record).await?;
    Ok(record)
}

/// The record that a writer has taken hold of, held to the version that it expects.
async fn held(rows: &mut dyn Rows, name: &RecordName, expected: Option<u32>) -> Result<Record, RecordError> {
    rows.execute(HOLD, &bound(name)).await?;
    let before = current(rows, name).await?.1.ok_or_else(|| RecordError::NotFound(name.clone()))?;
    match expected {
        Some(expected) if expected != before.version => {
            Err(RecordError::Conflict { name: name.clone(), expected, current: before.version })
        }
        _ => Ok(before),
    }
}

/// See [`super::RecordStore::update_record`].
pub(in crate::storage) async fn update(
    rows: &mut dyn Rows,
    name: &RecordName,
    expected: u32,
    change: Change,
) -> Result<Record, RecordError> {
    let before = held(rows, name, Some(expected)).await?;
    let body = change.applied(before.body);
    body::check(&body)?;
    let record = Record { version: following(before.version)?, body, updated_at: now(), ..before };
    set(rows, &record).await?;
    Ok(record)
}

/// See [`super::RecordStore::delete_record`].
pub(in crate::storage) async fn delete(
    rows: &mut dyn Rows,
    name: &RecordName,
    expected: Option<u32>,
) -> Result<u32, RecordError> {
    let before = held(rows, name, expected).await?;
    retire(rows, name, before.version).await?;
    Ok(before.version)
}

async fn retire(rows: &mut dyn Rows, name: &RecordName, version: u32) -> Result<(), StoreError> {
    let [collection, id] = bound(name);
    rows.execute(EMPTY, &[collection, id, Bound::Number(version.into())]).await
}

/// See [`super::RecordStore::record`].
pub(in crate::storage) async fn read(rows: &mut dyn Rows, name: &RecordName) -> Result<Record, RecordError> {
    current(rows, name).await?.1.ok_or_else(|| RecordError::NotFound(name.clone()))
}

/// Whether a name can begin with this; only such texts reach an engine.
fn begins(prefix: &str) -> bool {
    prefix.is_empty() || is_name(prefix, super::name::NAME_BYTES_MAX)
}

/// See [`super::RecordStore::collections`].
pub(in crate::storage) async fn collections(
    rows: &mut dyn Rows,
    prefix: &str,
    after: Option<&str>,
    limit: u32,
) -> Result<Page<Collection>, RecordError> {
    let after = after.unwrap_or_default();
    if !begins(prefix) || !begins(after) {
        return Ok(Page::cut(vec![], limit));
    }
    let below = format!("{prefix}{BEHIND}");
    let limited = Bound::Number(i64::from(limit) + 1);
    let bound = [Bound::Text(prefix), Bound::Text(&below), Bound::Text(after), limited];
    let collection = |row: &Row| {
        let name = CollectionName::parse(&row.name).map_err(|_| StoreError::Corrupt("collection's name"))?;
        Ok(Collection { name, records: row.count()? })
    };
    let found = rows.fetch(COLLECTIONS, &bound).await?;
    Ok(Page::cut(found.iter().map(collection).collect::<Result<_, StoreError>>()?, limit))
}

/// See [`super::RecordStore::record_ids`].
pub(in crate::storage) async fn ids(
    rows: &mut dyn Rows,
    collection: &CollectionName,
    prefix: &str,
    limit: u32,
) -> Result<Page<String>, RecordError> {
    if !begins(prefix) {
        return Ok(Page::cut(vec![], limit));
    }
    let below = format!("{prefix}{BEHIND}");
    let limited = Bound::Number(i64::from(limit) + 1);
    let bound = [Bound::Text(collection.as_str()), Bound::Text(prefix), Bound::Text(&below), limited];
    let found = rows.fetch(IDS, &bound).await?;
    Ok(Page::cut(found.into_iter().map(|row| row.name).collect(), limit))
}

/// Gives every record to a backup.
pub(in crate::storage) async fn dump(rows: &mut dyn Rows, records: &Records) -> Result<(), BackupError> {
    let (mut collection, mut id) = (String::new(), String::new());
    loop {
        let after = [Bound::Text(&collection), Bound::Text(&id), Bound::Number(DUMPED_AT_ONCE)];
        let found = rows.fetch(ALL, &after).await?;
        let Some(last) = found.last() else { return Ok(()) };
        let last = name(last)?;
        (collection, id) = (last.collection().to_string(), last.id().to_owned());
        for row in found {
            let part = match record(&row)? {
                Some(record) => backup::Record::Structured(record),
                None => backup::Record::RetiredStructured(name(&row)?, row.version()?),
            };
            records.send(part).await.map_err(|_| BackupError::Stopped)?;
        }
    }
}

/// Whether a record is or was here.
pub(in crate::storage) async fn used(rows: &mut dyn Rows) -> Result<bool, StoreError> {
    Ok(!rows.fetch(ALL, &[Bound::Text(""), Bound::Text(""), Bound::Number(1)]).await?.is_empty())
}

/// Takes a record of a backup.
pub(in crate::storage) async fn put(rows: &mut dyn Rows, record: &Record) -> Result<(), StoreError> {
    rows.execute(HOLD, &bound(&record.name)).await?;
    set(rows, record).await
}

/// Takes the last version of a record that was deleted.
pub(in crate::storage) async fn put_retired(
    rows: &mut dyn Rows,
    name: &RecordName,
    version: u32,
) -> Result<(), StoreError> {
    rows.execute(HOLD, &bound(name)).await?;
    retire(rows, name, version).await
}
