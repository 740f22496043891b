//! The prompts and completion of their arguments.
//!
//! In: a name and arguments. Out: messages, or a question to the client. Refusals: [`PromptError`].
//! To add one: an entry in [`list`] and an arm in [`get`].

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
use crate::objects::ObjectError;
use crate::resources::documents::{self, DOCUMENT_TEMPLATE};
use crate::resources::{DATA_TEMPLATE, FILE_TEMPLATE, PIXEL_PNG, files, objects};
use crate::state::Shared;
use crate::storage::StoreError;

const DYNAMIC_PROMPT: &str = "test_dynamic_prompt";

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
    /// The client could not be asked.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The served directory failed.
    #[error(transparent)]
    Directory(#[from] FileError),
    /// The store of objects failed.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// The store of documents failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<PromptError> for ErrorData {
    fn from(error: PromptError) -> Self {
        match error {
            PromptError::Ask(error) => error.into(),
            PromptError::Store(error) => error.into(),
            PromptError::Objects(error) => error.into(),
            PromptError::Directory(error) => Self::internal_error(error.to_string(), None),
            refused => Self::invalid_params(refused.to_string(), None),
        }
    }
}

/// Every prompt, in a fixed order; the dynamic one only while it is switched on.
#[must_use]
pub fn list(shared: &Shared) -> Vec<Prompt> {
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
    prompts
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
        unknown => return Err(PromptError::UnknownPrompt(unknown.to_owned())),
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
    let candidates: Vec<String> = match (&params.r#ref, params.argument.name.as_str()) {
        (Reference::Prompt(prompt), "arg1" | "arg2") if prompt.name == "test_prompt_with_arguments" => {
            ["paris", "park", "party", "testing"].map(str::to_owned).into()
        }
        (Reference::Prompt(prompt), "resourceUri") if prompt.name == "test_prompt_with_embedded_resource" => {
            crate::resources::list(shared).into_iter().map(|resource| resource.uri).collect()
        }
        (Reference::Resource(template), "id") if template.uri == DATA_TEMPLATE => {
            ["1", "12", "123"].map(str::to_owned).into()
        }
        (Reference::Resource(template), "path") if template.uri == FILE_TEMPLATE => {
            shared.files.list().into_iter().map(|file| file.path.trim_start_matches('/').to_owned()).collect()
        }
        (Reference::Resource(template), "path") if template.uri == DOCUMENT_TEMPLATE => {
            return Ok(documents::complete(shared, &params.argument.value).await?);
        }
        (Reference::Resource(template), "path") if template.uri == files::FILE_TEMPLATE => {
            let directory = shared.directory().ok_or(PromptError::UnknownReference)?;
            return Ok(files::complete(directory, &params.argument.value).await?);
        }
        (Reference::Resource(template), "key") if template.uri == objects::OBJECT_TEMPLATE => {
            let objects = shared.objects().ok_or(PromptError::UnknownReference)?;
            return Ok(objects::complete(objects, &params.argument.value).await?);
        }
        _ => return Err(PromptError::UnknownReference),
    };
    let mut matching: Vec<String> =
        candidates.into_iter().filter(|candidate| candidate.starts_with(&params.argument.value)).collect();
    matching.truncate(CompletionInfo::MAX_VALUES);
    Ok(CompletionInfo::with_all_values(matching).unwrap_or_default())
}

#[cfg(test)]
mod tests;
