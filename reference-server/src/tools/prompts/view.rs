//! Prompts as results show them.

use schemars::JsonSchema;
use serde::Serialize;

use crate::storage::prompt::{Argument, Prompt};
use crate::tools::typed::time;

/// A prompt without its messages.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Stored {
    /// What prompts/get asks for it by
    name: String,
    /// Version; a change must name the current one
    version: u32,
    /// Title for people
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    /// What the prompt is for
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// The arguments
    arguments: Vec<Argument>,
    /// When the prompt was created, RFC 3339
    created_at: String,
    /// When this version was written, RFC 3339
    updated_at: String,
}

impl From<&Prompt> for Stored {
    fn from(prompt: &Prompt) -> Self {
        let body = prompt.body.clone();
        Self {
            name: prompt.name.to_string(),
            version: prompt.version,
            title: body.title,
            description: body.description,
            arguments: body.arguments,
            created_at: time(prompt.created_at),
            updated_at: time(prompt.updated_at),
        }
    }
}
