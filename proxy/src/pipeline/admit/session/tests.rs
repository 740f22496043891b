#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "tests"
)]

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use doorward_message::Id;
use proptest::prelude::*;

use super::{
    BeginError, Sessions,
    pending::{PendingError, PendingTable},
    seal::{SealError, UPSTREAM_ID_BYTES_MAX},
    settings::SessionSettings,
};
use crate::model::{Principal, PrincipalKind, principal::PrincipalParts, rejection::Session};

const NOW: u64 = 1_800_000_000;

fn sessions(all: usize, own: usize) -> Sessions<u32> {
    Sessions::new(&SessionSettings { sessions_max: all, sessions_per_principal_max: own, ..SessionSettings::default() })
        .unwrap()
}

fn principal(id: &str, issuer: Option<&str>, group: &str) -> Principal {
    Principal::new(PrincipalParts {
        kind: PrincipalKind::User,
        id: id.into(),
        issuer: issuer.map(Into::into),
        client_id: None,
        scopes: Vec::new(),
        groups: vec![group.into()],
        roles: Vec::new(),
        attributes: BTreeMap::new(),
        expires_at: None,
    })
}

fn alice() -> Principal {
    principal("alice", Some("https://idp"), "a")
}

fn begin(sessions: &Sessions<u32>, who: &Principal, state: u32, now: u64) -> String {
    sessions.begin(who, "/mcp", Some(b"up-1"), Arc::new(state), now).unwrap().id
}

fn unknown(sessions: &Sessions<u32>, id: &str, who: &Principal, route: &str, now: u64) {
    let found = sessions.find(id.as_bytes(), who, route, now).map(|_| ());
    assert_eq!(found, Err(Session::Unknown));
}

#[test]
fn session_is_found_by_its_owner_until_it_ends() {
    let sessions = sessions(10, 10);
    let id = begin(&sessions, &alice(), 7, NOW);
    let found = sessions.find(id.as_bytes(), &alice(), "/mcp", NOW + 1).unwrap();
    assert_eq!((*found.state, found.upstream_id.as_deref()), (7, Some(b"up-1".as_slice())));
    let ended = sessions.end(id.as_bytes(), &alice(), "/mcp", NOW + 2).unwrap();
    assert_eq!(*ended.state, 7);
    unknown(&sessions, &id, &alice(), "/mcp", NOW + 2);
    assert!(sessions.end(id.as_bytes(), &alice(), "/mcp", NOW + 2).is_err());
}

#[test]
fn refreshed_token_with_other_groups_keeps_the_session() {
    let sessions = sessions(10, 10);
    let id = begin(&sessions, &alice(), 7, NOW);
    let refreshed = principal("alice", Some("https://idp"), "b");
    assert!(sessions.find(id.as_bytes(), &refreshed, "/mcp", NOW).is_ok());
}

#[test]
fn foreign_session_is_unknown_and_cannot_be_ended() {
    let sessions = sessions(10, 10);
    let id = begin(&sessions, &alice(), 7, NOW);
    let mut workload = alice();
    workload.kind = PrincipalKind::Workload;
    let others = [
        principal("bob", Some("https://idp"), "a"),
        principal("alice", Some("https://other"), "a"),
        principal("alice", None, "a"),
        workload,
        Principal::anonymous(),
    ];
    for other in others {
        unknown(&sessions, &id, &other, "/mcp", NOW);
        let ended = sessions.end(id.as_bytes(), &other, "/mcp", NOW).map(|_| ());
        assert_eq!(ended, Err(Session::Unknown));
    }
    unknown(&sessions, &id, &alice(), "/other/mcp", NOW);
    assert!(sessions.find(id.as_bytes(), &alice(), "/mcp", NOW).is_ok());
}

#[test]
fn id_of_another_process_is_unknown() {
    let id = begin(&sessions(10, 10), &alice(), 7, NOW);
    unknown(&sessions(10, 10), &id, &alice(), "/mcp", NOW);
}

