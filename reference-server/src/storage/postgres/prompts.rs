//! Prompts: transactions around what [`table`] does.

use async_trait::async_trait;
use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;

use super::feed::note_prompts;
use super::session::{Sessions, Work};
use super::{PostgresStore, bounded};
use crate::storage::prompt::table::{self, Bound, Row, Rows};
use crate::storage::prompt::{Prompt, PromptBody, PromptName, PromptStore, PromptStoreError};
use crate::storage::{Page, StoreError};

/// A transaction for prompts.
pub(super) struct Prompts<'a> {
    pub(super) sessions: &'a Sessions,
    pub(super) work: &'a mut Work,
}

impl Prompts<'_> {
    fn query<'q>(&self, statement: &'static str, bound: &[Bound<'q>]) -> Query<'q, Postgres, PgArguments> {
        bound.iter().fold(self.sessions.query(statement), |query, bound| match *bound {
            Bound::Text(text) => query.bind(text),
            Bound::Number(number) => query.bind(number),
        })
    }
}

#[async_trait]
impl Rows for Prompts<'_> {
    async fn fetch(&mut self, statement: &'static str, bound: &[Bound<'_>]) -> Result<Vec<Row>, StoreError> {
        let rows = self.query(statement, bound).fetch_all(&mut **self.work).await?;
        Ok(rows.iter().map(Row::read).collect::<Result<_, _>>()?)
    }

    async fn execute(&mut self, statement: &'static str, bound: &[Bound<'_>]) -> Result<(), StoreError> {
        self.query(statement, bound).execute(&mut **self.work).await?;
        Ok(())
    }
}

impl PostgresStore {
    pub(super) fn prompts_in<'a>(&'a self, work: &'a mut Work) -> Prompts<'a> {
        Prompts { sessions: &self.sessions, work }
    }
}

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
            let saved = table::save(&mut self.prompts_in(&mut work), name, expected, body).await?;
            note_prompts(&self.sessions, &mut work, &self.origin).await?;
            work.commit().await?;
            Ok(saved)
        })
        .await
    }

    async fn delete_prompt(&self, name: &PromptName, expected: Option<u32>) -> Result<u32, PromptStoreError> {
        bounded(async {
            let mut work = self.sessions.writing().await?;
            let deleted = table::delete(&mut self.prompts_in(&mut work), name, expected).await?;
            note_prompts(&self.sessions, &mut work, &self.origin).await?;
            work.commit().await?;
            Ok(deleted)
        })
        .await
    }

    async fn prompt(&self, name: &PromptName, version: Option<u32>) -> Result<Prompt, PromptStoreError> {
        bounded(async {
            let mut work = self.sessions.reading().await?;
            let read = table::read(&mut self.prompts_in(&mut work), name, version).await?;
            work.commit().await?;
            Ok(read)
        })
        .await
    }

    async fn prompts(&self, after: Option<&str>, limit: u32) -> Result<Page<Prompt>, PromptStoreError> {
        bounded(async {
            let mut work = self.sessions.reading().await?;
            let listed = table::list(&mut self.prompts_in(&mut work), after, limit).await?;
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
            let page = table::history(&mut self.prompts_in(&mut work), name, before, limit).await?;
            work.commit().await?;
            Ok(page)
        })
        .await
    }
}
