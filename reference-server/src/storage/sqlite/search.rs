//! Full-text search by FTS5.
//!
//! A word that many documents hold is not ranked by looking at all of them: those that have the highest score that there can
//! be are found by walking the latest changes; then those whose title or path holds something are ranked; only what is then
//! missing is taken from the rest, the latest change first. The order is the same whichever way is taken.
//!
//! Invariant: every word of a caller stands in an FTS5 string, whose only special character is the quotation mark.

use futures_util::TryStreamExt;
use serde_json::json;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqlitePool};
use sqlx::{Row, Sqlite};

use super::rows::{self, Bound};
use crate::storage::query::Term;
use crate::storage::{Filter, Hit, PATH_WEIGHT, Page, SearchText, StoreError, TITLE_WEIGHT, words};

/// More documents than this are not looked at one by one where it can be had otherwise.
const MANY: i64 = 3_000;

/// What the filter admits. Parameters: 2 and 3 the range of paths, 4 the tags, 5 the media type.
macro_rules! admitted {
    () => {
        "documents.path >= ?2 AND documents.path < ?3 AND (?5 IS NULL OR documents.media_type = ?5)
            AND (?4 = '[]' OR NOT EXISTS (
                SELECT 1 FROM json_each(?4) AS wanted
                WHERE wanted.value NOT IN (SELECT value FROM json_each(documents.tags))
            ))"
    };
}

/// What is told of the documents that `found` holds. Contents are read of these only.
macro_rules! told {
    () => {
        "SELECT documents.path, documents.version, documents.title, documents.media_type, documents.content,
            octet_length(documents.content) AS size, documents.tags, documents.updated_at, found.score
        FROM found CROSS JOIN documents ON documents.id = found.id
        ORDER BY found.score DESC, found.at DESC, found.place"
    };
}

/// Ranks all that match parameter 1 by the places of parameter 7; gives the first of them, as many as parameter 6 says.
pub(super) const RANKED: &str = concat!(
    "WITH placed AS (
        SELECT held.rowid AS id, sum(place.value ->> 'weight') AS score
        FROM json_each(?7) AS place CROSS JOIN documents_text AS held
        WHERE held.documents_text MATCH (place.value ->> 'match')
        GROUP BY held.rowid
    ),
    found AS (
        SELECT documents.id AS id, coalesce(placed.score, 0) AS score, documents.updated_at AS at,
            documents.path AS place
        FROM documents_text CROSS JOIN documents INDEXED BY documents_ranked ON documents.id = documents_text.rowid
            LEFT JOIN placed ON placed.id = documents.id
        WHERE documents_text MATCH ?1 AND ",
    admitted!(),
    " ORDER BY score DESC, at DESC, place LIMIT ?6
    ) ",
    told!()
);

/// The first of those that match parameter 1, which all have the score of parameter 7.
pub(super) const WALKED: &str = concat!(
    "WITH found AS (
        SELECT documents.id AS id, ?7 AS score, documents.updated_at AS at, documents.path AS place
        FROM documents INDEXED BY documents_recent
        WHERE ",
    admitted!(),
    " AND documents.id IN (SELECT rowid FROM documents_text WHERE documents_text MATCH ?1)
        ORDER BY documents.updated_at DESC, documents.path LIMIT ?6
    ) ",
    told!()
);

pub(super) async fn search(
    pool: &SqlitePool,
    text: &SearchText,
    filter: &Filter,
    limit: u32,
) -> Result<Page<Hit>, StoreError> {
    // One moment for all statements.
    let mut reading = pool.begin().await?;
    let search = Search { text, bound: Bound::new(filter), wanted: i64::from(limit) + 1 };
    let hits = search.hits(&mut reading).await?;
    reading.commit().await?;
    Ok(Page::cut(hits, limit))
}

struct Search<'a> {
    text: &'a SearchText,
    bound: Bound<'a>,
    /// Hits that are asked for: one more than the page has.
    wanted: i64,
}

