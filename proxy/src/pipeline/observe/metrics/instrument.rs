//! The instruments: counters, gauges and histograms that a request's thread can touch without a lock or an allocation.
//!
//! Counters and histograms are sharded: each thread adds to its own cells, and only reading sums them up. Histograms count
//! durations in nanoseconds, so their sums are exact.

use std::{
    cell::Cell,
    sync::{
        OnceLock,
        atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// More threads than this share cells.
const SHARDS_MAX: usize = 16;

fn shard_count() -> usize {
    static COUNT: OnceLock<usize> = OnceLock::new();
    *COUNT.get_or_init(|| {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        cores.next_power_of_two().min(SHARDS_MAX)
    })
}

/// This thread's shard.
fn shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SHARD: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    SHARD.with(|shard| {
        if shard.get() == usize::MAX {
            shard.set(NEXT.fetch_add(1, Ordering::Relaxed) % shard_count());
        }
        shard.get()
    })
}

/// A cell on a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Padded(AtomicU64);

/// A count that only grows.
#[derive(Debug)]
pub struct Counter(Box<[Padded]>);

impl Default for Counter {
    fn default() -> Self {
        Self((0..shard_count()).map(|_| Padded::default()).collect())
    }
}

impl Counter {
    /// Adds.
    pub fn add(&self, count: u64) {
        if let Some(cell) = self.0.get(shard()) {
            cell.0.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// The sum.
    pub fn value(&self) -> u64 {
        self.0.iter().map(|cell| cell.0.load(Ordering::Relaxed)).sum()
    }
}

/// A value that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Adds or takes away.
    pub fn add(&self, change: i64) {
        self.0.fetch_add(change, Ordering::Relaxed);
    }

    /// Sets.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The value.
    pub fn value(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The upper bounds of a histogram's buckets, in nanoseconds, ascending.
pub type Bounds = &'static [u64];

/// The bounds that the MCP conventions prescribe.
pub const MCP_BOUNDS: Bounds = &[
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
    200_000_000,
    500_000_000,
    1_000_000_000,
    2_000_000_000,
    5_000_000_000,
    10_000_000_000,
    30_000_000_000,
    60_000_000_000,
    120_000_000_000,
    300_000_000_000,
];

/// For the time that a message spends in Doorward itself.
pub const OVERHEAD_BOUNDS: Bounds =
    &[25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 100_000_000];

/// Durations in buckets.
#[derive(Debug)]
pub struct Histogram {
    bounds: Bounds,
    /// For each shard: one count a bucket, one beyond the last bound, one sum in nanoseconds.
    shards: Box<[Box<[AtomicU64]>]>,
}

/// What a histogram holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistogramValue {
    /// Upper bounds in nanoseconds.
    pub bounds: Bounds,
    /// One count a bucket, and one beyond the last bound. Not cumulative.
    pub buckets: Vec<u64>,
    /// Sum in nanoseconds.
    pub sum_ns: u64,
    /// All counts together.
    pub count: u64,
}

impl Histogram {
    /// An empty one.
    pub fn new(bounds: Bounds) -> Self {
        let cells = || (0..bounds.len() + 2).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, shards: (0..shard_count()).map(|_| cells()).collect() }
    }

    /// Counts one duration.
    pub fn record(&self, duration: Duration) {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = self.bounds.partition_point(|bound| *bound < ns);
        let Some(cells) = self.shards.get(shard()) else {
            return;
        };
        if let (Some(count), Some(sum)) = (cells.get(bucket), cells.last()) {
            count.fetch_add(1, Ordering::Relaxed);
            sum.fetch_add(ns, Ordering::Relaxed);
        }
    }

    /// What it holds.
    pub fn value(&self) -> HistogramValue {
        let mut buckets = vec![0; self.bounds.len() + 1];
        let mut sum_ns = 0_u64;
        for cells in &self.shards {
            for (total, cell) in buckets.iter_mut().zip(cells.iter()) {
                *total += cell.load(Ordering::Relaxed);
            }
            let sum = cells.last().map_or(0, |sum| sum.load(Ordering::Relaxed));
            sum_ns = sum_ns.wrapping_add(sum);
        }
        let count = buckets.iter().sum();
        HistogramValue { bounds: self.bounds, buckets, sum_ns, count }
    }
}
