//! Prompts that were stored by tools.
//!
//! In: a name and arguments. Out: the list, messages, suggestions. Refusals: [`PromptError`].
//! Invariant: an argument goes into a text once and is never read again; resources are named by the prompt alone.

use std::collections::BTreeMap;

use rmcp::model::{
    CompletionInfo, ContentBlock, GetPromptRequestParams, GetPromptResponse, GetPromptResult, Prompt, PromptArgument,
    PromptMessage, Role,
};
use serde_json::Value;

use super::{PromptError, is_built_in, matching};
use crate::icons::Sign;
use crate::resources::{self, documents};
use crate::state::Shared;
use crate::storage::prompt::{self, Argument, ArgumentError, Completed, Filled, PromptName, PromptStoreError, Speaker};

/// Stored prompts of one page of the list.
const PAGE: u32 = 100;

/// A page of stored prompts from behind the name `after` on, and the name to go on from.
///
/// # Errors
/// When the store fails.
pub async fn list(shared: &Shared, after: Option<&str>) -> Result<(Vec<Prompt>, Option<String>), PromptStoreError> {
    let page = shared.prompts.prompts(after, PAGE).await?;
    let next = page.items.last().filter(|_| page.more).map(|last| last.name.to_string());
    // A backup may hold one whose name was built in later.
    let shown = page.items.into_iter().filter(|stored| !is_built_in(stored.name.as_str()));
    Ok((shown.map(listed).collect(), next))
}

fn listed(stored: prompt::Prompt) -> Prompt {
    let argument = |argument: Argument| {
        let listed = PromptArgument::new(argument.name).with_required(argument.required);
        match argument.description {
            Some(description) => listed.with_description(description),
            None => listed,
        }
    };
    let body = stored.body;
    let arguments = body.arguments.into_iter().map(argument).collect();
    let mut listed = Prompt::new(stored.name.as_str(), body.description, Some(arguments));
    listed.title = body.title;
    listed.icons = Some(Sign::Prompt.icons());
    listed
}

async fn current(shared: &Shared, name: &str) -> Result<Option<prompt::Prompt>, PromptError> {
    let Ok(name) = PromptName::parse(name) else { return Ok(None) };
    match shared.prompts.prompt(&name, None).await {
        Ok(stored) => Ok(Some(stored)),
        Err(PromptStoreError::NotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The messages of a stored prompt with these arguments.
///
/// # Errors
/// See [`PromptError`].
pub(super) async fn get(shared: &Shared, params: &GetPromptRequestParams) -> Result<GetPromptResponse, PromptError> {
    let unknown = || PromptError::UnknownPrompt(params.name.clone());
    let stored = current(shared, &params.name).await?.ok_or_else(unknown)?;
    let mut messages = vec![];
    for filled in stored.body.filled(&given(params)?)? {
        messages.push(match filled {
            Filled::Text(speaker, text) => PromptMessage::new(role(speaker), ContentBlock::text(text)),
            Filled::Resource(speaker, uri) => PromptMessage::new(role(speaker), resource(shared, uri).await?),
        });
    }
    let mut result = GetPromptResult::new(messages);
    result.description = stored.body.description;
    Ok(result.into())
}

fn given(params: &GetPromptRequestParams) -> Result<BTreeMap<String, String>, ArgumentError> {
    let text = |(name, value): (&String, &Value)| match value {
        Value::String(text) => Ok((name.clone(), text.clone())),
        _ => Err(ArgumentError::Type { name: name.clone(), wanted: "a string".to_owned() }),
    };
    params.arguments.iter().flatten().map(text).collect()
}

fn role(speaker: Speaker) -> Role {
    match speaker {
        Speaker::User => Role::User,
        Speaker::Assistant => Role::Assistant,
    }
}

async fn resource(shared: &Shared, uri: String) -> Result<ContentBlock, PromptError> {
    let contents = resources::contents(shared, &uri).await.map_err(PromptError::Resource)?;
    Ok(ContentBlock::resource(contents.ok_or(PromptError::Embedded(uri))?))
}

/// Suggestions for an argument of a stored prompt; none for a text that is free.
///
/// # Errors
/// [`PromptError::UnknownReference`], and when a store fails.
pub(super) async fn complete(
    shared: &Shared,
    name: &str,
    argument: &str,
    typed: &str,
) -> Result<CompletionInfo, PromptError> {
    let stored = current(shared, name).await?.ok_or(PromptError::UnknownReference)?;
    let argument = stored.body.arguments.into_iter().find(|each| each.name == argument);
    let argument = argument.ok_or(PromptError::UnknownReference)?;
    match argument.complete {
        Some(Completed::Documents) => Ok(documents::complete(shared, typed).await?),
        None => Ok(matching(argument.choices(), typed)),
    }
}
