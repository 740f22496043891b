//! What is taken out and in.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::storage::prompt::{PromptBody, PromptName};
use crate::storage::record::RecordName;
use crate::storage::{Body, DocumentPath};

/// Longest name in a complaint, in characters.
const NAME_CHARS_MAX: usize = 200;

/// Where something is in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Place {
    /// A line, counted from 1.
    Line(usize),
    /// An entry of an archive.
    Entry(String),
    /// The file as a whole.
    File,
}

impl Place {
    /// The entry of this name, as far as it is told.
    pub(super) fn entry(name: &str) -> Self {
        Self::Entry(name.chars().take(NAME_CHARS_MAX).collect())
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Line(line) => write!(formatter, "line {line}"),
            Self::Entry(name) => write!(formatter, "entry {name:?}"),
            Self::File => formatter.write_str("the file"),
        }
    }
}

/// What is wrong with a part of a file.
#[derive(Debug, Clone)]
pub struct Complaint {
    pub(super) place: Place,
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Serialize for Complaint {
    /// An object with `line` or `entry`, `code` and `message`.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut told = Map::new();
        match &self.place {
            Place::Line(line) => told.insert("line".to_owned(), Value::from(*line)),
            Place::Entry(name) => told.insert("entry".to_owned(), Value::from(name.clone())),
            Place::File => None,
        };
        told.insert("code".to_owned(), Value::from(self.code));
        told.insert("message".to_owned(), Value::from(self.message.clone()));
        told.serialize(serializer)
    }
}

/// What a document, prompt or record is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    /// A document.
    Document(DocumentPath),
    /// A prompt.
    Prompt(PromptName),
    /// A record.
    Record(RecordName),
}

impl std::fmt::Display for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Document(path) => write!(formatter, "document {path}"),
            Self::Prompt(name) => write!(formatter, "prompt {name}"),
            Self::Record(name) => write!(formatter, "record {name}"),
        }
    }
}

/// A document or prompt as it is or was, or a record as it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Thing {
    /// A document.
    Document(DocumentPath, Body),
    /// A prompt.
    Prompt(PromptName, PromptBody),
    /// A record.
    Record(RecordName, Map<String, Value>),
}

impl Thing {
    pub(super) fn key(&self) -> Key {
        match self {
            Self::Document(path, _) => Key::Document(path.clone()),
            Self::Prompt(name, _) => Key::Prompt(name.clone()),
            Self::Record(name, _) => Key::Record(name.clone()),
        }
    }
}

/// A part of a file that is right by itself.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) place: Place,
    pub(super) thing: Thing,
    /// Whether it is what the next item of the same name was earlier.
    pub(super) earlier: bool,
}

/// A part of a file.
pub(super) type Part = Result<Item, Complaint>;

/// The same, with its keys in order: stores give them back in different ones.
pub(super) fn in_order(metadata: &Map<String, Value>) -> Map<String, Value> {
    let mut members: Vec<(&String, &Value)> = metadata.iter().collect();
    members.sort_unstable_by_key(|(key, _)| *key);
    members.into_iter().map(|(key, value)| (key.clone(), value_in_order(value))).collect()
}

fn value_in_order(value: &Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(in_order(members)),
        Value::Array(items) => items.iter().map(value_in_order).collect(),
        other => other.clone(),
    }
}
