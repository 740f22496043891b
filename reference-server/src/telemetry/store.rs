//! A store whose operations are spans of the requests that ask for them.

mod records;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc::Receiver;

use super::request::within;
use crate::storage::backup::{BackupError, Record, Records};
use crate::storage::prompt::{Prompt, PromptBody, PromptName, PromptStore, PromptStoreError};
use crate::storage::{
    Body, ChangeFeed, Changes, Document, DocumentPath, DocumentStore, Filter, Hit, Limits, Page, Progress, Revision,
    SearchText, Store, StoreError, Summary,
};

/// The store.
#[derive(Debug)]
pub struct ObservedStore {
    store: Arc<dyn Store>,
}

impl ObservedStore {
    /// The store, observed.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }
}

/// What failed, where it was the store and not what was asked of it.
fn kind(error: &StoreError) -> Option<&'static str> {
    match error {
        StoreError::Unavailable(_) => Some("unavailable"),
        StoreError::Full => Some("full"),
        StoreError::Corrupt(_) => Some("corrupt"),
        _ => None,
    }
}

fn prompt_kind(error: &PromptStoreError) -> Option<&'static str> {
    match error {
        PromptStoreError::Store(error) => kind(error),
        _ => None,
    }
}

#[async_trait]
impl DocumentStore for ObservedStore {
    fn limits(&self) -> Limits {
        self.store.limits()
    }

    async fn create(&self, path: &DocumentPath, body: Body) -> Result<Document, StoreError> {
        within("create", kind, self.store.create(path, body)).await
    }

    async fn read(&self, path: &DocumentPath, version: Option<u32>) -> Result<Document, StoreError> {
        within("read", kind, self.store.read(path, version)).await
    }

    async fn update(&self, path: &DocumentPath, expected: u32, changes: Changes) -> Result<Document, StoreError> {
        within("update", kind, self.store.update(path, expected, changes)).await
    }

    async fn relocate(
        &self,
        from: &DocumentPath,
        to: &DocumentPath,
        expected: Option<u32>,
    ) -> Result<Document, StoreError> {
        within("relocate", kind, self.store.relocate(from, to, expected)).await
    }

    async fn delete(&self, path: &DocumentPath, expected: Option<u32>) -> Result<u32, StoreError> {
        within("delete", kind, self.store.delete(path, expected)).await
    }

    async fn list(&self, filter: &Filter, after: Option<&str>, limit: u32) -> Result<Page<Summary>, StoreError> {
        within("list", kind, self.store.list(filter, after, limit)).await
    }

    async fn history(
        &self,
        path: &DocumentPath,
        before: Option<u32>,
        limit: u32,
    ) -> Result<Page<Revision>, StoreError> {
        within("history", kind, self.store.history(path, before, limit)).await
    }

    async fn search(&self, text: &SearchText, filter: &Filter, limit: u32) -> Result<Page<Hit>, StoreError> {
        within("search", kind, self.store.search(text, filter, limit)).await
    }

    async fn feed(&self) -> Result<Option<Box<dyn ChangeFeed>>, StoreError> {
        self.store.feed().await
    }

    async fn dump(&self, records: Records) -> Result<(), BackupError> {
        self.store.dump(records).await
    }

    async fn load(&self, records: Receiver<Record>) -> Result<(), BackupError> {
        self.store.load(records).await
    }

    async fn rebuild_index(&self, progress: Progress<'_>) -> Result<u64, StoreError> {
        self.store.rebuild_index(progress).await
    }

    async fn close(&self) {
        self.store.close().await;
    }
}

#[async_trait]
impl PromptStore for ObservedStore {
    async fn save_prompt(
        &self,
        name: &PromptName,
        expected: Option<u32>,
        body: PromptBody,
    ) -> Result<Prompt, PromptStoreError> {
        within("save_prompt", prompt_kind, self.store.save_prompt(name, expected, body)).await
    }

    async fn delete_prompt(&self, name: &PromptName, expected: Option<u32>) -> Result<u32, PromptStoreError> {
        within("delete_prompt", prompt_kind, self.store.delete_prompt(name, expected)).await
    }

    async fn prompt(&self, name: &PromptName, version: Option<u32>) -> Result<Prompt, PromptStoreError> {
        within("prompt", prompt_kind, self.store.prompt(name, version)).await
    }

    async fn prompts(&self, after: Option<&str>, limit: u32) -> Result<Page<Prompt>, PromptStoreError> {
        within("prompts", prompt_kind, self.store.prompts(after, limit)).await
    }

    async fn prompt_history(
        &self,
        name: &PromptName,
        before: Option<u32>,
        limit: u32,
    ) -> Result<Page<Prompt>, PromptStoreError> {
        within("prompt_history", prompt_kind, self.store.prompt_history(name, before, limit)).await
    }
}
