//! Decides whether a legacy request belongs to a session of its caller (MCP 2025-03-26 to 2025-11-25, "Session Management").
//!
//! In: the `Mcp-Session-Id` of a request, the principal, the route, the time. Out: the session's state. Refused: an id that is
//! foreign, altered, of another route or over (`Unknown`, always the same answer), and a session too many (`LimitReached`).
//! A session id never authenticates: the principal comes from the credential of each request.
//!
//! The state `S` is the caller's own: pending tables (see [`pending`]), era, streams.

pub mod pending;
pub mod seal;
pub mod settings;
pub mod table;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::{
    seal::{Owner, SealError, Sealed, Sealer},
    settings::SessionSettings,
    table::SessionTable,
};
use crate::model::{Principal, rejection::Session};

/// All legacy sessions of this process.
pub struct Sessions<S> {
    sealer: Sealer,
    table: SessionTable<S>,
    age_max_s: u64,
}

/// A session that was just begun.
#[derive(Debug)]
pub struct Begun<S> {
    /// The id for the client.
    pub id: String,
    /// Sessions that made room: close their streams and upstream sessions.
    pub displaced: Vec<Arc<S>>,
}

/// A live session.
#[derive(Debug)]
pub struct Found<S> {
    /// Its state.
    pub state: Arc<S>,
    /// The upstream's session id, if it gave one.
    pub upstream_id: Option<Box<[u8]>>,
}

/// Why a session could not be begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BeginError {
    /// Too many sessions.
    #[error("too many sessions")]
    Refused(Session),
    /// No id can be made.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl<S> Sessions<S> {
    /// No session yet; ids are sealed with a new random key.
    pub fn new(settings: &SessionSettings) -> Result<Self, SealError> {
        Ok(Self { sealer: Sealer::new()?, table: SessionTable::new(settings), age_max_s: settings.age_max.0.as_secs() })
    }

    /// Whether `principal` may begin another session; to be asked before `initialize` goes upstream.
    pub fn check_room(&self, principal: &Principal, now: u64) -> Result<(), Session> {
        self.table.check_room(Owner::of(principal), now)
    }

    /// Begins a session of `principal` on `route`, once the upstream answered `initialize`. Whatever id the client sent with
    /// `initialize` plays no part.
    pub fn begin(
        &self,
        principal: &Principal,
        route: &str,
        upstream_id: Option<&[u8]>,
        state: Arc<S>,
        now: u64,
    ) -> Result<Begun<S>, BeginError> {
        let owner = Owner::of(principal);
        let session = Sealed {
            handle: Sealer::new_handle()?,
            owner,
            route: route.into(),
            upstream_id: upstream_id.map(Box::from),
            expires_at: now.saturating_add(self.age_max_s),
        };
        let id = self.sealer.seal(&session)?;
        let inserted = self.table.insert(session.handle, owner, state, now);
        let displaced = inserted.map_err(BeginError::Refused)?;
        Ok(Begun { id, displaced })
    }

    /// The session of `id`, if it is a live one of `principal` on `route`.
    pub fn find(&self, id: &[u8], principal: &Principal, route: &str, now: u64) -> Result<Found<S>, Session> {
        let owner = Owner::of(principal);
        let session = self.sealer.open(id, owner, route, now)?;
        let state = self.table.get(&session.handle, owner, now)?;
        Ok(Found { state, upstream_id: session.upstream_id })
    }

    /// Ends the session of `id`, as a DELETE asks for.
    pub fn end(&self, id: &[u8], principal: &Principal, route: &str, now: u64) -> Result<Found<S>, Session> {
        let owner = Owner::of(principal);
        let session = self.sealer.open(id, owner, route, now)?;
        self.table.get(&session.handle, owner, now)?;
        let state = self.table.remove(&session.handle, owner)?;
        Ok(Found { state, upstream_id: session.upstream_id })
    }

    /// Ends the sessions whose time is over and gives back their states; call it every minute or so.
    pub fn sweep(&self, now: u64) -> Vec<Arc<S>> {
        self.table.sweep(now)
    }

    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}