impl Search<'_> {
    async fn hits(&self, reading: &mut SqliteConnection) -> Result<Vec<Hit>, StoreError> {
        let all = expression(self.text);
        if !many(reading, &all).await? {
            return self.ranked(reading, &all).await;
        }
        let (everywhere, somewhere) = (self.each_in("title", "path"), self.any_in_title_or_path());
        let terms = i64::try_from(self.text.wanted.len()).unwrap_or(i64::MAX);
        let highest = terms.saturating_mul(TITLE_WEIGHT + PATH_WEIGHT);
        let mut hits = self.walked(reading, &format!("({all}) AND {everywhere}"), highest, self.wanted).await?;
        if self.missing(&hits) > 0 {
            hits = self.ranked(reading, &format!("({all}) AND {somewhere}")).await?;
        }
        let missing = self.missing(&hits);
        if missing > 0 {
            hits.extend(self.walked(reading, &format!("({all}) NOT {somewhere}"), 0, missing).await?);
        }
        Ok(hits)
    }

    fn missing(&self, hits: &[Hit]) -> i64 {
        self.wanted.saturating_sub(i64::try_from(hits.len()).unwrap_or(i64::MAX))
    }

    async fn ranked(&self, reading: &mut SqliteConnection, matching: &str) -> Result<Vec<Hit>, StoreError> {
        self.fetch(reading, self.query(RANKED, matching, self.wanted).bind(places(self.text))).await
    }

    async fn walked(
        &self,
        reading: &mut SqliteConnection,
        matching: &str,
        score: i64,
        wanted: i64,
    ) -> Result<Vec<Hit>, StoreError> {
        self.fetch(reading, self.query(WALKED, matching, wanted).bind(score)).await
    }

    fn query<'q>(
        &'q self,
        statement: &'static str,
        matching: &'q str,
        wanted: i64,
    ) -> Query<'q, Sqlite, SqliteArguments> {
        sqlx::query(statement)
            .bind(matching)
            .bind(self.bound.from)
            .bind(self.bound.below.as_str())
            .bind(self.bound.tags.as_str())
            .bind(self.bound.media_type)
            .bind(wanted)
    }

    async fn fetch(
        &self,
        reading: &mut SqliteConnection,
        query: Query<'_, Sqlite, SqliteArguments>,
    ) -> Result<Vec<Hit>, StoreError> {
        let mut found = query.fetch(reading);
        let mut hits = vec![];
        while let Some(row) = found.try_next().await? {
            hits.push(Hit {
                summary: rows::summary(&row)?,
                snippet: words::snippet(row.try_get("content")?, self.text),
                score: rows::score(&row)?,
            });
        }
        Ok(hits)
    }

    /// Every wanted term in both columns.
    fn each_in(&self, one: &str, other: &str) -> String {
        let both = |term: &Term| format!("({{{one}}} : {} AND {{{other}}} : {})", string(term), string(term));
        joined(self.text.wanted.iter().map(both), " AND ")
    }

    /// Some wanted term in the title or the path.
    fn any_in_title_or_path(&self) -> String {
        joined(self.text.wanted.iter().map(|term| format!("{{title path}} : {}", string(term))), " OR ")
    }
}

/// Whether more than [`MANY`] documents match.
async fn many(reading: &mut SqliteConnection, matching: &str) -> Result<bool, StoreError> {
    let statement = "SELECT count(*) FROM (SELECT 1 FROM documents_text WHERE documents_text MATCH ?1 LIMIT ?2)";
    let row = sqlx::query(statement).bind(matching).bind(MANY + 1).fetch_one(reading).await?;
    Ok(row.try_get::<i64, _>(0)? > MANY)
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

fn joined(parts: impl Iterator<Item = String>, between: &str) -> String {
    format!("({})", parts.collect::<Vec<_>>().join(between))
}

fn string(term: &Term) -> String {
    let quoted = term.text.replace('"', "\"\"");
    if term.prefix { format!("\"{quoted}\" *") } else { format!("\"{quoted}\"") }
}
