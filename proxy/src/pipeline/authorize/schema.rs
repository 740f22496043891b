//! Generates the Cedar schema in the namespace `Mcp` from the action table, the mapped principal attributes and the
//! tools' argument types.
//!
//! The schema is built as a JSON value, so names from upstreams are data and never text of a grammar. Invariant: for
//! equal inputs the result is equal.
//!
//! To add a context attribute: a row in [`CONTEXT`], its value in `decision/context.rs`, a line in `docs/POLICY.md`.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    actions::{self, ACTIONS, GROUPS, ResourceKind},
    argument_types::{ArgumentType, RecordType},
};
pub use crate::model::AttributeType;

/// The Cedar namespace of everything.
pub const NAMESPACE: &str = "Mcp";

/// The entity types of principals.
pub const PRINCIPALS: [&str; 3] = ["User", "Agent", "Workload"];

fn attribute_type(kind: AttributeType) -> Value {
    match kind {
        AttributeType::String => json!({"type": "String"}),
        AttributeType::Long => json!({"type": "Long"}),
        AttributeType::Bool => json!({"type": "Boolean"}),
        AttributeType::Strings => strings(),
    }
}

/// Mapped principal attributes by name.
pub type PrincipalAttributes = BTreeMap<String, AttributeType>;

/// Attribute names of principals that are not mapped.
pub const PRINCIPAL_BUILT_IN: [&str; 2] = ["issuer", "client_id"];

/// What every request's context holds: name, Cedar type, required.
pub const CONTEXT: [(&str, &str, bool); 10] = [
    ("revision", "String", true),
    ("transport", "String", true),
    ("scopes", "Set<String>", true),
    ("client_address", "ipaddr", false),
    ("time", "Long", true),
    ("hour", "Long", true),
    ("minute", "Long", true),
    ("weekday", "Long", true),
    ("in_session", "Boolean", true),
    ("approved", "Boolean", true),
];

fn strings() -> Value {
    json!({"type": "Set", "element": {"type": "String"}})
}

fn record(attributes: Map<String, Value>) -> Value {
    json!({"type": "Record", "attributes": attributes})
}

fn optional(mut kind: Value) -> Value {
    if let Some(object) = kind.as_object_mut() {
        object.insert("required".into(), Value::Bool(false));
    }
    kind
}

/// One action of a tool.
#[derive(Clone, Copy, Debug)]
pub struct ToolAction<'a> {
    /// The action's id.
    pub id: &'a str,
    /// Its arguments.
    pub arguments: &'a RecordType,
}

/// What goes into a schema.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// Mapped principal attributes.
    pub attributes: &'a PrincipalAttributes,
    /// Whether the actions of the table apply to anything; `false` for a schema that validates tools only.
    pub methods: bool,
    /// Tools to which policies are validated.
    pub tools: &'a [ToolAction<'a>],
    /// Tool actions that are only named: policies that mention them parse, and nothing is validated for them.
    pub named: &'a [&'a str],
}

/// The schema in Cedar's JSON form.
pub fn generate(parts: &Parts<'_>) -> Value {
    let mut entities = Map::new();
    for principal in PRINCIPALS {
        entities.insert(principal.into(), principal_type(parts.attributes));
    }
    entities.insert("Group".into(), json!({"memberOfTypes": ["Group", "Role"]}));
    entities.insert("Role".into(), json!({"memberOfTypes": ["Role"]}));
    for kind in ResourceKind::ALL {
        entities.insert(kind.as_str().into(), resource_type(kind));
    }
    let mut actions = Map::new();
    for (group, parents) in GROUPS {
        actions.insert((*group).into(), json!({"memberOf": members(parents)}));
    }
    for action in ACTIONS {
        let mut value = json!({"memberOf": members(action.groups)});
        if parts.methods {
            let resources: Vec<_> = action.resources.iter().map(|kind| kind.as_str()).collect();
            insert(&mut value, "appliesTo", applies_to(&resources, json!({"type": "RequestContext"})));
        }
        actions.insert(action.id.into(), value);
    }
    for id in parts.named {
        actions.insert((*id).into(), json!({"memberOf": members(&[actions::TOOLS_CALL])}));
    }
    for tool in parts.tools {
        let mut attributes = context_attributes();
        attributes.insert("arguments".into(), record_type(tool.arguments));
        let mut value = json!({"memberOf": members(&[actions::TOOLS_CALL])});
        insert(&mut value, "appliesTo", applies_to(&["Tool"], record(attributes)));
        actions.insert(tool.id.into(), value);
    }
    json!({NAMESPACE: {
        "commonTypes": {"RequestContext": record(context_attributes()), "Claimed": claimed()},
        "entityTypes": entities,
        "actions": actions,
    }})
}

