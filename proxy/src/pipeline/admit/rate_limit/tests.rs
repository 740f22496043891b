#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{
    net::IpAddr,
    num::NonZeroU32,
    time::{Duration, Instant},
};

use proptest::prelude::*;

use super::{
    RateLimiter, Subject,
    buckets::{Buckets, Quota},
    settings::{KeyPart, RateLimitSettings},
};
use crate::model::{Principal, PrincipalKind, rejection::RateLimited};

fn limit(per: &[KeyPart], limit: &str, burst: u32) -> RateLimitSettings {
    RateLimitSettings { per: per.to_vec(), limit: limit.parse().unwrap(), burst: NonZeroU32::new(burst) }
}

fn subject<'a>(principal: &'a Principal, tool: Option<&'a str>) -> Subject<'a> {
    Subject { principal, tool, upstream: "files", method: "tools/call", client_address: None }
}

fn user(id: &str) -> Principal {
    Principal::local(PrincipalKind::User, id)
}

fn admitted(limiter: &RateLimiter, subject: &Subject<'_>, tries: usize, now: Instant) -> usize {
    (0..tries).filter(|_| limiter.check(subject, now).is_ok()).count()
}

#[test]
fn burst_is_admitted_at_once_and_then_the_rate() {
    let limiter = RateLimiter::new(&[limit(&[KeyPart::Principal], "60/min", 10)]);
    let (alice, now) = (user("alice"), Instant::now());
    let alice = subject(&alice, None);
    assert_eq!(admitted(&limiter, &alice, 50, now), 10);
    let refused = limiter.check(&alice, now);
    assert_eq!(refused, Err(RateLimited { retry_after_s: 1 }));
    assert_eq!(admitted(&limiter, &alice, 50, now + Duration::from_secs(3)), 3);
    assert_eq!(admitted(&limiter, &alice, 50, now + Duration::from_secs(600)), 10);
}

#[test]
fn time_to_wait_is_long_enough() {
    let limiter = RateLimiter::new(&[limit(&[], "10/h", 1)]);
    let (alice, now) = (user("alice"), Instant::now());
    let alice = subject(&alice, None);
    limiter.check(&alice, now).unwrap();
    let RateLimited { retry_after_s } = limiter.check(&alice, now).unwrap_err();
    assert_eq!(retry_after_s, 360);
    assert!(limiter.check(&alice, now + Duration::from_secs(retry_after_s)).is_ok());
}

#[test]
fn keys_are_counted_apart() {
    let limiter = RateLimiter::new(&[limit(&[KeyPart::Principal, KeyPart::Tool], "1/min", 1)]);
    let now = Instant::now();
    let (alice, bob) = (user("alice"), user("bob"));
    for (principal, tool) in [(&alice, "a"), (&alice, "b"), (&bob, "a")] {
        assert_eq!(admitted(&limiter, &subject(principal, Some(tool)), 5, now), 1);
    }
    // Not a call of a tool: the limit does not apply.
    assert_eq!(admitted(&limiter, &subject(&alice, None), 5, now), 5);
    assert_eq!(limiter.keys(), 3);
}

#[test]
fn neighbouring_names_do_not_run_into_each_other() {
    let per = [KeyPart::Upstream, KeyPart::Method];
    let limiter = RateLimiter::new(&[limit(&per, "1/min", 1)]);
    let (alice, now) = (user("alice"), Instant::now());
    for (upstream, method) in [("ab", "c"), ("a", "bc"), ("abc", "")] {
        let subject = Subject { upstream, method, ..subject(&alice, None) };
        assert!(limiter.check(&subject, now).is_ok(), "{upstream} {method}");
    }
}

#[test]
fn new_token_of_the_same_caller_counts_on() {
    let limiter = RateLimiter::new(&[limit(&[KeyPart::Principal], "1/min", 1)]);
    let (before, mut after, now) = (user("alice"), user("alice"), Instant::now());
    after.groups = ["admins".into()].into();
    after.expires_at = Some(7);
    limiter.check(&subject(&before, None), now).unwrap();
    limiter.check(&subject(&after, None), now).unwrap_err();
}

#[test]
fn addresses_of_one_ipv6_network_count_as_one() {
    let limiter = RateLimiter::new(&[limit(&[KeyPart::ClientAddress], "1/min", 1)]);
    let (alice, now) = (user("alice"), Instant::now());
    let check = |address: &str| {
        let address: IpAddr = address.parse().unwrap();
        let subject = Subject { client_address: Some(address), ..subject(&alice, None) };
        limiter.check(&subject, now).is_ok()
    };
    assert!(check("2001:db8:0:1::1"));
    assert!(!check("2001:db8:0:1:ffff::2"));
    assert!(check("2001:db8:0:2::1"));
    assert!(check("192.0.2.1"));
    assert!(!check("::ffff:192.0.2.1"));
    assert!(check("192.0.2.2"));
}

