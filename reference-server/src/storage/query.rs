//! What may be asked of a store: filters, and the text of a search.
//!
//! The language of a search is small: words and `"phrases"` that must all be there, `word*` for beginnings, `-word` for
//! what must not be there. [`SearchText`] is its parsed form; an engine writes its own grammar from it, so that no
//! character of a caller ever reaches an engine's grammar unquoted.

/// Longest text of a search, in bytes.
pub const SEARCH_BYTES_MAX: usize = 1024;

/// Most terms of a search.
pub const SEARCH_TERMS_MAX: usize = 32;

/// Which documents; everything that is named must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The path starts with this text.
    pub prefix: Option<String>,
    /// Every one of these tags.
    pub tags: Vec<String>,
    /// This media type.
    pub media_type: Option<String>,
}

/// Why a text cannot be searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// Too long.
    #[error("a search has at most {SEARCH_BYTES_MAX} bytes and {SEARCH_TERMS_MAX} words and phrases")]
    TooLong,
    /// Nothing that a document could hold.
    #[error("a search needs a word or phrase that is not excluded")]
    Nothing,
}

/// A word or phrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// The words; never empty, and without control characters.
    pub text: String,
    /// Whether the last word may go on.
    pub prefix: bool,
}

/// What to search for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchText {
    /// All of these must be there; never empty.
    pub wanted: Vec<Term>,
    /// None of these may be there.
    pub excluded: Vec<Term>,
}

impl SearchText {
    /// Reads a search. Signs that are no part of the language are what divides words, so that no text is a mistake.
    ///
    /// # Errors
    /// See [`SearchError`].
    pub fn parse(text: &str) -> Result<Self, SearchError> {
        if text.len() > SEARCH_BYTES_MAX {
            return Err(SearchError::TooLong);
        }
        let mut parsed = Self { wanted: vec![], excluded: vec![] };
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (excluded, term, behind) = next_term(rest);
            if let Some(term) = term {
                if excluded { &mut parsed.excluded } else { &mut parsed.wanted }.push(term);
            }
            rest = behind.trim_start();
        }
        if parsed.wanted.len() + parsed.excluded.len() > SEARCH_TERMS_MAX {
            return Err(SearchError::TooLong);
        }
        if parsed.wanted.is_empty() {
            return Err(SearchError::Nothing);
        }
        Ok(parsed)
    }
}

/// The first term of a text that starts with no space: whether it is excluded, the term, what is behind it.
fn next_term(text: &str) -> (bool, Option<Term>, &str) {
    let (excluded, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    // A quotation that never ends reaches to the end.
    let (words, behind) = match text.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
        None => {
            let end = text.find(|character: char| character.is_whitespace() || character == '"').unwrap_or(text.len());
            text.split_at(end)
        }
    };
    let (behind, prefix) = match behind.strip_prefix('*') {
        Some(behind) => (behind, true),
        None => (behind, words.ends_with('*')),
    };
    (excluded, term(words, prefix), behind)
}

fn term(words: &str, prefix: bool) -> Option<Term> {
    let spaced = |character: char| if character.is_alphanumeric() || marks(character) { character } else { ' ' };
    let text: String = words.chars().map(spaced).collect();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.chars().any(char::is_alphanumeric).then_some(Term { text, prefix })
}

/// Signs beyond ASCII stay: some belong to words, and an engine divides at the others by itself.
fn marks(character: char) -> bool {
    !character.is_ascii() && !character.is_control()
}

#[cfg(test)]
mod tests;
