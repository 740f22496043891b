//! Full-text search by PostgreSQL's `tsvector`.
//!
//! Which documents hold every word is told by the index; where words stand next to each other is looked up in the
//! divided texts, since a `tsvector` counts places up to 16383 only. The server divides texts and searches alike
//! ([`words`]), so that neither the database's locale nor its parser has a say.
//! Invariant: what reaches PostgreSQL's grammars (`tsquery`, `tsvector`, `LIKE`) are letters and digits.

use std::collections::BTreeSet;
use std::fmt::Write;

use futures_util::TryStreamExt;
use sqlx::Row;

use super::rows::{self, Bound};
use super::session::Sessions;
use crate::storage::words::{self, Phrase, WORD_BYTES_MAX};
use crate::storage::{Body, DocumentPath, Filter, Hit, PATH_WEIGHT, Page, SearchText, StoreError, TITLE_WEIGHT};

/// Bytes of different words that one document's index holds; a `tsvector` takes 1 MiB. More is in no ordinary text.
const VECTOR_BYTES_MAX: usize = 1_000_000;

/// A document as the index holds it.
#[derive(Debug)]
pub(super) struct Indexed {
    pub(super) path: String,
    pub(super) title: String,
    pub(super) content: String,
    pub(super) vector: String,
}

impl Indexed {
    pub(super) fn new(path: &DocumentPath, body: &Body) -> Self {
        let (path, title, content) = (divided(path.as_str()), divided(&body.title), divided(&body.content));
        let vector = vector([&path, &title, &content]);
        Self { path, title, content, vector }
    }
}

/// A text as its words, with a space before and behind each.
fn divided(text: &str) -> String {
    let mut divided = String::with_capacity(text.len() + 2);
    divided.push(' ');
    for word in words::words(text) {
        divided.push_str(&word.text);
        divided.push(' ');
    }
    divided
}

/// The words of divided texts, each once, in the grammar of `tsvector`.
fn vector(texts: [&str; 3]) -> String {
    let (mut room, mut seen, mut vector) = (VECTOR_BYTES_MAX, BTreeSet::new(), String::new());
    for word in texts.into_iter().flat_map(|text| text.split(' ')) {
        let fits = !word.is_empty() && word.len() <= WORD_BYTES_MAX && word.len() <= room;
        if fits && seen.insert(word) {
            room -= word.len();
            vector.extend(["'", word, "' "]);
        }
    }
    vector
}

/// What to search for, as the statement takes it.
struct Wanted {
    /// Every word, in the grammar of `tsquery`.
    words: String,
    /// Every word and phrase as a `LIKE` pattern.
    places: Vec<String>,
    /// Those that are more than a word, or that may not be there.
    phrases: Vec<String>,
    excluded: Vec<String>,
}

impl Wanted {
    /// `None` where no document can hold it.
    fn new(text: &SearchText) -> Option<Self> {
        let wanted: Vec<Phrase> = text.wanted.iter().filter_map(Phrase::of).collect();
        let long = |phrase: &Phrase| phrase.words.iter().any(|word| word.len() > WORD_BYTES_MAX);
        if wanted.is_empty() || wanted.iter().any(long) {
            return None;
        }
        let excluded: Vec<Phrase> = text.excluded.iter().filter_map(Phrase::of).collect();
        let mut words = String::new();
        for (place, phrase) in
            wanted.iter().flat_map(|phrase| phrase.words.iter().enumerate().map(move |at| (at, phrase)))
        {
            let begins = phrase.prefix && place.0 + 1 == phrase.words.len();
            let and = if words.is_empty() { "" } else { " & " };
            let _infallible = write!(words, "{and}'{}'{}", place.1, if begins { ":*" } else { "" });
        }
        Some(Self {
            words,
            phrases: wanted.iter().filter(|phrase| phrase.words.len() > 1).map(pattern).collect(),
            places: wanted.iter().map(pattern).collect(),
            excluded: excluded.iter().map(pattern).collect(),
        })
    }
}

/// A phrase as a pattern for `LIKE` on a divided text.
fn pattern(phrase: &Phrase) -> String {
    format!("% {}{}%", phrase.words.join(" "), if phrase.prefix { "" } else { " " })
}

pub(super) async fn search(
    sessions: &Sessions,
    text: &SearchText,
    filter: &Filter,
    limit: u32,
) -> Result<Page<Hit>, StoreError> {
    // What the text index finds comes first whatever the planner thinks: without the values, as for a statement that
    // stays prepared, it takes a range of paths for the narrower condition.
    let statement = "
        WITH held AS MATERIALIZED (
            SELECT texts.document_id AS id, (
                SELECT sum($10 * (texts.title LIKE place)::int + $11 * (texts.path LIKE place)::int)::bigint
                FROM unnest($2::text[]) AS place
            ) AS score
            FROM documents_text AS texts
            WHERE texts.vector @@ $1::text::tsquery
                AND NOT EXISTS (
                    SELECT 1 FROM unnest($3::text[]) AS phrase
                    WHERE texts.path NOT LIKE phrase AND texts.title NOT LIKE phrase AND texts.content NOT LIKE phrase
                )
                AND NOT EXISTS (
                    SELECT 1 FROM unnest($4::text[]) AS phrase
                    WHERE texts.path LIKE phrase OR texts.title LIKE phrase OR texts.content LIKE phrase
                )
        ),
        found AS (
            SELECT documents.id, documents.path, documents.updated_at, held.score
            FROM held JOIN documents ON documents.id = held.id
            WHERE documents.path >= $5 AND documents.path < $6 AND ($8::text IS NULL OR documents.media_type = $8)
                AND documents.tags @> $7::text::jsonb
            ORDER BY held.score DESC, documents.updated_at DESC, documents.path LIMIT $9
        )
        SELECT documents.path, documents.version, documents.title, documents.media_type, documents.content,
            octet_length(documents.content)::bigint AS size, documents.tags::text, documents.updated_at, found.score
        FROM found JOIN documents ON documents.id = found.id
        ORDER BY found.score DESC, found.updated_at DESC, found.path";
    let (Some(wanted), Some(bound)) = (Wanted::new(text), Bound::new(filter)) else {
        return Ok(Page::cut(vec![], limit));
    };
    let mut work = sessions.reading().await?;
    let statement = sessions
        .query(statement)
        .bind(wanted.words)
        .bind(wanted.places)
        .bind(wanted.phrases)
        .bind(wanted.excluded)
        .bind(bound.from)
        .bind(bound.below)
        .bind(bound.tags)
        .bind(bound.media_type)
        .bind(i64::from(limit) + 1)
        .bind(TITLE_WEIGHT)
        .bind(PATH_WEIGHT);
    let mut hits = vec![];
    let mut found = statement.fetch(&mut *work);
    while let Some(row) = found.try_next().await? {
        hits.push(Hit {
            summary: rows::summary(&row)?,
            snippet: words::snippet(row.try_get("content")?, text),
            score: rows::score(&row)?,
        });
    }
    drop(found);
    work.commit().await?;
    Ok(Page::cut(hits, limit))
}
