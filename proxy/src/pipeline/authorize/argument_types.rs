//! Types a tool's arguments from its `inputSchema` (JSON Schema), so that Cedar can validate policies about them.
//!
//! In: the schema as an untrusted JSON value. Out: a [`RecordType`]. What Cedar can type: `string` (and `enum` or
//! `const` of strings), `integer`, `boolean`, `array` with one such `items`, `object` with `properties`; each also
//! in a union with `null`, which makes it optional. Everything else (`number`, other unions, no type, recursion) is
//! left out of the record, and a policy that refers to it fails validation for that tool.
//!
//! Refuses ([`Untypable`]): a schema that is not an object schema, or over its limits; such a tool is closed. Never
//! fetches a `$ref`; only `#/…` references inside the schema are followed. Time is bounded by [`NODES_MAX`].

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Most schema nodes that are looked at per tool.
pub const NODES_MAX: usize = 2_000;
/// Deepest nesting of records and arrays that is typed; deeper attributes are left out.
pub const DEPTH_MAX: usize = 12;
/// Most local references followed in a row.
const REFERENCES_MAX: usize = 16;

/// A type that Cedar has too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArgumentType {
    /// JSON string.
    String,
    /// JSON integer in 64 bits.
    Long,
    /// JSON boolean.
    Bool,
    /// JSON array of one type; order and repetition are lost.
    Set(Box<ArgumentType>),
    /// JSON object with known members.
    Record(RecordType),
}

/// A record: what is not in `fields` is invisible to policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordType {
    /// Typed members.
    pub fields: BTreeMap<Box<str>, Field>,
}

/// A member of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Whether the schema requires it.
    pub required: bool,
    /// Its type.
    pub kind: ArgumentType,
}

/// Why a tool's arguments cannot be typed at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untypable {
    /// The input schema is not a JSON object.
    #[error("the input schema is not a JSON object")]
    NotAnObject,
    /// The schema's top level has another type than `object`.
    #[error("the input schema's type is not \"object\"")]
    NotAnObjectSchema,
    /// Over [`NODES_MAX`].
    #[error("the input schema has too many parts")]
    TooLarge,
}

/// Types the arguments of a tool.
///
/// # Errors
/// See [`Untypable`].
pub fn record_of(schema: &Value) -> Result<RecordType, Untypable> {
    let root = schema.as_object().ok_or(Untypable::NotAnObject)?;
    if root.get("type").is_some_and(|kind| kind.as_str() != Some("object")) {
        return Err(Untypable::NotAnObjectSchema);
    }
    let mut typing = Typing { root: schema, nodes_left: NODES_MAX };
    typing.record(root, 0)
}

struct Typing<'a> {
    root: &'a Value,
    nodes_left: usize,
}

impl<'a> Typing<'a> {
    fn spend(&mut self) -> Result<(), Untypable> {
        self.nodes_left = self.nodes_left.checked_sub(1).ok_or(Untypable::TooLarge)?;
        Ok(())
    }

    fn record(&mut self, schema: &'a Map<String, Value>, depth: usize) -> Result<RecordType, Untypable> {
        let mut record = RecordType::default();
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
            return Ok(record);
        };
        let required = Required::of(schema);
        for (name, property) in properties {
            self.spend()?;
            if let Some((kind, nullable)) = self.kind(property, depth + 1)? {
                let required = !nullable && required.contains(name);
                record.fields.insert(name.as_str().into(), Field { required, kind });
            }
        }
        Ok(record)
    }

    /// The type and whether `null` is allowed beside it; `None` where Cedar has no such type.
    fn kind(&mut self, schema: &'a Value, depth: usize) -> Result<Option<(ArgumentType, bool)>, Untypable> {
        self.spend()?;
        if depth > DEPTH_MAX {
            return Ok(None);
        }
        let Some(schema) = self.resolve(schema) else {
            return Ok(None);
        };
        if schema.contains_key("oneOf") || schema.contains_key("allOf") || schema.contains_key("not") {
            return Ok(None);
        }
        match (schema.get("anyOf"), schema.get("type")) {
            (Some(Value::Array(choices)), None) => self.nullable(choices, depth),
            (Some(_), _) => Ok(None),
            (None, Some(Value::String(name))) => Ok(self.named(name, schema, depth)?.map(|kind| (kind, false))),
            (None, Some(Value::Array(names))) => self.either(names, schema, depth),
            (None, None) => Ok(strings_only(schema).then_some((ArgumentType::String, false))),
            (None, Some(_)) => Ok(None),
        }
    }

    /// `anyOf` of one typed schema and `null`.
    fn nullable(&mut self, choices: &'a [Value], depth: usize) -> Result<Option<(ArgumentType, bool)>, Untypable> {
        match choices {
            [other, null] | [null, other] if is_null_schema(null) && !is_null_schema(other) => {
                Ok(self.kind(other, depth + 1)?.map(|(kind, _)| (kind, true)))
            }
            _ => Ok(None),
        }
    }

    /// `type: [T, "null"]`.
    fn either(
        &mut self,
        names: &'a [Value],
        schema: &'a Map<String, Value>,
        depth: usize,
    ) -> Result<Option<(ArgumentType, bool)>, Untypable> {
        let (name, nullable) = match names {
            [Value::String(one)] => (one, false),
            [Value::String(one), Value::String(null)] if null == "null" => (one, true),
            [Value::String(null), Value::String(one)] if null == "null" => (one, true),
            _ => return Ok(None),
        };
        Ok(self.named(name, schema, depth)?.map(|kind| (kind, nullable)))
    }

    fn named(
        &mut self,
        name: &str,
        schema: &'a Map<String, Value>,
        depth: usize,
    ) -> Result<Option<ArgumentType>, Untypable> {
        Ok(match name {
            "string" => Some(ArgumentType::String),
            "integer" => Some(ArgumentType::Long),
            "boolean" => Some(ArgumentType::Bool),
            "object" => Some(ArgumentType::Record(self.record(schema, depth)?)),
            "array" => match schema.get("items") {
                Some(items) => match self.kind(items, depth + 1)? {
                    Some((kind, false)) => Some(ArgumentType::Set(Box::new(kind))),
                    _ => None,
                },
                None => None,
            },
            _ => None,
        })
    }

    /// Follows local references; `None` for a foreign, dangling or endless one.
    fn resolve(&self, schema: &'a Value) -> Option<&'a Map<String, Value>> {
        let mut current = schema.as_object()?;
        for _ in 0..REFERENCES_MAX {
            let Some(reference) = current.get("$ref") else {
                return Some(current);
            };
            let pointer = reference.as_str()?.strip_prefix('#')?;
            current = self.root.pointer(pointer)?.as_object()?;
        }
        None
    }
}

/// The `required` names; a list of many names is looked up in a set.
struct Required<'a>(std::collections::HashSet<&'a str>);

impl<'a> Required<'a> {
    fn of(schema: &'a Map<String, Value>) -> Self {
        let names = schema.get("required").and_then(Value::as_array);
        Self(names.into_iter().flatten().filter_map(Value::as_str).collect())
    }

    fn contains(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

fn is_null_schema(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("null")
}

/// No `type`, but an `enum` or `const` that holds strings only.
fn strings_only(schema: &Map<String, Value>) -> bool {
    match (schema.get("enum"), schema.get("const")) {
        (Some(Value::Array(values)), None) => !values.is_empty() && values.iter().all(Value::is_string),
        (None, Some(value)) => value.is_string(),
        _ => false,
    }
}
