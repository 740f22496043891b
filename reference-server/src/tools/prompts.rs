//! The tools of the prompt store: what they share, and the list of them.
//!
//! In: typed arguments. Out: structured results. Refusals: [`PromptToolError`], with a stable code; see [`super::typed`].
//! To add a tool: a file with its argument type, its `entry` and its function, and a line in [`entries`].

mod delete;
mod history;
mod read;
mod save;
mod view;

use rmcp::model::CallToolResult;
use serde_json::json;

use super::documents::store_code;
use super::typed::refusal;
use super::{Entry, ToolError};
use crate::storage::prompt::{InvalidPrompt, PromptStoreError};

/// Why a prompt tool failed.
#[derive(Debug, thiserror::Error)]
pub enum PromptToolError {
    /// The name of a prompt that is built in.
    #[error("a prompt named {0} is built in")]
    BuiltIn(String),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] PromptStoreError),
}

impl PromptToolError {
    /// The stable code of the failure.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::BuiltIn(_) => "prompt_built_in",
            Self::Store(error) => match error {
                PromptStoreError::NotFound(_) => "prompt_not_found",
                PromptStoreError::NoVersion { .. } => "version_not_found",
                PromptStoreError::Exists(_) => "prompt_exists",
                PromptStoreError::Conflict { .. } => "version_conflict",
                PromptStoreError::Invalid(_) => "invalid_prompt",
                PromptStoreError::Store(error) => store_code(error),
            },
        }
    }

    /// What the caller sees.
    pub(super) fn into_result(self) -> CallToolResult {
        let more = match &self {
            Self::Store(PromptStoreError::Conflict { current, .. }) => Some(("current_version", json!(current))),
            _ => None,
        };
        refusal(self.code(), &self.to_string(), more)
    }
}

impl From<PromptStoreError> for ToolError {
    fn from(error: PromptStoreError) -> Self {
        PromptToolError::Store(error).into()
    }
}

impl From<InvalidPrompt> for ToolError {
    fn from(error: InvalidPrompt) -> Self {
        PromptStoreError::Invalid(error).into()
    }
}

/// Every tool of the store.
pub(super) fn entries() -> Vec<Entry> {
    vec![save::entry(), read::entry(), delete::entry(), history::entry()]
}

#[cfg(test)]
mod tests;
