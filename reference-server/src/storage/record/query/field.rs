//! Fields, and what is selected by them.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::InvalidQuery;
use crate::storage::record::keys;

/// What the names of the record's own fields begin with.
const OWN: char = '$';

/// As a caller writes it.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Written {
    /// Names of members with dots between them, such as address.city; $id, $version, $created_at and $updated_at are the
    /// record's own
    Dotted(String),
    /// The names, where one has a dot in it or begins with $
    Members(Vec<String>),
}

/// A field of records: a member of the body, or of an object in it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written")]
pub struct Field {
    /// Empty for one of the record's own.
    members: Vec<String>,
    key: String,
}

impl TryFrom<Written> for Field {
    type Error = InvalidQuery;

    fn try_from(written: Written) -> Result<Self, InvalidQuery> {
        match written {
            Written::Dotted(text) => match text.strip_prefix(OWN) {
                Some(name) => Ok(Self { members: vec![], key: keys::own(name).ok_or(InvalidQuery::Field)? }),
                None => Self::of_members(text.split('.').map(str::to_owned).collect()),
            },
            Written::Members(members) => Self::of_members(members),
        }
    }
}

impl Field {
    fn of_members(members: Vec<String>) -> Result<Self, InvalidQuery> {
        let bytes = keys::path_bytes(members.iter().map(String::as_str));
        let refused = |member: &String| member.is_empty() || member.contains('\0');
        if members.is_empty() || bytes > keys::PATH_BYTES_MAX || members.iter().any(refused) {
            return Err(InvalidQuery::Field);
        }
        let key = keys::place(members.iter().map(String::as_str));
        Ok(Self { members, key })
    }

    /// Where its key is.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether it is one of the body's.
    #[must_use]
    pub fn of_body(&self) -> bool {
        !self.members.is_empty()
    }

    /// Its value in a body.
    #[must_use]
    pub fn value<'a>(&self, body: &'a Map<String, Value>) -> Option<&'a Value> {
        let (first, rest) = self.members.split_first()?;
        rest.iter().try_fold(body.get(first)?, |value, member| value.as_object()?.get(member))
    }

    /// Puts a value into a body at the field's place, in objects that are made where they are not there.
    pub fn put(&self, body: &mut Map<String, Value>, value: Value) {
        let Some((last, path)) = self.members.split_last() else { return };
        let mut object = body;
        for member in path {
            let inner = object.entry(member.clone()).or_insert_with(|| Value::Object(Map::new()));
            // What was put there as a whole has it already.
            let Value::Object(inner) = inner else { return };
            object = inner;
        }
        object.insert(last.clone(), value);
    }
}

/// Only these fields of a body.
#[must_use]
pub fn selected(body: &Map<String, Value>, fields: &[Field]) -> Map<String, Value> {
    let mut selected = Map::new();
    for field in fields {
        if let Some(value) = field.value(body) {
            field.put(&mut selected, value.clone());
        }
    }
    selected
}
