#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use serde_json::json;

use super::*;

fn grouping(group_by: Value, aggregates: Value) -> Grouping {
    Grouping {
        filter: None,
        group_by: serde_json::from_value(group_by).unwrap(),
        aggregates: serde_json::from_value(aggregates).unwrap(),
    }
}

fn made(values: &[Value]) -> Map<String, Value> {
    let aggregates: Vec<Value> =
        ["count", "sum", "min", "max", "avg"].map(|each| json!({ "as": each, "function": each, "field": "a" })).into();
    let grouping = grouping(json!([]), json!(aggregates));
    let mut groups = Groups::new(&grouping);
    for value in values {
        let _on = groups.take(vec![Some(keys::key(value)); 5]).unwrap();
    }
    groups.finish().remove(0).values
}

#[test]
fn whole_numbers_are_added_exactly_and_others_are_left_out() {
    let large = i64::MAX;
    let values = made(&[json!(large), json!(large), json!(-large), json!("7"), json!(null), json!([8]), json!(true)]);
    assert_eq!((&values["count"], &values["sum"]), (&json!(7), &json!(large)));
    assert_eq!((&values["min"], &values["max"]), (&json!(true), &json!("7")));
    let values = made(&[json!(u64::MAX), json!(u64::MAX)]);
    assert_eq!((&values["sum"], &values["avg"]), (&json!(36_893_488_147_419_103_232.0), &json!(2f64.powi(64))));
    let values = made(&[json!(1), json!(0.5), json!(-3)]);
    assert_eq!((&values["sum"], &values["avg"], &values["min"]), (&json!(-1.5), &json!(-0.5), &json!(-3)));
}

#[test]
fn nothing_has_no_mean_and_what_is_beyond_doubles_is_null() {
    let values = made(&[]);
    let wanted = json!({ "count": 0, "sum": 0, "min": null, "max": null, "avg": null });
    assert_eq!(Value::Object(values), wanted);
    assert_eq!(made(&[json!(f64::MAX), json!(f64::MAX)])["sum"], json!(null));
}

#[test]
fn more_groups_than_the_limit_are_refused() {
    let grouping = grouping(json!(["a"]), json!([{ "as": "n", "function": "count" }]));
    let mut groups = Groups::new(&grouping);
    for number in 0..GROUPS_MAX {
        let _on = groups.take(vec![Some(keys::key(&json!(number)))]).unwrap();
    }
    assert!(groups.take(vec![Some(keys::key(&json!(0)))]).is_ok());
    assert!(matches!(groups.take(vec![Some(keys::key(&json!(-1)))]), Err(RecordError::Groups)));
    let mut groups = Groups::new(&grouping);
    let long = |number: usize| vec![Some(format!("s{number}{}", "x".repeat(GROUP_BYTES_MAX / 8)))];
    assert!((0..7).all(|number| groups.take(long(number)).is_ok()));
    assert!(matches!(groups.take(long(7)), Err(RecordError::Groups)));
}

#[test]
fn grouping_beyond_a_limit_is_refused() {
    let count = json!({ "as": "n", "function": "count" });
    for (group_by, aggregates, wanted) in [
        (json!([]), json!([]), InvalidQuery::Aggregates),
        (json!([]), json!([count, count]), InvalidQuery::Aggregates),
        (json!([]), json!([{ "as": "", "function": "count" }]), InvalidQuery::Aggregates),
        (json!(["$id"]), json!([count]), InvalidQuery::Aggregates),
        (json!(["a", "b", "c", "d", "e"]), json!([count]), InvalidQuery::Aggregates),
        (json!([]), json!([{ "as": "n", "function": "sum" }]), InvalidQuery::Function),
    ] {
        assert_eq!(grouping(group_by, aggregates).check(), Err(wanted));
    }
}
