//! Statements of the tables that every engine shares.

use async_trait::async_trait;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Sqlite, SqliteConnection};

use crate::storage::StoreError;
use crate::storage::statements::{Bound, Dialect, Row, Rows};

fn query<'q>(statement: &'static str, bound: &[Bound<'q>]) -> Query<'q, Sqlite, SqliteArguments> {
    bound.iter().fold(sqlx::query(statement), |query, bound| match *bound {
        Bound::Text(text) => query.bind(text),
        Bound::Number(number) => query.bind(number),
    })
}

#[async_trait]
impl Rows for SqliteConnection {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    async fn fetch(&mut self, statement: &'static str, bound: &[Bound<'_>]) -> Result<Vec<Row>, StoreError> {
        let rows = query(statement, bound).fetch_all(self).await?;
        Ok(rows.iter().map(Row::read).collect::<Result<_, _>>()?)
    }

    async fn execute(&mut self, statement: &'static str, bound: &[Bound<'_>]) -> Result<(), StoreError> {
        query(statement, bound).execute(self).await?;
        Ok(())
    }
}
