//! `prompt_delete`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::state::Change;
use crate::storage::prompt::PromptName;
use crate::tools::typed::{destroys, structured, typed_tool};
use crate::tools::{Call, Entry, Outcome};

pub(super) fn entry() -> Entry {
    let description =
        "Deletes a stored prompt with its whole history. With expected_version only if that is the current one.";
    Entry::new(typed_tool::<Delete, Deleted>("prompt_delete", "Delete a prompt", description, destroys()), delete)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Delete {
    /// Name of the prompt
    name: String,
    /// Delete only this version
    expected_version: Option<u32>,
}

/// What was deleted.
#[derive(Serialize, JsonSchema)]
struct Deleted {
    /// Name of the prompt
    name: String,
    /// Its last version; a new prompt of this name counts on from there
    last_version: u32,
}

async fn delete(call: Call) -> Outcome {
    let wanted: Delete = call.typed_arguments()?;
    let shared = &call.server.shared;
    let last_version = shared.prompts.delete_prompt(&PromptName::parse(&wanted.name)?, wanted.expected_version).await?;
    shared.announce(Change::Prompts);
    structured(&Deleted { name: wanted.name, last_version })
}
