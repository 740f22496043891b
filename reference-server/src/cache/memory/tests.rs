#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;

use super::*;
use crate::storage::{Body, Document, DocumentPath};

const BYTES: u64 = 1 << 20;

fn memory(lifetime: Duration) -> Memory {
    Memory::new(Bounds { bytes: BYTES, lifetime })
}

fn path(text: &str) -> DocumentPath {
    DocumentPath::parse(text).unwrap()
}

fn key(text: &str) -> Key {
    Key::Document(path(text))
}

fn document(name: &str, bytes: usize) -> Value {
    let (title, media_type) = ("Title".to_owned(), "text/plain".to_owned());
    let content = "x".repeat(bytes);
    let body = Body { title, media_type, content, metadata: serde_json::Map::new(), tags: BTreeSet::new() };
    Value::Document(Arc::new(Document { path: path(name), version: 1, body, created_at: 1, updated_at: 1 }))
}

fn ticket(memory: &Memory, name: &str) -> Near {
    match memory.look(&key(name)) {
        Look::Nothing(near) => near,
        _ => panic!("{name} is there, or the cache is closed"),
    }
}

fn keep(memory: &Memory, name: &str, bytes: usize) {
    memory.keep(ticket(memory, name), &key(name), document(name, bytes));
}

fn has(memory: &Memory, name: &str) -> bool {
    matches!(memory.look(&key(name)), Look::Value(_))
}

#[test]
fn no_more_is_kept_than_the_bound() {
    let memory = memory(Duration::from_secs(60));
    for number in 0..1_000 {
        keep(&memory, &format!("d{number}"), 10_000);
    }
    assert!(memory.entries.weight() <= BYTES);
    let kept = (0..1_000).filter(|number| has(&memory, &format!("d{number}"))).count();
    assert!((20..=105).contains(&kept), "{kept}");
    keep(&memory, "large", usize::try_from(BYTES / SHARE).unwrap());
    assert!(!has(&memory, "large"));
}

#[test]
fn number_of_values_is_bounded_however_small_they_are() {
    let memory = Memory::new(Bounds { bytes: 1_000_000 * ENTRIES_MAX, lifetime: Duration::from_secs(60) });
    let (key, value) = (key("a"), document("a", 1));
    let until = Instant::now();
    let entry = Entry { value, until, prompts: None, weight: 1 };
    assert_eq!(Weight { least: 1_000_000 }.weight(&key, &entry), 1_000_000);
    assert_eq!(memory.entries.capacity() / 1_000_000, ENTRIES_MAX);
}

#[test]
fn value_is_given_no_longer_than_its_lifetime() {
    let memory = memory(Duration::from_millis(50));
    keep(&memory, "a", 1);
    assert!(has(&memory, "a"));
    std::thread::sleep(Duration::from_millis(60));
    assert!(!has(&memory, "a"));
}

#[test]
fn read_that_began_before_anything_that_concerns_it_keeps_nothing() {
    let concerning: [fn(&Memory); 5] = [
        |memory| memory.forget(&[Stale::Document(path("a"))]),
        |memory| memory.forget(&[Stale::All]),
        |memory| memory.forget_for(&[Stale::Document(path("a"))], Duration::ZERO),
        |memory| {
            memory.bar(Bar::Feed);
            memory.unbar(Bar::Feed);
        },
        |memory| memory.bar(Bar::Redis),
    ];
    for concern in concerning {
        let memory = memory(Duration::from_secs(60));
        let reading = ticket(&memory, "a");
        concern(&memory);
        memory.keep(reading, &key("a"), document("a", 1));
        assert!(!has(&memory, "a"));
    }
    let memory = memory(Duration::from_secs(60));
    let reading = ticket(&memory, "a");
    memory.forget(&[Stale::Prompts]);
    memory.keep(reading, &key("a"), document("a", 1));
    assert!(has(&memory, "a"), "prompts do not concern it");
}

#[test]
fn nothing_is_given_or_kept_while_one_bar_is_left() {
    let memory = memory(Duration::from_secs(60));
    keep(&memory, "a", 1);
    memory.bar(Bar::Feed);
    memory.bar(Bar::Redis);
    memory.unbar(Bar::Feed);
    assert!(matches!(memory.look(&key("a")), Look::Closed));
    memory.unbar(Bar::Redis);
    assert!(!has(&memory, "a"));
    keep(&memory, "a", 1);
    assert!(has(&memory, "a"));
}

#[test]
fn doubt_lasts_its_time_and_no_change_ends_it() {
    let memory = memory(Duration::from_secs(60));
    memory.forget_for(&[Stale::Document(path("a"))], Duration::from_millis(80));
    memory.forget(&[Stale::Document(path("a"))]);
    assert!(matches!(memory.look(&key("a")), Look::Closed));
    std::thread::sleep(Duration::from_millis(100));
    keep(&memory, "a", 1);
    assert!(has(&memory, "a"));
}
