#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn divided(text: &str) -> Vec<String> {
    words(text).map(|word| word.text).collect()
}

fn told(content: &str, search: &str) -> String {
    snippet(content, &SearchText::parse(search).unwrap())
}

#[test]
fn words_have_neither_case_nor_accents() {
    assert_eq!(divided("Café, NAÏVE-été 3x_y\0z"), ["cafe", "naive", "ete", "3x", "y", "z"]);
    assert_eq!(divided("cafe\u{301} İstanbul"), ["cafe", "istanbul"]);
    assert_eq!(divided(" .-\u{301} "), Vec::<String>::new());
}

#[test]
fn snippet_marks_words_beginnings_and_phrases() {
    assert_eq!(told("one two three", "two"), "one **two** three");
    assert_eq!(told("One Café, twofold three.", "cafe two*"), "One **Café**, **twofold** three.");
    assert_eq!(told("one two, one three", "\"one three\""), "one two, **one three**");
    assert_eq!(told("one two", "\"one two\" one"), "**one two**");
    assert_eq!(told("nothing of it", "absent"), "nothing of it");
    assert_eq!(told("", "absent"), "");
}

#[test]
fn snippet_is_cut_around_the_part_that_holds_the_most() {
    let filler = "word ".repeat(100);
    let snippet = told(&format!("apple {filler}apple pear {filler}"), "pear apple");
    assert!(snippet.starts_with("…word word word word **apple** **pear** word"), "{snippet}");
    assert!(snippet.ends_with("word…") && snippet.matches("word").count() == SNIPPET_WORDS - 2, "{snippet}");
}
