#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn terms(terms: &[Term]) -> Vec<String> {
    terms.iter().map(|term| format!("{}{}", term.text, if term.prefix { "*" } else { "" })).collect()
}

#[test]
fn words_phrases_beginnings_and_exclusions_are_told_apart() {
    let parsed = SearchText::parse(r#"budget "next year" plan* -draft -"old text""#).unwrap();
    assert_eq!(terms(&parsed.wanted), ["budget", "next year", "plan*"]);
    assert_eq!(terms(&parsed.excluded), ["draft", "old text"]);
}

#[test]
fn signs_of_a_search_engines_grammar_are_mere_separators() {
    let parsed = SearchText::parse(r#"NEAR(a b) title:x ^c {d} e+f "unfinished"#).unwrap();
    assert_eq!(terms(&parsed.wanted), ["NEAR a", "b", "title x", "c", "d", "e f", "unfinished"]);
}

#[test]
fn search_without_anything_to_find_is_refused() {
    for text in ["", "  ", "-only", "\"\"", "***", "- -", "\0"] {
        assert_eq!(SearchText::parse(text), Err(SearchError::Nothing), "{text:?}");
    }
}

#[test]
fn search_beyond_its_limits_is_refused() {
    assert_eq!(SearchText::parse(&"a".repeat(SEARCH_BYTES_MAX + 1)), Err(SearchError::TooLong));
    assert_eq!(SearchText::parse(&"a ".repeat(SEARCH_TERMS_MAX + 1)), Err(SearchError::TooLong));
    assert!(SearchText::parse(&"a ".repeat(SEARCH_TERMS_MAX)).is_ok());
}
