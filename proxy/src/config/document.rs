//! A YAML text → [`Settings`] and the place of each key. One problem of shape is told at a time, because nothing
//! behind it can be trusted; problems of meaning are told all at once by [`super::validate`].
//!
//! figment, config-rs and confique were looked at: they merge sources into a value tree first, which loses line and
//! column, or accept duplicate keys. serde-saphyr keeps both and refuses duplicates.

use std::{borrow::Cow, collections::HashMap};

use serde_saphyr::granit_parser::{Event, Parser};

use super::{problem::Problem, settings::Settings};

/// A line and column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
}

/// Where each key of a file stands, by its path (`upstreams.files.url`, `listen[0].tls`).
#[derive(Clone, Debug, Default)]
pub struct Places {
    keys: HashMap<String, Place>,
    placeholders: Vec<String>,
}

impl Places {
    /// The place of a key, or of the closest section around it that is written.
    pub fn find(&self, key: &str) -> Option<Place> {
        let mut key = Cow::Borrowed(key);
        loop {
            if let Some(place) = self.keys.get(key.as_ref()) {
                return Some(*place);
            }
            // A list of one may be written without its index.
            let single = key.replace("[0]", "");
            if let Some(place) = self.keys.get(&single) {
                return Some(*place);
            }
            let end = key.rfind(['.', '['])?;
            key = Cow::Owned(key.get(..end)?.to_owned());
        }
    }

    /// `line N: KEY` of each value that holds `${`, which other tools would expand.
    pub fn placeholders(&self) -> &[String] {
        &self.placeholders
    }
}

/// Reads one document.
///
/// # Errors
/// The first problem of syntax or shape, with its place and key.
pub fn parse(text: &str) -> Result<(Settings, Places), Problem> {
    if text.trim().is_empty() {
        return Ok((Settings::default(), Places::default()));
    }
    let mut options = serde_saphyr::Options::default();
    // A snippet would repeat the file's text, and with it a secret that was written there by mistake.
    options.with_snippet = false;
    let mut path = String::new();
    let parsed = serde_saphyr::with_deserializer_from_str_with_options(text, options, |deserializer| {
        let mut track = serde_path_to_error::Track::new();
        let tracked = serde_path_to_error::Deserializer::new(deserializer, &mut track);
        let settings = serde::Deserialize::deserialize(tracked);
        path = track.path().to_string();
        settings
    });
    match parsed {
        Ok(settings) => Ok((settings, places(text))),
        Err(error) => Err(shape_problem(&error, &path, text)),
    }
}

fn shape_problem(error: &serde_saphyr::Error, path: &str, text: &str) -> Problem {
    let at = error.location().map(|at| Place { line: at.line(), column: at.column() });
    let key = if path == "." { String::new() } else { path.trim_start_matches('.').to_owned() };
    let place = at.filter(|at| at.line > 0).or_else(|| places(text).find(&key));
    // A repeated key is known by its name only, not by its path.
    let key = if key == "?" { String::new() } else { key };
    let (message, hint) = plain_message(error);
    Problem { origin: super::problem::Origin::File, place, key, message, hint }
}

/// The parser's message without the place, which stands in front already.
fn plain_message(error: &serde_saphyr::Error) -> (String, &'static str) {
    let full = error.without_snippet().to_string();
    let first = full.lines().next().unwrap_or_default();
    let message = first.split(" at line ").next().unwrap_or(first);
    let message = match message.strip_prefix("error: line ") {
        Some(rest) => rest.split_once(": ").map_or(rest, |(_, text)| text),
        None => message,
    };
    let message = message.split(", set DuplicateKeyPolicy").next().unwrap_or(message);
    let hint = if message.contains("unknown field") || message.contains("unknown variant") {
        "`doorward config reference` lists every key and its values"
    } else if message.contains("duplicate") {
        "keep one of the two"
    } else {
        "`doorward config reference` describes this key"
    };
    (message.to_owned(), hint)
}

enum Frame {
    Map { path: String, key: Option<String> },
    List { path: String, index: usize },
}

/// A second look at the text, for places only.
fn places(text: &str) -> Places {
    let mut found = Places::default();
    let mut stack: Vec<Frame> = Vec::new();
    for event in Parser::new_from_str(text) {
        let Ok((event, span)) = event else { break };
        let place = Place {
            line: u64::try_from(span.start.line()).unwrap_or_default(),
            column: u64::try_from(span.start.col()).unwrap_or_default() + 1,
        };
        match event {
            Event::Scalar(value, ..) => {
                if let Some(Frame::Map { path, key: key @ None }) = stack.last_mut() {
                    let path = join(path, &value);
                    found.keys.entry(path.clone()).or_insert(place);
                    *key = Some(path);
                } else {
                    let path = enter(&mut stack, &mut found, place);
                    if value.contains("${") {
                        found.placeholders.push(format!("line {}: {path}", place.line));
                    }
                }
            }
            Event::Alias(..) => drop(enter(&mut stack, &mut found, place)),
            Event::MappingStart(..) => {
                let path = enter(&mut stack, &mut found, place);
                stack.push(Frame::Map { path, key: None });
            }
            Event::SequenceStart(..) => {
                let path = enter(&mut stack, &mut found, place);
                stack.push(Frame::List { path, index: 0 });
            }
            Event::MappingEnd | Event::SequenceEnd => drop(stack.pop()),
            _ => {}
        }
    }
    found
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The path of the value that begins here; a list's member is noted with its place.
fn enter(stack: &mut [Frame], found: &mut Places, place: Place) -> String {
    match stack.last_mut() {
        None => String::new(),
        Some(Frame::Map { key, .. }) => key.take().unwrap_or_default(),
        Some(Frame::List { path, index }) => {
            let member = format!("{path}[{index}]");
            *index += 1;
            found.keys.entry(member.clone()).or_insert(place);
            member
        }
    }
}
