//! One instrument a combination of labels, and the table of names that labels may hold.
//!
//! A known combination is found without a lock in an immutable table; a new one is added by replacing the table, which
//! happens a bounded number of times: over [`SERIES_MAX`] combinations everything new goes into one overflow series.
//! Text from messages is a label only if it is in [`Names`], which holds what configuration and catalogues name.

use std::{
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use ahash::AHashMap;
use arc_swap::ArcSwap;

use crate::pipeline::observe::names;

/// Combinations of labels a metric may have.
pub const SERIES_MAX: usize = 2_000;
/// Names that may be labels.
pub const NAMES_MAX: usize = 4_096;
/// A longer name is no label.
pub const NAME_BYTES_MAX: usize = 256;

/// A name that may be a label's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NameId(u16);

impl NameId {
    /// `_OTHER`: not in the table.
    pub const OTHER: Self = Self(0);
}

#[derive(Clone, Default)]
struct Table {
    ids: AHashMap<Arc<str>, NameId>,
    texts: Vec<Arc<str>>,
}

/// The names that may be labels: tools and prompts of the catalogues, upstreams, routes, issuers, detectors and limits of
/// the configuration. Names are added and never taken away, so that counts go on.
pub struct Names {
    table: ArcSwap<Table>,
    adding: Mutex<()>,
}

impl Default for Names {
    fn default() -> Self {
        let table = Table { ids: AHashMap::new(), texts: vec![names::OTHER.into()] };
        Self { table: ArcSwap::from_pointee(table), adding: Mutex::new(()) }
    }
}

impl Names {
    /// Makes names known; those that find no room, or are too long, stay [`NameId::OTHER`].
    pub fn register<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let mut table = Table::clone(&self.table.load());
        for name in names {
            if table.texts.len() >= NAMES_MAX || name.len() > NAME_BYTES_MAX || table.ids.contains_key(name) {
                continue;
            }
            let Ok(id) = u16::try_from(table.texts.len()) else {
                break;
            };
            let name: Arc<str> = name.into();
            table.texts.push(Arc::clone(&name));
            table.ids.insert(name, NameId(id));
        }
        self.table.store(Arc::new(table));
    }

    /// The name's id; [`NameId::OTHER`] for one that is not known.
    pub fn id(&self, name: &str) -> NameId {
        self.table.load().ids.get(name).copied().unwrap_or(NameId::OTHER)
    }

    /// The name.
    pub fn text(&self, id: NameId) -> Arc<str> {
        let table = self.table.load();
        table.texts.get(usize::from(id.0)).cloned().unwrap_or_else(|| names::OTHER.into())
    }
}

/// A combination of labels.
pub trait Labels: Copy + Eq + Hash + Send + Sync + 'static {
    /// Tells each label with its value, in a fixed order.
    fn each(&self, names: &Names, tell: &mut dyn FnMut(&'static str, &str));
}

/// For a metric without labels.
impl Labels for () {
    fn each(&self, _: &Names, _: &mut dyn FnMut(&'static str, &str)) {}
}

/// One instrument a combination.
pub struct Family<L, I> {
    series: ArcSwap<AHashMap<L, Arc<I>>>,
    overflow: Arc<I>,
    overflowed: std::sync::atomic::AtomicBool,
    adding: Mutex<()>,
    make: fn() -> I,
}

impl<L: Labels, I> Family<L, I> {
    /// An empty one; `make` makes an instrument.
    pub fn new(make: fn() -> I) -> Self {
        Self {
            series: ArcSwap::default(),
            overflow: Arc::new(make()),
            overflowed: false.into(),
            adding: Mutex::new(()),
            make,
        }
    }

    /// Uses the combination's instrument.
    pub fn with(&self, labels: L, using: impl FnOnce(&I)) {
        let series = self.series.load();
        match series.get(&labels) {
            Some(instrument) => using(instrument),
            None => using(&self.add(labels)),
        }
    }

    #[cold]
    fn add(&self, labels: L) -> Arc<I> {
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let series = self.series.load();
        if let Some(instrument) = series.get(&labels) {
            return Arc::clone(instrument);
        }
        if series.len() >= SERIES_MAX {
            self.overflowed.store(true, std::sync::atomic::Ordering::Relaxed);
            return Arc::clone(&self.overflow);
        }
        let instrument = Arc::new((self.make)());
        let mut grown = AHashMap::clone(&series);
        grown.insert(labels, Arc::clone(&instrument));
        self.series.store(Arc::new(grown));
        instrument
    }

    /// Tells every series; `None` stands for the overflow series, where there is one.
    pub fn each(&self, mut tell: impl FnMut(Option<&L>, &I)) {
        for (labels, instrument) in self.series.load().iter() {
            tell(Some(labels), instrument);
        }
        if self.overflowed.load(std::sync::atomic::Ordering::Relaxed) {
            tell(None, &self.overflow);
        }
    }
}
