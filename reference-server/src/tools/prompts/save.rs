//! `prompt_save`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::PromptToolError;
use super::view::Stored;
use crate::prompts::is_built_in;
use crate::state::Change;
use crate::storage::prompt::{Argument, Message, PromptBody, PromptName};
use crate::tools::typed::{adds, structured, typed_tool};
use crate::tools::{Call, Entry, Outcome};

pub(super) fn entry() -> Entry {
    let description = "Stores a prompt that clients find in prompts/list. Without expected_version a new one, refused \
        with prompt_exists when there is one of this name; with it the one that is at that version is changed as a whole, \
        and the version before is kept. Refused with version_conflict, which tells the current version, when another one \
        is current.";
    Entry::new(typed_tool::<Save, Stored>("prompt_save", "Save a prompt", description, adds()), save)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Save {
    /// What to ask for it by: 1 to 128 letters and digits of ASCII, '_', '.' and '-'
    name: String,
    /// The version that the change was made from; none for a new prompt
    expected_version: Option<u32>,
    /// Title for people
    title: Option<String>,
    /// What the prompt is for
    description: Option<String>,
    /// The arguments, each name once
    #[serde(default)]
    arguments: Vec<Argument>,
    /// The messages, in order
    messages: Vec<Message>,
}

async fn save(call: Call) -> Outcome {
    let wanted: Save = call.typed_arguments()?;
    let name = PromptName::parse(&wanted.name)?;
    if is_built_in(name.as_str()) {
        return Err(PromptToolError::BuiltIn(wanted.name).into());
    }
    let body = PromptBody {
        title: wanted.title,
        description: wanted.description,
        arguments: wanted.arguments,
        messages: wanted.messages,
    };
    let shared = &call.server.shared;
    let prompt = shared.prompts.save_prompt(&name, wanted.expected_version, body).await?;
    shared.announce(Change::Prompts);
    structured(&Stored::from(&prompt))
}
