#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;

use super::*;

#[test]
fn tool_names_are_unique_and_follow_the_specification() {
    let entries = entries();
    let names: BTreeSet<&str> = entries.iter().map(|entry| entry.tool.name.as_ref()).collect();
    assert_eq!(names.len(), entries.len());
    for name in names {
        assert!((1..=128).contains(&name.len()));
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)), "{name}");
    }
}

#[test]
fn every_input_schema_is_an_object_schema() {
    for entry in entries() {
        assert_eq!(entry.tool.input_schema["type"], "object", "{}", entry.tool.name);
    }
}

#[test]
fn only_what_deletes_calls_itself_destructive() {
    let destructive: Vec<String> = entries()
        .iter()
        .filter(|entry| entry.tool.annotations.as_ref().unwrap().is_destructive())
        .map(|entry| entry.tool.name.to_string())
        .collect();
    assert_eq!(destructive, ["delete_file", "document_delete", "document_purge"]);
}

#[test]
fn missing_file_is_a_result_that_the_model_can_read() {
    let response = ToolError::File(FileError::NotFound("/x".to_owned())).into_response().unwrap();
    let CallToolResponse::Complete(result) = response else { panic!("not complete") };
    assert_eq!(result.is_error, Some(true));
}

#[test]
fn undeclared_capability_is_a_protocol_error() {
    let error = ToolError::Ask(AskError::Undeclared(Box::default())).into_response().unwrap_err();
    assert_eq!(error.code.0, -32021);
}