#[test]
fn altered_ids_are_unknown() {
    let sessions = sessions(10, 10);
    let id = begin(&sessions, &alice(), 7, NOW);
    for at in 0..id.len() {
        let mut altered = id.clone().into_bytes();
        altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(altered).unwrap();
        unknown(&sessions, &altered, &alice(), "/mcp", NOW);
    }
    for altered in ["", "x", "AAAA", &id[1..], &id[..id.len() - 1], &format!("{id}A"), &"A".repeat(100_000)] {
        unknown(&sessions, altered, &alice(), "/mcp", NOW);
    }
}

#[test]
fn session_ends_by_idleness_and_by_age() {
    let sessions = sessions(10, 10);
    let id = begin(&sessions, &alice(), 7, NOW);
    unknown(&sessions, &id, &alice(), "/mcp", NOW + 30 * 60);
    let mut now = NOW;
    let id = begin(&sessions, &alice(), 8, now);
    while now + 1_799 < NOW + 86_400 {
        now += 1_799;
        assert!(sessions.find(id.as_bytes(), &alice(), "/mcp", now).is_ok());
    }
    unknown(&sessions, &id, &alice(), "/mcp", NOW + 86_400);
    assert_eq!(sessions.sweep(NOW + 86_400).len(), 2);
    assert!(sessions.is_empty());
}

#[test]
fn ids_are_random_and_visible_ascii() {
    let sessions = sessions(10_000, 10_000);
    let ids: HashSet<String> = (0..10_000).map(|n| begin(&sessions, &alice(), n, NOW)).collect();
    assert_eq!(ids.len(), 10_000);
    let starts: HashSet<&str> = ids.iter().map(|id| &id[..16]).collect();
    assert_eq!(starts.len(), 10_000);
    assert!(ids.iter().all(|id| id.bytes().all(|byte| byte.is_ascii_graphic())));
    assert!(!ids.iter().any(|id| id.contains("alice")));
}

#[test]
fn owner_with_busy_sessions_is_refused_another_and_nobody_elses_is_displaced() {
    let sessions = sessions(10, 3);
    let bob = principal("bob", None, "a");
    let kept = begin(&sessions, &bob, 0, NOW - 1_000);
    for state in 1..=3 {
        begin(&sessions, &alice(), state, NOW);
    }
    assert_eq!(sessions.check_room(&alice(), NOW + 59), Err(Session::LimitReached));
    let refused = sessions.begin(&alice(), "/mcp", None, Arc::new(9), NOW + 59);
    assert_eq!(refused.err(), Some(BeginError::Refused(Session::LimitReached)));
    // After a minute of idleness the owner's own oldest one makes room.
    sessions.check_room(&alice(), NOW + 60).unwrap();
    let begun = sessions.begin(&alice(), "/mcp", None, Arc::new(9), NOW + 60).unwrap();
    assert_eq!(begun.displaced.len(), 1);
    assert!((1..=3).contains(&*begun.displaced[0]));
    assert!(sessions.find(kept.as_bytes(), &bob, "/mcp", NOW + 60).is_ok());
}

#[test]
fn flood_of_sessions_keeps_the_table_bounded_and_spares_those_in_use() {
    let sessions = sessions(1_000, 100);
    let id = begin(&sessions, &alice(), 0, NOW);
    let mut refused = 0;
    for n in 0..20_000_u32 {
        let who = principal(&format!("flood {}", n % 500), None, "a");
        let now = NOW + u64::from(n / 100);
        sessions.find(id.as_bytes(), &alice(), "/mcp", now).unwrap();
        refused += u32::from(sessions.begin(&who, "/mcp", None, Arc::new(n), now).is_err());
        assert!(sessions.len() <= 1_000);
    }
    assert!(refused > 0);
    let anonymous = Principal::anonymous();
    for n in 0..1_000 {
        let _ = sessions.begin(&anonymous, "/mcp", None, Arc::new(n), NOW + 10_000);
    }
    assert!(sessions.len() <= 1_000);
}

