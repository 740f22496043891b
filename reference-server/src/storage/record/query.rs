//! The language of queries: trees of conditions on fields, as JSON.
//!
//! Values are compared within their type only: numbers by what they are worth, texts by code point, false before true. A
//! condition on a field that is not there, or of another type, does not hold; what `not` is said of holds then.

mod field;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Number, Value};

pub use field::{Field, selected};

use super::keys;
use super::page::Place;

/// Most conditions of a filter.
pub const CONDITIONS_MAX: usize = 64;
/// Most levels of `and`, `or` and `not` within each other, with the condition.
pub const DEPTH_MAX: usize = 8;
/// Most values of an `in`.
pub const VALUES_MAX: usize = 100;
/// Longest text of a condition, in bytes. Looking for it in a text of the largest body takes their product at worst, and an
/// engine may look at the clock between two records only.
pub const TEXT_BYTES_MAX: usize = 1024;
/// Most fields to sort by.
pub const SORTS_MAX: usize = 4;
/// Most fields to select.
pub const SELECT_MAX: usize = 64;

/// Which limit a query breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidQuery {
    /// Not a field.
    #[error(
        "a field is names of members with dots between them, such as address.city, or a list of such names, up to {} bytes; \
         $id, $version, $created_at and $updated_at are the record's own",
        keys::PATH_BYTES_MAX
    )]
    Field,
    /// Too deep.
    #[error("a filter has at most {DEPTH_MAX} levels")]
    Depth,
    /// Too many conditions.
    #[error("a filter has at most {CONDITIONS_MAX} conditions")]
    Conditions,
    /// Nothing in it.
    #[error("and, or and in have at least one part")]
    Empty,
    /// Too many values.
    #[error("in has at most {VALUES_MAX} values")]
    Values,
    /// Too long.
    #[error("a text of a condition has at most {TEXT_BYTES_MAX} bytes")]
    Text,
    /// A character that no record has.
    #[error("a text of a condition holds no NUL character (U+0000)")]
    Nul,
    /// Null where it would never hold.
    #[error("null is compared by eq and in only; what is not null is found by not")]
    Null,
    /// Too many.
    #[error("a query sorts by at most {SORTS_MAX} fields, each once")]
    Sort,
    /// Too many, or none of the body's.
    #[error("a query selects at most {SELECT_MAX} fields of the body")]
    Select,
    /// Of groups.
    #[error(
        "a query has 1 to {} aggregates, each under a name of its own of up to {} bytes, over at most {} fields of the body",
        super::aggregate::AGGREGATES_MAX,
        super::aggregate::NAME_BYTES_MAX,
        super::aggregate::GROUP_FIELDS_MAX
    )]
    Aggregates,
    /// A function without its field.
    #[error("every function but count needs a field")]
    Function,
    /// Two that do not go together.
    #[error("aggregate goes together with filter and group_by only, and group_by with aggregate only")]
    Together,
}

/// What a field is compared with.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Scalar {
    /// true or false
    Bool(bool),
    /// A number
    Number(Number),
    /// A text
    Text(String),
    /// null
    Null,
}

impl Scalar {
    /// Its key.
    #[must_use]
    pub fn key(&self) -> String {
        keys::key(&match self {
            Self::Bool(bool) => Value::Bool(*bool),
            Self::Number(number) => Value::Number(number.clone()),
            Self::Text(text) => Value::String(text.clone()),
            Self::Null => Value::Null,
        })
    }
}

/// A field and a value.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Compared {
    /// The field
    pub field: Field,
    /// What it is compared with
    pub value: Scalar,
}

/// A field and values.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// The field
    pub field: Field,
    /// What it may be, up to 100
    pub values: Vec<Scalar>,
}

/// A field and a text.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Begun {
    /// The field
    pub field: Field,
    /// What its text begins with
    pub value: String,
}

/// A field.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct There {
    /// The field
    pub field: Field,
}

