//! Statements of the tables that every engine shares.

use async_trait::async_trait;
use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;

use super::PostgresStore;
use super::session::{Sessions, Work};
use crate::storage::StoreError;
use crate::storage::statements::{Bound, Dialect, Row, Rows};

/// A transaction for these tables.
pub(super) struct Tables<'a> {
    sessions: &'a Sessions,
    work: &'a mut Work,
}

impl Tables<'_> {
    fn query<'q>(&self, statement: &'static str, bound: &[Bound<'q>]) -> Query<'q, Postgres, PgArguments> {
        bound.iter().fold(self.sessions.query(statement), |query, bound| match *bound {
            Bound::Text(text) => query.bind(text),
            Bound::Number(number) => query.bind(number),
        })
    }
}

#[async_trait]
impl Rows for Tables<'_> {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

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
    pub(super) fn tables_in<'a>(&'a self, work: &'a mut Work) -> Tables<'a> {
        Tables { sessions: &self.sessions, work }
    }
}
