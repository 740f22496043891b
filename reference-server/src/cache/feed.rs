//! The store's feed, read by the cache on its way to whoever follows it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use super::{Bar, By, Cache, Stale};
use crate::storage::{ChangeFeed, News, StoreError};

/// More changes than these at once, and everything is forgotten.
const ONE_BY_ONE: usize = 1_000;

/// Tells the cache what others changed before anybody else hears of it. While it is not read, or fails, nothing is kept.
#[derive(Debug)]
pub(super) struct CachedFeed {
    feed: Box<dyn ChangeFeed>,
    cache: Arc<dyn Cache>,
    number: u64,
    newest: Arc<AtomicU64>,
}

impl CachedFeed {
    /// The newest of a store's feeds: the end of one before it says nothing any more.
    pub(super) fn new(feed: Box<dyn ChangeFeed>, cache: Arc<dyn Cache>, newest: Arc<AtomicU64>) -> Self {
        let number = newest.fetch_add(1, Ordering::SeqCst) + 1;
        Self { feed, cache, number, newest }
    }

    fn close(&self) {
        if self.number == self.newest.load(Ordering::SeqCst) {
            self.cache.close(Bar::Feed);
        }
    }
}

#[async_trait]
impl ChangeFeed for CachedFeed {
    async fn next(&mut self) -> Result<News, StoreError> {
        // From here on it waits for news: also behind a failure, after which it goes on where it was.
        self.cache.open(Bar::Feed);
        let news = self.feed.next().await;
        match &news {
            Ok(news) => self.cache.invalidate(&stale(news), By::Others).await,
            Err(_) => self.close(),
        }
        news
    }
}

impl Drop for CachedFeed {
    fn drop(&mut self) {
        self.close();
    }
}

fn stale(news: &News) -> Vec<Stale> {
    let paths: BTreeSet<_> = news.documents.iter().map(|change| &change.path).collect();
    if paths.len() > ONE_BY_ONE {
        return vec![Stale::All];
    }
    let documents = paths.into_iter().map(|path| Stale::Document(path.clone()));
    documents.chain(news.prompts.then_some(Stale::Prompts)).collect()
}
