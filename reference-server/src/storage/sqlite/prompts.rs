//! Prompts: transactions around what [`table`] does.

use async_trait::async_trait;
use sqlx::Sqlite;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};

use super::SqliteStore;
use super::feed::note_prompts;
use super::write::begin;
use crate::storage::prompt::table::{self, Bound, Row, Rows};
use crate::storage::prompt::{Prompt, PromptBody, PromptName, PromptStore, PromptStoreError};
use crate::storage::{Page, StoreError};

fn query<'q>(statement: &'static str, bound: &[Bound<'q>]) -> Query<'q, Sqlite, SqliteArguments> {
    bound.iter().fold(sqlx::query(statement), |query, bound| match *bound {
        Bound::Text(text) => query.bind(text),
        Bound::Number(number) => query.bind(number),
    })
}

#[async_trait]
impl Rows for SqliteConnection {
    async fn fetch(&mut self, statement: &'static str, bound: &[Bound<'_>]) -> Result<Vec<Row>, StoreError> {
        let rows = query(statement, bound).fetch_all(self).await?;
        Ok(rows.iter().map(Row::read).collect::<Result<_, _>>()?)
    }

    async fn execute(&mut self, statement: &'static str, bound: &[Bound<'_>]) -> Result<(), StoreError> {
        query(statement, bound).execute(self).await?;
        Ok(())
    }
}

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
