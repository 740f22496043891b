//! Prompts: transactions around what [`table`] does.

use async_trait::async_trait;

use super::SqliteStore;
use super::feed::note_prompts;
use super::write::begin;
use crate::storage::Page;
use crate::storage::prompt::{Prompt, PromptBody, PromptName, PromptStore, PromptStoreError, table};

#[async_trait]
impl PromptStore for SqliteStore {
    async fn save_prompt(
        &self,
        name: &PromptName,
        expected: Option<u32>,
        body: PromptBody,
    ) -> Result<Prompt, PromptStoreError> {
        let mut writing = begin(&self.writer).await?;
        let saved = table::save(&mut *writing, name, expected, body).await?;
        note_prompts(&mut writing, &self.origin).await?;
        writing.commit().await?;
        Ok(saved)
    }

    async fn delete_prompt(&self, name: &PromptName, expected: Option<u32>) -> Result<u32, PromptStoreError> {
        let mut writing = begin(&self.writer).await?;
        let deleted = table::delete(&mut *writing, name, expected).await?;
        note_prompts(&mut writing, &self.origin).await?;
        writing.commit().await?;
        Ok(deleted)
    }

    async fn prompt(&self, name: &PromptName, version: Option<u32>) -> Result<Prompt, PromptStoreError> {
        table::read(&mut *self.reader.begin().await?, name, version).await
    }

    async fn prompts(&self, after: Option<&str>, limit: u32) -> Result<Page<Prompt>, PromptStoreError> {
        table::list(&mut *self.reader.begin().await?, after, limit).await
    }

    async fn prompt_history(
        &self,
        name: &PromptName,
        before: Option<u32>,
        limit: u32,
    ) -> Result<Page<Prompt>, PromptStoreError> {
        table::history(&mut *self.reader.begin().await?, name, before, limit).await
    }
}
