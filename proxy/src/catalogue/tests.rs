#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use bytes::Bytes;
use doorward_message::{Json, Limits};
use serde_json::{Value, json};

use super::{
    Bounds, Catalogue, CatalogueBuilder, DESCRIPTION_BYTES_MAX, DropReason, ITEMS_MAX, LockError, NAME_BYTES_MAX,
    SCHEMA_DEPTH_MAX, read_lock, write_lock,
};

fn document(text: impl Into<String>) -> Json {
    Json::parse(Bytes::from(text.into()), &Limits::default()).unwrap()
}

fn of(tools: &Value) -> Catalogue {
    let mut builder = CatalogueBuilder::default();
    builder.tools_page(document(json!({"tools": tools}).to_string()).root());
    builder.build()
}

fn reasons(catalogue: &Catalogue) -> Vec<DropReason> {
    catalogue.dropped().iter().map(|(_, reason)| *reason).collect()
}

#[test]
fn pages_add_up_and_order_does_not_matter() {
    let page = |name: &str| document(json!({"tools": [{"name": name, "inputSchema": {"type": "object"}}]}).to_string());
    let build = |names: [&str; 2]| {
        let mut builder = CatalogueBuilder::default();
        names.iter().for_each(|name| builder.tools_page(page(name).root()));
        builder.build()
    };
    let (one, other) = (build(["a", "b"]), build(["b", "a"]));
    assert_eq!(one.tools().len(), 2);
    assert_eq!(one.hash(), other.hash());
    assert_ne!(one.hash(), build(["a", "c"]).hash());
}

#[test]
fn key_order_is_no_change_and_a_schema_is() {
    let with = |text: &str| {
        let mut builder = CatalogueBuilder::default();
        builder.tools_page(document(text).root());
        *builder.build().hash()
    };
    let one =
        with(r#"{"tools":[{"name":"a","inputSchema":{"type":"object","properties":{"x":{"type":"string"},"y":{}}}}]}"#);
    let same =
        with(r#"{"tools":[{"inputSchema":{"properties":{"y":{},"x":{"type":"string"}},"type":"object"},"name":"a"}]}"#);
    let other = with(
        r#"{"tools":[{"name":"a","inputSchema":{"type":"object","properties":{"x":{"type":"integer"},"y":{}}}}]}"#,
    );
    assert_eq!(one, same);
    assert_ne!(one, other);
}

#[test]
fn tools_that_do_not_fit_are_dropped_and_named() {
    let long = "n".repeat(NAME_BYTES_MAX + 1);
    let catalogue = of(&json!([
        {"inputSchema": {}}, {"name": 7}, {"name": ""}, {"name": long}, {"name": "a\nb"},
        {"name": "n".repeat(NAME_BYTES_MAX), "inputSchema": {}},
        {"name": "h", "inputSchema": {"type": "object", "properties": {"x": {"type": "number", "x-mcp-header": "X"}}}},
    ]));
    use DropReason::{HeaderInvalid, NameInvalid, NameMissing};
    assert_eq!(reasons(&catalogue), [NameMissing, NameMissing, NameInvalid, NameInvalid, NameInvalid, HeaderInvalid]);
    assert_eq!(catalogue.tools().len(), 1);
}

#[test]
fn tool_listed_twice_is_unknown() {
    let catalogue = of(
        &json!([{"name": "a", "inputSchema": {}}, {"name": "b", "inputSchema": {}}, {"name": "a", "inputSchema": {}}, {"name": "a"}]),
    );
    assert!(catalogue.tool("a").is_none() && catalogue.tool("b").is_some());
    assert_eq!(reasons(&catalogue), [DropReason::Duplicate, DropReason::Duplicate]);
}

#[test]
fn tools_over_the_limit_are_dropped() {
    let tools: Vec<_> = (0..=ITEMS_MAX).map(|n| json!({"name": n.to_string(), "inputSchema": {}})).collect();
    let catalogue = of(&json!(tools));
    assert_eq!(catalogue.tools().len(), ITEMS_MAX);
    assert_eq!(reasons(&catalogue), [DropReason::TooMany]);
}

#[test]
fn tool_with_a_description_over_the_limit_is_dropped() {
    let tool = |name: &str, bytes| json!({"name": name, "description": "d".repeat(bytes), "inputSchema": {}});
    let catalogue = of(&json!([tool("at", DESCRIPTION_BYTES_MAX), tool("over", DESCRIPTION_BYTES_MAX + 1)]));
    assert!(catalogue.tool("at").is_some() && catalogue.tool("over").is_none());
    assert_eq!(reasons(&catalogue), [DropReason::DescriptionTooLong]);
}

#[test]
fn schema_over_the_depth_limit_is_not_kept() {
    let nested = |depth: usize| (1..depth).fold(json!({}), |inner, _| json!({"a": inner}));
    let kept =
        |depth| of(&json!([{"name": "t", "inputSchema": nested(depth)}])).tool("t").unwrap().input_schema.is_some();
    assert!(kept(SCHEMA_DEPTH_MAX));
    assert!(!kept(SCHEMA_DEPTH_MAX + 1));
}

#[test]
fn lock_file_reads_back_what_was_written() {
    let mut builder = CatalogueBuilder::default();
    let all = document(json!({
        "tools": [{"name": "a\"b", "annotations": {"readOnlyHint": true, "title": "T"}, "inputSchema": {"type": "object", "properties": {"r": {"type": "string", "x-mcp-header": "Region"}}}}, {"name": "none"}],
        "prompts": [{"name": "p"}], "resources": [{"uri": "file:///x"}], "resourceTemplates": [{"uriTemplate": "file:///{x}"}],
    }).to_string());
    builder.tools_page(all.root());
    builder.prompts_page(all.root());
    builder.resources_page(all.root());
    builder.templates_page(all.root());
    let catalogue = builder.build();
    let again = read_lock(Bytes::from(write_lock(&catalogue)), &Limits::default(), Bounds::default()).unwrap();
    assert_eq!(catalogue.hash(), again.hash());
    assert_eq!(again.tool("a\"b").unwrap().claimed.read_only, Some(true));
    assert_eq!(again.tool("a\"b").unwrap().headers.params()[0].header_name(), "Mcp-Param-Region");
    assert_eq!(
        again.prompts().chain(again.resources()).chain(again.templates()).collect::<Vec<_>>(),
        ["p", "file:///x", "file:///{x}"]
    );
}

#[test]
fn lock_file_that_is_not_one_is_refused() {
    let refused =
        |text: &str| read_lock(Bytes::from(text.to_owned()), &Limits::default(), Bounds::default()).unwrap_err();
    assert!(matches!(refused("{"), LockError::Json(_)));
    assert_eq!(refused(r#"{"tools": []}"#), LockError::Version);
    assert_eq!(refused(r#"{"doorward_catalogue": 2}"#), LockError::Version);
    assert_eq!(
        refused(r#"{"doorward_catalogue": 1, "tools": [{"name": "a"}, {"name": "a"}]}"#),
        LockError::Item("a".into())
    );
}
