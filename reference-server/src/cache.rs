//! A cache before the store: what is read often and costs a round trip is kept where it is had faster.
//!
//! In: [`settings::CacheSettings`] and a store. Out: the store as a [`CachedStore`], which nobody needs to know of.
//! What is kept: documents and prompts as they are now, and pages of prompts. Every change and everything else goes to
//! the store.
//! Invariants, for every engine: who reads after a change was acknowledged by the same server never gets what was before
//! it, however reads and changes run into each other: a read may only keep what it found where nothing was
//! invalidated since it began ([`Ticket`]). Changes of others are heard of by the store's feed and, with Redis, by
//! messages; while either is silent, nothing is kept. A cache that fails is as one that holds nothing.
//! To add an engine: an implementation of [`Cache`], and its name in [`settings`].

mod counts;
mod feed;
mod memory;
mod redis;
pub mod settings;
mod store;
mod weight;
mod wire;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use self::counts::{Counted, Counts};
pub use self::memory::{Bounds, Memory};
pub use self::redis::{Redis, RedisSettings};
pub use self::store::CachedStore;
use crate::storage::prompt::{Prompt, PromptName};
use crate::storage::{Document, DocumentPath, Page};

/// How long a value is not kept after a change whose outcome nobody knows: longer than a store may go on with it.
pub const DOUBT: Duration = Duration::from_secs(30);

/// What a value is kept by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// A document as it is.
    Document(DocumentPath),
    /// A prompt as it is.
    Prompt(PromptName),
    /// A page of prompts.
    Prompts {
        /// The name that it begins behind.
        after: Option<String>,
        /// How many at most.
        limit: u32,
    },
}

/// What is kept. Of the kind that its key says.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Of [`Key::Document`].
    Document(Arc<Document>),
    /// Of [`Key::Prompt`].
    Prompt(Arc<Prompt>),
    /// Of [`Key::Prompts`].
    Prompts(Arc<Page<Prompt>>),
}

/// What is not as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stale {
    /// The document at this path.
    Document(DocumentPath),
    /// Any prompt, since each may be on any page.
    Prompts,
    /// Everything.
    All,
}

/// Who changed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// This server.
    Us,
    /// Another one, of which every server hears by itself.
    Others,
}

/// Lets what was read be kept, where nothing was invalidated since the ticket was given.
#[derive(Debug)]
pub struct Ticket {
    near: memory::Near,
    lease: Option<redis::Lease>,
}

/// What a look into the cache gives.
#[derive(Debug)]
pub enum Found {
    /// The value.
    Value(Value),
    /// Nothing; what the store gives may be kept by this.
    Nothing(Ticket),
    /// Nothing, and nothing is kept at the moment.
    Closed,
}

/// Why nothing is kept for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bar {
    /// Nobody tells what other servers change.
    Feed = 1,
    /// Redis is away, or its messages are.
    Redis = 2,
}

/// A cache. It never fails: what cannot be had is not there.
#[async_trait]
pub trait Cache: Debug + Send + Sync {
    /// Looks a value up.
    async fn get(&self, key: &Key) -> Found;

    /// Keeps a value that the store gave after the ticket was.
    async fn put(&self, ticket: Ticket, key: &Key, value: Value);

    /// Forgets, and tells other servers to where the change is this one's. Once it returns, no look gives what was kept
    /// before.
    async fn invalidate(&self, stale: &[Stale], by: By);

    /// Forgets for [`DOUBT`], since nobody knows whether there was a change or will be.
    fn doubt(&self, stale: Vec<Stale>);

    /// Forgets everything and keeps nothing until [`Cache::open`].
    fn close(&self, bar: Bar);

    /// Takes a bar away.
    fn open(&self, bar: Bar);

    /// Whether something outside that it needs is there; `None` where it needs nothing.
    fn reaches(&self) -> Option<bool>;

    /// What happened so far.
    fn counts(&self) -> Counted;

    /// Ends what runs beside it.
    fn stop(&self);
}
