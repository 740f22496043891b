//! The pass itself: a loop with an explicit stack of open containers.

use std::borrow::Cow;
use std::collections::HashSet;

use super::value::{Kind, Value};
use super::{COUNT_SHIFT, ESCAPED, Node};
use crate::{Limits, ParseError};

/// Up to this many members keys are compared pairwise; above, through a set hashed with a random key.
const PAIRWISE_MEMBERS_MAX: usize = 16;

pub(super) fn parse(input: &[u8], limits: &Limits) -> Result<Vec<Node>, ParseError> {
    let limit = limits.message_bytes_max.min(Limits::MESSAGE_BYTES_CEILING);
    if input.len() > limit {
        return Err(ParseError::TooLarge { bytes: input.len(), limit });
    }
    if input.starts_with(b"\xef\xbb\xbf") {
        return Err(ParseError::ByteOrderMark);
    }
    if let Err(error) = std::str::from_utf8(input) {
        return Err(ParseError::InvalidUtf8 { offset: error.valid_up_to() });
    }
    let mut parser = Parser {
        input,
        at: 0,
        tape: Vec::with_capacity((input.len() / 16).clamp(8, 1024)),
        open: Vec::with_capacity(8),
        depth_max: limits.depth_max.min(Limits::DEPTH_CEILING),
    };
    parser.document()?;
    Ok(parser.tape)
}

struct Open {
    node: u32,
    count: u32,
    object: bool,
}

struct Parser<'a> {
    input: &'a [u8],
    at: usize,
    tape: Vec<Node>,
    open: Vec<Open>,
    depth_max: usize,
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "parse() bounds the input by MESSAGE_BYTES_CEILING, far below 2^32"
)]
fn narrow(value: usize) -> u32 {
    value as u32
}

