//! A remembered token is never good for longer than verification would find it good.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use proptest::prelude::*;

use super::{
    ISSUER, issuer_of, present, resource, start,
    support::{NOW, Signer, claims, key_set, limits},
};
use crate::{
    model::Principal,
    pipeline::admit::authentication::{
        keys::{Key, KeySet, Lookup},
        settings::SignatureAlgorithm::EdDsa,
        token_cache::{TokenCache, TokenDigest, Verified},
    },
};

fn sets() -> (KeySet, Vec<Arc<Key>>) {
    let signers = [Signer::new("a", "EdDSA"), Signer::new("b", "EdDSA")];
    let set = KeySet::parse(key_set(&[&signers[0], &signers[1]]).into(), &limits()).unwrap();
    let key = |id| match set.find(Some(id), EdDsa) {
        Lookup::Found(key) => key,
        other => panic!("{other:?}"),
    };
    let keys = vec![key("a"), key("b")];
    (set, keys)
}

fn digest(token: u8) -> TokenDigest {
    TokenCache::digest(&format!("token {token}"))
}

#[derive(Clone, Debug)]
enum Step {
    Insert { token: u8, key: usize, ends_at: u64 },
    Pass(u64),
    RemoveKey,
    Get(u8),
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..8_u8, 0..2_usize, 0..40_u64)
            .prop_map(|(token, key, ends_at)| Step::Insert { token, key, ends_at }),
        2 => (0..5_u64).prop_map(Step::Pass),
        1 => Just(Step::RemoveKey),
        6 => (0..8_u8).prop_map(Step::Get),
        1 => Just(Step::Sweep),
    ]
}

proptest! {
    #[test]
    fn token_is_never_served_after_its_end_or_its_keys_removal(steps in prop::collection::vec(step(), 1..80)) {
        let (set, keys) = sets();
        let cache = TokenCache::new(4);
        let principal = Arc::new(Principal::anonymous());
        let mut model: HashMap<u8, (u64, usize)> = HashMap::new();
        let mut now = 0;
        let mut removed = false;
        for step in steps {
            match step {
                Step::Insert { token, key, ends_at } => {
                    model.insert(token, (ends_at, key));
                    let verified = Verified {
                        principal: Arc::clone(&principal),
                        audiences: Box::default(),
                        issuer: key,
                        ends_at,
                        key: Arc::clone(&keys[key]),
                    };
                    cache.insert(digest(token), Arc::new(verified));
                }
                Step::Pass(seconds) => now += seconds,
                Step::RemoveKey => {
                    set.retire(&KeySet::default());
                    removed = true;
                }
                Step::Get(token) => {
                    if let Some(found) = cache.get(&digest(token), now) {
                        let (ends_at, key) = model[&token];
                        prop_assert!(now < ends_at && !removed);
                        prop_assert_eq!((found.ends_at, found.issuer), (ends_at, key));
                    }
                }
                Step::Sweep => cache.sweep(now),
            }
        }
    }
}

#[test]
fn key_that_stays_keeps_its_identity_and_a_changed_one_does_not() {
    let (one, two) = (Signer::new("a", "EdDSA"), Signer::new("b", "EdDSA"));
    let find = |set: &KeySet, id| match set.find(Some(id), EdDsa) {
        Lookup::Found(key) => key,
        other => panic!("{other:?}"),
    };
    let old = KeySet::parse(key_set(&[&one, &two]).into(), &limits()).unwrap();
    // The same id with other numbers: the old key is gone all the same.
    let other = Signer::new("b", "EdDSA");
    let mut next = KeySet::parse(key_set(&[&one, &other]).into(), &limits()).unwrap();
    let (kept, lost) = (find(&old, "a"), find(&old, "b"));
    next.keep_known(&old);
    old.retire(&next);
    assert!(Arc::ptr_eq(&kept, &find(&next, "a")) && kept.is_live());
    assert!(!lost.is_live() && find(&next, "b").is_live());
}

#[tokio::test]
async fn bad_tokens_do_not_displace_verified_ones() {
    let signer = Signer::new("k1", "EdDSA");
    let folder = tempfile::tempdir().unwrap();
    let authenticator = start(vec![issuer_of(&folder, ISSUER, &[&signer])]);
    let good = signer.token(&claims(ISSUER));
    let before = present(&authenticator, &good).await.unwrap();
    let signed = good.rsplit_once('.').unwrap().0;
    for index in 0..5_000_u64 {
        let mut signature = [0; 64];
        signature[..8].copy_from_slice(&index.to_le_bytes());
        let bad = format!("{signed}.{}", super::support::b64(signature));
        present(&authenticator, &bad).await.unwrap_err();
    }
    let after = present(&authenticator, &good).await.unwrap();
    assert!(Arc::ptr_eq(&before, &after));
}

/// Prints the cost of a token that is remembered; run it with `--release --nocapture --ignored`.
#[tokio::test]
#[ignore = "a measurement"]
async fn cost_of_a_remembered_token() {
    let signer = Signer::new("k1", "ES256");
    let folder = tempfile::tempdir().unwrap();
    let authenticator = start(vec![issuer_of(&folder, ISSUER, &[&signer])]);
    let line = format!("Bearer {}", signer.token(&claims(ISSUER)));
    let resource = resource();
    let rounds = 200_000;
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let begun = Instant::now();
        for _ in 0..rounds {
            let lines = std::iter::once(line.as_bytes());
            authenticator.authenticate(lines, &resource, NOW).await.unwrap();
        }
        best = best.min(begun.elapsed());
    }
    println!("{} byte token: {:?} each", line.len() - 7, best / rounds);
    let bad = format!("{}{}", &line[..line.len() - 4], "AAAA");
    let begun = Instant::now();
    for _ in 0..rounds {
        let lines = std::iter::once(bad.as_bytes());
        authenticator.authenticate(lines, &resource, NOW).await.unwrap_err();
    }
    println!("bad signature, seen before: {:?} each", begun.elapsed() / rounds);
}
