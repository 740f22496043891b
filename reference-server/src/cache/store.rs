//! A store behind a cache.
//!
//! Invariant: a change is acknowledged after the cache has forgotten what was before it, and whether it happened or not is
//! never guessed: where its outcome is unknown, nothing that it concerns is kept for a while.

mod records;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use async_trait::async_trait;
use tokio::sync::mpsc::Receiver;

use super::feed::CachedFeed;
use super::{Bar, By, Cache, Found, Key, Stale, Value};
use crate::storage::backup::{BackupError, Record, Records};
use crate::storage::prompt::{Prompt, PromptBody, PromptName, PromptStore, PromptStoreError};
use crate::storage::{
    Body, ChangeFeed, Changes, Document, DocumentPath, DocumentStore, Filter, Hit, Limits, Page, Progress, Revision,
    SearchText, Store, StoreError, Summary,
};

/// A store whose reads may come from a cache. Nothing is kept before [`DocumentStore::feed`] was asked for, and the feed
/// that it gave is read.
#[derive(Debug)]
pub struct CachedStore {
    store: Arc<dyn Store>,
    cache: Arc<dyn Cache>,
    newest_feed: Arc<AtomicU64>,
}

impl CachedStore {
    /// The store behind the cache.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, cache: Arc<dyn Cache>) -> Self {
        cache.close(Bar::Feed);
        Self { store, cache, newest_feed: Arc::default() }
    }

    /// Does a change, and forgets before it is acknowledged.
    async fn change<T, E: Outcome>(
        &self,
        stale: Vec<Stale>,
        change: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, E> {
        let mut changing = Changing { cache: &self.cache, stale };
        let outcome = change.await;
        if outcome.as_ref().err().is_none_or(Outcome::is_known) {
            // Also when it was refused: what the caller decided by may be what is kept.
            self.cache.invalidate(&changing.stale, By::Us).await;
            changing.stale.clear();
        }
        outcome
    }
}

/// Whether a failed change is known not to have happened.
trait Outcome {
    fn is_known(&self) -> bool;
}

impl Outcome for StoreError {
    fn is_known(&self) -> bool {
        !matches!(self, Self::Unavailable(_) | Self::Full | Self::Corrupt(_))
    }
}

impl Outcome for PromptStoreError {
    fn is_known(&self) -> bool {
        match self {
            Self::Store(error) => error.is_known(),
            _ => true,
        }
    }
}

impl Outcome for BackupError {
    fn is_known(&self) -> bool {
        false
    }
}

/// A change under way. Dropped before its outcome is known, as when its caller goes away, it leaves doubt.
struct Changing<'a> {
    cache: &'a Arc<dyn Cache>,
    stale: Vec<Stale>,
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        if !self.stale.is_empty() {
            self.cache.doubt(std::mem::take(&mut self.stale));
        }
    }
}

fn document(path: &DocumentPath) -> Stale {
    Stale::Document(path.clone())
}

#[async_trait]
impl DocumentStore for CachedStore {
    fn limits(&self) -> Limits {
        self.store.limits()
    }

    async fn create(&self, path: &DocumentPath, body: Body) -> Result<Document, StoreError> {
        self.change(vec![document(path)], self.store.create(path, body)).await
    }

    async fn read(&self, path: &DocumentPath, version: Option<u32>) -> Result<Document, StoreError> {
        if version.is_some() {
            return self.store.read(path, version).await;
        }
        let key = Key::Document(path.clone());
        let ticket = match self.cache.get(&key).await {
            Found::Value(Value::Document(document)) => return Ok(Arc::unwrap_or_clone(document)),
            Found::Nothing(ticket) => Some(ticket),
            Found::Value(_) | Found::Closed => None,
        };
        let document = self.store.read(path, None).await?;
        if let Some(ticket) = ticket {
            self.cache.put(ticket, &key, Value::Document(Arc::new(document.clone()))).await;
        }
        Ok(document)
    }

    async fn update(&self, path: &DocumentPath, expected: u32, changes: Changes) -> Result<Document, StoreError> {
        self.change(vec![document(path)], self.store.update(path, expected, changes)).await
    }

    async fn relocate(
        &self,
        from: &DocumentPath,
        to: &DocumentPath,
        expected: Option<u32>,
    ) -> Result<Document, StoreError> {
        self.change(vec![document(from), document(to)], self.store.relocate(from, to, expected)).await
    }

