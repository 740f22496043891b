#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

#[test]
fn ordinary_paths_are_taken_as_they_are() {
    for path in ["plan.md", "notes/2026/plan.md", "Pläne/été (1).txt", "a b/c", "..a/b..", "नमस्ते/文書"]
    {
        assert_eq!(DocumentPath::parse(path).unwrap().as_str(), path);
    }
}

#[test]
fn paths_that_something_else_would_resolve_are_refused() {
    for path in ["/a", "a/", "a//b", ".", "..", "a/../b", "a/./b", " a", "a /b"] {
        assert_eq!(DocumentPath::parse(path), Err(PathError::Segment), "{path}");
    }
    for path in ["a\\b", "a?b", "a#b", "a%2fb", "a:b", "a*", "a\0b", "a\nb", "a\u{200b}b", "a\u{202e}b", "a\u{a0}b"] {
        assert!(matches!(DocumentPath::parse(path), Err(PathError::Character(_))), "{path:?}");
    }
    assert_eq!(DocumentPath::parse(""), Err(PathError::Length));
    assert_eq!(DocumentPath::parse(&"a".repeat(PATH_BYTES_MAX + 1)), Err(PathError::Length));
    assert!(DocumentPath::parse(&"a".repeat(PATH_BYTES_MAX)).is_ok());
}

#[test]
fn another_spelling_of_a_uri_names_nothing() {
    assert_eq!(DocumentPath::from_uri("doc://notes/a%20b").unwrap().as_str(), "notes/a b");
    for uri in [
        "doc://%6eotes/a%20b",
        "doc://notes/a b",
        "doc://notes%2Fa",
        "doc://notes/%2e%2e/a",
        "DOC://notes/a",
        "doc:///a",
    ] {
        assert_eq!(DocumentPath::from_uri(uri), None, "{uri}");
    }
    assert_eq!(DocumentPath::from_uri("doc://%C3%A9t%C3%A9").unwrap().as_str(), "été");
    assert_eq!(DocumentPath::from_uri("doc://%c3%a9t%c3%a9"), None);
}

#[test]
fn title_is_the_last_segment_as_far_as_a_title_goes() {
    assert_eq!(DocumentPath::parse("notes/plan.md").unwrap().title(), "plan.md");
    let long = format!("a/x{}", "é".repeat(200));
    assert_eq!(DocumentPath::parse(&long).unwrap().title(), format!("x{}", "é".repeat(127)));
}

proptest! {
    #[test]
    fn every_path_comes_back_from_its_uri(text in "\\PC{1,40}") {
        if let Ok(path) = DocumentPath::parse(&text) {
            prop_assert_eq!(DocumentPath::from_uri(&path.uri()), Some(path));
        }
    }
}
