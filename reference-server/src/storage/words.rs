//! Words of a text: what divides them, and what makes two the same.
//!
//! Letters and digits of every script make words; case and accents do not matter. For Latin, Greek and Cyrillic script
//! this is what FTS5's `unicode61` does, too; where a script writes vowels as marks, the two may divide differently.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::query::{SearchText, Term};

/// Longest word that an index holds, in bytes. PostgreSQL takes up to 2046; nobody searches for longer ones.
pub const WORD_BYTES_MAX: usize = 1024;

/// Words of a snippet.
const SNIPPET_WORDS: usize = 24;

/// A word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Without case and accents; never empty.
    pub text: String,
    /// Where it stands, in bytes.
    pub range: Range<usize>,
}

/// The words of a text, in order.
pub fn words(text: &str) -> impl Iterator<Item = Word> {
    let mut rest = text.char_indices().peekable();
    std::iter::from_fn(move || {
        loop {
            let (start, _) = rest.find(|&(_, character)| character.is_alphanumeric())?;
            let mut end = text.len();
            while let Some(&(place, character)) = rest.peek() {
                if !character.is_alphanumeric() && !is_combining_mark(character) {
                    end = place;
                    break;
                }
                rest.next();
            }
            let folded = fold(text.get(start..end).unwrap_or_default());
            if !folded.is_empty() {
                return Some(Word { text: folded, range: start..end });
            }
        }
    })
}

fn fold(word: &str) -> String {
    if word.is_ascii() {
        return word.to_ascii_lowercase();
    }
    word.nfd().filter(|&character| !is_combining_mark(character)).flat_map(char::to_lowercase).collect()
}

/// A term as words: all in a row, the last of which may go on where `prefix` says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase {
    /// The words; never empty.
    pub words: Vec<String>,
    /// Whether the last one may go on.
    pub prefix: bool,
}

impl Phrase {
    /// A term's words; `None` where it has none that a text could hold.
    #[must_use]
    pub fn of(term: &Term) -> Option<Self> {
        let words: Vec<String> = words(&term.text).map(|word| word.text).collect();
        (!words.is_empty()).then_some(Self { words, prefix: term.prefix })
    }

    fn starts(&self, text: &[Word]) -> bool {
        let Some((last, before)) = self.words.split_last() else { return false };
        let same = |(word, wanted): (&Word, &String)| word.text == *wanted;
        let ends = |word: &Word| if self.prefix { word.text.starts_with(last) } else { word.text == *last };
        text.iter().zip(before).all(same) && text.get(before.len()).is_some_and(ends)
    }
}

/// The part of a content that holds the most of what was searched for, with `**` around each find.
#[must_use]
pub fn snippet(content: &str, text: &SearchText) -> String {
    let wanted: Vec<Phrase> = text.wanted.iter().filter_map(Phrase::of).collect();
    let words: Vec<Word> = words(content).collect();
    let finds = finds(&words, &wanted);
    let start = window(&finds, wanted.len()).min(words.len().saturating_sub(SNIPPET_WORDS));
    let shown = start..words.len().min(start + SNIPPET_WORDS);
    let place = |word: usize| words.get(word).map(|word| word.range.clone());
    let from = if shown.start == 0 { 0 } else { place(shown.start).map_or(0, |range| range.start) };
    let cut = shown.end < words.len();
    let to = if cut { place(shown.end.saturating_sub(1)).map_or(0, |range| range.end) } else { content.len() };
    let mut told = String::from(if from > 0 { "…" } else { "" });
    let mut told_to = from;
    for find in finds.iter().filter(|find| find.first >= shown.start && find.last < shown.end) {
        let (Some(first), Some(last)) = (place(find.first), place(find.last)) else { continue };
        // Finds may overlap, such as `one` and `"one two"`; the first one is marked.
        if first.start < told_to {
            continue;
        }
        told.push_str(content.get(told_to..first.start).unwrap_or_default());
        told.push_str("**");
        told.push_str(content.get(first.start..last.end).unwrap_or_default());
        told.push_str("**");
        told_to = last.end;
    }
    told.push_str(content.get(told_to..to).unwrap_or_default());
    told.push_str(if cut { "…" } else { "" });
    told
}

/// A phrase in a text: which, and from which word to which.
struct Find {
    phrase: usize,
    first: usize,
    last: usize,
}

fn finds(words: &[Word], wanted: &[Phrase]) -> Vec<Find> {
    let mut finds = vec![];
    for first in 0..words.len() {
        let rest = words.get(first..).unwrap_or_default();
        for (phrase, sought) in wanted.iter().enumerate().filter(|(_, sought)| sought.starts(rest)) {
            finds.push(Find { phrase, first, last: first + sought.words.len() - 1 });
        }
    }
    finds
}

/// The word that the snippet starts at: a few before the find from which on the most different phrases fit.
fn window(finds: &[Find], phrases: usize) -> usize {
    const BEFORE: usize = 4;
    let mut best = (0, 0);
    for (place, find) in finds.iter().enumerate() {
        let mut seen = vec![false; phrases];
        let fitting = finds.iter().skip(place).take_while(|other| other.last < find.first + SNIPPET_WORDS - BEFORE);
        for other in fitting {
            if let Some(seen) = seen.get_mut(other.phrase) {
                *seen = true;
            }
        }
        let different = seen.iter().filter(|seen| **seen).count();
        if different > best.0 {
            best = (different, find.first);
        }
        if different == phrases {
            break;
        }
    }
    best.1.saturating_sub(BEFORE)
}

#[cfg(test)]
mod tests;
