//! Records, which are not kept: queries are as many as their callers, and a record is read where it was found.

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::CachedStore;
use crate::storage::Page;
use crate::storage::record::aggregate::{Group, Grouping};
use crate::storage::record::page::Found;
use crate::storage::record::query::Query;
use crate::storage::record::{Change, Collection, CollectionName, Record, RecordError, RecordName, RecordStore};

#[async_trait]
impl RecordStore for CachedStore {
    async fn create_record(&self, name: &RecordName, body: Map<String, Value>) -> Result<Record, RecordError> {
        self.store.create_record(name, body).await
    }

    async fn record(&self, name: &RecordName) -> Result<Record, RecordError> {
        self.store.record(name).await
    }

    async fn update_record(&self, name: &RecordName, expected: u32, change: Change) -> Result<Record, RecordError> {
        self.store.update_record(name, expected, change).await
    }

    async fn delete_record(&self, name: &RecordName, expected: Option<u32>) -> Result<u32, RecordError> {
        self.store.delete_record(name, expected).await
    }

    async fn query_records(&self, collection: &CollectionName, query: &Query) -> Result<Found, RecordError> {
        self.store.query_records(collection, query).await
    }

    async fn group_records(&self, collection: &CollectionName, grouping: &Grouping) -> Result<Vec<Group>, RecordError> {
        self.store.group_records(collection, grouping).await
    }

    async fn collections(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page<Collection>, RecordError> {
        self.store.collections(prefix, after, limit).await
    }

    async fn record_ids(
        &self,
        collection: &CollectionName,
        prefix: &str,
        limit: u32,
    ) -> Result<Page<String>, RecordError> {
        self.store.record_ids(collection, prefix, limit).await
    }
}
