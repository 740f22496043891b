//! Paths of what is stored and their URIs: the same grammar for documents, files and objects, each with a scheme.
//!
//! Invariant: what is stored has one path and one URI, byte for byte. Whoever guards this server by comparing text must not
//! be led around by another spelling, so nothing is resolved, folded or repaired: what is not canonical is refused.

use std::fmt;
use std::marker::PhantomData;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::document::TITLE_BYTES_MAX;

/// Longest path, in bytes.
pub const PATH_BYTES_MAX: usize = 512;

/// Template of the documents' URIs.
pub const DOCUMENT_TEMPLATE: &str = "doc://{+path}";

/// ASCII that a path may hold beside letters, digits and the slash: what needs no escape in a URI, and the space.
const PUNCTUATION: &str = "-_.~!$&'()+,;= ";

/// What is escaped in a URI; everything beyond ASCII is as well.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ');

/// Why a text is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Empty or too long.
    #[error("a path has 1 to {PATH_BYTES_MAX} bytes")]
    Length,
    /// A segment that a file system would resolve, an empty one, or one that ends in a space.
    #[error("a path is segments with single slashes between them, none empty, '.' or '..', none with outer spaces")]
    Segment,
    /// A character that is not allowed.
    #[error("a path holds letters, digits and -_.~!$&'()+,;= and inner spaces; {0:?} is none of them")]
    Character(char),
}

/// What kind of thing a path names.
pub trait Scheme {
    /// What its URIs begin with.
    const PREFIX: &'static str;
}

/// Documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OfDocument;

impl Scheme for OfDocument {
    const PREFIX: &'static str = "doc://";
}

/// The path of a document, such as `notes/2026/plan.md`.
pub type DocumentPath = StoredPath<OfDocument>;

/// A path in its one spelling.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoredPath<S>(String, PhantomData<S>);

impl<S: Scheme> StoredPath<S> {
    /// Checks a path.
    ///
    /// # Errors
    /// See [`PathError`].
    pub fn parse(path: &str) -> Result<Self, PathError> {
        if path.is_empty() || path.len() > PATH_BYTES_MAX {
            return Err(PathError::Length);
        }
        if let Some(refused) = path.chars().find(|&character| character != '/' && !allowed(character)) {
            return Err(PathError::Character(refused));
        }
        let resolved = |segment: &str| matches!(segment, "" | "." | "..") || segment.trim() != segment;
        if path.split('/').any(resolved) {
            return Err(PathError::Segment);
        }
        Ok(Self(path.to_owned(), PhantomData))
    }

    /// The path with this URI; `None` for any other URI, and for another spelling of this one.
    #[must_use]
    pub fn from_uri(uri: &str) -> Option<Self> {
        let decoded = percent_decode_str(uri.strip_prefix(S::PREFIX)?).decode_utf8().ok()?;
        let path = Self::parse(&decoded).ok()?;
        (path.uri() == uri).then_some(path)
    }

    /// Its URI.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("{}{}", S::PREFIX, utf8_percent_encode(&self.0, ESCAPED))
    }

    /// The text of the path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last segment.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// A title for a document that was given none: the last segment, as far as a title may go.
    #[must_use]
    pub fn title(&self) -> String {
        let name = self.name();
        name.get(..name.floor_char_boundary(TITLE_BYTES_MAX)).unwrap_or_default().to_owned()
    }
}

impl<S> fmt::Display for StoredPath<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Letters and digits of every script, with the marks that belong to them; nothing that is invisible or turns the text.
fn allowed(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphanumeric() || PUNCTUATION.contains(character);
    }
    let invisible = matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{e000}'..='\u{f8ff}' | '\u{feff}' | '\u{fff0}'..='\u{ffff}'
            | '\u{e0000}'..
    );
    !character.is_control() && !character.is_whitespace() && !invisible
}

#[cfg(test)]
mod tests;
