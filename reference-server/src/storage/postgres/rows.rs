//! Between rows and documents.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::storage::{Body, Document, DocumentPath, Filter, Revision, StoreError, Summary};

/// A filter as it is bound: the range of paths, the tags as JSON, the media type.
#[derive(Debug)]
pub(super) struct Bound<'a> {
    pub(super) from: &'a str,
    pub(super) below: String,
    pub(super) tags: String,
    pub(super) media_type: Option<&'a str>,
}

impl<'a> Bound<'a> {
    /// `None` where nothing can fit: PostgreSQL's texts hold no NUL, and it refuses to compare with one.
    pub(super) fn new(filter: &'a Filter) -> Option<Self> {
        let prefix = filter.prefix.as_deref().unwrap_or_default();
        let media_type = filter.media_type.as_deref();
        let mut named =
            [prefix, media_type.unwrap_or_default()].into_iter().chain(filter.tags.iter().map(String::as_str));
        (!named.any(|text| text.contains('\0'))).then(|| Self {
            from: prefix,
            // No path holds the last character there is, so that this is above every path with the prefix.
            below: format!("{prefix}{}", char::MAX),
            tags: Value::from(filter.tags.clone()).to_string(),
            media_type,
        })
    }
}

pub(super) fn version(row: &PgRow) -> Result<u32, StoreError> {
    u32::try_from(row.try_get::<i64, _>("version")?).map_err(|_| StoreError::Corrupt("version"))
}

fn path(row: &PgRow) -> Result<DocumentPath, StoreError> {
    DocumentPath::parse(row.try_get("path")?).map_err(|_| StoreError::Corrupt("path"))
}

fn size(row: &PgRow) -> Result<u64, StoreError> {
    u64::try_from(row.try_get::<i64, _>("size")?).map_err(|_| StoreError::Corrupt("size"))
}

pub(super) fn score(row: &PgRow) -> Result<f64, StoreError> {
    i32::try_from(row.try_get::<i64, _>("score")?).map(f64::from).map_err(|_| StoreError::Corrupt("score"))
}

fn tags(row: &PgRow) -> Result<BTreeSet<String>, StoreError> {
    serde_json::from_str(row.try_get("tags")?).map_err(|_| StoreError::Corrupt("tags"))
}

fn metadata(row: &PgRow) -> Result<Map<String, Value>, StoreError> {
    serde_json::from_str(row.try_get("metadata")?).map_err(|_| StoreError::Corrupt("metadata"))
}

pub(super) fn document(row: &PgRow) -> Result<Document, StoreError> {
    Ok(Document {
        path: path(row)?,
        version: version(row)?,
        body: Body {
            title: row.try_get("title")?,
            media_type: row.try_get("media_type")?,
            content: row.try_get("content")?,
            metadata: metadata(row)?,
            tags: tags(row)?,
        },
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

pub(super) fn summary(row: &PgRow) -> Result<Summary, StoreError> {
    Ok(Summary {
        path: path(row)?,
        version: version(row)?,
        title: row.try_get("title")?,
        media_type: row.try_get("media_type")?,
        size: size(row)?,
        tags: tags(row)?,
        updated_at: row.try_get("updated_at")?,
    })
}

pub(super) fn revision(row: &PgRow) -> Result<Revision, StoreError> {
    Ok(Revision {
        version: version(row)?,
        path: path(row)?,
        title: row.try_get("title")?,
        size: size(row)?,
        updated_at: row.try_get("updated_at")?,
    })
}
