//! Full-text search by FTS5.
//!
//! Invariant: every word of a caller stands in an FTS5 string, whose only special character is the quotation mark.

use futures_util::TryStreamExt;
use serde_json::json;
use sqlx::Row;
use sqlx::sqlite::SqlitePool;

use super::rows::{self, Bound};
use crate::storage::query::Term;
use crate::storage::{Filter, Hit, PATH_WEIGHT, Page, SearchText, StoreError, TITLE_WEIGHT, words};

pub(super) async fn search(
    pool: &SqlitePool,
    text: &SearchText,
    filter: &Filter,
    limit: u32,
) -> Result<Page<Hit>, StoreError> {
    // The index tells which titles and paths hold which words; contents are read of the hits that are given only.
    let statement = "
        WITH placed AS (
            SELECT held.rowid AS id, sum(place.value ->> 'weight') AS score
            FROM json_each(?7) AS place CROSS JOIN documents_text AS held
            WHERE held.documents_text MATCH (place.value ->> 'match')
            GROUP BY held.rowid
        ),
        found AS (
            SELECT documents.id AS id, coalesce(placed.score, 0) AS score, documents.updated_at AS at,
                documents.path AS place
            FROM documents_text JOIN documents ON documents.id = documents_text.rowid
                LEFT JOIN placed ON placed.id = documents.id
            WHERE documents_text MATCH ?1
                AND documents.path >= ?2 AND documents.path < ?3 AND (?5 IS NULL OR documents.media_type = ?5)
                AND NOT EXISTS (
                    SELECT 1 FROM json_each(?4) AS wanted
                    WHERE wanted.value NOT IN (SELECT value FROM json_each(documents.tags))
                )
            ORDER BY score DESC, at DESC, place LIMIT ?6
        )
        SELECT documents.path, documents.version, documents.title, documents.media_type, documents.content,
            octet_length(documents.content) AS size, documents.tags, documents.updated_at, found.score
        FROM found JOIN documents ON documents.id = found.id
        ORDER BY found.score DESC, found.at DESC, found.place";
    let bound = Bound::new(filter);
    let mut found = sqlx::query(statement)
        .bind(expression(text))
        .bind(bound.from)
        .bind(bound.below)
        .bind(bound.tags)
        .bind(bound.media_type)
        .bind(i64::from(limit) + 1)
        .bind(places(text))
        .fetch(pool);
    let mut hits = vec![];
    while let Some(row) = found.try_next().await? {
        hits.push(Hit {
            summary: rows::summary(&row)?,
            snippet: words::snippet(row.try_get("content")?, text),
            score: rows::score(&row)?,
        });
    }
    Ok(Page::cut(hits, limit))
}

/// What is to be found in which column, and what it counts there, as JSON.
fn places(text: &SearchText) -> String {
    let columns = [("title", TITLE_WEIGHT), ("path", PATH_WEIGHT)];
    let place = |term: &Term| {
        columns.map(|(column, weight)| json!({"match": format!("{column} : {}", string(term)), "weight": weight}))
    };
    json!(text.wanted.iter().flat_map(place).collect::<Vec<_>>()).to_string()
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