/// Which records: a condition, or a tree of them. Values of different types never match, and what is not there matches
/// nothing but a not
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Filter {
    /// All of these hold
    And(Vec<Filter>),
    /// One of these holds
    Or(Vec<Filter>),
    /// This does not hold
    Not(Box<Filter>),
    /// The field is the value
    Eq(Compared),
    /// The field is another value of the same type
    Ne(Compared),
    /// The field is lower than the value
    Lt(Compared),
    /// The field is the value or lower
    Le(Compared),
    /// The field is higher than the value
    Gt(Compared),
    /// The field is the value or higher
    Ge(Compared),
    /// The field is one of the values
    In(Listed),
    /// The field is a text with the value in it, or a list with the value as an item
    Contains(Compared),
    /// The field is a text that begins with the value
    StartsWith(Begun),
    /// The field is there, also as null
    Exists(There),
}

impl Filter {
    /// Holds the filter to the limits.
    ///
    /// # Errors
    /// See [`InvalidQuery`].
    pub fn check(&self) -> Result<(), InvalidQuery> {
        self.check_within(1, &mut 0)
    }

    fn check_within(&self, depth: usize, conditions: &mut usize) -> Result<(), InvalidQuery> {
        if depth > DEPTH_MAX {
            return Err(InvalidQuery::Depth);
        }
        match self {
            Self::And(parts) | Self::Or(parts) if parts.is_empty() => return Err(InvalidQuery::Empty),
            Self::And(parts) | Self::Or(parts) => {
                return parts.iter().try_for_each(|part| part.check_within(depth + 1, conditions));
            }
            Self::Not(part) => return part.check_within(depth + 1, conditions),
            _ => *conditions += 1,
        }
        if *conditions > CONDITIONS_MAX {
            return Err(InvalidQuery::Conditions);
        }
        match self {
            Self::In(listed) if listed.values.is_empty() => Err(InvalidQuery::Empty),
            Self::In(listed) if listed.values.len() > VALUES_MAX => Err(InvalidQuery::Values),
            Self::In(listed) => listed.values.iter().try_for_each(scalar),
            Self::Ne(compared) | Self::Lt(compared) | Self::Le(compared) | Self::Gt(compared) | Self::Ge(compared)
                if compared.value == Scalar::Null =>
            {
                Err(InvalidQuery::Null)
            }
            Self::StartsWith(begun) => text(&begun.value),
            Self::Eq(compared)
            | Self::Ne(compared)
            | Self::Lt(compared)
            | Self::Le(compared)
            | Self::Gt(compared)
            | Self::Ge(compared)
            | Self::Contains(compared) => scalar(&compared.value),
            _ => Ok(()),
        }
    }
}

fn scalar(value: &Scalar) -> Result<(), InvalidQuery> {
    match value {
        Scalar::Text(value) => text(value),
        _ => Ok(()),
    }
}

fn text(text: &str) -> Result<(), InvalidQuery> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(InvalidQuery::Text);
    }
    if text.contains('\0') { Err(InvalidQuery::Nul) } else { Ok(()) }
}

/// Which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The lowest first
    #[default]
    Asc,
    /// The highest first
    Desc,
}

/// A field to sort by. From low to high: not there, null, false, true, numbers, texts, lists and objects
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sort {
    /// The field
    pub field: Field,
    /// Which way; asc if not given
    #[serde(default)]
    pub direction: Direction,
}

/// Records of a collection.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// Which; all of them where it is `None`.
    pub filter: Option<Filter>,
    /// In which order; at last by their ids.
    pub sort: Vec<Sort>,
    /// From behind this place on.
    pub after: Option<Place>,
    /// At most so many.
    pub limit: u32,
}

impl Query {
    /// Holds the query to the limits.
    ///
    /// # Errors
    /// See [`InvalidQuery`].
    pub fn check(&self) -> Result<(), InvalidQuery> {
        self.filter.as_ref().map_or(Ok(()), Filter::check)?;
        let twice =
            |(place, sort): (usize, &Sort)| self.sort.iter().skip(place + 1).any(|each| each.field == sort.field);
        if self.sort.len() > SORTS_MAX || self.sort.iter().enumerate().any(twice) {
            return Err(InvalidQuery::Sort);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
