//! Prompts: transactions around what [`table`] does.

use async_trait::async_trait;

use super::feed::note_prompts;
use super::{PostgresStore, bounded};
use crate::storage::Page;
use crate::storage::prompt::{Prompt, PromptBody, PromptName, PromptStore, PromptStoreError, table};

#[async_trait]
impl PromptStore for PostgresStore {
    async fn save_prompt(
        &self,
        name: &PromptName,
        expected: Option<u32>,
        body: PromptBody,
    ) -> Result<Prompt, PromptStoreError> {
        bounded(async {
            let mut work = self.sessions.writing().await?;
            let saved = table::save(&mut self.tables_in(&mut work), name, expected, body).await?;
            note_prompts(&self.sessions, &mut work, &self.origin).await?;
            work.commit().await?;
            Ok(saved)
        })
        .await
    }

    async fn delete_prompt(&self, name: &PromptName, expected: Option<u32>) -> Result<u32, PromptStoreError> {
        bounded(async {
            let mut work = self.sessions.writing().await?;
            let deleted = table::delete(&mut self.tables_in(&mut work), name, expected).await?;
            note_prompts(&self.sessions, &mut work, &self.origin).await?;
            work.commit().await?;
            Ok(deleted)
        })
        .await
    }

    async fn prompt(&self, name: &PromptName, version: Option<u32>) -> Result<Prompt, PromptStoreError> {
        bounded(async {
            let mut work = self.sessions.reading().await?;
            let read = table::read(&mut self.tables_in(&mut work), name, version).await?;
            work.commit().await?;
            Ok(read)
        })
        .await
    }

    async fn prompts(&self, after: Option<&str>, limit: u32) -> Result<Page<Prompt>, PromptStoreError> {
        bounded(async {
            let mut work = self.sessions.reading().await?;
            let listed = table::list(&mut self.tables_in(&mut work), after, limit).await?;
            work.commit().await?;
            Ok(listed)
        })
        .await
    }

    async fn prompt_history(
        &self,
        name: &PromptName,
        before: Option<u32>,
        limit: u32,
    ) -> Result<Page<Prompt>, PromptStoreError> {
        bounded(async {
            let mut work = self.sessions.reading().await?;
            let page = table::history(&mut self.tables_in(&mut work), name, before, limit).await?;
            work.commit().await?;
            Ok(page)
        })
        .await
    }
}
