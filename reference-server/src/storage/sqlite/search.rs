//! Full-text search by FTS5.
//!
//! Invariant: every word of a caller stands in an FTS5 string, whose only special character is the quotation mark.

use sqlx::Row;
use sqlx::sqlite::SqlitePool;

use super::rows::{self, Bound};
use crate::storage::query::Term;
use crate::storage::{Filter, Hit, Page, SearchText, StoreError};

pub(super) async fn search(
    pool: &SqlitePool,
    text: &SearchText,
    filter: &Filter,
    limit: u32,
) -> Result<Page<Hit>, StoreError> {
    // The weights are those of the index's columns: path, title, content. A smaller rank is a better one.
    let statement = "
        SELECT documents.path, documents.version, documents.title, documents.media_type,
            octet_length(documents.content) AS size, documents.tags, documents.updated_at,
            snippet(documents_text, 2, '**', '**', '…', 24) AS snippet,
            bm25(documents_text, 2.0, 5.0, 1.0) AS score
        FROM documents_text JOIN documents ON documents.id = documents_text.rowid
        WHERE documents_text MATCH ?1
            AND documents.path >= ?2 AND documents.path < ?3 AND (?5 IS NULL OR documents.media_type = ?5)
            AND NOT EXISTS (
                SELECT 1 FROM json_each(?4) AS wanted
                WHERE wanted.value NOT IN (SELECT value FROM json_each(documents.tags))
            )
        ORDER BY score, documents.path LIMIT ?6";
    let bound = Bound::new(filter);
    let found = sqlx::query(statement)
        .bind(expression(text))
        .bind(bound.from)
        .bind(bound.below)
        .bind(bound.tags)
        .bind(bound.media_type)
        .bind(i64::from(limit) + 1)
        .fetch_all(pool)
        .await?;
    let hit = |row| {
        Ok(Hit {
            summary: rows::summary(row)?,
            snippet: row.try_get("snippet")?,
            score: -row.try_get::<f64, _>("score")?,
        })
    };
    Ok(Page::cut(found.iter().map(hit).collect::<Result<_, StoreError>>()?, limit))
}

/// The search in FTS5's grammar.
fn expression(text: &SearchText) -> String {
    let wanted = text.wanted.iter().map(string).collect::<Vec<_>>().join(" AND ");
    text.excluded.iter().fold(format!("({wanted})"), |expression, term| format!("({expression} NOT {})", string(term)))
}

fn string(term: &Term) -> String {
    let quoted = term.text.replace('"', "\"\"");
    if term.prefix { format!("\"{quoted}\" *") } else { format!("\"{quoted}\"") }
}
