#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::*;

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

fn nested(levels: usize) -> Map<String, Value> {
    (1..levels).fold(Map::new(), |inner, _| object(json!({ "a": inner })))
}

#[test]
fn body_at_every_limit_is_taken_and_beyond_it_refused() {
    assert_eq!(check(&nested(DEPTH_MAX)), Ok(()));
    assert_eq!(check(&nested(DEPTH_MAX + 1)), Err(InvalidRecord::Depth));
    let list = |items: usize| object(json!({ "a": vec![0; items] }));
    assert_eq!(check(&list(VALUES_MAX - 1)), Ok(()));
    assert_eq!(check(&list(VALUES_MAX)), Err(InvalidRecord::Values));
    let text = |bytes: usize| object(json!({ "a": "x".repeat(bytes) }));
    assert_eq!(check(&text(BODY_BYTES_MAX - 8)), Ok(()));
    assert_eq!(check(&text(BODY_BYTES_MAX - 7)), Err(InvalidRecord::Size(BODY_BYTES_MAX + 1)));
    let named = |name: &str| object(json!({ "a": [{ name: 1 }] }));
    assert_eq!(check(&named(&"x".repeat(MEMBER_BYTES_MAX))), Ok(()));
    for name in ["", &"x".repeat(MEMBER_BYTES_MAX + 1)] {
        assert_eq!(check(&named(name)), Err(InvalidRecord::Member));
    }
    assert_eq!(check(&named("a\0")), Err(InvalidRecord::Nul));
    assert_eq!(check(&object(json!({ "a": [["\0"]] }))), Err(InvalidRecord::Nul));
}

/// RFC 7396, appendix A, as far as both are objects.
#[test]
fn patches_of_the_specification_give_what_it_says() {
    for (original, patch, result) in [
        (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
        (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
        (json!({"a":"b"}), json!({"a":null}), json!({})),
        (json!({"a":"b","b":"c"}), json!({"a":null}), json!({"b":"c"})),
        (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
        (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
        (json!({"a":{"b":"c"}}), json!({"a":{"b":"d","c":null}}), json!({"a":{"b":"d"}})),
        (json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]})),
        (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
        (json!({}), json!({"a":{"bb":{"ccc":null}}}), json!({"a":{"bb":{}}})),
    ] {
        assert_eq!(Change::Merge(object(patch)).applied(object(original)), object(result));
    }
}
