//! The canonical form of a record: RFC 8785 (JSON Canonicalization Scheme) for what records are made of, which is
//! objects and arrays, strings, booleans, and whole numbers below 2^53 (the range in which JCS numbers are exact).
//!
//! Two forms of the same value: [`Form::Canonical`] is JCS to the byte and is what the fingerprint covers;
//! [`Form::Line`] is what is written to the file: the same members in the same order, with every character that could
//! change how a line is shown escaped as well. A parser reads the same value from both, so anybody can check a
//! fingerprint with a JSON parser, a JCS library and SHA-256.

use std::fmt::Write as _;

use crate::pipeline::observe::text;

/// Which of the two forms to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// RFC 8785.
    Canonical,
    /// RFC 8785 with invisible and directional characters escaped.
    Line,
}

/// The largest whole number that JCS can represent exactly.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// Appends a JSON string (RFC 8785 §3.2.2.2).
pub fn push_string(out: &mut String, value: &str, form: Form) {
    out.push('"');
    // Most strings need no escape at all.
    let plain = |byte: u8| (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\';
    if value.bytes().all(plain) {
        out.push_str(value);
    } else {
        for c in value.chars() {
            push_char(out, c, form);
        }
    }
    out.push('"');
}

fn push_char(out: &mut String, c: char, form: Form) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\u{8}' => out.push_str("\\b"),
        '\t' => out.push_str("\\t"),
        '\n' => out.push_str("\\n"),
        '\u{c}' => out.push_str("\\f"),
        '\r' => out.push_str("\\r"),
        '\0'..='\u{1f}' => {
            // Writing to a string does not fail.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        }
        _ if form == Form::Line && text::is_unsafe(c) => text::push_escape(out, c),
        _ => out.push(c),
    }
}

/// Appends a whole number; one beyond [`INTEGER_MAX`] is held at it.
pub fn push_integer(out: &mut String, value: u64) {
    let mut digits = itoa::Buffer::new();
    out.push_str(digits.format(value.min(INTEGER_MAX)));
}

/// Appends any value that a record may hold; `None` for one that it may not (null, fractions, negative or large numbers).
///
/// Members come in the order of their keys' UTF-16 units (RFC 8785 §3.2.3).
pub fn push_value(out: &mut String, value: &serde_json::Value, form: Form) -> Option<()> {
    match value {
        serde_json::Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        serde_json::Value::Number(number) => {
            push_integer(out, number.as_u64().filter(|number| *number <= INTEGER_MAX)?);
        }
        serde_json::Value::String(text) => push_string(out, text, form),
        serde_json::Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push_value(out, item, form)?;
            }
            out.push(']');
        }
        serde_json::Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push('{');
            for (index, (key, member)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push_string(out, key, form);
                out.push(':');
                push_value(out, member, form)?;
            }
            out.push('}');
        }
        serde_json::Value::Null => return None,
    }
    Some(())
}

/// Writes one flat object whose members are given in the order of their (ASCII) keys.
pub struct ObjectWriter<'a> {
    out: &'a mut String,
    form: Form,
    last_key: &'static str,
}

impl<'a> ObjectWriter<'a> {
    /// Opens the object.
    pub fn new(out: &'a mut String, form: Form) -> Self {
        out.push('{');
        Self { out, form, last_key: "" }
    }

    fn key(&mut self, key: &'static str) {
        debug_assert!(self.last_key < key, "{key} after {}", self.last_key);
        if !self.last_key.is_empty() {
            self.out.push(',');
        }
        self.last_key = key;
        self.out.push('"');
        self.out.push_str(key);
        self.out.push_str("\":");
    }

    /// A string member.
    pub fn string(&mut self, key: &'static str, value: &str) {
        self.key(key);
        push_string(self.out, value, self.form);
    }

    /// A string member, where there is a value.
    pub fn optional(&mut self, key: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.string(key, value);
        }
    }

    /// A whole number, where there is one.
    pub fn integer(&mut self, key: &'static str, value: Option<u64>) {
        if let Some(value) = value {
            self.key(key);
            push_integer(self.out, value);
        }
    }

    /// A boolean, where there is one.
    pub fn bool(&mut self, key: &'static str, value: Option<bool>) {
        if let Some(value) = value {
            self.key(key);
            self.out.push_str(if value { "true" } else { "false" });
        }
    }

    /// A list of strings, where it is not empty.
    pub fn strings<'s>(&mut self, key: &'static str, values: impl IntoIterator<Item = &'s str>) {
        let mut values = values.into_iter().peekable();
        if values.peek().is_none() {
            return;
        }
        self.key(key);
        self.out.push('[');
        for (index, value) in values.enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            push_string(self.out, value, self.form);
        }
        self.out.push(']');
    }

    /// Closes the object.
    pub fn finish(self) {
        self.out.push('}');
    }
}
