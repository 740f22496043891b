//! What a prompt consists of, as callers give it and as it is stored.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a writer gives.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PromptBody {
    /// Title for people
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What the prompt is for
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The arguments, each name once
    #[serde(default)]
    pub arguments: Vec<Argument>,
    /// The messages, in order
    pub messages: Vec<Message>,
}

/// An argument of a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Argument {
    /// What {{name}} in a text stands for
    pub name: String,
    /// What to give
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it must be given; one that is not given is the empty text
    #[serde(default)]
    pub required: bool,
    /// What its text must be
    #[serde(rename = "type", default)]
    pub kind: Kind,
    /// The texts that an enum allows
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// What a string is completed from
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complete: Option<Completed>,
}

/// What the text of an argument must be; MCP passes texts only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Any text
    #[default]
    String,
    /// A whole number of 64 bits, as JSON writes it
    Integer,
    /// A number, as JSON writes it
    Number,
    /// true or false
    Boolean,
    /// One of `values`
    Enum,
}

/// What an argument may be completed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Completed {
    /// Paths of documents
    Documents,
}

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// The user
    User,
    /// The model
    Assistant,
}

/// A message of a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a message has role (user or assistant) and either text or resource, and nothing else")]
pub enum Message {
    /// A text
    Text(TextMessage),
    /// A resource, read when the prompt is asked for
    Resource(ResourceMessage),
}

/// A text with places for arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TextMessage {
    /// Who says it
    pub role: Speaker,
    /// The text, with {{name}} where an argument goes
    pub text: String,
}

/// A resource within a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceMessage {
    /// Who says it
    pub role: Speaker,
    /// URI of a document (doc://), a record (record://), a served file (file:///) or an object (object://)
    pub resource: String,
}
