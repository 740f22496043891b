//! The cache that several servers share: Redis, with a memory of each server's own before it.
//!
//! In: [`RedisSettings`]. Out: a [`Redis`].
//! A read that finds nothing leaves a lease in the value's place; the value is taken only where that very lease is still
//! there. An invalidation removes value and lease, so that a read which began before it cannot bring the old value back.
//! Both carry the epoch of their kind; removing the epoch's key makes everything of the kind unreadable at once.
//! Invariant: after Redis was away, nothing that it kept is read again, for it may have missed an invalidation, or have
//! been restored from an older file: the epochs are removed before it is used (see [`link`]).

mod commands;
mod link;
mod settings;

use std::sync::Arc;

use async_trait::async_trait;

pub(super) use self::commands::Lease;
use self::commands::{Fetched, Names};
use self::link::Link;
pub use self::settings::{RedisAccess, RedisSettings, RedisUrlError};
use super::memory::Look;
use super::{Bar, Bounds, By, Cache, Counted, DOUBT, Found, Key, Memory, Stale, Ticket, Value, wire};

/// The cache.
#[derive(Debug)]
pub struct Redis {
    near: Arc<Memory>,
    link: Arc<Link>,
}

impl Redis {
    /// The cache, which connects by itself, and again whenever it must.
    ///
    /// # Errors
    /// When the operating system has no random bytes.
    pub fn start(settings: RedisSettings, bounds: Bounds) -> Result<Self, getrandom::Error> {
        let near = Arc::new(Memory::new(bounds));
        near.bar(Bar::Redis);
        let link = Arc::new(Link::new(settings, bounds.lifetime, Arc::clone(&near))?);
        tokio::spawn(Arc::clone(&link).run());
        Ok(Self { near, link })
    }

    async fn fetch(&self, key: &Key) -> Option<Fetched> {
        let mut commands = self.link.commands()?;
        match commands.fetch(key).await {
            Ok(fetched) => {
                self.link.note_room(!matches!(fetched, Fetched::Full));
                Some(fetched)
            }
            Err(error) => {
                self.link.lose(&commands, &error.to_string());
                None
            }
        }
    }
}

#[async_trait]
impl Cache for Redis {
    async fn get(&self, key: &Key) -> Found {
        let counts = &self.near.counts;
        let near = match self.near.look(key) {
            Look::Value(value) => {
                counts.hit();
                return Found::Value(value);
            }
            Look::Closed => {
                counts.miss();
                return Found::Closed;
            }
            Look::Nothing(near) => near,
        };
        let lease = match self.fetch(key).await {
            Some(Fetched::Value(text)) => match wire::decode(key, &text) {
                Some(value) => {
                    counts.shared_hit();
                    self.near.keep(near, key, value.clone());
                    return Found::Value(value);
                }
                None => {
                    // It would be found again and again.
                    counts.failure();
                    self.link.forget(vec![self.link.names().key(key)], None).await;
                    None
                }
            },
            Some(Fetched::Lease(lease)) => Some(lease),
            Some(Fetched::Full) | None => None,
        };
        counts.miss();
        Found::Nothing(Ticket { near, lease })
    }

    async fn put(&self, ticket: Ticket, key: &Key, value: Value) {
        let text = ticket.lease.as_ref().and_then(|_| wire::encode(key, &value));
        self.near.keep(ticket.near, key, value);
        let (Some(lease), Some(text)) = (ticket.lease, text) else { return };
        let Some(mut commands) = self.link.commands() else { return };
        if let Err(error) = commands.keep(key, &lease, &text).await {
            self.link.lose(&commands, &error.to_string());
        }
    }

    async fn invalidate(&self, stale: &[Stale], by: By) {
        // Redis first: what somebody reads there meanwhile must not stay in memory.
        self.link.forget_stale(stale, by).await;
        self.near.forget(stale);
    }

    fn doubt(&self, stale: Vec<Stale>) {
        self.near.forget_for(&stale, DOUBT);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let link = Arc::clone(&self.link);
        runtime.spawn(async move {
            link.forget_stale(&stale, By::Us).await;
            // This server does not ask Redis for it before; others hear of a late change by the store's feed.
            tokio::time::sleep(DOUBT.saturating_sub(link::PATIENCE)).await;
            link.forget_stale(&stale, By::Us).await;
        });
    }

    fn close(&self, bar: Bar) {
        self.near.bar(bar);
    }

    fn open(&self, bar: Bar) {
        self.near.unbar(bar);
    }

    fn reaches(&self) -> Option<bool> {
        Some(self.link.is_up())
    }

    fn counts(&self) -> Counted {
        self.near.counts()
    }

    fn stop(&self) {
        self.link.stop();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.link.stop();
    }
}

/// The keys that an invalidation removes, and what it tells the others, one message each.
fn removed(names: &Names, stale: &[Stale]) -> (Vec<String>, Vec<String>) {
    let (mut keys, mut told) = (vec![], vec![]);
    for stale in stale {
        match stale {
            Stale::Document(path) => {
                keys.push(names.document(path));
                told.push(link::Message::Document(path.clone()).text(names));
            }
            Stale::Prompts => {
                keys.push(names.prompts_epoch());
                told.push(link::Message::Prompts.text(names));
            }
            Stale::All => {
                keys.extend([names.documents_epoch(), names.prompts_epoch()]);
                told.push(link::Message::All.text(names));
            }
        }
    }
    (keys, told)
}
