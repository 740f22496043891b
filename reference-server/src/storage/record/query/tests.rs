#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::*;

fn checked(filter: Value) -> Result<(), InvalidQuery> {
    serde_json::from_value::<Filter>(filter).unwrap().check()
}

fn nested(levels: usize) -> Value {
    (1..levels).fold(json!({ "exists": { "field": "a" } }), |inner, _| json!({ "not": inner }))
}

fn wide(conditions: usize) -> Value {
    json!({ "or": vec![json!({ "exists": { "field": "a" } }); conditions] })
}

#[test]
fn filter_at_every_limit_is_taken_and_beyond_it_refused() {
    assert_eq!(checked(nested(DEPTH_MAX)), Ok(()));
    assert_eq!(checked(nested(DEPTH_MAX + 1)), Err(InvalidQuery::Depth));
    assert_eq!(checked(wide(CONDITIONS_MAX)), Ok(()));
    assert_eq!(checked(wide(CONDITIONS_MAX + 1)), Err(InvalidQuery::Conditions));
    let listed = |values: usize| json!({ "in": { "field": "a", "values": vec![1; values] } });
    assert_eq!(checked(listed(VALUES_MAX)), Ok(()));
    assert_eq!(checked(listed(VALUES_MAX + 1)), Err(InvalidQuery::Values));
    for empty in [listed(0), json!({ "and": [] }), json!({ "or": [] })] {
        assert_eq!(checked(empty), Err(InvalidQuery::Empty));
    }
    for (operator, text, wanted) in [
        ("eq", "x".repeat(TEXT_BYTES_MAX), Ok(())),
        ("eq", "x".repeat(TEXT_BYTES_MAX + 1), Err(InvalidQuery::Text)),
        ("starts_with", "x".repeat(TEXT_BYTES_MAX + 1), Err(InvalidQuery::Text)),
        ("contains", "\0".to_owned(), Err(InvalidQuery::Nul)),
    ] {
        assert_eq!(checked(json!({ operator: { "field": "a", "value": text } })), wanted);
    }
    for operator in ["ne", "lt", "le", "gt", "ge"] {
        assert_eq!(checked(json!({ operator: { "field": "a", "value": null } })), Err(InvalidQuery::Null));
    }
}

#[test]
fn what_is_no_filter_is_refused() {
    for wrong in [
        json!({}),
        json!([]),
        json!("a = 1"),
        json!({ "sql": "1 = 1" }),
        json!({ "eq": { "field": "a" } }),
        json!({ "eq": { "field": "a", "value": [1] } }),
        json!({ "eq": { "field": "a", "value": { "b": 1 } } }),
        json!({ "eq": { "field": "a", "value": 1, "or": 2 } }),
        json!({ "eq": { "field": "a", "value": 1 }, "ne": { "field": "a", "value": 1 } }),
        json!({ "starts_with": { "field": "a", "value": 1 } }),
        json!({ "in": { "field": "a", "values": 1 } }),
    ] {
        assert!(serde_json::from_value::<Filter>(wrong.clone()).is_err(), "{wrong}");
    }
}

#[test]
fn field_is_names_between_dots_or_a_list_of_names() {
    let field = |field: Value| serde_json::from_value::<Field>(field).ok();
    assert_eq!(field(json!("a.b")), field(json!(["a", "b"])));
    assert_ne!(field(json!("a.b")), field(json!(["a.b"])));
    assert!(field(json!("$id")).is_some_and(|field| !field.of_body()));
    assert!(field(json!(["$id"])).is_some_and(|field| field.of_body()));
    let longest = "x".repeat(keys::PATH_BYTES_MAX);
    assert!(field(json!(longest)).is_some());
    for wrong in
        [json!(""), json!("."), json!("a..b"), json!("a."), json!([]), json!([""]), json!("$x"), json!("a\0"), json!(1)]
    {
        assert_eq!(field(wrong.clone()), None, "{wrong}");
    }
    assert_eq!(field(json!(format!("{longest}x"))), None);
}

#[test]
fn selection_has_the_selected_fields_in_their_places_only() {
    let body = json!({ "a": { "b": 1, "c": 2 }, "d.e": 3, "f": [4], "g": null });
    let fields: Vec<Field> = serde_json::from_value(json!(["a.b", ["d.e"], "f", "g", "h.i", "a.b.c"])).unwrap();
    let selected = selected(body.as_object().unwrap(), &fields);
    assert_eq!(Value::Object(selected), json!({ "a": { "b": 1 }, "d.e": 3, "f": [4], "g": null }));
}