    async fn delete(&self, path: &DocumentPath, expected: Option<u32>) -> Result<u32, StoreError> {
        self.change(vec![document(path)], self.store.delete(path, expected)).await
    }

    async fn list(&self, filter: &Filter, after: Option<&str>, limit: u32) -> Result<Page<Summary>, StoreError> {
        self.store.list(filter, after, limit).await
    }

    async fn history(
        &self,
        path: &DocumentPath,
        before: Option<u32>,
        limit: u32,
    ) -> Result<Page<Revision>, StoreError> {
        self.store.history(path, before, limit).await
    }

    async fn search(&self, text: &SearchText, filter: &Filter, limit: u32) -> Result<Page<Hit>, StoreError> {
        self.store.search(text, filter, limit).await
    }

    async fn feed(&self) -> Result<Option<Box<dyn ChangeFeed>>, StoreError> {
        let Some(feed) = self.store.feed().await? else {
            // Nobody else has these documents.
            self.cache.open(Bar::Feed);
            return Ok(None);
        };
        Ok(Some(Box::new(CachedFeed::new(feed, Arc::clone(&self.cache), Arc::clone(&self.newest_feed)))))
    }

    async fn dump(&self, records: Records) -> Result<(), BackupError> {
        self.store.dump(records).await
    }

    async fn load(&self, records: Receiver<Record>) -> Result<(), BackupError> {
        self.change(vec![Stale::All], self.store.load(records)).await
    }

    async fn rebuild_index(&self, progress: Progress<'_>) -> Result<u64, StoreError> {
        self.store.rebuild_index(progress).await
    }

    async fn close(&self) {
        self.cache.stop();
        self.store.close().await;
    }
}

#[async_trait]
impl PromptStore for CachedStore {
    async fn save_prompt(
        &self,
        name: &PromptName,
        expected: Option<u32>,
        body: PromptBody,
    ) -> Result<Prompt, PromptStoreError> {
        self.change(vec![Stale::Prompts], self.store.save_prompt(name, expected, body)).await
    }

    async fn delete_prompt(&self, name: &PromptName, expected: Option<u32>) -> Result<u32, PromptStoreError> {
        self.change(vec![Stale::Prompts], self.store.delete_prompt(name, expected)).await
    }

    async fn prompt(&self, name: &PromptName, version: Option<u32>) -> Result<Prompt, PromptStoreError> {
        if version.is_some() {
            return self.store.prompt(name, version).await;
        }
        let key = Key::Prompt(name.clone());
        let ticket = match self.cache.get(&key).await {
            Found::Value(Value::Prompt(prompt)) => return Ok(Arc::unwrap_or_clone(prompt)),
            Found::Nothing(ticket) => Some(ticket),
            Found::Value(_) | Found::Closed => None,
        };
        let prompt = self.store.prompt(name, None).await?;
        if let Some(ticket) = ticket {
            self.cache.put(ticket, &key, Value::Prompt(Arc::new(prompt.clone()))).await;
        }
        Ok(prompt)
    }

    async fn prompts(&self, after: Option<&str>, limit: u32) -> Result<Page<Prompt>, PromptStoreError> {
        // Pages begin behind prompts; what else a caller names is not worth a place.
        if after.is_some_and(|after| PromptName::parse(after).is_err()) {
            return self.store.prompts(after, limit).await;
        }
        let key = Key::Prompts { after: after.map(str::to_owned), limit };
        let ticket = match self.cache.get(&key).await {
            Found::Value(Value::Prompts(page)) => return Ok(Arc::unwrap_or_clone(page)),
            Found::Nothing(ticket) => Some(ticket),
            Found::Value(_) | Found::Closed => None,
        };
        let page = self.store.prompts(after, limit).await?;
        if let Some(ticket) = ticket {
            self.cache.put(ticket, &key, Value::Prompts(Arc::new(page.clone()))).await;
        }
        Ok(page)
    }

    async fn prompt_history(
        &self,
        name: &PromptName,
        before: Option<u32>,
        limit: u32,
    ) -> Result<Page<Prompt>, PromptStoreError> {
        self.store.prompt_history(name, before, limit).await
    }
}
