//! One strict pass over a JSON document.
//!
//! Decides whether bytes are exactly one JSON document that every reader understands alike. In → out: bytes → a flat
//! tape of nodes with byte spans ([`Json`]), read through [`Value`]. Refused are, besides everything outside RFC 8259:
//! duplicate keys (compared decoded), NUL, lone surrogates, a byte order mark, and documents over the limits of size
//! and depth. Invariants: the bytes are never changed and numbers never converted; a span always covers one whole JSON
//! value; time and memory are linear in the size; no recursion.

mod parser;
mod strings;
mod value;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;

use crate::{Limits, ParseError};
pub use strings::quote;
pub use value::{Elements, Entries, Kind, Members, Value};

/// One value of the tape; a container is followed by its content. Keys are string nodes before their values.
#[derive(Clone, Copy, Debug)]
struct Node {
    /// First byte.
    start: u32,
    /// One past the last byte.
    end: u32,
    /// Index of the node after this value and all it contains.
    next: u32,
    /// Bits 0–2 the kind, bit 3 "has escapes", bits 4–31 the number of members or elements.
    info: u32,
}

const KIND_MASK: u32 = 0b111;
const ESCAPED: u32 = 0b1000;
const COUNT_SHIFT: u32 = 4;

/// A checked document: its bytes and their tape. Cloning shares both.
#[derive(Clone)]
pub struct Json {
    bytes: Bytes,
    tape: Arc<Vec<Node>>,
}

impl Json {
    /// Checks `bytes` against `message_bytes_max` and `depth_max` of `limits` and the grammar.
    ///
    /// # Errors
    /// The first reason found; duplicate keys are reported at the end of their object.
    pub fn parse(bytes: Bytes, limits: &Limits) -> Result<Self, ParseError> {
        let tape = parser::parse(&bytes, limits)?;
        Ok(Self { bytes, tape: Arc::new(tape) })
    }

    /// The document's value.
    #[must_use]
    pub fn root(&self) -> Value<'_> {
        self.value_at(0)
    }

    /// The document's bytes, as they came.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The value at a tape index obtained from [`Value::index`] of this document.
    pub(crate) fn value_at(&self, index: u32) -> Value<'_> {
        Value::new(&self.bytes, &self.tape, index)
    }
}

impl std::fmt::Debug for Json {
    /// Never the content: it may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Json").field("bytes", &self.bytes.len()).field("nodes", &self.tape.len()).finish()
    }
}