#[test]
fn upstream_id_is_bounded() {
    let sessions = sessions(10, 10);
    let begin = |length| {
        let upstream_id = vec![b'x'; length];
        sessions.begin(&alice(), "/mcp", Some(&upstream_id), Arc::new(0), NOW)
    };
    let id = begin(UPSTREAM_ID_BYTES_MAX).unwrap().id;
    let found = sessions.find(id.as_bytes(), &alice(), "/mcp", NOW).unwrap();
    assert_eq!(found.upstream_id.unwrap().len(), UPSTREAM_ID_BYTES_MAX);
    let refused = begin(UPSTREAM_ID_BYTES_MAX + 1).err();
    assert_eq!(refused, Some(BeginError::Seal(SealError::UpstreamIdTooLong)));
    let none = sessions.begin(&alice(), "/mcp", None, Arc::new(0), NOW).unwrap().id;
    assert_eq!(sessions.find(none.as_bytes(), &alice(), "/mcp", NOW).unwrap().upstream_id, None);
}

#[test]
fn number_and_string_ids_are_pending_apart() {
    let table = PendingTable::new(8);
    let now = Instant::now();
    let later = now + Duration::from_secs(9);
    let (number, string) = (Id::Number("1".into()), Id::String("1".into()));
    table.insert(number.clone(), "number", later, now).unwrap();
    table.insert(string.clone(), "string", later, now).unwrap();
    let again = table.insert(number.clone(), "again", later, now);
    assert_eq!(again, Err(PendingError::Duplicate));
    assert_eq!(table.take(&string, now), Some("string"));
    assert_eq!(table.take(&string, now), None);
    assert_eq!(table.with(&number, now, |value| *value), Some("number"));
    assert_eq!(table.take(&number, now), Some("number"));
    assert_eq!((table.unmatched(), table.refused(), table.len()), (1, 1, 0));
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u8, u64),
    Take(u8),
    Pass(u64),
    Expire,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..6_u8, 1..9_u64).prop_map(|(key, life)| Step::Insert(key, life)),
        3 => (0..6_u8).prop_map(Step::Take),
        2 => (0..5_u64).prop_map(Step::Pass),
        1 => Just(Step::Expire),
    ]
}

proptest! {
    #[test]
    fn pending_table_holds_what_is_under_way_and_nothing_else(steps in prop::collection::vec(step(), 1..100)) {
        const CAPACITY: usize = 4;
        let table = PendingTable::new(CAPACITY);
        let start = Instant::now();
        let mut model: HashMap<u8, (usize, u64)> = HashMap::new();
        let mut seconds = 0;
        for (number, step) in steps.into_iter().enumerate() {
            let now = start + Duration::from_secs(seconds);
            let live = |model: &HashMap<u8, (usize, u64)>, key| {
                model.get(&key).copied().filter(|(_, end)| *end > seconds)
            };
            match step {
                Step::Insert(key, life) => {
                    let result = table.insert(key, number, now + Duration::from_secs(life), now);
                    let under_way = model.values().filter(|(_, end)| *end > seconds).count();
                    match (live(&model, key), result) {
                        (Some(_), result) => prop_assert_eq!(result, Err(PendingError::Duplicate)),
                        (None, Ok(())) => {
                            model.insert(key, (number, seconds + life));
                        }
                        (None, Err(error)) => {
                            prop_assert_eq!(error, PendingError::Full);
                            prop_assert!(under_way >= CAPACITY);
                        }
                    }
                    prop_assert!(table.len() <= CAPACITY);
                }
                Step::Take(key) => {
                    let expected = live(&model, key).map(|(value, _)| value);
                    prop_assert_eq!(table.take(&key, now), expected);
                    model.remove(&key);
                }
                Step::Pass(by) => seconds += by,
                Step::Expire => {
                    for (key, value) in table.expire(now) {
                        prop_assert_eq!(live(&model, key), None);
                        if model.get(&key).is_some_and(|(other, _)| *other == value) {
                            model.remove(&key);
                        }
                    }
                }
            }
        }
    }
}
