//! `prompt_history`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cursor;
use crate::storage::prompt::{Prompt, PromptName};
use crate::tools::typed::{TypedError, page_limit, reads, structured, time, typed_tool};
use crate::tools::{Call, Entry, Outcome};

pub(super) fn entry() -> Entry {
    let description = "Lists a stored prompt's versions, the newest first.";
    Entry::new(typed_tool::<Asked, History>("prompt_history", "History of a prompt", description, reads()), history)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Name of the prompt
    name: String,
    /// next_cursor of the page before
    cursor: Option<String>,
    /// Most versions of a page, 1 to 200; 50 if not given
    limit: Option<u32>,
}

/// A page of versions.
#[derive(Serialize, JsonSchema)]
struct History {
    /// The versions, the newest first
    versions: Vec<Version>,
    /// Cursor of the next page; absent on the last
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// One version.
#[derive(Serialize, JsonSchema)]
struct Version {
    /// Its number
    version: u32,
    /// Its title then
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    /// When it was written, RFC 3339
    updated_at: String,
}

async fn history(call: Call) -> Outcome {
    let wanted: Asked = call.typed_arguments()?;
    let name = PromptName::parse(&wanted.name)?;
    let limit = page_limit(wanted.limit)?;
    let before = |cursor: &str| cursor::version(cursor).ok_or(TypedError::Cursor);
    let before = wanted.cursor.as_deref().map(before).transpose()?;
    let page = call.server.shared.prompts.prompt_history(&name, before, limit).await?;
    let next = page.items.last().filter(|_| page.more).map(|last| cursor::of(&last.version.to_string()));
    let version = |prompt: Prompt| Version {
        version: prompt.version,
        title: prompt.body.title,
        updated_at: time(prompt.updated_at),
    };
    structured(&History { versions: page.items.into_iter().map(version).collect(), next_cursor: next })
}
