#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use proptest::prelude::*;

use super::*;
use crate::{Json, Limits};

fn json(text: &str) -> Json {
    Json::parse(Bytes::copy_from_slice(text.as_bytes()), &Limits::default()).unwrap()
}

fn text(splice: Splice) -> String {
    String::from_utf8(splice.finish().unwrap().to_vec()).unwrap()
}

#[test]
fn edits_apply_in_any_order_and_leave_the_rest() {
    let json = json(r#"{"id": 1, "a" : 1.0,"b":[1,2]}"#);
    let (id, b) = (json.root().get("id").unwrap(), json.root().get("b").unwrap());
    let splice = Splice::new(json.bytes()).replace(b.span(), b"null").replace(id.span(), b"\"x\"");
    assert_eq!(text(splice), r#"{"id": "x", "a" : 1.0,"b":null}"#);
    let untouched = Splice::new(json.bytes()).finish().unwrap();
    assert_eq!(untouched.as_ptr(), json.bytes().as_ptr());
}

#[test]
fn overlapping_and_outlying_edits_are_refused_as_a_whole() {
    let bytes = Bytes::from_static(b"0123456789");
    let two = |a, b| Splice::new(&bytes).replace(a, b"x").replace(b, b"y").finish();
    assert_eq!(two(0..5, 4..6), Err(SpliceError::Overlap { offset: 4 }));
    assert_eq!(two(2..3, 2..3), Err(SpliceError::Overlap { offset: 2 }));
    assert_eq!(two(0..11, 12..12), Err(SpliceError::OutOfRange { end: 11, bytes: 10 }));
    #[allow(clippy::reversed_empty_ranges, reason = "a reversed span is the case")]
    let reversed = Splice::new(&bytes).replace(5..3, b"x").finish();
    assert!(reversed.is_err());
    assert_eq!(two(0..5, 5..10).unwrap(), "xy");
    assert_eq!(two(10..10, 10..10).unwrap(), "0123456789xy");
}

#[test]
fn members_are_replaced_or_inserted() {
    let set = |document: &str, key: &str| {
        let json = json(document);
        text(Splice::new(json.bytes()).set_member(json.root(), key, b"9").unwrap())
    };
    assert_eq!(set(r#"{"a": 1}"#, "a"), r#"{"a": 9}"#);
    assert_eq!(set(r#"{"\u0061": 1}"#, "a"), r#"{"\u0061": 9}"#);
    assert_eq!(set(r#"{ "a":1}"#, "b\""), r#"{"b\"":9, "a":1}"#);
    assert_eq!(set("{ }", "b"), r#"{"b":9 }"#);
    let array = json("[]");
    let wrong = Splice::new(array.bytes()).set_member(array.root(), "a", b"1");
    assert_eq!(wrong.err(), Some(SpliceError::WrongKind));
}

#[test]
fn members_are_removed_with_one_comma_each() {
    let remove = |document: &str, keys: &[&str]| {
        let json = json(document);
        let splice = Splice::new(json.bytes());
        text(splice.remove_members(json.root(), |key| keys.contains(&key.as_str().unwrap().as_ref())).unwrap())
    };
    let document = r#"{ "a" : 1 , "b":{"a":2}, "c" :3 }"#;
    assert_eq!(remove(document, &["a"]), r#"{ "b":{"a":2}, "c" :3 }"#);
    assert_eq!(remove(document, &["b"]), r#"{ "a" : 1, "c" :3 }"#);
    assert_eq!(remove(document, &["c"]), r#"{ "a" : 1 , "b":{"a":2} }"#);
    assert_eq!(remove(document, &["a", "b"]), r#"{ "c" :3 }"#);
    assert_eq!(remove(document, &["b", "c"]), r#"{ "a" : 1 }"#);
    assert_eq!(remove(document, &["a", "b", "c"]), "{  }");
    assert_eq!(remove(r#"{"\u0061":1}"#, &["a"]), "{}");
    let array = json("[]");
    let wrong = Splice::new(array.bytes()).remove_members(array.root(), |_| true);
    assert_eq!(wrong.err(), Some(SpliceError::WrongKind));
}

proptest! {
    #[test]
    fn retained_elements_are_those_kept_and_the_array_stays_valid(keep in proptest::collection::vec(any::<bool>(), 0..12), space in "[ \n]{0,2}") {
        let elements: Vec<String> = (0..keep.len()).map(|n| format!("{space}{{\"n\":{n}}}{space}")).collect();
        let json = json(&format!("[{}]", elements.join(",")));
        let mut decisions = keep.iter();
        let splice = Splice::new(json.bytes()).retain(json.root(), |_| *decisions.next().unwrap()).unwrap();
        let after = Json::parse(splice.finish().unwrap(), &Limits::default()).unwrap();
        let left: Vec<i64> = after.root().elements().map(|element| element.get("n").unwrap().as_i64().unwrap()).collect();
        let expected: Vec<i64> = keep.iter().zip(0..).filter(|(keep, _)| **keep).map(|(_, n)| n).collect();
        prop_assert_eq!(left, expected);
    }

    #[test]
    fn a_spliced_value_is_read_back_and_the_others_are_unchanged(numbers in proptest::collection::vec(any::<i64>(), 1..10), at: usize, secret in "[^\0]{0,16}") {
        let at = at % numbers.len();
        let json = json(&serde_json::to_string(&numbers).unwrap());
        let target = json.root().elements().nth(at).unwrap();
        let splice = Splice::new(json.bytes()).replace(target.span(), quote(&secret).as_bytes());
        let after = Json::parse(splice.finish().unwrap(), &Limits::default()).unwrap();
        for (index, (element, number)) in after.root().elements().zip(&numbers).enumerate() {
            if index == at {
                prop_assert_eq!(element.as_str().unwrap(), secret.as_str());
            } else {
                prop_assert_eq!(element.as_i64(), Some(*number));
            }
        }
    }
}
