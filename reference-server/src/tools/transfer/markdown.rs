//! A ZIP file of Markdown files: what people edit and keep in Git. An entry has the path of its document; its content is
//! behind a front matter of YAML, byte for byte.
//!
//! What is written as front matter is JSON on every line, which is YAML as well. What is read is any YAML.

use std::collections::BTreeSet;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};

use serde::Deserialize;
use serde_json::{Map, Value};
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use super::item::{Complaint, Item, Part, Place, in_order};
use super::pack::{Counted, Sink};
use super::spool::Spool;
use super::unpack::{Rules, Take};
use super::{ARCHIVE_ENTRIES_MAX, FILE_BYTES_MAX};
use crate::storage::prompt::Prompt;
use crate::storage::record::Record;
use crate::storage::{Document, DocumentPath};

/// The line before and behind the front matter.
const FENCE: &str = "---";

/// Largest front matter, in bytes: all that a document may have, with room for escapes.
const FRONT_MATTER_BYTES_MAX: usize = 256 << 10;

/// How many bytes one byte of an archive may become, where it becomes more than [`PLAIN_BYTES_MAX`].
const RATIO_MAX: u64 = 200;

/// What an archive may become however small it is, in bytes.
const PLAIN_BYTES_MAX: u64 = 16 << 20;

/// Deepest metadata: what a parser of JSON takes.
const DEPTH_MAX: usize = 140;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontMatter {
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    tags: BTreeSet<String>,
    #[serde(default)]
    metadata: Map<String, Value>,
    /// As it was in the store that it comes from.
    #[serde(default)]
    #[expect(dead_code, reason = "told for people; an import gives a version of its own")]
    version: Option<u32>,
}

/// Writes an archive.
pub(super) struct Archive(ZipWriter<Spool>);

impl Archive {
    pub(super) fn begin(spool: Spool) -> Self {
        Self(ZipWriter::new(spool))
    }
}

/// Of an error of the library, the one of the file where it is one.
fn of_zip(error: ZipError) -> io::Error {
    match error {
        ZipError::Io(error) => error,
        other => io::Error::other(other),
    }
}

impl Sink for Archive {
    fn earlier(&mut self, _: &DocumentPath, _: &Document) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn document(&mut self, document: &Document) -> io::Result<()> {
        // One time for all, so that the same documents are the same bytes.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .unix_permissions(0o644)
            .last_modified_time(DateTime::default());
        self.0.start_file(document.path.as_str(), options).map_err(of_zip)?;
        self.0.write_all(front_matter(document)?.as_bytes())?;
        self.0.write_all(document.body.content.as_bytes())
    }

    fn earlier_prompt(&mut self, _: &Prompt) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn prompt(&mut self, _: &Prompt) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn record(&mut self, _: &Record) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn finish(self: Box<Self>, _: &Counted) -> io::Result<Spool> {
        self.0.finish().map_err(of_zip)
    }
}

/// The front matter of a document, with the fences.
fn front_matter(document: &Document) -> io::Result<String> {
    let body = &document.body;
    let tags: Vec<&str> = body.tags.iter().map(String::as_str).collect();
    let lines = [
        ("title", serde_json::to_string(&body.title)?),
        ("media_type", serde_json::to_string(&body.media_type)?),
        ("tags", serde_json::to_string(&tags)?),
        ("metadata", serde_json::to_string(&in_order(&body.metadata))?),
        ("version", document.version.to_string()),
    ];
    let mut text = format!("{FENCE}\n");
    for (name, json) in lines {
        text.push_str(name);
        text.push_str(": ");
        text.extend(json.chars().map(Printed::of).map(|printed| printed.to_string()));
        text.push('\n');
    }
    text.push_str(FENCE);
    text.push('\n');
    Ok(text)
}

/// A character of JSON as YAML takes it: what YAML 1.2 (5.1) does not take as it is can only be within a string, where
/// it can be escaped. Line ends of YAML 1.1 are escaped, too.
enum Printed {
    Plain(char),
    Escaped(char),
}

impl Printed {
    fn of(character: char) -> Self {
        match character {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                Self::Escaped(character)
            }
            other => Self::Plain(other),
        }
    }
}

impl std::fmt::Display for Printed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Plain(character) => write!(formatter, "{character}"),
            Self::Escaped(character) => write!(formatter, "\\u{:04x}", u32::from(*character)),
        }
    }
}

