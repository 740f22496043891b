//! Putting arguments into texts.
//!
//! Invariant: a text is read once, from left to right, so that what an argument holds is never taken for a place.

use std::collections::BTreeMap;

use super::check::{NAME_BYTES_MAX, name};
use super::{Argument, Kind, Message, PromptBody, Speaker};

/// Most bytes of all texts of a prompt that is filled.
pub(super) const FILLED_BYTES_MAX: usize = 1024 * 1024;

/// Why a prompt cannot be filled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    /// A required argument is not there.
    #[error("argument {0} is required")]
    Missing(String),
    /// The prompt has no such argument.
    #[error("the prompt has no argument named {0}")]
    Unknown(String),
    /// The text is not what the argument's type wants.
    #[error("argument {name} must be {wanted}")]
    Type {
        /// The argument.
        name: String,
        /// What it must be.
        wanted: String,
    },
    /// The texts would be too large.
    #[error("with these arguments the prompt has more than {FILLED_BYTES_MAX} bytes")]
    Size,
}

/// A message of a prompt that is filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filled {
    /// A text.
    Text(Speaker, String),
    /// The URI of a resource to be read.
    Resource(Speaker, String),
}

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// What stays as it is.
    Text(&'a str),
    /// Where an argument goes.
    Place(&'a str),
}

/// Divides a text: `{{name}}` is a place, everything else stays, also other braces.
pub(super) fn parts(text: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if let Some((name, behind)) = place(rest) {
            rest = behind;
            return Some(Part::Place(name));
        }
        let mut braces = rest.match_indices('{').map(|(at, _)| at);
        let end = braces.find(|&at| rest.get(at..).and_then(place).is_some()).unwrap_or(rest.len());
        let (stays, behind) = rest.split_at_checked(end)?;
        rest = behind;
        (!stays.is_empty()).then_some(Part::Text(stays))
    })
}

/// The name of the place that a text begins with, and what is behind it.
fn place(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix("{{")?;
    // Only as far as a name may go: a text of braces would be searched to its end from each of them.
    let length = inner.bytes().take(NAME_BYTES_MAX + 1).position(|byte| byte == b'}')?;
    let (found, behind) = inner.split_at_checked(length)?;
    Some((found, behind.strip_prefix("}}")?)).filter(|_| name(found, NAME_BYTES_MAX))
}

impl PromptBody {
    /// The messages with these arguments.
    ///
    /// # Errors
    /// See [`ArgumentError`].
    pub fn filled(&self, given: &BTreeMap<String, String>) -> Result<Vec<Filled>, ArgumentError> {
        let unknown = given.keys().find(|name| !self.arguments.iter().any(|argument| argument.name == **name));
        if let Some(unknown) = unknown {
            return Err(ArgumentError::Unknown(unknown.clone()));
        }
        for argument in &self.arguments {
            match given.get(&argument.name) {
                Some(text) => argument.takes(text)?,
                None if argument.required => return Err(ArgumentError::Missing(argument.name.clone())),
                None => {}
            }
        }
        let mut left = FILLED_BYTES_MAX;
        let fill = |message: &Message| match message {
            Message::Text(message) => Ok(Filled::Text(message.role, filled(&message.text, given, &mut left)?)),
            Message::Resource(message) => Ok(Filled::Resource(message.role, message.resource.clone())),
        };
        self.messages.iter().map(fill).collect()
    }
}

/// A text with the arguments in their places, of at most `left` bytes, which are taken off.
fn filled(text: &str, given: &BTreeMap<String, String>, left: &mut usize) -> Result<String, ArgumentError> {
    let mut filled = String::new();
    for part in parts(text) {
        let piece = match part {
            Part::Text(text) => text,
            Part::Place(name) => given.get(name).map(String::as_str).unwrap_or_default(),
        };
        *left = left.checked_sub(piece.len()).ok_or(ArgumentError::Size)?;
        filled.push_str(piece);
    }
    Ok(filled)
}

impl Argument {
    /// Holds the text of the argument to its type.
    fn takes(&self, text: &str) -> Result<(), ArgumentError> {
        let (right, wanted) = match self.kind {
            Kind::String => (true, String::new()),
            Kind::Integer => (json::<i64>(text), "a whole number of 64 bits".to_owned()),
            Kind::Number => (json::<f64>(text), "a number".to_owned()),
            Kind::Boolean => (matches!(text, "true" | "false"), "true or false".to_owned()),
            Kind::Enum => {
                (self.values.iter().any(|value| value == text), format!("one of: {}", self.values.join(", ")))
            }
        };
        if right { Ok(()) } else { Err(ArgumentError::Type { name: self.name.clone(), wanted }) }
    }

    /// What its text may be, where that is known without looking anything up.
    #[must_use]
    pub fn choices(&self) -> Vec<String> {
        match self.kind {
            Kind::Boolean => vec!["true".to_owned(), "false".to_owned()],
            _ => self.values.clone(),
        }
    }
}

/// Whether the text is this in JSON, without spaces around.
fn json<T: serde::de::DeserializeOwned>(text: &str) -> bool {
    text.trim() == text && serde_json::from_str::<T>(text).is_ok()
}

#[cfg(test)]
mod tests;