#[test]
fn message_that_one_limit_refuses_counts_in_none() {
    let limiter = RateLimiter::new(&[
        limit(&[KeyPart::Principal], "10/h", 10),
        limit(&[KeyPart::Principal, KeyPart::Tool], "1/h", 1),
    ]);
    let (alice, now) = (user("alice"), Instant::now());
    assert_eq!(admitted(&limiter, &subject(&alice, Some("a")), 100, now), 1);
    assert_eq!(admitted(&limiter, &subject(&alice, None), 100, now), 9);
}

#[test]
fn many_names_neither_grow_memory_nor_reset_a_spent_bucket() {
    let limiter = RateLimiter::with_keys_max(&[limit(&[KeyPart::Tool], "1/h", 1)], 1_024);
    let (alice, now) = (user("alice"), Instant::now());
    let spent = subject(&alice, Some("spent"));
    limiter.check(&spent, now).unwrap();
    let mut admitted = 0;
    for index in 0..100_000_u64 {
        let name = format!("tool {index}");
        let now = now + Duration::from_micros(index);
        admitted += usize::from(limiter.check(&subject(&alice, Some(&name)), now).is_ok());
    }
    assert!(limiter.keys() <= 1_024, "{}", limiter.keys());
    // Own buckets, and one message for each of the shared ones.
    assert!(admitted <= 1_024 + 64 * 64, "{admitted}");
    limiter.check(&spent, now + Duration::from_secs(1)).unwrap_err();
    // Once they are full again, buckets make room.
    let later = now + Duration::from_secs(7_200);
    for index in 0..300 {
        let name = format!("later {index}");
        assert!(limiter.check(&subject(&alice, Some(&name)), later).is_ok(), "{index}");
    }
}

#[test]
fn rates_are_read_strictly() {
    for text in ["1/s", "60/min", "100 / h", "1000000000/day"] {
        let settings: RateLimitSettings = serde_json::from_value(serde_json::json!({ "limit": text })).expect(text);
        assert!(settings.limit.interval_ns() >= 1);
    }
    for text in ["", "60", "0/s", "-1/s", "+1/s", "1.5/s", "1/m", "1/week", "5000000000/s", "/s"] {
        let read = serde_json::from_value::<RateLimitSettings>(serde_json::json!({ "limit": text }));
        assert!(read.is_err(), "{text}");
    }
}

proptest! {
    /// Over every stretch of time, whatever the arrivals.
    #[test]
    fn bucket_never_admits_more_than_burst_and_rate(
        interval_ns in 1..1_000_u64,
        burst in 1..20_u64,
        gaps in prop::collection::vec(0..2_000_u64, 1..200),
        key in any::<u128>(),
        own in any::<bool>(),
    ) {
        // Without room for a key of its own the shared bucket must hold to the same.
        let buckets = Buckets::new(if own { 100 } else { 0 });
        let quota = Quota { interval_ns, tolerance_ns: interval_ns * burst };
        let mut now = 0;
        let mut admitted = Vec::new();
        for gap in gaps {
            now += gap;
            match buckets.take(key, quota, now) {
                Ok(()) => admitted.push(now),
                Err(wait) => prop_assert!(wait > 0 && wait <= interval_ns),
            }
        }
        for (first, from) in admitted.iter().enumerate() {
            for (last, to) in admitted.iter().enumerate().skip(first) {
                let count = (last - first + 1) as u64;
                prop_assert!(count <= burst + (to - from) / interval_ns);
            }
        }
    }

    /// Who waits as long as told is admitted.
    #[test]
    fn waiting_as_long_as_told_is_enough(interval_ns in 1..1_000_u64, burst in 1..20_u64, tries in 1..50_usize) {
        let buckets = Buckets::new(100);
        let quota = Quota { interval_ns, tolerance_ns: interval_ns * burst };
        let mut now = 5;
        for _ in 0..tries {
            if let Err(wait) = buckets.take(1, quota, now) {
                now += wait;
                prop_assert!(buckets.take(1, quota, now).is_ok());
            }
        }
    }
}

#[test]
fn threads_together_get_no_more_than_one() {
    let limiter = RateLimiter::new(&[limit(&[KeyPart::Principal], "1/h", 100)]);
    let now = Instant::now();
    let total: usize = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let alice = user("alice");
                    admitted(&limiter, &subject(&alice, None), 1_000, now)
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert_eq!(total, 100);
}

/// Prints the cost of one check; run it with `--release --nocapture --ignored`.
#[test]
#[ignore = "a measurement"]
fn cost_of_a_check() {
    let per = [KeyPart::Principal, KeyPart::Tool];
    let alice = user("alice@example.com");
    let alice = subject(&alice, Some("read_file"));
    for limits in [1_u32, 2] {
        let settings: Vec<_> = (0..limits).map(|_| limit(&per, "1000000000/s", 1_000_000)).collect();
        let limiter = RateLimiter::new(&settings);
        let rounds = 500_000;
        let mut best = Duration::MAX;
        for _ in 0..5 {
            let begun = Instant::now();
            for _ in 0..rounds {
                limiter.check(&alice, Instant::now()).unwrap();
            }
            best = best.min(begun.elapsed());
        }
        println!("{limits} limits: {:?} each", best / rounds);
    }
}
