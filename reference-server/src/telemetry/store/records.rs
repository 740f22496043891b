//! The operations of records.

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::{ObservedStore, kind, within};
use crate::storage::Page;
use crate::storage::record::aggregate::{Group, Grouping};
use crate::storage::record::page::Found;
use crate::storage::record::query::Query;
use crate::storage::record::{Change, Collection, CollectionName, Record, RecordError, RecordName, RecordStore};

fn record_kind(error: &RecordError) -> Option<&'static str> {
    match error {
        RecordError::Store(error) => kind(error),
        RecordError::Slow => Some("slow"),
        _ => None,
    }
}

#[async_trait]
impl RecordStore for ObservedStore {
    async fn create_record(&self, name: &RecordName, body: Map<String, Value>) -> Result<Record, RecordError> {
        within("create_record", record_kind, self.store.create_record(name, body)).await
    }

    async fn record(&self, name: &RecordName) -> Result<Record, RecordError> {
        within("record", record_kind, self.store.record(name)).await
    }

    async fn update_record(&self, name: &RecordName, expected: u32, change: Change) -> Result<Record, RecordError> {
        within("update_record", record_kind, self.store.update_record(name, expected, change)).await
    }

    async fn delete_record(&self, name: &RecordName, expected: Option<u32>) -> Result<u32, RecordError> {
        within("delete_record", record_kind, self.store.delete_record(name, expected)).await
    }

    async fn query_records(&self, collection: &CollectionName, query: &Query) -> Result<Found, RecordError> {
        within("query_records", record_kind, self.store.query_records(collection, query)).await
    }

    async fn group_records(&self, collection: &CollectionName, grouping: &Grouping) -> Result<Vec<Group>, RecordError> {
        within("group_records", record_kind, self.store.group_records(collection, grouping)).await
    }

    async fn collections(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page<Collection>, RecordError> {
        within("collections", record_kind, self.store.collections(prefix, after, limit)).await
    }

    async fn record_ids(
        &self,
        collection: &CollectionName,
        prefix: &str,
        limit: u32,
    ) -> Result<Page<String>, RecordError> {
        within("record_ids", record_kind, self.store.record_ids(collection, prefix, limit)).await
    }
}
