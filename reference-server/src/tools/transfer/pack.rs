//! What goes out: the records of the store that were asked for, into one file of a format.

use std::io::{self, Seek as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::Receiver;

use super::lines::Lines;
use super::markdown::Archive;
use super::selection::Selection;
use super::spool::Spool;
use super::{ARCHIVE_ENTRIES_MAX, ITEMS_MAX, TransferError, scratch};
use crate::storage::backup::Record;
use crate::storage::prompt::Prompt;
use crate::storage::{Document, DocumentPath, record};
use crate::tools::ToolError;

/// The form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    /// Lines of JSON
    #[default]
    Jsonl,
    /// A ZIP file of Markdown files
    Markdown,
}

/// How much a file may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) bytes: u64,
    /// Documents, prompts and records, and earlier versions of them.
    pub(super) things: u64,
}

impl Bounds {
    /// As much as an import of this format takes.
    pub(super) fn of(format: Format, bytes: u64) -> Self {
        let things = match format {
            // Two lines are its first and its last.
            Format::Jsonl => ITEMS_MAX - 2,
            Format::Markdown => ARCHIVE_ENTRIES_MAX,
        };
        Self { bytes, things: u64::try_from(things).unwrap_or(u64::MAX) }
    }
}

/// How much is in an export.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Counted {
    /// Documents
    pub(super) documents: u64,
    /// Earlier versions of them
    pub(super) earlier: u64,
    /// Prompts
    pub(super) prompts: u64,
    /// Earlier versions of them
    pub(super) earlier_prompts: u64,
    /// Records
    pub(super) records: u64,
}

impl Counted {
    fn things(&self) -> u64 {
        let Self { documents, earlier, prompts, earlier_prompts, records } = *self;
        [earlier, prompts, earlier_prompts, records].into_iter().fold(documents, u64::saturating_add)
    }
}

/// A file that is made.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) spool: Spool,
    pub(super) size: u64,
    pub(super) sha256: String,
    pub(super) counted: Counted,
}

/// A format, as it is written.
pub(super) trait Sink {
    /// What the document at `now` was earlier; comes before it, the oldest first.
    fn earlier(&mut self, now: &DocumentPath, was: &Document) -> io::Result<()>;

    /// A document as it is.
    fn document(&mut self, document: &Document) -> io::Result<()>;

    /// What the prompt that comes was earlier.
    fn earlier_prompt(&mut self, was: &Prompt) -> io::Result<()>;

    /// A prompt as it is.
    fn prompt(&mut self, prompt: &Prompt) -> io::Result<()>;

    /// A record.
    fn record(&mut self, record: &record::Record) -> io::Result<()>;

    /// The end.
    fn finish(self: Box<Self>, counted: &Counted) -> io::Result<Spool>;
}

/// What is written once its earlier versions are.
enum Held {
    Document(Document),
    Prompt(Prompt),
}

struct Packer {
    selection: Selection,
    sink: Box<dyn Sink>,
    held: Option<Held>,
    counted: Counted,
    done: Arc<AtomicU64>,
}

/// Writes what was asked for of what comes; [`None`] where it ends before its end.
///
/// # Errors
/// [`TransferError::TooLarge`], [`TransferError::TooMany`], [`TransferError::Scratch`].
pub(super) fn pack(
    mut records: Receiver<Record>,
    format: Format,
    selection: Selection,
    bounds: Bounds,
    done: Arc<AtomicU64>,
) -> Result<Option<Packed>, ToolError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::FileTooLarge => {
            TransferError::TooLarge(bounds.bytes, "export a part of it, or to a place that takes more").into()
        }
        _ => scratch(error),
    };
    let spool = Spool::new(bounds.bytes);
    let sink: Box<dyn Sink> = match format {
        Format::Jsonl => Box::new(Lines::begin(spool, selection.has_records()).map_err(failed)?),
        Format::Markdown => Box::new(Archive::begin(spool)),
    };
    let mut packer = Packer { selection, sink, held: None, counted: Counted::default(), done };
    loop {
        let Some(record) = records.blocking_recv() else { return Ok(None) };
        let end = record == Record::End;
        packer.take(record).map_err(failed)?;
        if packer.counted.things() > bounds.things {
            return Err(TransferError::TooMany(bounds.things).into());
        }
        if end {
            break;
        }
    }
    let counted = packer.counted;
    let mut spool = packer.sink.finish(&counted).map_err(failed)?;
    let (size, sha256) = spool.digest().map_err(failed)?;
    spool.rewind().map_err(failed)?;
    Ok(Some(Packed { spool, size, sha256, counted }))
}

impl Packer {
    fn take(&mut self, record: Record) -> io::Result<()> {
        match record {
            Record::Document(document) => {
                self.flush()?;
                self.held = self.selection.takes(&document).then_some(Held::Document(document));
            }
            Record::Earlier(was) if self.selection.history => {
                if let Some(Held::Document(now)) = &self.held {
                    self.sink.earlier(&now.path, &was)?;
                    self.counted.earlier += 1;
                }
            }
            Record::Prompt(prompt) => {
                self.flush()?;
                self.held = self.selection.prompts.then_some(Held::Prompt(prompt));
            }
            Record::EarlierPrompt(was) if self.selection.history => {
                if let Some(Held::Prompt(_)) = &self.held {
                    self.sink.earlier_prompt(&was)?;
                    self.counted.earlier_prompts += 1;
                }
            }
            Record::Structured(record) => {
                self.flush()?;
                if self.selection.takes_record(&record.name) {
                    self.sink.record(&record)?;
                    self.counted.records += 1;
                    self.done.fetch_add(1, Ordering::Relaxed);
                }
            }
            Record::End => self.flush()?,
            // That there was something once is for a backup only.
            _ => {}
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.held.take() {
            Some(Held::Document(document)) => {
                self.sink.document(&document)?;
                self.counted.documents += 1;
            }
            Some(Held::Prompt(prompt)) => {
                self.sink.prompt(&prompt)?;
                self.counted.prompts += 1;
            }
            None => return Ok(()),
        }
        self.done.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
