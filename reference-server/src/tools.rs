//! The tools: a registry in a fixed order, and what a tool gets and gives.
//!
//! In: a [`Call`]. Out: a complete result, or questions to the client. Refusals: [`ToolError`]; those that a model can
//! act on (bad arguments, no such file) become results with `isError`, the others protocol errors.
//! Invariant: the list has the same order in every answer.
//! [`documents`], [`prompts`], [`records`] and [`transfer`] are the store, [`demo`] and [`file_access`] are a first look, [`fixtures`] belong to the conformance suite.
//! To add a tool: a function and an [`Entry`] in one of the files below; a new file is one more line in [`Group::entries`].
//! To add one from outside this crate: an [`Entry`] with a [`typed`] tool, given to [`crate::server::Offer`].

mod demo;
mod documents;
mod fetch;
mod file_access;
mod files;
mod fixtures;
mod group;
mod long;
mod objects;
mod prompts;
mod records;
mod transfer;
pub mod typed;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::pin::Pin;

pub use group::Group;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, JsonObject, Tool, ToolAnnotations,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::ask::{AskError, Asked, Question, Retry};
use crate::files::FileError;
use crate::server::ReferenceServer;
use crate::state::Shared;
use crate::storage::record::RecordError;
use crate::tasks::TaskError;

/// What a tool gives back.
pub type Outcome = Result<CallToolResponse, ToolError>;

