//! Reading the tape.

use std::borrow::Cow;
use std::ops::Range;

use super::strings::decode;
use super::{COUNT_SHIFT, ESCAPED, KIND_MASK, Node};

/// The six kinds of JSON values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// `null`
    Null = 0,
    /// `true` or `false`
    Bool = 1,
    /// A number, never converted.
    Number = 2,
    /// A string.
    String = 3,
    /// An array.
    Array = 4,
    /// An object.
    Object = 5,
}

/// A value of a checked document. Copying it copies two slices and an index.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    bytes: &'a [u8],
    tape: &'a [Node],
    index: u32,
}

impl<'a> Value<'a> {
    pub(super) fn new(bytes: &'a [u8], tape: &'a [Node], index: u32) -> Self {
        Self { bytes, tape, index }
    }

    /// The tape is never empty and no index leaves it; were it so, the value would read as an empty `null`.
    fn node(self) -> Node {
        self.tape.get(self.index as usize).copied().unwrap_or(Node { start: 0, end: 0, next: 0, info: 0 })
    }

    /// Place on the tape, for `Json::value_at`.
    pub(crate) fn index(self) -> u32 {
        self.index
    }

    /// What kind of value it is.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self.node().info & KIND_MASK {
            1 => Kind::Bool,
            2 => Kind::Number,
            3 => Kind::String,
            4 => Kind::Array,
            5 => Kind::Object,
            _ => Kind::Null,
        }
    }

    /// The bytes it takes in its document, as a range.
    #[must_use]
    pub fn span(self) -> Range<usize> {
        let node = self.node();
        node.start as usize..node.end as usize
    }

    /// Its JSON text, unchanged.
    #[must_use]
    pub fn raw(self) -> &'a [u8] {
        self.bytes.get(self.span()).unwrap_or_default()
    }

    /// Its JSON text as `str`.
    #[must_use]
    pub fn raw_str(self) -> &'a str {
        // Cannot fail: the document is UTF-8 and a value begins and ends at ASCII bytes.
        std::str::from_utf8(self.raw()).unwrap_or_default()
    }

    /// Decoded bytes of a string or key; empty for other kinds.
    pub(crate) fn string_bytes(self) -> Cow<'a, [u8]> {
        let node = self.node();
        if node.info & KIND_MASK != Kind::String as u32 {
            return Cow::Borrowed(&[]);
        }
        let inner = node.start as usize + 1..(node.end as usize).saturating_sub(1);
        let inner = self.bytes.get(inner).unwrap_or_default();
        if node.info & ESCAPED == 0 {
            return Cow::Borrowed(inner);
        }
        decode(inner)
    }

    /// Whether two strings are equal once decoded.
    pub(super) fn same_string(self, other: Self) -> bool {
        if (self.node().info | other.node().info) & ESCAPED == 0 {
            return self.raw() == other.raw();
        }
        self.string_bytes() == other.string_bytes()
    }

    /// Whether this is a string that decodes to `text`.
    #[must_use]
    pub fn is_str(self, text: &str) -> bool {
        self.kind() == Kind::String && *self.string_bytes() == *text.as_bytes()
    }

    /// The decoded string; `None` for other kinds.
    #[must_use]
    pub fn as_str(self) -> Option<Cow<'a, str>> {
        if self.kind() != Kind::String {
            return None;
        }
        match self.string_bytes() {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
        }
    }

    /// The truth value; `None` for other kinds.
    #[must_use]
    pub fn as_bool(self) -> Option<bool> {
        (self.kind() == Kind::Bool).then(|| self.raw() == b"true")
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// The number if it is an integer in value (`1`, `1.0`, `1e2`) and fits; computed exactly, never through a float.
    #[must_use]
    pub fn as_i64(self) -> Option<i64> {
        if self.kind() != Kind::Number {
            return None;
        }
        crate::number::exact_i64(self.raw_str())
    }

    /// The nearest double of a number, if finite. For display and thresholds; what is forwarded stays the raw text.
    #[must_use]
    pub fn as_f64(self) -> Option<f64> {
        if self.kind() != Kind::Number {
            return None;
        }
        self.raw_str().parse().ok().filter(|value: &f64| value.is_finite())
    }

    /// Members of an object or elements of an array; 0 for other kinds.
    #[must_use]
    pub fn len(self) -> usize {
        (self.node().info >> COUNT_SHIFT) as usize
    }

    /// Whether [`Value::len`] is 0.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The member of an object whose decoded key is exactly `key`; `None` for other kinds.
    #[must_use]
    pub fn get(self, key: &str) -> Option<Value<'a>> {
        self.entries().find(|(name, _)| *name.string_bytes() == *key.as_bytes()).map(|(_, value)| value)
    }

    /// An object's members with their keys as values (which have spans); empty for other kinds.
    #[must_use]
    pub fn entries(self) -> Entries<'a> {
        Entries(self.children(Kind::Object))
    }

    /// An object's members with decoded keys; empty for other kinds.
    #[must_use]
    pub fn members(self) -> Members<'a> {
        Members(self.entries())
    }

    /// An array's elements; empty for other kinds.
    #[must_use]
    pub fn elements(self) -> Elements<'a> {
        self.children(Kind::Array)
    }

    fn children(self, kind: Kind) -> Elements<'a> {
        let end = if self.kind() == kind { self.node().next } else { 0 };
        Elements { next: Value { index: self.index + 1, ..self }, end }
    }
}

impl std::fmt::Debug for Value<'_> {
    /// Never the content: it may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Value({:?} at {:?})", self.kind(), self.span())
    }
}

/// Iterator over an array's elements.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    next: Value<'a>,
    end: u32,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        if self.next.index >= self.end {
            return None;
        }
        let value = self.next;
        // Always forward, so that iteration ends whatever the tape holds.
        self.next.index = value.node().next.max(value.index + 1);
        Some(value)
    }
}

/// Iterator over an object's members as (key, value), both as [`Value`]s.
#[derive(Clone, Debug)]
pub struct Entries<'a>(Elements<'a>);

impl<'a> Iterator for Entries<'a> {
    type Item = (Value<'a>, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.0.next()?, self.0.next()?))
    }
}

/// Iterator over an object's members as (decoded key, value).
#[derive(Clone, Debug)]
pub struct Members<'a>(Entries<'a>);

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, str>, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, value) = self.0.next()?;
        Some((key.as_str()?, value))
    }
}
