//! A page of a query's answer, made of the rows of [`super::statement::page`].

use std::ops::ControlFlow;

use super::query::Query;
use super::table::read_body;
use super::{CollectionName, Record, RecordError, RecordName};
use crate::storage::StoreError;

/// Largest page, in bytes of stored bodies; one record is always given.
pub const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// Longest text of a place, in bytes: more than the sorted part of every key can have.
const PLACE_BYTES_MAX: usize = 16 * 1024;

/// Where a page ended: what its last record was sorted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Keys, as far as they are sorted by.
    pub(super) keys: Vec<String>,
    /// The id.
    pub(super) id: String,
}

impl Place {
    /// A place out of its text; `None` where it is none for this many fields.
    #[must_use]
    pub fn parse(text: &str, fields: usize) -> Option<Self> {
        if text.len() > PLACE_BYTES_MAX {
            return None;
        }
        let mut keys: Vec<String> = serde_json::from_str(text).ok()?;
        let id = keys.pop()?;
        let nul = keys.iter().any(|key| key.contains('\0')) || id.contains('\0');
        (keys.len() == fields && !nul).then_some(Self { keys, id })
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> String {
        let texts: Vec<&String> = self.keys.iter().chain([&self.id]).collect();
        serde_json::to_string(&texts).unwrap_or_default()
    }
}

/// Records that a query found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The records.
    pub records: Vec<Record>,
    /// Where the next page begins, if there is one.
    pub next: Option<Place>,
}

/// A page that is being filled.
pub(in crate::storage) struct Filling<'a> {
    collection: &'a CollectionName,
    limit: usize,
    records: Vec<Record>,
    bytes: usize,
    last: Option<Place>,
    more: bool,
}

impl<'a> Filling<'a> {
    pub(in crate::storage) fn new(collection: &'a CollectionName, query: &Query) -> Self {
        let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
        Self { collection, limit, records: vec![], bytes: 0, last: None, more: false }
    }

    /// Takes a row; says whether there is room for another.
    pub(in crate::storage) fn take(&mut self, row: Vec<Option<String>>) -> Result<ControlFlow<()>, RecordError> {
        let mut texts = row.into_iter().map(|text| text.ok_or(StoreError::Corrupt("record")));
        let mut text = || texts.next().unwrap_or(Err(StoreError::Corrupt("record")));
        let (id, version, body, created_at, updated_at) = (text()?, text()?, text()?, text()?, text()?);
        let full = !self.records.is_empty() && self.bytes + body.len() > PAGE_BYTES_MAX;
        if full || self.records.len() >= self.limit {
            self.more = true;
            return Ok(ControlFlow::Break(()));
        }
        self.bytes += body.len();
        let name = RecordName::parse(self.collection.clone(), &id).map_err(|_| StoreError::Corrupt("record's name"))?;
        self.last = Some(Place { keys: texts.collect::<Result<_, _>>()?, id });
        self.records.push(Record {
            name,
            version: version.parse().map_err(|_| StoreError::Corrupt("version"))?,
            body: read_body(&body)?,
            created_at: created_at.parse().map_err(|_| StoreError::Corrupt("time"))?,
            updated_at: updated_at.parse().map_err(|_| StoreError::Corrupt("time"))?,
        });
        Ok(ControlFlow::Continue(()))
    }

    pub(in crate::storage) fn finish(self) -> Found {
        Found { records: self.records, next: self.last.filter(|_| self.more) }
    }
}
