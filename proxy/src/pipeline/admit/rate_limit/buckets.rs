//! Buckets by key, in bounded memory.
//!
//! Each bucket is one number, its theoretical arrival time (GCRA): the time at which it will be full again. A bucket that is full
//! again is the same as none, so such buckets, and only they, are ever dropped: nobody can have another's spent bucket thrown
//! out by naming many keys. Where a shard is full of spent buckets, further keys share a fixed set of overflow buckets: they
//! may be limited more strictly than configured, never less.
//!
//! Keys are 128-bit keyed hashes, so no name is stored, whatever its length.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::{Mutex, PoisonError},
};

/// A power of two.
const SHARDS: usize = 64;
const OVERFLOW_PER_SHARD: usize = 64;

/// How one limit counts.
#[derive(Clone, Copy, Debug)]
pub struct Quota {
    /// Nanoseconds from one message to the next.
    pub interval_ns: u64,
    /// The depth of the bucket: messages at once, times the interval.
    pub tolerance_ns: u64,
}

/// Takes already hashed keys as they are.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            self.0 ^= u64::from_le_bytes(word);
        }
    }

    fn write_u128(&mut self, key: u128) {
        let [low, high] = halves(key);
        self.0 = low ^ high.rotate_left(32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

fn halves(key: u128) -> [u64; 2] {
    [key as u64, (key >> 64) as u64]
}

struct Shard {
    full_at: HashMap<u128, u64, BuildHasherDefault<AsIs>>,
    overflow: [u64; OVERFLOW_PER_SHARD],
    /// No bucket of this shard is full again before; a search for one is useless until then.
    sweep_at: u64,
}

/// The buckets of all limits.
pub struct Buckets {
    shards: Box<[Mutex<Shard>]>,
    keys_per_shard_max: usize,
}

impl Buckets {
    /// For at most `keys_max` keys with a bucket of their own.
    pub fn new(keys_max: usize) -> Self {
        let shard =
            || Mutex::new(Shard { full_at: HashMap::default(), overflow: [0; OVERFLOW_PER_SHARD], sweep_at: 0 });
        Self {
            shards: std::iter::repeat_with(shard).take(SHARDS).collect(),
            keys_per_shard_max: keys_max.div_ceil(SHARDS),
        }
    }

    /// Takes one message from the bucket of `key` at `now_ns`, or says in how many nanoseconds there will be one.
    pub fn take(&self, key: u128, quota: Quota, now_ns: u64) -> Result<(), u64> {
        self.with_bucket(key, now_ns, |full_at| {
            let next = (*full_at).max(now_ns).saturating_add(quota.interval_ns);
            let allowed_at = next.saturating_sub(quota.tolerance_ns);
            if now_ns < allowed_at {
                return Err(allowed_at - now_ns);
            }
            *full_at = next;
            Ok(())
        })
        .unwrap_or(Err(quota.interval_ns))
    }

    /// Puts one message back: it was refused by another limit.
    pub fn put_back(&self, key: u128, quota: Quota, now_ns: u64) {
        self.with_bucket(key, now_ns, |full_at| {
            *full_at = full_at.saturating_sub(quota.interval_ns);
        });
    }

    /// How many keys have a bucket of their own at the moment.
    pub fn len(&self) -> usize {
        let shards = self.shards.iter();
        shards.map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).full_at.len()).sum()
    }

    /// Whether there is no bucket.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `None` cannot happen: the index is below the number of shards, and so for the overflow.
    fn with_bucket<T>(&self, key: u128, now_ns: u64, act: impl FnOnce(&mut u64) -> T) -> Option<T> {
        let [low, high] = halves(key);
        let index = usize::try_from(low >> 58).ok()? % SHARDS;
        let mut shard = self.shards.get(index)?.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(full_at) = shard.full_at.get_mut(&key) {
            return Some(act(full_at));
        }
        if shard.full_at.len() >= self.keys_per_shard_max {
            shard.sweep(now_ns);
        }
        if shard.full_at.len() < self.keys_per_shard_max {
            let mut full_at = 0;
            let result = act(&mut full_at);
            if full_at > now_ns {
                shard.sweep_at = shard.sweep_at.min(full_at);
                shard.full_at.insert(key, full_at);
            }
            return Some(result);
        }
        let cell = usize::try_from(high % OVERFLOW_PER_SHARD as u64).ok()?;
        shard.overflow.get_mut(cell).map(act)
    }
}

impl Shard {
    /// Drops the buckets that are full again.
    fn sweep(&mut self, now_ns: u64) {
        if now_ns < self.sweep_at {
            return;
        }
        self.full_at.retain(|_, full_at| *full_at > now_ns);
        self.sweep_at = self.full_at.values().copied().min().unwrap_or(u64::MAX);
    }
}
