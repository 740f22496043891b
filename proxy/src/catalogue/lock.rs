//! Lock files: a catalogue as JSON, to know the tools before the upstream is reached; and the content hash.
//!
//! The file has the members of the list results themselves, so that a person can paste a `tools/list` result:
//! `{"doorward_catalogue": 1, "tools": […], "prompts": […], "resources": […], "resourceTemplates": […]}`. It is parsed as
//! strictly as a message.

use bytes::Bytes;
use doorward_message::{Json, Limits, ParseError};
use serde_json::{Map, Value as JsonValue, json};

use super::{Bounds, Catalogue, CatalogueBuilder, Claimed};

/// The format's version.
const VERSION: i64 = 1;

/// Why a lock file was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// Not strict JSON, or too large or too deep.
    #[error("the lock file is not valid JSON: {0}")]
    Json(#[from] ParseError),
    /// Not a lock file, or of another version.
    #[error("the lock file has no member \"doorward_catalogue\": {VERSION}")]
    Version,
    /// An item in it is not valid.
    #[error("the lock file holds an invalid or repeated item {0:?}")]
    Item(Box<str>),
}

/// Reads a lock file. Unlike a server's list, a lock file with an invalid item is refused as a whole.
///
/// # Errors
/// See [`LockError`].
pub fn read_lock(bytes: Bytes, limits: &Limits, bounds: Bounds) -> Result<Catalogue, LockError> {
    let document = Json::parse(bytes, limits)?;
    let root = document.root();
    let version = root.get("doorward_catalogue").and_then(doorward_message::Value::as_i64);
    if version != Some(VERSION) {
        return Err(LockError::Version);
    }
    let mut builder = CatalogueBuilder::new(bounds);
    builder.tools_page(root);
    builder.prompts_page(root);
    builder.resources_page(root);
    builder.templates_page(root);
    let catalogue = builder.build();
    match catalogue.dropped().first() {
        Some((name, _)) => Err(LockError::Item(name.clone())),
        None => Ok(catalogue),
    }
}

/// Writes a lock file that [`read_lock`] reads back to an equal catalogue.
pub fn write_lock(catalogue: &Catalogue) -> String {
    let mut text = format!("{:#}", content(catalogue));
    text.push('\n');
    text
}

fn content(catalogue: &Catalogue) -> JsonValue {
    let tools: Vec<_> = catalogue
        .tools()
        .map(|tool| {
            let mut item = json!({"name": tool.name, "annotations": claimed(&tool.claimed)});
            if let (Some(schema), Some(object)) = (&tool.input_schema, item.as_object_mut()) {
                object.insert("inputSchema".into(), schema.clone());
            }
            item
        })
        .collect();
    let named = |key: &str, names: &mut dyn Iterator<Item = &str>| -> Vec<JsonValue> {
        names.map(|name| json!({key: name})).collect()
    };
    json!({
        "doorward_catalogue": VERSION,
        "tools": tools,
        "prompts": named("name", &mut catalogue.prompts()),
        "resources": named("uri", &mut catalogue.resources()),
        "resourceTemplates": named("uriTemplate", &mut catalogue.templates()),
    })
}

fn claimed(claimed: &Claimed) -> JsonValue {
    let flags = [
        ("readOnlyHint", claimed.read_only),
        ("destructiveHint", claimed.destructive),
        ("idempotentHint", claimed.idempotent),
        ("openWorldHint", claimed.open_world),
    ];
    let mut object: Map<String, JsonValue> =
        flags.into_iter().filter_map(|(name, flag)| Some((name.to_owned(), JsonValue::Bool(flag?)))).collect();
    if let Some(title) = &claimed.title {
        object.insert("title".into(), JsonValue::String(title.to_string()));
    }
    JsonValue::Object(object)
}

/// SHA-256 over the content with sorted keys.
pub(super) fn content_hash(catalogue: &Catalogue) -> [u8; 32] {
    let mut text = String::new();
    canonical(&content(catalogue), &mut text);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    let mut hash = [0; 32];
    for (to, from) in hash.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    hash
}

/// One text for equal values: keys sorted, no white space.
fn canonical(value: &JsonValue, out: &mut String) {
    match value {
        JsonValue::Object(object) => {
            let mut members: Vec<_> = object.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            out.push('{');
            for (name, member) in members {
                out.push_str(&JsonValue::String(name.clone()).to_string());
                out.push(':');
                canonical(member, out);
                out.push(',');
            }
            out.push('}');
        }
        JsonValue::Array(items) => {
            out.push('[');
            for item in items {
                canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}
