//! The live sessions, bounded in all and per owner.
//!
//! A session ends when it is ended, when it was not used for `idle_max`, or `age_max` after it began. Where a bound is reached, the
//! least recently used session makes room, the owner's own for the owner's bound, but only one that was idle for a while:
//! otherwise a new session is refused. So nobody who is active loses a session to somebody else's flood.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    seal::{Handle, Owner},
    settings::SessionSettings,
};
use crate::model::rejection::Session;

/// A session of another owner is displaced only if it was idle for this long.
const FOREIGN_IDLE_S: u64 = 300;
/// A session of the same owner is displaced only if it was idle for this long.
const OWN_IDLE_S: u64 = 60;

/// The table, with the state `S` of each session. Times are Unix time in seconds.
pub struct SessionTable<S> {
    inner: RwLock<Inner<S>>,
    sessions_max: usize,
    sessions_per_principal_max: usize,
    idle_max_s: u64,
    age_max_s: u64,
}

struct Inner<S> {
    sessions: HashMap<Handle, Entry<S>>,
    owners: HashMap<Owner, Vec<Handle>>,
}

struct Entry<S> {
    owner: Owner,
    state: Arc<S>,
    began_at: u64,
    used_at: AtomicU64,
}

impl<S> SessionTable<S> {
    /// An empty table.
    pub fn new(settings: &SessionSettings) -> Self {
        Self {
            inner: RwLock::new(Inner { sessions: HashMap::new(), owners: HashMap::new() }),
            sessions_max: settings.sessions_max,
            sessions_per_principal_max: settings.sessions_per_principal_max,
            idle_max_s: settings.idle_max.0.as_secs(),
            age_max_s: settings.age_max.0.as_secs(),
        }
    }

    /// Adds a session. Gives back the states of sessions that made room for it; their streams and upstream sessions are to
    /// be closed.
    pub fn insert(&self, handle: Handle, owner: Owner, state: Arc<S>, now: u64) -> Result<Vec<Arc<S>>, Session> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let displaced = self.make_room(&mut inner, owner, now)?;
        let entry = Entry { owner, state, began_at: now, used_at: AtomicU64::new(now) };
        inner.sessions.insert(handle, entry);
        inner.owners.entry(owner).or_default().push(handle);
        Ok(displaced)
    }

    /// Whether [`Self::insert`] would find room; asked before anything is begun upstream.
    pub fn check_room(&self, owner: Owner, now: u64) -> Result<(), Session> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        self.victims(&inner, owner, now).map(|_| ())
    }

    /// The state of a live session, which counts as used at `now`.
    pub fn get(&self, handle: &Handle, owner: Owner, now: u64) -> Result<Arc<S>, Session> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let entry = inner.sessions.get(handle).ok_or(Session::Unknown)?;
        if entry.owner != owner || self.is_over(entry, now) {
            return Err(Session::Unknown);
        }
        entry.used_at.fetch_max(now, Ordering::Relaxed);
        Ok(Arc::clone(&entry.state))
    }

    /// Ends a session and gives back its state.
    pub fn remove(&self, handle: &Handle, owner: Owner) -> Result<Arc<S>, Session> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let entry = inner.sessions.get(handle);
        if entry.is_none_or(|entry| entry.owner != owner) {
            return Err(Session::Unknown);
        }
        inner.remove(handle).ok_or(Session::Unknown)
    }

    /// Ends every session whose time is over; for a periodic sweep.
    pub fn sweep(&self, now: u64) -> Vec<Arc<S>> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let over = inner.over(|entry| self.is_over(entry, now));
        over.iter().filter_map(|handle| inner.remove(handle)).collect()
    }

    /// How many sessions are in the table.
    pub fn len(&self) -> usize {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).sessions.len()
    }

    /// Whether there is no session.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn is_over(&self, entry: &Entry<S>, now: u64) -> bool {
        entry.idle(now) >= self.idle_max_s || now.saturating_sub(entry.began_at) >= self.age_max_s
    }

    fn make_room(&self, inner: &mut Inner<S>, owner: Owner, now: u64) -> Result<Vec<Arc<S>>, Session> {
        let victims = self.victims(inner, owner, now)?;
        Ok(victims.iter().filter_map(|handle| inner.remove(handle)).collect())
    }

    /// The sessions that a new one of `owner` displaces.
    fn victims(&self, inner: &Inner<S>, owner: Owner, now: u64) -> Result<Vec<Handle>, Session> {
        let own = inner.owners.get(&owner).map(Vec::as_slice).unwrap_or_default();
        if own.len() >= self.sessions_per_principal_max {
            let entries = own.iter().filter_map(|handle| inner.sessions.get_key_value(handle));
            return self.oldest(entries, OWN_IDLE_S, now);
        }
        if inner.sessions.len() >= self.sessions_max {
            return self.oldest(inner.sessions.iter(), FOREIGN_IDLE_S, now);
        }
        Ok(Vec::new())
    }

    fn oldest<'t>(
        &self,
        entries: impl Iterator<Item = (&'t Handle, &'t Entry<S>)>,
        idle_s: u64,
        now: u64,
    ) -> Result<Vec<Handle>, Session>
    where
        S: 't,
    {
        let (handle, entry) = entries
            .min_by_key(|(_, entry)| (!self.is_over(entry, now), entry.used_at.load(Ordering::Relaxed)))
            .ok_or(Session::LimitReached)?;
        if self.is_over(entry, now) || entry.idle(now) >= idle_s {
            Ok(vec![*handle])
        } else {
            Err(Session::LimitReached)
        }
    }
}

impl<S> Entry<S> {
    fn idle(&self, now: u64) -> u64 {
        now.saturating_sub(self.used_at.load(Ordering::Relaxed))
    }
}

impl<S> Inner<S> {
    fn remove(&mut self, handle: &Handle) -> Option<Arc<S>> {
        let entry = self.sessions.remove(handle)?;
        if let Some(handles) = self.owners.get_mut(&entry.owner) {
            handles.retain(|other| other != handle);
            if handles.is_empty() {
                self.owners.remove(&entry.owner);
            }
        }
        Some(entry.state)
    }

    fn over(&self, is_over: impl Fn(&Entry<S>) -> bool) -> Vec<Handle> {
        let entries = self.sessions.iter();
        entries.filter(|(_, entry)| is_over(entry)).map(|(handle, _)| *handle).collect()
    }
}
