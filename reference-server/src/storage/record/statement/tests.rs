#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::*;
use crate::storage::record::page::Place;

/// Nothing that a caller can say makes another statement, but the form of the query.
#[test]
fn text_of_a_statement_depends_on_the_form_only() {
    let collection = |name: &str| CollectionName::parse(name).unwrap();
    let query = |word: &str| {
        let filter = json!({ "and": [
            { "eq": { "field": [word], "value": word } }, { "ne": { "field": [word], "value": word } },
            { "lt": { "field": [word], "value": word } }, { "in": { "field": [word], "values": [word] } },
            { "contains": { "field": [word], "value": word } }, { "starts_with": { "field": [word], "value": word } },
            { "not": { "exists": { "field": [word] } } },
        ]});
        Query {
            filter: Some(serde_json::from_value(filter).unwrap()),
            sort: serde_json::from_value(json!([{ "field": [word] }, { "field": [word, "x"], "direction": "desc" }]))
                .unwrap(),
            after: Place::parse(&json!([word, word, word]).to_string(), 2),
            limit: 1,
        }
    };
    for dialect in [Dialect::Sqlite, Dialect::Postgres] {
        let plain = page(dialect, &collection("a"), &query("plain"));
        for word in ["'; DROP TABLE records; --", "\"", "$1", "\\", "?", "{}", ")", "\u{1f980}", "a.b[0]"] {
            let other = page(dialect, &collection("records"), &query(word));
            assert_eq!((&plain.sql, plain.bound.len()), (&other.sql, other.bound.len()), "{word}");
        }
        let bound = plain.bound.len();
        assert!(plain.sql.contains(&format!("${bound}")) && !plain.sql.contains(&format!("${}", bound + 1)));
    }
}
