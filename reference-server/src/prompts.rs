//! The prompts and completion of their arguments.
//!
//! In: a name and arguments. Out: messages, or a question to the client. Refusals: [`PromptError`].
//! Some are built in, others [`stored`]; no stored one comes before one that is built in.
//! To build one in: an entry in [`list`], its name in [`BUILT_IN`] and an arm in [`get`].

pub mod stored;

use std::collections::BTreeMap;

use rmcp::model::{
    CompleteRequestParams, CompletionInfo, ContentBlock, GetPromptRequestParams, GetPromptResponse, GetPromptResult,
    Prompt, PromptArgument, PromptMessage, Reference, ResourceContents, Role,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::{Value, json};

use crate::ask::{AskError, Asked, Question, Retry};
use crate::directory::FileError;
use crate::icons::Sign;
use crate::objects::ObjectError;
use crate::resources::documents::{self, DOCUMENT_TEMPLATE};
use crate::resources::{self, DATA_TEMPLATE, FILE_TEMPLATE, PIXEL_PNG, files, objects, records};
use crate::state::Shared;
use crate::storage::StoreError;
use crate::storage::prompt::{ArgumentError, PromptStoreError};
use crate::storage::record::RecordError;

const DYNAMIC_PROMPT: &str = "test_dynamic_prompt";

/// Every name that is built in, also of the prompt that is not always listed.
const BUILT_IN: [&str; 6] = [
    "test_simple_prompt",
    "test_prompt_with_arguments",
    "test_prompt_with_embedded_resource",
    "test_prompt_with_image",
    "test_input_required_result_prompt",
    DYNAMIC_PROMPT,
];

/// Whether no stored prompt may have this name.
#[must_use]
pub fn is_built_in(name: &str) -> bool {
    BUILT_IN.contains(&name)
}

/// Why a prompt or a completion cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// No such prompt.
    #[error("no prompt named {0}")]
    UnknownPrompt(String),
    /// No such prompt, template or argument to complete.
    #[error("nothing to complete for this reference and argument")]
    UnknownReference,
    /// A required argument is missing or not a string.
    #[error("argument {0} is required and must be a string")]
    Argument(&'static str),
    /// The arguments are not what the stored prompt wants.
    #[error(transparent)]
    Arguments(#[from] ArgumentError),
    /// What a stored prompt embeds is not there.
    #[error("the prompt embeds {0}, which is not there")]
    Embedded(String),
    /// What a stored prompt embeds cannot be read.
    #[error("{}", .0.message)]
    Resource(ErrorData),
    /// The store of prompts failed.
    #[error(transparent)]
    Stored(#[from] PromptStoreError),
    /// The client could not be asked.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The served directory failed.
    #[error(transparent)]
    Directory(#[from] FileError),
    /// The store of objects failed.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// The store of records failed.
    #[error(transparent)]
    Records(#[from] RecordError),
    /// The store of documents failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<PromptError> for ErrorData {
    fn from(error: PromptError) -> Self {
        match error {
            PromptError::Ask(error) => error.into(),
            PromptError::Store(error) | PromptError::Stored(PromptStoreError::Store(error)) => error.into(),
            PromptError::Resource(error) => error,
            PromptError::Objects(error) => error.into(),
            PromptError::Records(error) => error.into(),
            PromptError::Directory(error) => Self::internal_error(error.to_string(), None),
            refused => Self::invalid_params(refused.to_string(), None),
        }
    }
}

/// Every prompt that is built in, in a fixed order; the dynamic one only while it is switched on.
#[must_use]
pub fn list(shared: &Shared) -> Vec<Prompt> {
    if !shared.has_samples() {
        return vec![];
    }
    let required =
        |name: &str, description: &str| PromptArgument::new(name).with_description(description).with_required(true);
    let mut prompts = vec![
        Prompt::new("test_simple_prompt", Some("A prompt without arguments"), None),
        Prompt::new(
            "test_prompt_with_arguments",
            Some("A prompt with two arguments"),
            Some(vec![required("arg1", "First test argument"), required("arg2", "Second test argument")]),
        ),
        Prompt::new(
            "test_prompt_with_embedded_resource",
            Some("A prompt that embeds a resource"),
            Some(vec![required("resourceUri", "URI of the resource to embed")]),
        ),
        Prompt::new("test_prompt_with_image", Some("A prompt with an image"), None),
        Prompt::new("test_input_required_result_prompt", Some("A prompt that asks for context first"), None),
    ];
    if shared.dynamic_prompt() {
        prompts.push(Prompt::new(DYNAMIC_PROMPT, Some("Listed only while switched on"), None));
    }
    for prompt in &mut prompts {
        prompt.icons = Some(Sign::Fixture.icons());
    }
    prompts
}

/// A page of the list from behind `after` on, and the place to go on from: first what is built in, then what is stored.
///
/// # Errors
/// When the store fails.
pub async fn page(shared: &Shared, after: Option<&str>) -> Result<(Vec<Prompt>, Option<String>), PromptStoreError> {
    let (stored, next) = stored::list(shared, after).await?;
    let mut listed = if after.is_none() { list(shared) } else { vec![] };
    listed.extend(stored);
    Ok((listed, next))
}

/// The prompt's messages, or what must be asked first.
///
/// # Errors
/// See [`PromptError`].
pub async fn get(
    shared: &Shared,
    params: &GetPromptRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<GetPromptResponse, PromptError> {
    let messages = match params.name.as_str() {
        _ if !shared.has_samples() => return stored::get(shared, params).await,
        "test_simple_prompt" => vec![user(ContentBlock::text("This is a simple prompt for testing."))],
        "test_prompt_with_arguments" => {
            let (arg1, arg2) = (argument(params, "arg1")?, argument(params, "arg2")?);
            vec![user(ContentBlock::text(format!("Prompt with arguments: arg1='{arg1}', arg2='{arg2}'")))]
        }
        "test_prompt_with_embedded_resource" => embedded(argument(params, "resourceUri")?),
        "test_prompt_with_image" => vec![
            user(ContentBlock::image(PIXEL_PNG, "image/png")),
            user(ContentBlock::text("Please analyze the image above.")),
        ],
        "test_input_required_result_prompt" => return with_context(params, context).await,
        DYNAMIC_PROMPT if shared.dynamic_prompt() => {
            vec![user(ContentBlock::text("The dynamic prompt is on."))]
        }
        _ => return stored::get(shared, params).await,
    };
    Ok(GetPromptResult::new(messages).into())
}

fn user(content: ContentBlock) -> PromptMessage {
    PromptMessage::new(Role::User, content)
}

fn embedded(uri: &str) -> Vec<PromptMessage> {
    let resource = ResourceContents::text("Embedded resource content for testing.", uri).with_mime_type("text/plain");
    vec![
        user(ContentBlock::resource(resource)),
        user(ContentBlock::text("Please process the embedded resource above.")),
    ]
}

async fn with_context(
    params: &GetPromptRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<GetPromptResponse, PromptError> {
    let form = Question::form(
        "What context should the prompt use?",
        json!({"type": "object", "properties": {"context": {"type": "string"}}, "required": ["context"]}),
    )?;
    let retry = Retry {
        responses: params.input_responses.as_ref(),
        state: params.request_state.as_deref(),
        binding: format!("prompts/get|{}", params.name),
    };
    match retry.ask(context, &BTreeMap::from([("user_context".to_owned(), form)]), None).await? {
        Asked::Needed(needed) => Ok(needed.into()),
        Asked::Answered(answers) => {
            let told = answers.get("user_context").map(|answer| answer.field("context")).unwrap_or_default();
            Ok(GetPromptResult::new(vec![user(ContentBlock::text(format!("Use this context: {told}")))]).into())
        }
    }
}

fn argument<'a>(params: &'a GetPromptRequestParams, name: &'static str) -> Result<&'a str, PromptError> {
    params
        .arguments
        .as_ref()
        .and_then(|arguments| arguments.get(name))
        .and_then(Value::as_str)
        .ok_or(PromptError::Argument(name))
}

/// Suggestions for an argument of a prompt or a variable of a template that start with what was typed.
///
/// # Errors
/// [`PromptError::UnknownReference`], and when the store fails.
pub async fn complete(shared: &Shared, params: &CompleteRequestParams) -> Result<CompletionInfo, PromptError> {
    let typed = &params.argument.value;
    if let Some(candidates) = sample_candidates(shared, &params.r#ref, &params.argument.name) {
        return Ok(matching(candidates, typed));
    }
    match (&params.r#ref, params.argument.name.as_str()) {
        (Reference::Resource(template), "path") if template.uri == DOCUMENT_TEMPLATE => {
            Ok(documents::complete(shared, typed).await?)
        }
        (Reference::Resource(template), "collection") if template.uri == records::RECORD_TEMPLATE => {
            return Ok(records::complete_collection(shared, &params.argument.value).await?);
        }
        (Reference::Resource(template), "id") if template.uri == records::RECORD_TEMPLATE => {
            let chosen = params.context.as_ref().and_then(|context| context.get_argument("collection"));
            return Ok(records::complete_id(shared, chosen.map(String::as_str), &params.argument.value).await?);
        }
        (Reference::Resource(template), "path") if template.uri == files::FILE_TEMPLATE => {
            let directory = shared.directory().ok_or(PromptError::UnknownReference)?;
            Ok(files::complete(directory, typed).await?)
        }
        (Reference::Resource(template), "key") if template.uri == objects::OBJECT_TEMPLATE => {
            let objects = shared.objects().ok_or(PromptError::UnknownReference)?;
            Ok(objects::complete(objects, typed).await?)
        }
        // Of numbers there is nothing to suggest.
        (Reference::Resource(template), variable) if resources::has_variable(shared, &template.uri, variable) => {
            Ok(CompletionInfo::default())
        }
        (Reference::Prompt(prompt), argument) => stored::complete(shared, &prompt.name, argument, typed).await,
        _ => Err(PromptError::UnknownReference),
    }
}

/// What an argument of a sample may be; `None` where it is none of a sample.
fn sample_candidates(shared: &Shared, reference: &Reference, argument: &str) -> Option<Vec<String>> {
    if !shared.has_samples() {
        return None;
    }
    match (reference, argument) {
        (Reference::Prompt(prompt), "arg1" | "arg2") if prompt.name == "test_prompt_with_arguments" => {
            Some(["paris", "park", "party", "testing"].map(str::to_owned).into())
        }
        (Reference::Prompt(prompt), "resourceUri") if prompt.name == "test_prompt_with_embedded_resource" => {
            Some(resources::list(shared).into_iter().map(|resource| resource.uri).collect())
        }
        (Reference::Resource(template), "id") if template.uri == DATA_TEMPLATE => {
            Some(["1", "12", "123"].map(str::to_owned).into())
        }
        (Reference::Resource(template), "path") if template.uri == FILE_TEMPLATE => {
            Some(shared.files.list().into_iter().map(|file| file.path.trim_start_matches('/').to_owned()).collect())
        }
        _ => None,
    }
}

fn matching(candidates: Vec<String>, typed: &str) -> CompletionInfo {
    let mut matching: Vec<String> = candidates.into_iter().filter(|candidate| candidate.starts_with(typed)).collect();
    matching.truncate(CompletionInfo::MAX_VALUES);
    CompletionInfo::with_all_values(matching).unwrap_or_default()
}

#[cfg(test)]
mod tests;
