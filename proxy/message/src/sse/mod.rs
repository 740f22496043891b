//! Server-Sent Events: splitting a stream into events, and writing events anew.
//!
//! In → out: chunks of any size → whole [`Event`]s ([`Splitter`]); one event → its frame ([`write_event`]). By the WHATWG
//! rules (HTML §9.2.5–9.2.6) a line ends at LF, CR or CRLF, so a bare CR cannot hide a field, and what was read is always
//! framed again, so that one event in is one event out. Refusals: events over their limit, ids and types that are not
//! UTF-8, control characters in what is written. Invariants: the result does not depend on where chunks are cut; memory is
//! bounded by the limit and the last chunk.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use memchr::memchr2;

/// Bytes that ids, types, comments and unknown fields of one event may take together.
pub const CONTROL_BYTES_MAX: usize = 16 * 1024;

/// Why a stream cannot be read on, or an event cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// The data of an event is over the limit.
    #[error("an event's data is larger than {limit} bytes")]
    EventTooLarge {
        /// The limit in force.
        limit: usize,
    },
    /// The other fields of an event are over [`CONTROL_BYTES_MAX`].
    #[error("an event's fields beside data are larger than {CONTROL_BYTES_MAX} bytes")]
    ControlTooLarge,
    /// An id or type that is not UTF-8.
    #[error("a field is not UTF-8")]
    InvalidUtf8,
    /// A type that was read contains NUL, or an id or type to be written contains CR, LF or NUL.
    #[error("a field contains a line end or NUL")]
    ControlCharacter,
}

/// What stands between two blank lines.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// The last `id` field. Empty is a value: it resets the last event id.
    pub id: Option<String>,
    /// The last `event` field, if not empty; without it the type is `message`.
    pub event: Option<String>,
    /// The `data` lines joined with LF; `None` without any. `Some("")` is what 2025-11-25 servers prime a stream with.
    pub data: Option<Bytes>,
    /// The last valid `retry` field, in ms.
    pub retry_ms: Option<u64>,
    /// Whether there were comment lines (keep-alives); their text is dropped.
    pub comment: bool,
}

impl std::fmt::Debug for Event {
    /// Never the data: it may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Event")
            .field("event", &self.event)
            .field("data_bytes", &self.data.as_ref().map(Bytes::len))
            .field("retry_ms", &self.retry_ms)
            .field("comment", &self.comment)
            .finish_non_exhaustive()
    }
}

/// Splits a stream; feed it with [`Splitter::push`], drain it with [`Splitter::pop`].
#[derive(Debug)]
pub struct Splitter {
    data_bytes_max: usize,
    /// The line so far, when a chunk ended within it.
    line: BytesMut,
    data: BytesMut,
    control_bytes: usize,
    current: Event,
    seen_data: bool,
    seen_field: bool,
    skip_line_feed: bool,
    first_line: bool,
    ready: VecDeque<Event>,
    failed: Option<SseError>,
}

impl Splitter {
    /// For one stream. `data_bytes_max` bounds the joined data of one event.
    #[must_use]
    pub fn new(data_bytes_max: usize) -> Self {
        Self {
            data_bytes_max,
            line: BytesMut::new(),
            data: BytesMut::new(),
            control_bytes: 0,
            current: Event::default(),
            seen_data: false,
            seen_field: false,
            skip_line_feed: false,
            first_line: true,
            ready: VecDeque::new(),
            failed: None,
        }
    }