/// Front matter and content of a file; no front matter where it does not begin with a fence.
///
/// # Errors
/// What is wrong with it.
fn divide(text: &str) -> Result<(FrontMatter, &str), String> {
    let Some(rest) = text.strip_prefix("---\n").or_else(|| text.strip_prefix("---\r\n")) else {
        return Ok((FrontMatter::default(), text));
    };
    let mut end = 0_usize;
    for line in rest.split_inclusive('\n') {
        let content = end.saturating_add(line.len());
        if line.trim_end_matches(['\r', '\n']) == FENCE {
            let yaml = rest.get(..end).unwrap_or_default();
            return Ok((parse(yaml)?, rest.get(content..).unwrap_or_default()));
        }
        end = content;
        if end > FRONT_MATTER_BYTES_MAX {
            return Err(format!("the front matter has more than {FRONT_MATTER_BYTES_MAX} bytes"));
        }
    }
    Err("the front matter has no end: a line of three dashes".to_owned())
}

fn parse(yaml: &str) -> Result<FrontMatter, String> {
    if yaml.trim().is_empty() {
        return Ok(FrontMatter::default());
    }
    let mut budget = serde_saphyr::Budget::default();
    budget.max_depth = DEPTH_MAX;
    budget.flow_nesting_limit = budget.flow_nesting_limit.max(DEPTH_MAX);
    budget.simple_key_max_lookahead = FRONT_MATTER_BYTES_MAX;
    budget.max_documents = 1;
    let mut options = serde_saphyr::Options::default();
    options.budget = Some(budget);
    options.merge_keys = serde_saphyr::options::MergeKeyPolicy::AsOrdinary;
    options.strict_booleans = true;
    options.non_finite_float_policy = serde_saphyr::options::NonFiniteFloatPolicy::Reject;
    options.with_snippet = false;
    serde_saphyr::from_str_with_options(yaml, options).map_err(|error| {
        let told = error.without_snippet().to_string();
        format!("not a front matter: {}", told.lines().next().unwrap_or_default())
    })
}

/// Reads an archive until its end, or until `take` wants no more. Every entry is looked at before one is unpacked.
pub(super) fn read(spool: &mut Spool, rules: &mut Rules, take: Take<'_>) -> io::Result<()> {
    let last = last_record(spool)?;
    let packed = spool.seek(SeekFrom::End(0))?;
    let broken = |code, message: String| Complaint { place: Place::File, code, message };
    let mut archive = match ZipArchive::new(spool) {
        Ok(archive) => archive,
        Err(error) => {
            let _more = take(Err(broken("invalid_archive", format!("not an archive that can be read: {error}"))));
            return Ok(());
        }
    };
    // Of two entries of one name the library shows one, and other programs the other. More than 65,534 are told elsewhere,
    // and are too many.
    if last != Some((archive.len(), archive.comment().len())) {
        let message = "the archive has two entries of one name, too many, or something behind its end".to_owned();
        let _more = take(Err(broken("invalid_archive", message)));
        return Ok(());
    }
    let planned = match plan(&mut archive, packed, rules) {
        Ok(planned) => planned,
        Err(complaints) => {
            for complaint in complaints {
                if take(Err(complaint)).is_break() {
                    break;
                }
            }
            return Ok(());
        }
    };
    for entry in planned {
        if take(part(&mut archive, &entry, rules)?).is_break() {
            break;
        }
    }
    Ok(())
}

/// What the last record of an archive tells (APPNOTE.TXT 4.3.16): how many entries there are, and the length of the comment,
/// which ends the file.
fn last_record(spool: &mut Spool) -> io::Result<Option<(usize, usize)>> {
    const BYTES: usize = 22;
    let size = spool.seek(SeekFrom::End(0))?;
    let tail = size.min(u64::try_from(BYTES).unwrap_or(u64::MAX) + u64::from(u16::MAX));
    spool.seek(SeekFrom::Start(size - tail))?;
    let mut bytes = vec![];
    spool.read_to_end(&mut bytes)?;
    let number = |record: &[u8], at: usize| {
        let low = record.get(at..)?.first_chunk::<2>()?;
        Some(usize::from(u16::from_le_bytes(*low)))
    };
    let record = |place: usize| {
        let record = bytes.get(place..).filter(|record| record.starts_with(b"PK\x05\x06"))?;
        let comment = number(record, 20)?;
        (comment.saturating_add(BYTES) == record.len()).then_some((number(record, 10)?, comment))
    };
    Ok((0..bytes.len()).rev().find_map(record))
}

