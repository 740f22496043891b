//! Decides whether the caller sends too much.
//!
//! In: who calls, what, from where, when. Out: nothing, or [`RateLimited`] with the time to wait. Every message counts as one,
//! members of a batch too. A message must be within all limits; one that is refused counts in none.
//!
//! The algorithm is GCRA (a leaky bucket that needs one number per key): a key never gets more than `burst` messages at once nor
//! more than `burst + rate · t` in any time `t`. It is written here and not taken from the crate `governor`, because that keeps
//! one entry per key ever seen until it is swept, without a bound, and a bound put on top of it (an LRU) would let a caller
//! have spent buckets thrown out by naming other keys. See [`buckets`].
//!
//! To add something to count by: a variant of [`settings::KeyPart`], a field of [`Subject`], an arm in `key`.

pub mod buckets;
pub mod settings;

#[cfg(test)]
mod tests;

use std::{
    hash::{BuildHasher as _, Hash as _, Hasher, RandomState},
    net::IpAddr,
    time::Instant,
};

use self::{
    buckets::{Buckets, Quota},
    settings::{KeyPart, RateLimitSettings},
};
use crate::model::{Principal, rejection::RateLimited};

/// How many keys have a bucket of their own.
const KEYS_MAX: usize = 100_000;

/// What a message is counted by.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Who calls.
    pub principal: &'a Principal,
    /// The tool that is called. One that the catalogue does not know should be given one common name, so that made-up names
    /// share a bucket.
    pub tool: Option<&'a str>,
    /// The upstream's name.
    pub upstream: &'a str,
    /// The method.
    pub method: &'a str,
    /// The other end of the connection; `None` on unix sockets and stdio, which all count as one address.
    pub client_address: Option<IpAddr>,
}

/// The limits with their buckets. Kept over a reload whose limits did not change.
pub struct RateLimiter {
    limits: Box<[Limit]>,
    buckets: Buckets,
    hashers: [RandomState; 2],
    start: Instant,
}

struct Limit {
    per: Box<[KeyPart]>,
    quota: Quota,
}

impl RateLimiter {
    /// With these limits; none means that nothing is limited.
    pub fn new(settings: &[RateLimitSettings]) -> Self {
        Self::with_keys_max(settings, KEYS_MAX)
    }

    fn with_keys_max(settings: &[RateLimitSettings], keys_max: usize) -> Self {
        let limits = settings.iter().map(|settings| {
            let interval_ns = settings.limit.interval_ns();
            let burst = settings.burst.unwrap_or(settings.limit.count).get();
            Limit {
                per: settings.per.clone().into(),
                quota: Quota { interval_ns, tolerance_ns: interval_ns.saturating_mul(u64::from(burst)) },
            }
        });
        Self {
            limits: limits.collect(),
            buckets: Buckets::new(keys_max),
            hashers: [RandomState::new(), RandomState::new()],
            start: Instant::now(),
        }
    }

    /// Counts one message at `now`, or refuses it.
    pub fn check(&self, subject: &Subject<'_>, now: Instant) -> Result<(), RateLimited> {
        let elapsed = now.saturating_duration_since(self.start);
        let now_ns = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        for (index, limit) in self.limits.iter().enumerate() {
            let Some(key) = self.key(index, limit, subject) else {
                continue;
            };
            if let Err(wait_ns) = self.buckets.take(key, limit.quota, now_ns) {
                self.put_back(index, subject, now_ns);
                return Err(RateLimited { retry_after_s: wait_ns.div_ceil(1_000_000_000).max(1) });
            }
        }
        Ok(())
    }

    /// How many keys have a bucket of their own; for metrics.
    pub fn keys(&self) -> usize {
        self.buckets.len()
    }

    /// Gives back what the limits before `index` took for a message that limit `index` refused.
    fn put_back(&self, index: usize, subject: &Subject<'_>, now_ns: u64) {
        for (before, limit) in self.limits.iter().enumerate().take(index) {
            if let Some(key) = self.key(before, limit, subject) {
                self.buckets.put_back(key, limit.quota, now_ns);
            }
        }
    }

    /// The bucket of `subject`; `None` where the limit does not apply to it.
    fn key(&self, index: usize, limit: &Limit, subject: &Subject<'_>) -> Option<u128> {
        let [first, second] = &self.hashers;
        let mut first = first.build_hasher();
        let mut second = second.build_hasher();
        for hasher in [&mut first, &mut second] {
            hasher.write_usize(index);
            for part in &limit.per {
                hash_part(*part, subject, hasher)?;
            }
        }
        Some(u128::from(first.finish()) << 64 | u128::from(second.finish()))
    }
}

/// `Hash` of `str` ends each text with a byte that no text has, so neighbouring parts cannot run into each other.
fn hash_part(part: KeyPart, subject: &Subject<'_>, hasher: &mut impl Hasher) -> Option<()> {
    match part {
        KeyPart::Principal => {
            subject.principal.kind.hash(hasher);
            subject.principal.issuer.hash(hasher);
            subject.principal.id.hash(hasher);
        }
        KeyPart::Tool => subject.tool?.hash(hasher),
        KeyPart::Upstream => subject.upstream.hash(hasher),
        KeyPart::Method => subject.method.hash(hasher),
        KeyPart::ClientAddress => network(subject.client_address).hash(hasher),
    }
    Some(())
}

/// An IPv4 address, or the first 64 bits of an IPv6 one: a host commonly has that many to itself.
fn network(address: Option<IpAddr>) -> Option<IpAddr> {
    address.map(|address| match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let prefix = address.to_bits() & (u128::MAX << 64);
            IpAddr::V6(prefix.into())
        }
    })
}
