//! What happened in a cache, counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of a cache.
#[derive(Debug, Default)]
pub struct Counts {
    hits: AtomicU64,
    shared_hits: AtomicU64,
    misses: AtomicU64,
    failures: AtomicU64,
}

/// What they stand at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Values had from memory.
    pub hits: u64,
    /// Values had from Redis.
    pub shared_hits: u64,
    /// Values that were had from the store.
    pub misses: u64,
    /// Times that Redis failed, or held what cannot be used.
    pub failures: u64,
}

impl Counts {
    pub(super) fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn shared_hit(&self) {
        self.shared_hits.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn miss(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// What they stand at now.
    #[must_use]
    pub fn read(&self) -> Counted {
        Counted {
            hits: self.hits.load(Ordering::Relaxed),
            shared_hits: self.shared_hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
        }
    }
}
