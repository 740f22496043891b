#![allow(clippy::unwrap_used, reason = "tests")]

use std::ops::ControlFlow;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::storage::Limits;
use crate::storage::record::{CollectionName, RecordName};
use crate::tools::transfer::item::{Part, Thing};
use crate::tools::transfer::unpack::Rules;

fn record(id: &str, body: Map<String, Value>) -> Record {
    let name = RecordName::parse(CollectionName::parse("c").unwrap(), id).unwrap();
    Record { name, version: 7, body, created_at: 0, updated_at: 0 }
}

fn parts(mut spool: Spool) -> Vec<Part> {
    std::io::Seek::rewind(&mut spool).unwrap();
    let mut parts = vec![];
    let mut rules = Rules::new(Limits::default(), None).unwrap();
    read(&mut spool, &mut rules, &mut |part| {
        parts.push(part);
        ControlFlow::Continue(())
    })
    .unwrap();
    parts
}

fn spool(text: &str) -> Spool {
    let mut spool = Spool::new(1 << 20);
    spool.write_all(text.as_bytes()).unwrap();
    spool
}

fn value() -> impl Strategy<Value = Value> {
    let text = "[^\u{0}]{0,12}";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[^\u{0}]{1,8}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn bodies() -> impl Strategy<Value = Vec<Map<String, Value>>> {
    let body = prop::collection::hash_map("[^\u{0}]{1,8}", value(), 0..5);
    let bodies = body.prop_map(|members| members.into_iter().collect::<Map<_, _>>());
    prop::collection::vec(bodies, 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn records_are_read_as_they_were_written(bodies in bodies()) {
        let mut lines = Box::new(Lines::begin(Spool::new(1 << 20), true).unwrap());
        let records: Vec<Record> =
            bodies.into_iter().enumerate().map(|(number, body)| record(&number.to_string(), body)).collect();
        for record in &records {
            lines.record(record).unwrap();
        }
        let counted = Counted { records: u64::try_from(records.len()).unwrap(), ..Counted::default() };
        let parts = parts(lines.finish(&counted).unwrap());
        prop_assert_eq!(parts.len(), records.len());
        for (part, record) in parts.into_iter().zip(records) {
            let item = part.map_err(|complaint| TestCaseError::fail(format!("{complaint:?}")))?;
            // Also in the order of its members.
            let Thing::Record(name, body) = item.thing else { return Err(TestCaseError::fail("no record")) };
            prop_assert_eq!(name, record.name);
            prop_assert_eq!(json!(body).to_string(), json!(record.body).to_string());
        }
    }

    #[test]
    fn no_text_breaks_the_reading(
        text in "(\\{\"format\":\\{\"name\":\"doorward-export\",\"version\":[123]\\}\\}\n)?(\\{\"(record|document|prompt|earlier|end)\":\\{\
            (\"(collection|id|path|name|body|content|documents|records)\":(\\{\\}|0|\"a\"|null|\\[),?){0,4}\\}\\}\n){0,6}"
    ) {
        for part in parts(spool(&text)) {
            // Nothing is taken of a file that does not say what it is.
            let says = text.starts_with("{\"format\"");
            prop_assert!(part.is_err() || says);
        }
    }
}

#[test]
fn a_file_of_the_version_without_records_is_read() {
    let text = "{\"format\":{\"name\":\"doorward-export\",\"version\":1}}\n\
        {\"document\":{\"path\":\"a\",\"content\":\"x\"}}\n{\"end\":{\"documents\":1}}\n";
    let parts = parts(spool(text));
    assert_eq!(parts.len(), 1);
    assert!(parts.iter().all(Result::is_ok), "{parts:?}");
}

#[test]
fn a_file_without_records_tells_of_none() {
    for (records, version) in [(false, 1), (true, 2)] {
        let lines = Box::new(Lines::begin(Spool::new(1 << 20), records).unwrap());
        let mut spool = lines.finish(&Counted::default()).unwrap();
        let mut text = String::new();
        std::io::Seek::rewind(&mut spool).unwrap();
        std::io::Read::read_to_string(&mut spool, &mut text).unwrap();
        assert!(text.contains(&format!("\"version\":{version}")) && !text.contains("records"), "{text}");
    }
}
