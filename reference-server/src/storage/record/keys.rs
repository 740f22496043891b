//! The keys of a record: for each field a text that compares, byte by byte, as the field's value does.
//!
//! The first character is the type: `-` null, `b` boolean, `n` number, `s` text, `x` list or object; within a type, order
//! and equality are those of the values. So an engine compares nothing but texts, and every engine alike.
//! A key of a number is the highest double that is not above it, and how far it is above that: whole numbers from -2^63 to
//! 2^64-1 are exact, and every other number is a double.
//! Fields within objects have keys of their own, under the path of members; lists also one of their items, for `contains`.
//! Keys are stored: whoever changes what they are needs a step of the schema that makes all of them anew.

use serde_json::{Map, Number, Value, json};

use super::Record;
use crate::storage::time;

/// Longest path that has a key, in bytes. A longer one cannot be asked for.
pub const PATH_BYTES_MAX: usize = 256;

/// The key of null.
pub const NULL: &str = "-";

/// What stands behind the path of a list where the keys of its items are; no path ends with it.
const ITEMS: &str = "[]";

/// Digits of a double, in hexadecimal.
const DOUBLE_DIGITS: usize = 16;

/// 2^64.
const WHOLE_END: f64 = 18_446_744_073_709_551_616.0;

/// -2^63.
const WHOLE_BEGIN: f64 = -9_223_372_036_854_775_808.0;

/// A number as it is compared and added.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Exact {
    /// A whole number from -2^63 to 2^64-1, however it was written.
    Whole(i128),
    /// Any other double.
    Double(f64),
}

impl Exact {
    /// A number of JSON.
    #[must_use]
    pub fn of(number: &Number) -> Self {
        let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
        whole.map_or_else(|| Self::of_double(number.as_f64().unwrap_or_default()), Self::Whole)
    }

    #[expect(clippy::cast_possible_truncation, reason = "whole, and within the range")]
    fn of_double(double: f64) -> Self {
        let whole = double.fract() == 0.0 && (WHOLE_BEGIN..WHOLE_END).contains(&double);
        if whole { Self::Whole(double as i128) } else { Self::Double(double) }
    }

    /// As JSON writes it; `None` beyond the doubles.
    #[must_use]
    pub fn json(self) -> Option<Number> {
        match self {
            Self::Whole(whole) => i64::try_from(whole)
                .map(Number::from)
                .or_else(|_| u64::try_from(whole).map(Number::from))
                .ok()
                .or_else(|| Number::from_f64(self.double())),
            Self::Double(double) => Number::from_f64(double),
        }
    }

    /// The nearest double.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "the nearest is wanted")]
    pub fn double(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Double(double) => double,
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "a double of a whole number of 65 bits is one of 66")]
    fn key(self) -> String {
        let mut double = self.double();
        let mut above = 0;
        if let Self::Whole(whole) = self {
            if double as i128 > whole {
                double = double.next_down();
            }
            above = whole - double as i128;
        }
        format!("n{:0DOUBLE_DIGITS$x}{above:03x}", ordered(double))
    }

    #[expect(clippy::cast_possible_truncation, reason = "only of a whole number")]
    fn of_key(key: &str) -> Option<Self> {
        let (double, above) = key.strip_prefix('n')?.split_at_checked(DOUBLE_DIGITS)?;
        let double = unordered(u64::from_str_radix(double, 16).ok()?);
        Some(match i128::from_str_radix(above, 16).ok()? {
            0 => Self::of_double(double),
            above => Self::Whole(double as i128 + above),
        })
    }
}

const SIGN: u64 = 1 << 63;

/// Bits that are ordered as the doubles are.
fn ordered(double: f64) -> u64 {
    let bits = double.to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

fn unordered(bits: u64) -> f64 {
    f64::from_bits(if bits & SIGN == 0 { !bits } else { bits & !SIGN })
}

/// The key of a value.
#[must_use]
pub fn key(value: &Value) -> String {
    match value {
        Value::Null => NULL.to_owned(),
        Value::Bool(bool) => format!("b{}", u8::from(*bool)),
        Value::Number(number) => Exact::of(number).key(),
        Value::String(text) => format!("s{text}"),
        Value::Array(_) => "x[".to_owned(),
        Value::Object(_) => "x{".to_owned(),
    }
}

/// The value of a key; `None` for a list, an object and what is no key.
#[must_use]
pub fn value(key: &str) -> Option<Value> {
    Some(match key {
        NULL => Value::Null,
        "b0" => Value::Bool(false),
        "b1" => Value::Bool(true),
        number if number.starts_with('n') => Exact::of_key(number)?.json()?.into(),
        text => text.strip_prefix('s')?.into(),
    })
}

/// The number of a key.
#[must_use]
pub fn number(key: &str) -> Option<Exact> {
    Exact::of_key(key)
}

/// What a record says of itself beside its body; see [`own`].
const OWN: [&str; 4] = ["id", "version", "created_at", "updated_at"];

/// Where the key of `$id` and the like is; `None` for any other name. No escape looks like this.
#[must_use]
pub fn own(name: &str) -> Option<String> {
    OWN.contains(&name).then(|| format!("%{name}"))
}

/// Where the key of a field is; the members' names come into it in letters that no engine takes for anything else.
#[must_use]
pub fn place<'a>(members: impl IntoIterator<Item = &'a str>) -> String {
    members.into_iter().map(escaped).collect::<Vec<_>>().join(".")
}

/// Where the keys of the items of a list are.
#[must_use]
pub fn items(place: &str) -> String {
    format!("{place}{ITEMS}")
}

fn escaped(member: &str) -> String {
    let mut text = String::with_capacity(member.len());
    for character in member.chars() {
        if character.is_ascii() && !character.is_ascii_alphanumeric() && !"_- ".contains(character) {
            text.push_str(&format!("%{:02X}", u32::from(character)));
        } else {
            text.push(character);
        }
    }
    text
}

/// Bytes of a path as a caller writes it.
#[must_use]
pub fn path_bytes<'a>(members: impl IntoIterator<Item = &'a str>) -> usize {
    members.into_iter().map(|member| member.len() + 1).sum::<usize>().saturating_sub(1)
}

/// Every key of a record, as JSON.
#[must_use]
pub fn of(record: &Record) -> String {
    let mut keys = Map::new();
    let own = [
        json!(record.name.id()),
        json!(record.version),
        json!(time(record.created_at)),
        json!(time(record.updated_at)),
    ];
    for (name, value) in OWN.iter().zip(&own) {
        keys.insert(format!("%{name}"), key(value).into());
    }
    add(&mut keys, &mut vec![], &record.body);
    Value::Object(keys).to_string()
}

fn add<'a>(keys: &mut Map<String, Value>, path: &mut Vec<&'a str>, object: &'a Map<String, Value>) {
    for (name, value) in object {
        path.push(name);
        if path_bytes(path.iter().copied()) <= PATH_BYTES_MAX {
            let place = place(path.iter().copied());
            if let Value::Array(list) = value {
                let scalars = list.iter().filter(|item| !item.is_array() && !item.is_object());
                keys.insert(items(&place), scalars.map(key).collect());
            }
            keys.insert(place, key(value).into());
            if let Value::Object(object) = value {
                add(keys, path, object);
            }
        }
        path.pop();
    }
}

#[cfg(test)]
mod tests;