struct Planned {
    index: usize,
    name: String,
    size: u64,
}

/// The files of an archive.
///
/// # Errors
/// What is wrong with entries, or with all of them together.
fn plan(archive: &mut ZipArchive<&mut Spool>, packed: u64, rules: &Rules) -> Result<Vec<Planned>, Vec<Complaint>> {
    let whole = |code, message: String| vec![Complaint { place: Place::File, code, message }];
    if archive.len() > ARCHIVE_ENTRIES_MAX {
        return Err(whole("archive_too_large", format!("an archive has at most {ARCHIVE_ENTRIES_MAX} entries")));
    }
    let entry_bytes_max = rules.content_bytes_max().saturating_add(u64::try_from(FRONT_MATTER_BYTES_MAX).unwrap_or(0));
    let (mut planned, mut wrong, mut total) = (vec![], vec![], 0_u64);
    for index in 0..archive.len() {
        let entry = match archive.by_index_raw(index) {
            Ok(entry) => entry,
            Err(error) => return Err(whole("invalid_archive", format!("entry {index} cannot be read: {error}"))),
        };
        if entry.is_dir() {
            continue;
        }
        let name = match entry.name() {
            Ok(name) => name.into_owned(),
            Err(error) => return Err(whole("invalid_archive", format!("entry {index} has no name: {error}"))),
        };
        let regular = entry.unix_mode().is_none_or(|mode| matches!(mode & 0o170_000, 0 | 0o100_000));
        let mut refuse = |code, message: String| wrong.push(Complaint { place: Place::entry(&name), code, message });
        if entry.is_symlink() || entry.encrypted() || !regular {
            refuse("entry_refused", "only regular files that are not encrypted are taken".to_owned());
            continue;
        }
        if entry.size() > entry_bytes_max {
            refuse("invalid_document", format!("the entry has {} bytes, more than {entry_bytes_max}", entry.size()));
            continue;
        }
        total = total.saturating_add(entry.size());
        let size = entry.size();
        planned.push(Planned { index, name, size });
    }
    if total > FILE_BYTES_MAX || total > packed.saturating_mul(RATIO_MAX).max(PLAIN_BYTES_MAX) {
        return Err(whole("archive_too_large", format!("an archive of {packed} bytes may not become {total}")));
    }
    if wrong.is_empty() { Ok(planned) } else { Err(wrong) }
}

/// A file of an archive. Errors of the spool end everything, those of the archive are told.
fn part(archive: &mut ZipArchive<&mut Spool>, entry: &Planned, rules: &mut Rules) -> io::Result<Part> {
    let place = Place::entry(&entry.name);
    let wrong = |code, message: String| Complaint { place: place.clone(), code, message };
    let mut bytes = vec![];
    let unpacked = match archive.by_index(entry.index) {
        // One more than it claims, to see that there is no more.
        Ok(file) => file.take(entry.size.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    if let Err(message) = unpacked {
        return Ok(Err(wrong("invalid_archive", message)));
    }
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) != entry.size {
        return Ok(Err(wrong("invalid_archive", "the entry is not as large as it claims".to_owned())));
    }
    let Ok(text) = String::from_utf8(bytes) else {
        return Ok(Err(wrong("invalid_document", "a document is text in UTF-8".to_owned())));
    };
    Ok(document(&place, &entry.name, &text, rules))
}

fn document(place: &Place, name: &str, text: &str, rules: &mut Rules) -> Part {
    let wrong = |message| Complaint { place: place.clone(), code: "invalid_front_matter", message };
    let (front, content) = divide(text).map_err(wrong)?;
    let FrontMatter { title, media_type, tags, metadata, .. } = front;
    let media_type = media_type.unwrap_or_else(|| "text/markdown".to_owned());
    let thing = rules.document(place, name, title, media_type, content.to_owned(), metadata, tags)?;
    rules.once(place, &thing.key())?;
    Ok(Item { place: place.clone(), thing, earlier: false })
}

#[cfg(test)]
mod tests;
