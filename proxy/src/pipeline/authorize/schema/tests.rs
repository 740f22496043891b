#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;

use cedar_policy::{Schema, SchemaFragment};
use serde_json::json;

use super::{Parts, ToolAction, generate};
use crate::pipeline::authorize::argument_types::record_of;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../policies/mcp.cedarschema");

const HEADER: &str = "\
// The Cedar schema of Doorward, generated; DOORWARD_UPDATE=1 writes it anew. Attributes of principals that the
// configuration maps (authentication.issuers[].claims.attributes) are added to User, Agent and Workload as optional ones.
// The action of a tool looks like the one at the end: its context has `arguments`, typed from the tool's inputSchema.

";

#[test]
fn written_schema_is_the_generated_one() {
    let example = json!({"type": "object", "properties": {
        "path": {"type": "string"}, "limit": {"type": "integer"}, "tags": {"type": "array", "items": {"type": "string"}}
    }, "required": ["path"]});
    let arguments = record_of(&example).unwrap();
    let tools = [ToolAction { id: "tools/call/<upstream>/<tool>", arguments: &arguments }];
    let schema = generate(&Parts { attributes: &BTreeMap::new(), methods: true, tools: &tools, named: &[] });
    let text = SchemaFragment::from_json_value(schema).unwrap().to_cedarschema().unwrap();
    let text = format!("{HEADER}{}\n", text.trim_end());
    let (_, warnings) = Schema::from_cedarschema_str(&text).unwrap();
    assert_eq!(warnings.count(), 0);
    if std::env::var_os("DOORWARD_UPDATE").is_some() {
        std::fs::write(FILE, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(FILE).unwrap_or_default(), text, "policies/mcp.cedarschema is not current");
}
