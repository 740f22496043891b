//! Signed links to what is too large for a message: an HTTP address that works for a while and for whoever holds it.
//!
//! In: a path. Out: a [`Link`], and the bytes behind it as a stream, so that memory stays flat however large they are.
//! Refusals: 403 for a link that is expired, altered or not ours; 404 for what is gone; 416 for a range behind the end.
//! Invariants: the signature covers what is named and until when; a link says nothing about who may make one, which is
//! decided where the tool is called.

mod serve;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

pub use serve::{ROUTE, routes};
pub(crate) use serve::{Shown, answer, behind_the_end, part};

use crate::directory::FilePath;

/// Bytes of a signing key.
pub const KEY_BYTES: usize = 32;

/// How long a link works where the operator does not say.
pub const LIFETIME: Duration = Duration::from_secs(900);

/// What is escaped in the path of an address; everything beyond ASCII is as well.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ');

/// An address and its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where it is.
    pub url: String,
    /// Unix time in seconds from which on it is refused.
    pub expires_at: u64,
}

/// Why a link is refused. The caller is told that it is, not why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Not one of ours.
    #[error("the signature is wrong")]
    Signature,
    /// Its time is over.
    #[error("the link has expired")]
    Expired,
}

/// Signs links and knows them again.
#[derive(Debug)]
pub struct Links {
    base: String,
    key: hmac::Key,
    lifetime: Duration,
}

impl Links {
    /// Links below `base` (scheme and authority, without a slash at the end). Servers that share a key know each
    /// other's links.
    #[must_use]
    pub fn new(base: &str, key: &[u8; KEY_BYTES], lifetime: Duration) -> Self {
        Self { base: base.trim_end_matches('/').to_owned(), key: hmac::Key::new(hmac::HMAC_SHA256, key), lifetime }
    }

    /// How long a link works where its maker does not say, and longest.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// A link to a file.
    #[must_use]
    pub fn to_file(&self, path: &FilePath) -> Link {
        self.to(ROUTE, path.as_str(), &Claim { kind: "file", fields: &[path.as_str()] }, self.lifetime, "")
    }

    /// A link to what is called `name` behind `route`, that grants `claim`. What the query needs beside the end and the
    /// signature is `more`, escaped and with an ampersand behind it.
    #[must_use]
    pub fn to(&self, route: &str, name: &str, claim: &Claim<'_>, lifetime: Duration, more: &str) -> Link {
        let expires_at = now().saturating_add(lifetime.min(self.lifetime).as_secs());
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, &claim.signed(expires_at)));
        let escaped = utf8_percent_encode(name, ESCAPED);
        let url = format!("{}{route}{escaped}?{more}expires={expires_at}&signature={signature}", self.base);
        Link { url, expires_at }
    }

    /// Whether a link to this file is ours and works still.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub fn check(&self, path: &FilePath, expires_at: u64, signature: &str) -> Result<(), LinkError> {
        self.grants(&Claim { kind: "file", fields: &[path.as_str()] }, expires_at, signature)
    }

    /// Whether a link grants this claim and works still.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub fn grants(&self, claim: &Claim<'_>, expires_at: u64, signature: &str) -> Result<(), LinkError> {
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| LinkError::Signature)?;
        hmac::verify(&self.key, &claim.signed(expires_at), &signature).map_err(|_| LinkError::Signature)?;
        if expires_at <= now() { Err(LinkError::Expired) } else { Ok(()) }
    }
}

/// What a link grants: all of it is signed.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'c> {
    /// To do what; no two kinds of links have the same.
    pub kind: &'static str,
    /// With what, always as many for a kind.
    pub fields: &'c [&'c str],
}

impl Claim<'_> {
    /// A field that holds a line feed could pass for two; none may get here.
    fn signed(&self, expires_at: u64) -> Vec<u8> {
        format!("{}\n{expires_at}\n{}", self.kind, self.fields.join("\n")).into_bytes()
    }
}

/// Unix time in seconds.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests;
