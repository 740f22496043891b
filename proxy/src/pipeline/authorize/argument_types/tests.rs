#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use serde_json::{Value, json};

use super::{ArgumentType, DEPTH_MAX, NODES_MAX, Untypable, record_of};

/// The type of one property `x`, and whether it is required.
fn typed(schema: Value) -> Option<(ArgumentType, bool)> {
    let root = json!({"type": "object", "required": ["x"], "properties": {"x": schema},
        "$defs": {"text": {"type": "string"}, "loop": {"$ref": "#/$defs/loop"},
                  "tree": {"type": "object", "properties": {"left": {"$ref": "#/$defs/tree"}, "name": {"type": "string"}}}}});
    let record = record_of(&root).unwrap();
    record.fields.get("x").map(|field| (field.kind.clone(), field.required))
}

#[test]
fn kinds_that_cedar_has_are_typed() {
    use ArgumentType::{Bool, Long, Set, String};
    assert_eq!(typed(json!({"type": "string"})), Some((String, true)));
    assert_eq!(typed(json!({"type": ["integer"]})), Some((Long, true)));
    assert_eq!(typed(json!({"type": "boolean"})), Some((Bool, true)));
    assert_eq!(typed(json!({"enum": ["a", "b"]})), Some((String, true)));
    assert_eq!(typed(json!({"const": "a"})), Some((String, true)));
    assert_eq!(typed(json!({"type": "array", "items": {"type": "integer"}})), Some((Set(Box::new(Long)), true)));
    assert_eq!(typed(json!({"$ref": "#/$defs/text"})), Some((String, true)));
}

#[test]
fn union_with_null_is_optional() {
    assert_eq!(typed(json!({"type": ["string", "null"]})), Some((ArgumentType::String, false)));
    assert_eq!(typed(json!({"anyOf": [{"type": "integer"}, {"type": "null"}]})), Some((ArgumentType::Long, false)));
}

#[test]
fn kinds_that_cedar_lacks_are_left_out() {
    for schema in [
        json!({"type": "number"}),
        json!({"type": "null"}),
        json!({}),
        json!(true),
        json!({"type": ["string", "integer"]}),
        json!({"anyOf": [{"type": "string"}, {"type": "integer"}]}),
        json!({"oneOf": [{"type": "string"}]}),
        json!({"type": "string", "not": {}}),
        json!({"type": "array"}),
        json!({"type": "array", "items": [{"type": "string"}]}),
        json!({"enum": ["a", 1]}),
        json!({"$ref": "http://evil.test/schema"}),
        json!({"$ref": "#/$defs/none"}),
        json!({"$ref": "#/$defs/loop"}),
        json!({"type": "array", "items": {"type": ["string", "null"]}}),
    ] {
        assert_eq!(typed(schema.clone()), None, "{schema}");
    }
}

#[test]
fn recursive_type_ends_at_the_depth_limit() {
    let mut depth = 0;
    let mut kind = typed(json!({"$ref": "#/$defs/tree"})).unwrap().0;
    while let ArgumentType::Record(record) = kind {
        assert!(record.fields.contains_key("name") || record.fields.is_empty());
        depth += 1;
        match record.fields.get("left") {
            Some(field) => kind = field.kind.clone(),
            None => break,
        }
    }
    assert!((2..=DEPTH_MAX).contains(&depth), "{depth}");
}

#[test]
fn schema_that_explodes_is_refused_in_bounded_time() {
    let branches: serde_json::Map<_, _> = (0..20).map(|n| (n.to_string(), json!({"$ref": "#/$defs/bomb"}))).collect();
    let bomb = json!({"type": "object", "properties": {"x": {"$ref": "#/$defs/bomb"}}, "$defs": {"bomb": {"type": "object", "properties": branches}}});
    assert_eq!(record_of(&bomb), Err(Untypable::TooLarge));
    let all_of: Vec<_> = (0..10_000).map(|_| json!({"type": "object"})).collect();
    assert_eq!(typed(json!({"allOf": all_of})), None);
    let many = |count: usize| -> Value {
        let properties: serde_json::Map<_, _> =
            (0..count).map(|n| (n.to_string(), json!({"type": "string"}))).collect();
        json!({"type": "object", "properties": properties})
    };
    // A property costs two: itself and its type.
    assert!(record_of(&many(NODES_MAX / 2)).is_ok());
    assert_eq!(record_of(&many(NODES_MAX / 2 + 1)), Err(Untypable::TooLarge));
}

#[test]
fn schema_of_something_else_than_an_object_is_refused() {
    assert_eq!(record_of(&json!([])), Err(Untypable::NotAnObject));
    assert_eq!(record_of(&json!({"type": "string"})), Err(Untypable::NotAnObjectSchema));
    assert_eq!(record_of(&json!({"type": ["object", "null"]})), Err(Untypable::NotAnObjectSchema));
    assert!(record_of(&json!({})).unwrap().fields.is_empty());
}
