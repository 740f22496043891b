//! Replacing parts of a message by byte span, leaving every other byte as it came.
//!
//! In → out: a document's bytes and edits → new bytes. Edits may come in any order; overlapping or outlying edits are
//! refused as a whole, never applied in part. The caller answers for the new text being JSON: use [`crate::json::quote`].

#[cfg(test)]
mod tests;

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::json::{Kind, Value, quote};

/// Edits that cannot be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpliceError {
    /// Two edits touch the same bytes.
    #[error("two edits overlap at byte {offset}")]
    Overlap {
        /// Where the later edit starts.
        offset: usize,
    },
    /// A span that is reversed or ends behind the document.
    #[error("a span ends at byte {end} of {bytes}")]
    OutOfRange {
        /// The span's end.
        end: usize,
        /// The document's size.
        bytes: usize,
    },
    /// The value is of the wrong kind for the edit.
    #[error("the value is not of the kind that the edit needs")]
    WrongKind,
}

/// Collects edits of one document.
#[derive(Clone)]
pub struct Splice {
    bytes: Bytes,
    edits: Vec<(Range<usize>, Vec<u8>)>,
}

impl Splice {
    /// No edits yet.
    #[must_use]
    pub fn new(bytes: &Bytes) -> Self {
        Self { bytes: bytes.clone(), edits: Vec::new() }
    }

    /// Puts `text` in the place of `span`; an empty span inserts, in the order of the calls.
    #[must_use]
    pub fn replace(mut self, span: Range<usize>, text: &[u8]) -> Self {
        self.edits.push((span, text.to_vec()));
        self
    }

    /// Sets a member of `object` to the JSON text `raw`: replaces its value, or inserts it as the first member. Insert at
    /// most one new member per object: two would need each other's commas.
    ///
    /// # Errors
    /// [`SpliceError::WrongKind`] when `object` is none.
    pub fn set_member(self, object: Value<'_>, key: &str, raw: &[u8]) -> Result<Self, SpliceError> {
        if object.kind() != Kind::Object {
            return Err(SpliceError::WrongKind);
        }
        if let Some(value) = object.get(key) {
            return Ok(self.replace(value.span(), raw));
        }
        let mut text = quote(key).into_bytes();
        text.push(b':');
        text.extend_from_slice(raw);
        if !object.is_empty() {
            text.push(b',');
        }
        let at = object.span().start + 1;
        Ok(self.replace(at..at, &text))
    }

    /// Removes the elements of `array` that `keep` refuses, commas included; kept elements stay as they came.
    ///
    /// # Errors
    /// [`SpliceError::WrongKind`] when `array` is none.
    pub fn retain<'a>(
        mut self,
        array: Value<'a>,
        mut keep: impl FnMut(Value<'a>) -> bool,
    ) -> Result<Self, SpliceError> {
        if array.kind() != Kind::Array {
            return Err(SpliceError::WrongKind);
        }
        let elements = array.elements().map(|element| (element.span(), keep(element)));
        self.keep_some(elements);
        Ok(self)
    }

    /// Removes the members of `object` whose keys `remove` names, commas included; the others stay as they came.
    ///
    /// # Errors
    /// [`SpliceError::WrongKind`] when `object` is none.
    pub fn remove_members<'a>(
        mut self,
        object: Value<'a>,
        mut remove: impl FnMut(Value<'a>) -> bool,
    ) -> Result<Self, SpliceError> {
        if object.kind() != Kind::Object {
            return Err(SpliceError::WrongKind);
        }
        let members = object.entries().map(|(key, value)| (key.span().start..value.span().end, !remove(key)));
        self.keep_some(members);
        Ok(self)
    }

    /// Removes what is not kept of a list's parts, each with one comma beside it.
    fn keep_some(&mut self, parts: impl Iterator<Item = (Range<usize>, bool)>) {
        let mut parts = parts.peekable();
        let mut kept_before = false;
        let mut previous_end = 0;
        while let Some((span, keep)) = parts.next() {
            if keep {
                kept_before = true;
            } else if kept_before {
                self.edits.push((previous_end..span.end, Vec::new()));
            } else {
                let end = parts.peek().map_or(span.end, |(next, _)| next.start);
                self.edits.push((span.start..end, Vec::new()));
            }
            previous_end = span.end;
        }
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Applies the edits. Without edits it is the same buffer.
    ///
    /// # Errors
    /// [`SpliceError::OutOfRange`], [`SpliceError::Overlap`].
    pub fn finish(mut self) -> Result<Bytes, SpliceError> {
        if self.edits.is_empty() {
            return Ok(self.bytes);
        }
        // Stable: insertions at one place keep their order, and come before a replacement that starts there.
        self.edits.sort_by_key(|(span, _)| (span.start, span.end));
        let added: usize = self.edits.iter().map(|(_, text)| text.len()).sum();
        let mut out = BytesMut::with_capacity(self.bytes.len() + added);
        let mut at = 0;
        for (span, text) in &self.edits {
            if span.start < at {
                return Err(SpliceError::Overlap { offset: span.start });
            }
            let kept = self.bytes.get(at..span.start);
            let (Some(kept), Some(_)) = (kept, self.bytes.get(span.clone())) else {
                return Err(SpliceError::OutOfRange { end: span.end.max(span.start), bytes: self.bytes.len() });
            };
            out.extend_from_slice(kept);
            out.extend_from_slice(text);
            at = span.end;
        }
        out.extend_from_slice(self.bytes.get(at..).unwrap_or_default());
        Ok(out.freeze())
    }
}

impl std::fmt::Debug for Splice {
    /// Never the text: it may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Splice").field("edits", &self.edits.len()).finish()
    }
}
