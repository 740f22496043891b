//! The limits that hold for each record, and how it is changed.

use serde_json::{Map, Value};

use super::name::NAME_BYTES_MAX;

/// Largest body, in bytes of JSON.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Most levels of objects and lists within each other.
const DEPTH_MAX: usize = 16;
/// Most members and items, on all levels together.
const VALUES_MAX: usize = 1_000;
/// Longest name of a member, in bytes.
const MEMBER_BYTES_MAX: usize = 128;

/// Which limit a record would break.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRecord {
    /// Not a name.
    #[error(
        "a collection and an id have 1 to {NAME_BYTES_MAX} letters and digits of ASCII, '_', '.' and '-', and are neither \
         '.' nor '..'"
    )]
    Name,
    /// The body is too large.
    #[error("the body has {0} bytes of JSON, more than {BODY_BYTES_MAX}")]
    Size(usize),
    /// Too deep.
    #[error("the body has more than {DEPTH_MAX} levels")]
    Depth,
    /// Too many.
    #[error("the body has more than {VALUES_MAX} members and items")]
    Values,
    /// A member's name is too long, or there is none.
    #[error("a member's name has 1 to {MEMBER_BYTES_MAX} bytes")]
    Member,
    /// A character that not every engine can store.
    #[error("a body holds no NUL character (U+0000)")]
    Nul,
}

/// How a record is changed.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// This body in the place of the old.
    Replace(Map<String, Value>),
    /// These members in the place of the old, by RFC 7396; what is null goes.
    Merge(Map<String, Value>),
}

impl Change {
    /// What this makes of a body.
    #[must_use]
    pub fn applied(self, mut body: Map<String, Value>) -> Map<String, Value> {
        match self {
            Self::Replace(body) => body,
            Self::Merge(patch) => {
                merge(&mut body, patch);
                body
            }
        }
    }
}

/// RFC 7396, section 2. As deep as the patch, which the parser of requests has bounded.
fn merge(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => {
                target.remove(&name);
            }
            Value::Object(patch) => {
                let mut inner = match target.remove(&name) {
                    Some(Value::Object(inner)) => inner,
                    _ => Map::new(),
                };
                merge(&mut inner, patch);
                target.insert(name, Value::Object(inner));
            }
            value => {
                target.insert(name, value);
            }
        }
    }
}

/// Holds a body to the limits.
///
/// # Errors
/// See [`InvalidRecord`].
pub(crate) fn check(body: &Map<String, Value>) -> Result<(), InvalidRecord> {
    let mut values = 0;
    members(body, 1, &mut values)?;
    let size = serde_json::to_string(body).map_or(usize::MAX, |json| json.len());
    if size > BODY_BYTES_MAX { Err(InvalidRecord::Size(size)) } else { Ok(()) }
}

fn members(object: &Map<String, Value>, depth: usize, values: &mut usize) -> Result<(), InvalidRecord> {
    for (name, value) in object {
        if !(1..=MEMBER_BYTES_MAX).contains(&name.len()) {
            return Err(InvalidRecord::Member);
        }
        if name.contains('\0') {
            return Err(InvalidRecord::Nul);
        }
        inner(value, depth, values)?;
    }
    Ok(())
}

fn inner(value: &Value, depth: usize, values: &mut usize) -> Result<(), InvalidRecord> {
    *values += 1;
    if *values > VALUES_MAX {
        return Err(InvalidRecord::Values);
    }
    match value {
        Value::Object(_) | Value::Array(_) if depth >= DEPTH_MAX => Err(InvalidRecord::Depth),
        Value::Object(object) => members(object, depth + 1, values),
        Value::Array(items) => items.iter().try_for_each(|item| inner(item, depth + 1, values)),
        Value::String(text) if text.contains('\0') => Err(InvalidRecord::Nul),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
