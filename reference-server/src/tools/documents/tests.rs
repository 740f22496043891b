#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use serde_json::Value;

use super::*;

#[test]
fn every_typed_tool_has_both_schemas_and_hints() {
    let entries = entries();
    assert_eq!(entries.len(), 11);
    for entry in entries {
        let tool = &entry.tool;
        assert!(tool.name.starts_with("document_") || tool.name == "index_rebuild");
        assert_eq!(tool.input_schema["additionalProperties"], false, "{}", tool.name);
        assert_eq!(tool.output_schema.as_ref().unwrap()["type"], "object", "{}", tool.name);
        let hints = tool.annotations.as_ref().unwrap();
        let reading = ["read", "list", "search", "history", "diff"].iter().any(|verb| tool.name.ends_with(verb));
        assert_eq!(hints.read_only_hint, Some(reading), "{}", tool.name);
    }
}

#[test]
fn schemas_hold_no_formats_of_rust() {
    for entry in entries() {
        let schemas = json!([&*entry.tool.input_schema, entry.tool.output_schema.as_deref()]);
        assert!(!schemas.to_string().contains("\"format\""), "{schemas}");
    }
}

#[test]
fn conflict_tells_code_and_current_version() {
    let path = DocumentPath::parse("a").unwrap();
    let result = DocumentError::Store(StoreError::Conflict { path, expected: 1, current: 3 }).into_result();
    let told: Value = serde_json::from_str(&result.content[0].as_text().unwrap().text).unwrap();
    assert_eq!((&told["code"], &told["current_version"]), (&json!("version_conflict"), &json!(3)));
    assert_eq!((result.is_error, result.structured_content), (Some(true), None));
}

#[test]
fn failure_of_the_engine_is_not_shown_to_the_caller() {
    let error = StoreError::from(sqlx::Error::Protocol("secret detail".to_owned()));
    let told = format!("{:?}", DocumentError::Store(error).into_result());
    assert!(told.contains("store_unavailable") && !told.contains("secret"), "{told}");
}
