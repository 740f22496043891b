//! `prompt_read`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::view::Stored;
use crate::storage::prompt::{Message, PromptName};
use crate::tools::typed::{reads, structured, typed_tool};
use crate::tools::{Call, Entry, Outcome};

pub(super) fn entry() -> Entry {
    let description = "Reads a stored prompt as it was written, with the places for its arguments: the current version, \
        or an earlier one.";
    Entry::new(typed_tool::<Read, Content>("prompt_read", "Read a prompt", description, reads()), read)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Read {
    /// Name of the prompt
    name: String,
    /// An earlier version; the current one if not given
    version: Option<u32>,
}

/// A prompt with its messages.
#[derive(Serialize, JsonSchema)]
struct Content {
    #[serde(flatten)]
    stored: Stored,
    /// The messages, in order
    messages: Vec<Message>,
}

async fn read(call: Call) -> Outcome {
    let wanted: Read = call.typed_arguments()?;
    let prompt = call.server.shared.prompts.prompt(&PromptName::parse(&wanted.name)?, wanted.version).await?;
    structured(&Content { stored: Stored::from(&prompt), messages: prompt.body.messages })
}
