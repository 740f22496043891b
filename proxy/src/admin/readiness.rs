//! Whether the process can do its work, told by the parts that know.
//!
//! Each part sets its own item by name: `catalogue:files`, `jwks:https://idp.example.com`. An item is ready, `waiting`
//! (the whole process is not ready) or `degraded` (it works, but not fully: one upstream of several is away). Reasons are
//! fixed texts, so that no secret can slip into an answer.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use serde::Serialize;

/// The state of one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "reason", rename_all = "snake_case")]
pub enum ItemState {
    /// As it should be.
    Ready,
    /// Not yet, or no more: the process is not ready.
    Waiting(&'static str),
    /// Not as it should be, but the process does its work.
    Degraded(&'static str),
}

/// The process's readiness.
#[derive(Debug, Default)]
pub struct Readiness {
    started: AtomicBool,
    draining: AtomicBool,
    items: Mutex<BTreeMap<Box<str>, ItemState>>,
}

/// Readiness as it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReadinessReport {
    /// Whether requests should be sent here.
    pub ready: bool,
    /// Whether the start is complete.
    pub started: bool,
    /// Whether the process is on its way out.
    pub draining: bool,
    /// Each item's state.
    pub items: BTreeMap<Box<str>, ItemState>,
}

impl Readiness {
    /// Sets an item.
    pub fn set(&self, item: &str, state: ItemState) {
        let mut items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        items.insert(item.into(), state);
    }

    /// Forgets an item, as after a reload that took an upstream away.
    pub fn remove(&self, item: &str) {
        self.items.lock().unwrap_or_else(PoisonError::into_inner).remove(item);
    }

    /// The listeners stand.
    pub fn set_started(&self) {
        self.started.store(true, Ordering::Relaxed);
    }

    /// No new request should be sent here.
    pub fn set_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// How it stands.
    pub fn report(&self) -> ReadinessReport {
        let items = self.items.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let started = self.started.load(Ordering::Relaxed);
        let draining = self.draining.load(Ordering::Relaxed);
        let waiting = items.values().any(|state| matches!(state, ItemState::Waiting(_)));
        ReadinessReport { ready: started && !draining && !waiting, started, draining, items }
    }
}
