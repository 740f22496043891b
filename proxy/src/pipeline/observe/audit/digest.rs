//! Keyed digests of arguments: records can be searched for known arguments by whoever holds the key, and tell nothing of
//! unknown ones to anybody else.
//!
//! The digest covers the arguments' exact bytes as they were decided on. Small arguments are copied and hashed on the
//! writer's thread; large ones are hashed at once, so that a queue full of records never holds a queue full of bodies.

use std::fmt;

use aws_lc_rs::hmac;

use crate::pipeline::observe::random;

/// Arguments up to this size travel with the record.
const DEFERRED_BYTES_MAX: usize = 2048;

/// The key of an instance's digests (HMAC-SHA-256).
#[derive(Clone)]
pub struct DigestKey(hmac::Key);

impl DigestKey {
    /// A key of the operator's, at least 16 bytes; `None` for a shorter one.
    pub fn new(secret: &[u8]) -> Option<Self> {
        (secret.len() >= 16).then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// A key that lives as long as the process: equal arguments are recognised within one run only.
    pub fn ephemeral() -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &random::bytes::<32>()))
    }

    /// The digest that is written for these bytes: `hmac-sha256:` and 64 hexadecimal digits.
    pub fn digest(&self, bytes: &[u8]) -> String {
        let tag = hmac::sign(&self.0, bytes);
        let mut out = String::with_capacity(12 + 64);
        out.push_str("hmac-sha256:");
        random::push_hex(&mut out, tag.as_ref());
        out
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestKey(…)")
    }
}

/// The digest of a call's arguments, taken now or later.
#[derive(Clone)]
pub struct ArgumentsDigest(State);

#[derive(Clone)]
enum State {
    Deferred(Box<[u8]>),
    Taken(Box<str>),
}

impl ArgumentsDigest {
    /// For the arguments' exact JSON text.
    pub fn new(key: &DigestKey, arguments: &[u8]) -> Self {
        if arguments.len() <= DEFERRED_BYTES_MAX {
            Self(State::Deferred(arguments.into()))
        } else {
            Self(State::Taken(key.digest(arguments).into()))
        }
    }

    /// The digest.
    pub fn resolve(&self, key: &DigestKey) -> Box<str> {
        match &self.0 {
            State::Deferred(bytes) => key.digest(bytes).into(),
            State::Taken(digest) => digest.clone(),
        }
    }
}

impl fmt::Debug for ArgumentsDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ArgumentsDigest(…)")
    }
}
