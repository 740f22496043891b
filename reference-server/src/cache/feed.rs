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
    /// The newest of a store's feeds: while it lasts, those before it neither open the cache nor close it.
    pub(super) fn new(feed: Box<dyn ChangeFeed>, cache: Arc<dyn Cache>, newest: Arc<AtomicU64>) -> Self {
        let number = newest.fetch_add(1, Ordering::SeqCst) + 1;
        Self { feed, cache, number, newest }
    }

    fn is_newest(&self) -> bool {
        self.number == self.newest.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl ChangeFeed for CachedFeed {
    async fn next(&mut self) -> Result<News, StoreError> {
        // From here on it waits for news: also behind a failure, after which it goes on where it was.
        if self.is_newest() {
            self.cache.open(Bar::Feed);
        }
        let news = self.feed.next().await;
        match &news {
            Ok(news) => self.cache.invalidate(&stale(news), By::Others).await,
            Err(_) if self.is_newest() => self.cache.close(Bar::Feed),
            Err(_) => {}
        }
        news
    }
}

impl Drop for CachedFeed {
    fn drop(&mut self) {
        if self.is_newest() {
            self.cache.close(Bar::Feed);
            // The one before it is the newest again, where it lasts still.
            self.newest.fetch_sub(1, Ordering::SeqCst);
        }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use super::*;
    use crate::cache::{Bounds, Found, Key, Memory};
    use crate::storage::DocumentPath;

    /// Fails, or tells that nothing happened.
    #[derive(Debug)]
    struct Told(bool);

    #[async_trait]
    impl ChangeFeed for Told {
        async fn next(&mut self) -> Result<News, StoreError> {
            if self.0 { Ok(News::default()) } else { Err(StoreError::Full) }
        }
    }

    #[tokio::test]
    async fn feed_that_another_one_replaced_neither_opens_the_cache_nor_closes_it() {
        let bounds = Bounds { bytes: 1 << 20, lifetime: Duration::from_secs(60) };
        let (cache, newest): (Arc<dyn Cache>, _) = (Arc::new(Memory::new(bounds)), Arc::default());
        let feed = |well| CachedFeed::new(Box::new(Told(well)), Arc::clone(&cache), Arc::clone(&newest));
        let key = Key::Document(DocumentPath::parse("a").unwrap());
        let closed = async || matches!(cache.get(&key).await, Found::Closed);
        let mut first = feed(true);
        first.next().await.unwrap();
        assert!(!closed().await);
        let mut second = feed(true);
        second.next().await.unwrap();
        drop(first);
        assert!(!closed().await, "the second one is read");
        let mut third = feed(false);
        third.next().await.unwrap_err();
        second.next().await.unwrap();
        assert!(closed().await, "the third one is the one to hear of changes");
        drop(third);
        second.next().await.unwrap();
        assert!(!closed().await, "the second one is again");
        drop(second);
        assert!(closed().await);
    }
}
