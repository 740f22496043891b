#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;

use super::*;
use crate::directory::{Directory, Quota};
use crate::objects::{Limits, Objects, Options, link::Policy};

/// Every tool that there is.
async fn all() -> Vec<Entry> {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::open(folder.path(), Quota::default()).unwrap();
    let fetcher = crate::fetch::Fetcher::new(vec![]).unwrap();
    let location = "memory:".to_owned();
    let (limits, links) = (Limits::default(), Policy::default());
    let objects = Objects::open(Options { location, endpoint: None, allow_http: false, limits, links }).unwrap();
    let shared = Shared::for_tests().await.with_directory(directory).with_objects(objects).with_fetcher(fetcher);
    let groups_without_tools = Group::ALL.into_iter().filter(|group| group.entries(&shared).is_empty());
    assert_eq!(groups_without_tools.collect::<Vec<_>>(), []);
    entries(&shared)
}

#[tokio::test]
async fn tool_names_are_unique_and_follow_the_specification() {
    let entries = all().await;
    let names: BTreeSet<&str> = entries.iter().map(|entry| entry.tool.name.as_ref()).collect();
    assert_eq!(names.len(), entries.len());
    for name in names {
        assert!((1..=128).contains(&name.len()));
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)), "{name}");
    }
}

#[tokio::test]
async fn every_tool_has_an_icon_that_is_fetched_from_nowhere() {
    for entry in all().await {
        let icons = entry.tool.icons.unwrap_or_default();
        assert!(icons.iter().any(|icon| icon.src.starts_with("data:image/svg+xml;base64,")), "{}", entry.tool.name);
    }
}

#[tokio::test]
async fn every_input_schema_is_an_object_schema() {
    for entry in all().await {
        assert_eq!(entry.tool.input_schema["type"], "object", "{}", entry.tool.name);
    }
}

#[tokio::test]
async fn only_what_deletes_or_replaces_calls_itself_destructive() {
    let destructive: Vec<String> = all()
        .await
        .iter()
        .filter(|entry| entry.tool.annotations.as_ref().unwrap().is_destructive())
        .map(|entry| entry.tool.name.to_string())
        .collect();
    assert_eq!(
        destructive,
        [
            "delete_file",
            "document_delete",
            "document_purge",
            "prompt_delete",
            "record_update",
            "record_delete",
            "export",
            "file_write",
            "file_delete",
            "image_convert",
            "archive_create",
            "object_write",
            "object_delete",
            "object_upload_link"
        ]
    );
}

#[tokio::test]
async fn missing_file_is_a_result_that_the_model_can_read() {
    let response = ToolError::File(FileError::NotFound("/x".to_owned())).into_response().unwrap();
    let CallToolResponse::Complete(result) = response else { panic!("not complete") };
    assert_eq!(result.is_error, Some(true));
}

#[tokio::test]
async fn undeclared_capability_is_a_protocol_error() {
    let error = ToolError::Ask(AskError::Undeclared(Box::default())).into_response().unwrap_err();
    assert_eq!(error.code.0, -32021);
}