    /// Takes the next bytes of the stream.
    ///
    /// # Errors
    /// Any [`SseError`] of reading; the stream is then over: every later call fails alike. Events that were complete
    /// before can still be popped.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), SseError> {
        match self.failed {
            Some(error) => Err(error),
            None => self.read(chunk).inspect_err(|error| self.failed = Some(*error)),
        }
    }

    /// The next complete event.
    pub fn pop(&mut self) -> Option<Event> {
        self.ready.pop_front()
    }

    /// Whether the stream so far ends within an event; at its end that event is lost (HTML §9.2.6: it is discarded).
    #[must_use]
    pub fn is_within_event(&self) -> bool {
        self.seen_field || !self.line.is_empty()
    }

    fn read(&mut self, mut chunk: &[u8]) -> Result<(), SseError> {
        while !chunk.is_empty() {
            if std::mem::take(&mut self.skip_line_feed)
                && let Some(rest) = chunk.strip_prefix(b"\n")
            {
                chunk = rest;
                continue;
            }
            let Some((line, rest)) = memchr2(b'\n', b'\r', chunk).and_then(|at| chunk.split_at_checked(at)) else {
                self.line.extend_from_slice(chunk);
                return self.check_line(&self.line);
            };
            if self.line.is_empty() {
                self.end_line(line)?;
            } else {
                let mut whole = std::mem::take(&mut self.line);
                whole.extend_from_slice(line);
                self.end_line(&whole)?;
                whole.clear();
                self.line = whole;
            }
            self.skip_line_feed = rest.first() == Some(&b'\r');
            chunk = rest.get(1..).unwrap_or_default();
        }
        Ok(())
    }

    /// A byte order mark is allowed before the first line only.
    fn without_mark<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        line.strip_prefix(b"\xef\xbb\xbf").filter(|_| self.first_line).unwrap_or(line)
    }

    /// The limits, for a whole line or the beginning of one.
    fn check_line(&self, line: &[u8]) -> Result<(), SseError> {
        let line = self.without_mark(line);
        if b"data:".starts_with(line) {
            // Not yet known to be control; what it is must not depend on where the chunk ends.
            return Ok(());
        }
        if let Some(value) = line.strip_prefix(b"data:") {
            let value = value.strip_prefix(b" ").unwrap_or(value);
            let separator = usize::from(self.seen_data);
            if self.data.len() + separator + value.len() > self.data_bytes_max {
                return Err(SseError::EventTooLarge { limit: self.data_bytes_max });
            }
        } else if self.control_bytes + line.len() > CONTROL_BYTES_MAX {
            return Err(SseError::ControlTooLarge);
        }
        Ok(())
    }

    fn end_line(&mut self, line: &[u8]) -> Result<(), SseError> {
        self.check_line(line)?;
        let line = self.without_mark(line);
        self.first_line = false;
        if line.is_empty() {
            self.end_event();
            return Ok(());
        }
        self.seen_field = true;
        let colon = memchr::memchr(b':', line).unwrap_or(line.len());
        let (name, value) = line.split_at_checked(colon).unwrap_or((line, &[]));
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        if name == b"data" {
            return self.data_line(value);
        }
        self.control_bytes += line.len();
        match name {
            b"" => self.current.comment = true,
            // Could not be written again, and left out it would be another event.
            b"event" if value.contains(&0) => return Err(SseError::ControlCharacter),
            b"event" => self.current.event = Some(utf8(value)?).filter(|event| !event.is_empty()),
            b"id" if !value.contains(&0) => self.current.id = Some(utf8(value)?),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                self.current.retry_ms = utf8(value)?.parse().ok().or(self.current.retry_ms);
            }
            _ => {}
        }
        Ok(())
    }

    fn data_line(&mut self, value: &[u8]) -> Result<(), SseError> {
        if self.seen_data {
            // A line `data` without a colon has passed check_line unmeasured.
            if self.data.len() + 1 + value.len() > self.data_bytes_max {
                return Err(SseError::EventTooLarge { limit: self.data_bytes_max });
            }
            self.data.extend_from_slice(b"\n");
        }
        self.seen_data = true;
        self.data.extend_from_slice(value);
        Ok(())
    }

    fn end_event(&mut self) {
        let mut event = std::mem::take(&mut self.current);
        let data = std::mem::take(&mut self.data).freeze();
        event.data = std::mem::take(&mut self.seen_data).then_some(data);
        self.control_bytes = 0;
        self.seen_field = false;
        if event != Event::default() {
            self.ready.push_back(event);
        }
    }
}

fn utf8(value: &[u8]) -> Result<String, SseError> {
    std::str::from_utf8(value).map(str::to_owned).map_err(|_| SseError::InvalidUtf8)
}

/// Appends the frame of exactly one event. Data is split at every line end a reader knows, so it cannot end the event or
/// start another field; a message that is JSON means the same after it. Of [`Event::comment`] an empty comment is written.
///
/// # Errors
/// [`SseError::ControlCharacter`] for an id or type with CR, LF or NUL; nothing is appended then.
pub fn write_event(out: &mut BytesMut, event: &Event) -> Result<(), SseError> {
    for field in [&event.id, &event.event].into_iter().flatten() {
        if field.contains(['\r', '\n', '\0']) {
            return Err(SseError::ControlCharacter);
        }
    }
    if *event == Event::default() {
        return Ok(());
    }
    if event.comment {
        out.extend_from_slice(b":\n");
    }
    if let Some(name) = &event.event {
        write_field(out, b"event: ", name.as_bytes());
    }
    if let Some(id) = &event.id {
        write_field(out, b"id: ", id.as_bytes());
    }
    if let Some(retry_ms) = event.retry_ms {
        write_field(out, b"retry: ", retry_ms.to_string().as_bytes());
    }
    if let Some(data) = &event.data {
        let mut rest: &[u8] = data;
        loop {
            let end = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            let (line, tail) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            write_field(out, b"data: ", line);
            if tail.is_empty() {
                break;
            }
            rest = tail.strip_prefix(b"\r\n").or_else(|| tail.get(1..)).unwrap_or_default();
        }
    }
    out.extend_from_slice(b"\n");
    Ok(())
}

/// Appends a keep-alive: one comment line and a blank line.
pub fn write_keep_alive(out: &mut BytesMut) {
    out.extend_from_slice(b":\n\n");
}

fn write_field(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(value);
    out.extend_from_slice(b"\n");
}
