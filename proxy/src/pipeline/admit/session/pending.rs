//! What is under way in one direction of a session: ids, progress tokens, subscriptions. Bounded, and emptied by time.
//!
//! A key is in the table from the moment its request was let through until it was answered or its time is over. What arrives for
//! a key that is not there matches nothing: it is dropped by the caller and counted here.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

/// Why a key was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PendingError {
    /// As many are under way as may be.
    #[error("too much is under way")]
    Full,
    /// The key is under way already.
    #[error("the key is under way already")]
    Duplicate,
}

/// Keys under way, each with what is needed when its answer comes.
pub struct PendingTable<K, V> {
    entries: Mutex<HashMap<K, Pending<V>>>,
    capacity: usize,
    unmatched: AtomicU64,
    refused: AtomicU64,
}

struct Pending<V> {
    value: V,
    deadline: Instant,
}

impl<K: Eq + Hash, V> PendingTable<K, V> {
    /// For at most `capacity` keys at once.
    pub fn new(capacity: usize) -> Self {
        Self { entries: Mutex::default(), capacity, unmatched: AtomicU64::new(0), refused: AtomicU64::new(0) }
    }

    /// Takes `key` in until `deadline`. At `now`, keys whose deadline has passed make room.
    pub fn insert(&self, key: K, value: V, deadline: Instant, now: Instant) -> Result<(), PendingError> {
        let mut entries = self.lock();
        if entries.len() >= self.capacity {
            entries.retain(|_, pending| pending.deadline > now);
        }
        let full = entries.len() >= self.capacity;
        let refused = match entries.entry(key) {
            Entry::Occupied(mut entry) if entry.get().deadline <= now => {
                entry.insert(Pending { value, deadline });
                return Ok(());
            }
            Entry::Occupied(_) => PendingError::Duplicate,
            Entry::Vacant(_) if full => PendingError::Full,
            Entry::Vacant(entry) => {
                entry.insert(Pending { value, deadline });
                return Ok(());
            }
        };
        self.refused.fetch_add(1, Ordering::Relaxed);
        Err(refused)
    }

    /// Ends `key` and gives back its value; `None`, counted, if nothing is under way with that key at `now`.
    pub fn take(&self, key: &K, now: Instant) -> Option<V> {
        let pending = self.lock().remove(key).filter(|pending| pending.deadline > now);
        if pending.is_none() {
            self.unmatched.fetch_add(1, Ordering::Relaxed);
        }
        pending.map(|pending| pending.value)
    }

    /// Looks at the value of `key` and leaves it under way, as for progress; `None`, counted, if there is none.
    pub fn with<T>(&self, key: &K, now: Instant, act: impl FnOnce(&mut V) -> T) -> Option<T> {
        let mut entries = self.lock();
        let pending = entries.get_mut(key).filter(|pending| pending.deadline > now);
        if pending.is_none() {
            self.unmatched.fetch_add(1, Ordering::Relaxed);
        }
        pending.map(|pending| act(&mut pending.value))
    }

    /// Ends every key whose deadline has passed.
    pub fn expire(&self, now: Instant) -> Vec<(K, V)> {
        let expired = self.lock().extract_if(|_, pending| pending.deadline <= now).collect::<Vec<_>>();
        expired.into_iter().map(|(key, pending)| (key, pending.value)).collect()
    }

    /// Ends everything, as when the other side is gone.
    pub fn drain(&self) -> Vec<(K, V)> {
        let all = std::mem::take(&mut *self.lock());
        all.into_iter().map(|(key, pending)| (key, pending.value)).collect()
    }

    /// How many keys are in the table.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How often something came for a key that was not under way.
    pub fn unmatched(&self) -> u64 {
        self.unmatched.load(Ordering::Relaxed)
    }

    /// How often a key was not taken in.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Pending<V>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
