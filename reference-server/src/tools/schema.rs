//! A tool whose input schema uses JSON Schema 2020-12 beyond plain properties (SEP-1613, SEP-2106).

use serde_json::{Value, json};

use super::{Call, Entry, Outcome, text, tool};

pub(super) fn entries() -> Vec<Entry> {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": {"street": {"type": "string"}, "city": {"type": "string"}}
            }
        },
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"}
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": false
    });
    vec![Entry::new(
        tool("json_schema_2020_12_tool", "Tool with JSON Schema 2020-12 features; says back its arguments.", schema),
        say_back,
    )]
}

async fn say_back(call: Call) -> Outcome {
    Ok(text(Value::Object(call.params.arguments.clone().unwrap_or_default()).to_string()))
}