impl Parser<'_> {
    fn document(&mut self) -> Result<(), ParseError> {
        self.skip_space();
        if self.peek().is_none() {
            return Err(ParseError::Empty);
        }
        loop {
            // A value, and after it as many closing brackets as there are.
            if self.value()? {
                continue;
            }
            if !self.after_value()? {
                break;
            }
        }
        self.skip_space();
        if self.at < self.input.len() {
            return Err(ParseError::TrailingBytes { offset: self.at });
        }
        Ok(())
    }

    /// Reads one scalar or opens one container. True when a non-empty container was opened and its first value follows.
    fn value(&mut self) -> Result<bool, ParseError> {
        match self.peek() {
            Some(b'"') => self.string().map(|()| false),
            Some(b'{') => self.open(true),
            Some(b'[') => self.open(false),
            Some(b't') => self.literal(b"true", Kind::Bool),
            Some(b'f') => self.literal(b"false", Kind::Bool),
            Some(b'n') => self.literal(b"null", Kind::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.syntax()),
        }
    }

    /// After a value: true when another value follows, false at the end of the document.
    fn after_value(&mut self) -> Result<bool, ParseError> {
        while let Some(open) = self.open.last_mut() {
            open.count += 1;
            let object = open.object;
            self.skip_space();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.skip_space();
                    if object {
                        self.key()?;
                    }
                    return Ok(true);
                }
                Some(b'}') if object => self.close()?,
                Some(b']') if !object => self.close()?,
                _ => return Err(self.syntax()),
            }
        }
        Ok(false)
    }

    fn open(&mut self, object: bool) -> Result<bool, ParseError> {
        if self.open.len() >= self.depth_max {
            return Err(ParseError::TooDeep { offset: self.at, limit: self.depth_max });
        }
        let kind = if object { Kind::Object } else { Kind::Array };
        let node = narrow(self.tape.len());
        self.push(self.at, self.at, kind as u32);
        self.open.push(Open { node, count: 0, object });
        self.at += 1;
        self.skip_space();
        match self.peek() {
            Some(b'}') if object => self.close().map(|()| false),
            Some(b']') if !object => self.close().map(|()| false),
            _ => {
                if object {
                    self.key()?;
                }
                Ok(true)
            }
        }
    }

    fn close(&mut self) -> Result<(), ParseError> {
        self.at += 1;
        let end = narrow(self.at);
        let next = narrow(self.tape.len());
        if let Some(open) = self.open.pop() {
            if let Some(node) = self.tape.get_mut(open.node as usize) {
                node.end = end;
                node.next = next;
                node.info |= open.count << COUNT_SHIFT;
            }
            if open.object && open.count > 1 {
                let object = Value::new(self.input, &self.tape, open.node);
                refuse_duplicates(object, open.count as usize)?;
            }
        }
        Ok(())
    }

    fn key(&mut self) -> Result<(), ParseError> {
        if self.peek() != Some(b'"') {
            return Err(self.syntax());
        }
        self.string()?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.syntax());
        }
        self.at += 1;
        self.skip_space();
        Ok(())
    }

    fn string(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        self.at += 1;
        let mut info = Kind::String as u32;
        loop {
            self.at += plain_run(self.input.get(self.at..).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    self.push(start, self.at, info);
                    return Ok(());
                }
                Some(b'\\') => {
                    info |= ESCAPED;
                    self.escape()?;
                }
                Some(0) => return Err(ParseError::Nul { offset: self.at }),
                Some(_) => return Err(ParseError::ControlCharacter { offset: self.at }),
                None => return Err(self.syntax()),
            }
        }
    }

    fn escape(&mut self) -> Result<(), ParseError> {
        let offset = self.at;
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => {
                self.at += 1;
                match self.hex4()? {
                    0 => Err(ParseError::Nul { offset }),
                    0xD800..=0xDBFF => self.low_surrogate(offset),
                    0xDC00..=0xDFFF => Err(ParseError::LoneSurrogate { offset }),
                    _ => Ok(()),
                }
            }
            _ => Err(self.syntax()),
        }
    }

    fn low_surrogate(&mut self, offset: usize) -> Result<(), ParseError> {
        if self.input.get(self.at..self.at + 2) != Some(b"\\u") {
            return Err(ParseError::LoneSurrogate { offset });
        }
        self.at += 2;
        match self.hex4()? {
            0xDC00..=0xDFFF => Ok(()),
            _ => Err(ParseError::LoneSurrogate { offset }),
        }
    }

    fn hex4(&mut self) -> Result<u16, ParseError> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = match self.peek() {
                Some(byte @ b'0'..=b'9') => byte - b'0',
                Some(byte @ b'a'..=b'f') => byte - b'a' + 10,
                Some(byte @ b'A'..=b'F') => byte - b'A' + 10,
                _ => return Err(self.syntax()),
            };
            unit = unit << 4 | u16::from(digit);
            self.at += 1;
        }
        Ok(unit)
    }

    fn literal(&mut self, text: &[u8], kind: Kind) -> Result<bool, ParseError> {
        let start = self.at;
        if self.input.get(start..start + text.len()) != Some(text) {
            return Err(self.syntax());
        }
        self.at += text.len();
        self.push(start, self.at, kind as u32);
        Ok(false)
    }

    /// RFC 8259 §6: `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`.
    fn number(&mut self) -> Result<bool, ParseError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        // `01`, `1x` and the like would otherwise be reported one step later, as a missing comma.
        if matches!(self.peek(), Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'+' | b'-')) {
            return Err(self.syntax());
        }
        self.push(start, self.at, Kind::Number as u32);
        Ok(false)
    }

    fn digits(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.syntax());
        }
        Ok(())
    }

    fn push(&mut self, start: usize, end: usize, info: u32) {
        let next = narrow(self.tape.len() + 1);
        self.tape.push(Node { start: narrow(start), end: narrow(end), next, info });
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    #[inline]
    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn syntax(&self) -> ParseError {
        ParseError::Syntax { offset: self.at }
    }
}

/// Length of the run without `"`, `\` and control characters, eight bytes at a time.
#[inline]
fn plain_run(input: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let has_zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let (words, tail) = input.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let quote = has_zero(word ^ (ONES * u64::from(b'"')));
        let escape = has_zero(word ^ (ONES * u64::from(b'\\')));
        // Borrows run upwards only, so the lowest marked byte is always a true one.
        let found = control | quote | escape;
        if found != 0 {
            return index * 8 + (found.trailing_zeros() / 8) as usize;
        }
    }
    let stop = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    words.len() * 8 + tail.iter().position(stop).unwrap_or(tail.len())
}

fn refuse_duplicates(object: Value<'_>, count: usize) -> Result<(), ParseError> {
    if count > PAIRWISE_MEMBERS_MAX {
        let mut seen: HashSet<Cow<'_, [u8]>> = HashSet::with_capacity(count);
        for (key, _) in object.entries() {
            if !seen.insert(key.string_bytes()) {
                return Err(duplicate(key));
            }
        }
        return Ok(());
    }
    let mut seen = [None; PAIRWISE_MEMBERS_MAX];
    for ((key, _), place) in object.entries().zip(0..) {
        for earlier in seen.iter().map_while(|earlier| *earlier) {
            if key.same_string(earlier) {
                return Err(duplicate(key));
            }
        }
        if let Some(free) = seen.get_mut::<usize>(place) {
            *free = Some(key);
        }
    }
    Ok(())
}

fn duplicate(key: Value<'_>) -> ParseError {
    ParseError::DuplicateKey { offset: key.span().start }
}
