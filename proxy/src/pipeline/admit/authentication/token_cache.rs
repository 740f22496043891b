//! Remembers verified tokens, so that each is verified and mapped once.
//!
//! In: the SHA-256 of the token as it was sent. Out: what verification found, while it still holds: an entry is not served from
//! `exp` plus leeway on, nor once its key left the issuer's set. Bounded by count; tokens that fail never displace verified ones:
//! bad signatures, the costly kind of refusal, are remembered apart.
//!
//! The token itself is never kept.

use std::sync::Arc;

use quick_cache::sync::Cache;

use super::keys::Key;
use crate::model::Principal;

/// SHA-256 of a token.
pub type TokenDigest = [u8; 32];

/// How many bad signatures are remembered.
const REFUSED_MAX: usize = 4_096;

/// What verification found.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The caller.
    pub principal: Arc<Principal>,
    /// The token's `aud`.
    pub audiences: Box<[Box<str>]>,
    /// Index of the issuer's settings.
    pub issuer: usize,
    /// From this second on (Unix time) the token is not good any more: `exp` plus leeway.
    pub ends_at: u64,
    /// What the signature was verified with.
    pub key: Arc<Key>,
}

impl Verified {
    fn holds(&self, now: u64) -> bool {
        now < self.ends_at && self.key.is_live()
    }
}

/// The cache.
pub struct TokenCache {
    verified: Cache<TokenDigest, Arc<Verified>>,
    refused: Cache<TokenDigest, Arc<Key>>,
}

impl TokenCache {
    /// For at most `tokens_max` verified tokens.
    pub fn new(tokens_max: usize) -> Self {
        Self { verified: Cache::new(tokens_max.max(1)), refused: Cache::new(REFUSED_MAX) }
    }

    /// The digest to look a token up by.
    pub fn digest(token: &str) -> TokenDigest {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
        let mut out = [0; 32];
        out.copy_from_slice(digest.as_ref());
        out
    }

    /// What verification found, if it holds at `now` (Unix time in seconds).
    pub fn get(&self, token: &TokenDigest, now: u64) -> Option<Arc<Verified>> {
        let found = self.verified.get(token)?;
        if found.holds(now) {
            return Some(found);
        }
        self.verified.remove_if(token, |entry| !entry.holds(now));
        None
    }

    /// Remembers a verified token.
    pub fn insert(&self, token: TokenDigest, verified: Arc<Verified>) {
        self.verified.insert(token, verified);
    }

    /// Whether this token's signature is known not to verify with `key`.
    pub fn is_refused(&self, token: &TokenDigest, key: &Arc<Key>) -> bool {
        let refused = self.refused.get(token);
        refused.is_some_and(|by| Arc::ptr_eq(&by, key))
    }

    /// Remembers that this token's signature does not verify with `key`.
    pub fn refuse(&self, token: TokenDigest, key: Arc<Key>) {
        self.refused.insert(token, key);
    }

    /// Forgets every token whose time is over.
    pub fn sweep(&self, now: u64) {
        self.verified.retain(|_, entry| entry.holds(now));
        self.refused.retain(|_, key| key.is_live());
    }
}