type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The arguments do not fit the tool's input schema.
    #[error("invalid arguments: {0}")]
    Arguments(#[source] serde_json::Error),
    /// The file cannot be served.
    #[error(transparent)]
    File(#[from] FileError),
    /// The sum does not fit 64 bits.
    #[error("the sum is beyond 64 bits")]
    Overflow,
    /// A typed tool's arguments are wrong, or it could not answer.
    #[error(transparent)]
    Typed(#[from] typed::TypedError),
    /// The document store's tool failed.
    #[error(transparent)]
    Document(#[from] documents::DocumentError),
    /// The prompt store's tool failed.
    #[error(transparent)]
    Prompt(#[from] prompts::PromptToolError),
    /// The tool on records failed.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The served directory's tool failed.
    #[error(transparent)]
    Directory(#[from] crate::directory::FileError),
    /// The tool on objects failed.
    #[error(transparent)]
    Object(#[from] crate::objects::ObjectError),
    /// An image was not converted.
    #[error(transparent)]
    Image(#[from] files::ImageError),
    /// An archive was not made or unpacked.
    #[error(transparent)]
    Archive(#[from] files::ArchiveError),
    /// Nothing was fetched.
    #[error(transparent)]
    Fetch(#[from] crate::fetch::FetchError),
    /// Nothing, or not everything, was exported or imported.
    #[error(transparent)]
    Transfer(#[from] transfer::TransferError),
    /// The client could not be asked.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// No task could be begun.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// The client asked to stop.
    #[error("the call was cancelled")]
    Cancelled,
    /// What a tool of one's own refuses: a stable code and a message, told as every refusal is.
    #[error("{1}")]
    Refused(&'static str, String),
    /// The protocol has an error of its own for this.
    #[error("{}", .0.message)]
    Protocol(ErrorData),
}

impl ToolError {
    /// The result or protocol error that the client sees.
    ///
    /// # Errors
    /// The protocol error, where the model cannot do anything about the failure.
    pub fn into_response(self) -> Result<CallToolResponse, ErrorData> {
        match self {
            Self::Ask(error) => Err(error.into()),
            Self::Typed(error) => Ok(error.into_result().into()),
            Self::Directory(error) => Ok(files::refused(&error).into()),
            Self::Object(error) => Ok(objects::refused(&error).into()),
            Self::Image(error) => Ok(typed::refusal(error.code(), &error.to_string(), None).into()),
            Self::Archive(error) => Ok(typed::refusal(error.code(), &error.to_string(), None).into()),
            Self::Fetch(error) => Ok(fetch::refused(&error).into()),
            Self::Refused(code, message) => Ok(typed::refusal(code, &message, None).into()),
            Self::Transfer(error) => Ok(error.into_result().into()),
            Self::Protocol(error) => Err(error),
            Self::Task(TaskError::Full(ttl)) => {
                let told = json!({"code": "too_many_tasks", "message": TaskError::Full(ttl).to_string()});
                Ok(CallToolResult::error(vec![ContentBlock::text(told.to_string())]).into())
            }
            Self::Task(error) => Err(error.into()),
            Self::Document(error) => Ok(error.into_result().into()),
            Self::Prompt(error) => Ok(error.into_result().into()),
            Self::Record(error) => Ok(records::refused(&error).into()),
            tool_error => Ok(CallToolResult::error(vec![ContentBlock::text(tool_error.to_string())]).into()),
        }
    }
}

/// One call of a tool.
#[derive(Debug)]
pub struct Call {
    /// The server.
    pub server: ReferenceServer,
    /// Name, arguments and, on a repeated request, answers and state.
    pub params: CallToolRequestParams,
    /// The request's context.
    pub context: RequestContext<RoleServer>,
}

impl Call {
    /// The arguments as the tool's own type.
    ///
    /// # Errors
    /// [`ToolError::Arguments`].
    pub fn arguments<T: DeserializeOwned>(&self) -> Result<T, ToolError> {
        let arguments = self.params.arguments.clone().unwrap_or_default();
        serde_json::from_value(Value::Object(arguments)).map_err(ToolError::Arguments)
    }

    fn retry(&self) -> Retry<'_> {
        let arguments = Value::Object(self.params.arguments.clone().unwrap_or_default());
        Retry {
            responses: self.params.input_responses.as_ref(),
            state: self.params.request_state.as_deref(),
            binding: format!("tools/call|{}|{arguments}", self.params.name),
        }
    }

    /// Asks the client; see [`Retry::ask`].
    ///
    /// # Errors
    /// See [`AskError`].
    pub async fn ask<const N: usize>(&self, questions: [(&str, Question); N]) -> Result<Asked, AskError> {
        self.retry().ask(&self.context, &keyed(questions), None).await
    }

    /// Asks the client and lets it carry `state` to the next round.
    ///
    /// # Errors
    /// See [`AskError`].
    pub async fn ask_with_state<T: Serialize, const N: usize>(
        &self,
        questions: [(&str, Question); N],
        state: &T,
    ) -> Result<Asked, AskError> {
        let retry = self.retry();
        let sealed = retry.seal(&self.server.shared.codec, state)?;
        retry.ask(&self.context, &keyed(questions), Some(sealed)).await
    }

    /// The state that the client carried from the round before.
    ///
    /// # Errors
    /// [`AskError::State`] for state that is not ours or not this request's.
    pub fn state<T: DeserializeOwned>(&self) -> Result<Option<T>, AskError> {
        self.retry().open(&self.server.shared.codec)
    }
}

fn keyed<const N: usize>(questions: [(&str, Question); N]) -> BTreeMap<String, Question> {
    questions.into_iter().map(|(key, question)| (key.to_owned(), question)).collect()
}

/// A tool and the function behind it.
pub struct Entry {
    /// What `tools/list` shows.
    pub tool: Tool,
    run: Box<dyn Fn(Call) -> Running + Send + Sync>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Entry").field("tool", &self.tool.name).finish_non_exhaustive()
    }
}

impl Entry {
    /// A tool, and what a call of it does. The server gives the function every [`Call`] that names the tool.
    pub fn new<F, R>(tool: Tool, run: F) -> Self
    where
        F: Fn(Call) -> R + Send + Sync + 'static,
        R: Future<Output = Outcome> + Send + 'static,
    {
        Self { tool, run: Box::new(move |call| Box::pin(run(call))) }
    }

    /// Runs the tool.
    ///
    /// # Errors
    /// The protocol error that the client gets.
    pub async fn run(&self, call: Call) -> Result<CallToolResponse, ErrorData> {
        match (self.run)(call).await {
            Ok(response) => Ok(response),
            Err(error) => error.into_response(),
        }
    }
}

/// Every tool that can work with what the operator named, in the order of the list; the dynamic one is last and not
/// always listed.
#[must_use]
pub fn entries(shared: &Shared) -> Vec<Entry> {
    Group::ALL.into_iter().flat_map(|group| group.entries(shared)).collect()
}

/// Name of the tool that comes and goes.
pub const DYNAMIC_TOOL: &str = fixtures::DYNAMIC_TOOL;

fn tool(name: &'static str, description: &'static str, schema: Value) -> Tool {
    Tool::new(Cow::Borrowed(name), Cow::Borrowed(description), object(schema))
        .with_annotations(ToolAnnotations::new().read_only(true).destructive(false).idempotent(true).open_world(false))
}

fn no_arguments() -> Value {
    json!({"type": "object", "properties": {}})
}

fn object(value: Value) -> JsonObject {
    match value {
        Value::Object(object) => object,
        _ => JsonObject::new(),
    }
}

fn text(text: impl Into<String>) -> CallToolResponse {
    CallToolResult::success(vec![ContentBlock::text(text)]).into()
}

#[cfg(test)]
mod tests;
