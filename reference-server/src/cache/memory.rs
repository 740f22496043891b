//! The cache in this process's memory, bounded by bytes, entries and time.
//!
//! Invariant: what a read found is kept only where nothing that concerns it was invalidated since the read began. Keys are
//! spread over slots; a slot's epoch grows with every invalidation in it, and whoever keeps a value shows the epoch that
//! it saw before it asked the store, under the slot's lock.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use quick_cache::Weighter;
use quick_cache::sync::Cache as Entries;

use super::counts::{Counted, Counts};
use super::weight::weight;
use super::{Bar, By, Cache, DOUBT, Found, Key, Stale, Ticket, Value};

/// Slots of documents. One more, the first, is for everything of prompts.
const SLOTS: usize = 64;

/// Most values, whatever their size.
const ENTRIES_MAX: u64 = 100_000;

/// A value may take this share of all bytes.
const SHARE: u64 = 8;

/// How much is kept, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Of all values together.
    pub bytes: u64,
    /// Of each value: what others changed unheard is seen after it.
    pub lifetime: Duration,
}

/// The cache.
#[derive(Debug)]
pub struct Memory {
    entries: Entries<Key, Entry, Weight>,
    slots: Vec<Mutex<Slot>>,
    hasher: RandomState,
    /// Grows with every invalidation of prompts: what was kept before it is not given any more.
    prompts: AtomicU64,
    /// The bars, as bits.
    bars: AtomicU8,
    bounds: Bounds,
    pub(super) counts: Arc<Counts>,
}

#[derive(Debug, Clone)]
struct Entry {
    value: Value,
    until: Instant,
    prompts: Option<u64>,
    weight: u64,
}

#[derive(Debug, Clone)]
struct Weight {
    least: u64,
}

impl Weighter<Key, Entry> for Weight {
    fn weight(&self, _key: &Key, entry: &Entry) -> u64 {
        // A least weight bounds the number, too.
        entry.weight.max(self.least)
    }
}

#[derive(Debug, Default)]
struct Slot {
    epoch: u64,
    doubted: Option<Instant>,
}

impl Slot {
    fn is_doubted(&mut self) -> bool {
        if self.doubted.is_some_and(|until| until <= Instant::now()) {
            self.doubted = None;
        }
        self.doubted.is_some()
    }
}

/// The part of a ticket that is about this memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Near {
    slot: usize,
    epoch: u64,
}

/// What a look gives here.
pub(super) enum Look {
    Value(Value),
    Nothing(Near),
    Closed,
}

impl Memory {
    /// An empty cache.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        let least = (bounds.bytes / ENTRIES_MAX).max(1);
        let expected = usize::try_from((bounds.bytes / 4096).clamp(16, ENTRIES_MAX)).unwrap_or(16);
        Self {
            entries: Entries::with_weighter(expected, bounds.bytes, Weight { least }),
            slots: (0..=SLOTS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            prompts: AtomicU64::new(0),
            bars: AtomicU8::new(0),
            bounds,
            counts: Arc::default(),
        }
    }

    fn slot_of(&self, key: &Key) -> usize {
        match key {
            Key::Document(path) => {
                let slots = u64::try_from(SLOTS).unwrap_or(1);
                1 + usize::try_from(self.hasher.hash_one(path) % slots).unwrap_or(0)
            }
            Key::Prompt(_) | Key::Prompts { .. } => 0,
        }
    }

    fn slot(&self, number: usize) -> Option<MutexGuard<'_, Slot>> {
        // Numbers and instants stay whole whatever panics beside them.
        self.slots.get(number).map(|slot| slot.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn is_barred(&self) -> bool {
        self.bars.load(Ordering::SeqCst) != 0
    }

    pub(super) fn look(&self, key: &Key) -> Look {
        let number = self.slot_of(key);
        let Some(mut slot) = self.slot(number) else { return Look::Closed };
        if self.is_barred() || slot.is_doubted() {
            return Look::Closed;
        }
        if let Some(entry) = self.entries.get(key) {
            let current = entry.prompts.is_none_or(|seen| seen == self.prompts.load(Ordering::SeqCst));
            if current && entry.until > Instant::now() {
                return Look::Value(entry.value);
            }
        }
        Look::Nothing(Near { slot: number, epoch: slot.epoch })
    }

    pub(super) fn keep(&self, near: Near, key: &Key, value: Value) {
        let weight = weight(&value);
        if weight > self.bounds.bytes / SHARE {
            return;
        }
        let Some(mut slot) = self.slot(near.slot) else { return };
        if slot.epoch != near.epoch || self.is_barred() || slot.is_doubted() {
            return;
        }
        let until = Instant::now() + self.bounds.lifetime;
        let prompts = (near.slot == 0).then(|| self.prompts.load(Ordering::SeqCst));
        self.entries.insert(key.clone(), Entry { value, until, prompts, weight });
    }

    pub(super) fn forget(&self, stale: &[Stale]) {
        stale.iter().for_each(|stale| self.forget_one(stale, None));
    }

    pub(super) fn forget_for(&self, stale: &[Stale], time: Duration) {
        let until = Instant::now() + time;
        stale.iter().for_each(|stale| self.forget_one(stale, Some(until)));
    }

    fn forget_one(&self, stale: &Stale, doubted: Option<Instant>) {
        match stale {
            Stale::Document(path) => {
                let key = Key::Document(path.clone());
                let Some(mut slot) = self.slot(self.slot_of(&key)) else { return };
                slot.epoch += 1;
                slot.doubted = slot.doubted.max(doubted);
                self.entries.remove(&key);
            }
            Stale::Prompts => {
                let Some(mut slot) = self.slot(0) else { return };
                slot.epoch += 1;
                slot.doubted = slot.doubted.max(doubted);
                self.prompts.fetch_add(1, Ordering::SeqCst);
            }
            Stale::All => {
                for number in 0..self.slots.len() {
                    let Some(mut slot) = self.slot(number) else { continue };
                    slot.epoch += 1;
                    slot.doubted = slot.doubted.max(doubted);
                }
                // Behind every slot: nobody can keep what was read before.
                self.prompts.fetch_add(1, Ordering::SeqCst);
                self.entries.clear();
            }
        }
    }

    pub(super) fn bar(&self, bar: Bar) {
        self.bars.fetch_or(bar as u8, Ordering::SeqCst);
        self.forget_one(&Stale::All, None);
    }

    pub(super) fn unbar(&self, bar: Bar) {
        self.bars.fetch_and(!(bar as u8), Ordering::SeqCst);
    }
}

#[async_trait]
impl Cache for Memory {
    async fn get(&self, key: &Key) -> Found {
        match self.look(key) {
            Look::Value(value) => {
                self.counts.hit();
                Found::Value(value)
            }
            Look::Nothing(near) => {
                self.counts.miss();
                Found::Nothing(Ticket { near, lease: None })
            }
            Look::Closed => {
                self.counts.miss();
                Found::Closed
            }
        }
    }

    async fn put(&self, ticket: Ticket, key: &Key, value: Value) {
        self.keep(ticket.near, key, value);
    }

    async fn invalidate(&self, stale: &[Stale], _by: By) {
        self.forget(stale);
    }

    fn doubt(&self, stale: Vec<Stale>) {
        self.forget_for(&stale, DOUBT);
    }

    fn close(&self, bar: Bar) {
        self.bar(bar);
    }

    fn open(&self, bar: Bar) {
        self.unbar(bar);
    }

    fn reaches(&self) -> Option<bool> {
        None
    }

    fn counts(&self) -> Counted {
        self.counts.read()
    }

    fn stop(&self) {}
}

#[cfg(test)]
mod tests;
