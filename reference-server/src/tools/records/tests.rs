#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use serde_json::Value;

use super::*;
use crate::storage::StoreError;

#[test]
fn every_tool_has_both_schemas_and_hints() {
    let entries = entries();
    assert_eq!(entries.len(), 6);
    for entry in entries {
        let tool = &entry.tool;
        assert!(tool.name.starts_with("record_"));
        assert_eq!(tool.input_schema["additionalProperties"], false, "{}", tool.name);
        assert_eq!(tool.output_schema.as_ref().unwrap()["type"], "object", "{}", tool.name);
        let reading = ["read", "query", "collections"].iter().any(|verb| tool.name.ends_with(verb));
        assert_eq!(tool.annotations.as_ref().unwrap().read_only_hint, Some(reading), "{}", tool.name);
        let schemas = json!([&*tool.input_schema, tool.output_schema.as_deref()]);
        assert!(!schemas.to_string().contains("\"format\""), "{schemas}");
    }
}

#[test]
fn conflict_tells_code_and_current_version() {
    let error = RecordError::Conflict { name: named("c", "a").unwrap(), expected: 1, current: 3 };
    let told: Value = serde_json::from_str(&refused(&error).content[0].as_text().unwrap().text).unwrap();
    assert_eq!((&told["code"], &told["current_version"]), (&json!("version_conflict"), &json!(3)));
}

#[test]
fn failure_of_the_engine_is_not_shown_to_the_caller() {
    let error = StoreError::from(sqlx::Error::Protocol("secret detail".to_owned()));
    let told = format!("{:?}", refused(&error.into()));
    assert!(told.contains("store_unavailable") && !told.contains("secret"), "{told}");
}