fn insert(value: &mut Value, key: &str, member: Value) {
    if let Some(object) = value.as_object_mut() {
        object.insert(key.into(), member);
    }
}

fn members(groups: &[&str]) -> Value {
    groups.iter().map(|group| json!({"id": group})).collect()
}

fn applies_to(resources: &[&str], context: Value) -> Value {
    json!({"principalTypes": PRINCIPALS, "resourceTypes": resources, "context": context})
}

fn principal_type(attributes: &PrincipalAttributes) -> Value {
    let mut shape = Map::new();
    for (name, kind) in attributes {
        shape.insert(name.clone(), optional(attribute_type(*kind)));
    }
    for name in PRINCIPAL_BUILT_IN {
        shape.insert(name.into(), optional(attribute_type(AttributeType::String)));
    }
    json!({"memberOfTypes": ["Group", "Role"], "shape": record(shape)})
}

/// What the server claims of a tool (MCP `ToolAnnotations`), never to be trusted for a permit.
fn claimed() -> Value {
    let mut attributes = Map::new();
    for name in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
        attributes.insert(name.into(), optional(json!({"type": "Boolean"})));
    }
    attributes.insert("title".into(), optional(json!({"type": "String"})));
    record(attributes)
}

fn resource_type(kind: ResourceKind) -> Value {
    let text = || json!({"type": "String"});
    let mut shape = Map::new();
    shape.insert("labels".into(), strings());
    match kind {
        ResourceKind::Server | ResourceKind::Prompt | ResourceKind::Secret | ResourceKind::DataClass => {
            shape.insert("name".into(), text());
        }
        ResourceKind::Tool => {
            shape.insert("name".into(), text());
            shape.insert("claimed".into(), json!({"type": "Claimed"}));
        }
        ResourceKind::McpResource | ResourceKind::ResourceTemplate => {
            shape.insert("uri".into(), text());
            shape.insert("scheme".into(), text());
            shape.insert("host".into(), optional(text()));
            shape.insert("path".into(), optional(text()));
        }
        ResourceKind::Task => {
            shape.insert("task_id".into(), text());
        }
    }
    let parents: &[&str] = if kind == ResourceKind::Server { &[] } else { &["Server"] };
    json!({"memberOfTypes": parents, "shape": record(shape)})
}

fn context_attributes() -> Map<String, Value> {
    let mut attributes = Map::new();
    for (name, kind, required) in CONTEXT {
        let kind = match kind {
            "Set<String>" => strings(),
            "ipaddr" => json!({"type": "Extension", "name": "ipaddr"}),
            plain => json!({"type": plain}),
        };
        attributes.insert(name.into(), if required { kind } else { optional(kind) });
    }
    attributes
}

fn record_type(arguments: &RecordType) -> Value {
    let mut attributes = Map::new();
    for (name, field) in &arguments.fields {
        let kind = argument_type(&field.kind);
        let kind = if field.required { kind } else { optional(kind) };
        attributes.insert(name.to_string(), kind);
    }
    record(attributes)
}

fn argument_type(kind: &ArgumentType) -> Value {
    match kind {
        ArgumentType::String => json!({"type": "String"}),
        ArgumentType::Long => json!({"type": "Long"}),
        ArgumentType::Bool => json!({"type": "Boolean"}),
        ArgumentType::Set(element) => json!({"type": "Set", "element": argument_type(element)}),
        ArgumentType::Record(fields) => record_type(fields),
    }
}
