//! Stored prompts: their store beside the documents', and what one consists of.
//!
//! In: checked names and bodies. Out: prompts, pages of them. Refusals: [`PromptStoreError`].
//! Invariants, for every engine: those of the documents. A change is there as a whole or not at all; it names the
//! version that it was made from; a name and a version mean one prompt forever, also after a deletion.
//! [`table`] does this once, on the few statements that an engine runs for it.

mod body;
mod check;
mod fill;
pub mod table;

use std::fmt;

use async_trait::async_trait;

pub use body::{Argument, Completed, Kind, Message, PromptBody, ResourceMessage, Speaker, TextMessage};
pub(super) use check::name as is_name;
pub use check::{InvalidPrompt, NAME_BYTES_MAX};
pub use fill::{ArgumentError, Filled};

use super::{Page, StoreError};

/// The name of a prompt, by the specification's grammar for tools (2025-11-25): 1 to 128 of `A-Za-z0-9_.-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PromptName(String);

impl PromptName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`InvalidPrompt::Name`].
    pub fn parse(name: &str) -> Result<Self, InvalidPrompt> {
        if check::name(name, NAME_BYTES_MAX) { Ok(Self(name.to_owned())) } else { Err(InvalidPrompt::Name) }
    }

    /// The text of the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PromptName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A stored prompt at one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// What it is asked for by.
    pub name: PromptName,
    /// Counts up with every change.
    pub version: u32,
    /// What its writer gave.
    pub body: PromptBody,
    /// When the prompt was created, in milliseconds since 1970.
    pub created_at: i64,
    /// When this version was written.
    pub updated_at: i64,
}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum PromptStoreError {
    /// No prompt of this name.
    #[error("no stored prompt named {0}")]
    NotFound(PromptName),
    /// The prompt has no such version.
    #[error("{name} has no version {version}")]
    NoVersion {
        /// The prompt.
        name: PromptName,
        /// What was asked for.
        version: u32,
    },
    /// There is one of this name already.
    #[error("a prompt named {0} exists already; name its version to change it")]
    Exists(PromptName),
    /// Someone else was faster.
    #[error("{name} is at version {current}, not at the expected {expected}; read it again and decide anew")]
    Conflict {
        /// The prompt.
        name: PromptName,
        /// What the writer took for the current version.
        expected: u32,
        /// What it is.
        current: u32,
    },
    /// The prompt would break a limit.
    #[error(transparent)]
    Invalid(#[from] InvalidPrompt),
    /// The engine.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for PromptStoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// A store of prompts.
#[async_trait]
pub trait PromptStore: fmt::Debug + Send + Sync {
    /// Stores a new prompt where nothing is expected, else changes the one at version `expected` as a whole.
    async fn save_prompt(
        &self,
        name: &PromptName,
        expected: Option<u32>,
        body: PromptBody,
    ) -> Result<Prompt, PromptStoreError>;

    /// Removes a prompt with its history; returns the version that it had.
    async fn delete_prompt(&self, name: &PromptName, expected: Option<u32>) -> Result<u32, PromptStoreError>;

    /// A prompt as it is, or as it was at `version`.
    async fn prompt(&self, name: &PromptName, version: Option<u32>) -> Result<Prompt, PromptStoreError>;

    /// Prompts in the order of their names, from behind `after` on.
    async fn prompts(&self, after: Option<&str>, limit: u32) -> Result<Page<Prompt>, PromptStoreError>;

    /// A prompt's versions, the newest first, from before `before` on.
    async fn prompt_history(
        &self,
        name: &PromptName,
        before: Option<u32>,
        limit: u32,
    ) -> Result<Page<Prompt>, PromptStoreError>;
}
