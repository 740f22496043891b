//! What `.env` says, each with the lines that say it: dotenvy's errors tell no line, and show values, which may be secrets.

use std::cell::Cell;
use std::io::{self, Read};

use super::line_at;

/// The lines that a variable was read from.
pub(super) struct Source<'a> {
    /// The number of the first, from 1.
    pub(super) line: usize,
    pub(super) text: &'a str,
}

/// Hands out one line a time, so that the place shows what has been read.
struct Lines<'a> {
    text: &'a str,
    place: Cell<usize>,
}

impl<'a> Lines<'a> {
    fn from(&self, place: usize) -> &'a str {
        self.text.get(place..).unwrap_or_default()
    }
}

impl Read for &Lines<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.text.as_bytes().get(self.place.get()..).unwrap_or_default();
        let line = rest.split_inclusive(|&byte| byte == b'\n').next().unwrap_or_default();
        let read = { line }.read(buffer)?;
        self.place.set(self.place.get() + read);
        Ok(read)
    }
}

/// Name and value of each variable; `None` for lines that are no variable.
pub(super) fn pairs(text: &str) -> Vec<(Source<'_>, Option<(String, String)>)> {
    let lines = Lines { text, place: Cell::new(0) };
    let mut all = Vec::new();
    let mut start = 0;
    for pair in dotenvy::from_read_iter(&lines) {
        let end = lines.place.get();
        let read = lines.from(start).get(..end - start).unwrap_or_default();
        let text = without_comments(read);
        all.push((Source { line: line_at(lines.text, end - text.len()), text }, pair.ok()));
        start = end;
    }
    all
}

/// Comments and empty lines before a variable are not about it.
fn without_comments(mut text: &str) -> &str {
    while let Some(line) = text.split_inclusive('\n').next()
        && (line.trim().is_empty() || line.trim_start().starts_with('#'))
    {
        text = text.get(line.len()..).unwrap_or_default();
    }
    text
}
