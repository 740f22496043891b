//! Lines of JSON: everything, and nothing lost. docs/REFERENCE_SERVER.md describes the format for others.
//!
//! The first line says what it is, the last how much there must be, and the SHA-256 of all before it. Versions and times
//! are told, and given anew where the file is imported.

mod read;

use std::collections::BTreeSet;
use std::io::{self, Write as _};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

pub(super) use self::read::read;
use super::item::in_order;
use super::pack::{Counted, Sink};
use super::spool::{Spool, hexadecimal};
use crate::storage::prompt::{Prompt, PromptBody};
use crate::storage::record::Record;
use crate::storage::{Document, DocumentPath};
use crate::tools::typed::time;

/// What the first line says.
const FORMAT: &str = "doorward-export";

/// The newest version that is read. It is written where records were asked for, else the one before, which has none and
/// is read by servers that know none.
const VERSION: u32 = 2;

/// The version without records.
const VERSION_WITHOUT_RECORDS: u32 = 1;

/// A line. Another kind of thing is another variant, and another count in [`End`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    Format { name: String, version: u32 },
    Earlier(Stored),
    Document(Stored),
    EarlierPrompt(StoredPrompt),
    Prompt(StoredPrompt),
    Record(StoredRecord),
    End(End),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    path: String,
    /// Where an earlier version was, where that is another path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    was_at: Option<String>,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    media_type: Option<String>,
    content: String,
    #[serde(default)]
    metadata: Map<String, Value>,
    #[serde(default)]
    tags: BTreeSet<String>,
    /// As it was in the store that it comes from; an import gives a version and times of its own.
    #[serde(default)]
    version: Option<u32>,
    #[serde(default)]
    created_at: Option<String>,
    #[serde(default)]
    updated_at: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredPrompt {
    name: String,
    body: PromptBody,
    /// As it was in the store that it comes from; an import gives a version and times of its own.
    #[serde(default)]
    version: Option<u32>,
    #[serde(default)]
    created_at: Option<String>,
    #[serde(default)]
    updated_at: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredRecord {
    collection: String,
    id: String,
    body: Map<String, Value>,
    /// As it was in the store that it comes from; an import gives a version and times of its own.
    #[serde(default)]
    version: Option<u32>,
    #[serde(default)]
    created_at: Option<String>,
    #[serde(default)]
    updated_at: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    documents: u64,
    #[serde(default)]
    earlier: u64,
    #[serde(default)]
    prompts: u64,
    #[serde(default)]
    earlier_prompts: u64,
    /// Left away where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    records: Option<u64>,
    /// Left away by whoever has edited the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

impl End {
    fn new(counted: &Counted, sha256: String) -> Self {
        let Counted { documents, earlier, prompts, earlier_prompts, records } = *counted;
        let records = (records > 0).then_some(records);
        Self { documents, earlier, prompts, earlier_prompts, records, sha256: Some(sha256) }
    }

    fn counted(&self) -> Counted {
        let Self { documents, earlier, prompts, earlier_prompts, records, .. } = *self;
        Counted { documents, earlier, prompts, earlier_prompts, records: records.unwrap_or_default() }
    }
}

fn stored(document: &Document, now: &DocumentPath) -> Stored {
    let body = &document.body;
    Stored {
        path: now.to_string(),
        was_at: (document.path != *now).then(|| document.path.to_string()),
        title: Some(body.title.clone()),
        media_type: Some(body.media_type.clone()),
        content: body.content.clone(),
        metadata: in_order(&body.metadata),
        tags: body.tags.clone(),
        version: Some(document.version),
        created_at: Some(time(document.created_at)),
        updated_at: Some(time(document.updated_at)),
    }
}

fn stored_prompt(prompt: &Prompt) -> StoredPrompt {
    StoredPrompt {
        name: prompt.name.to_string(),
        body: prompt.body.clone(),
        version: Some(prompt.version),
        created_at: Some(time(prompt.created_at)),
        updated_at: Some(time(prompt.updated_at)),
    }
}

fn stored_record(record: &Record) -> StoredRecord {
    StoredRecord {
        collection: record.name.collection().to_string(),
        id: record.name.id().to_owned(),
        body: record.body.clone(),
        version: Some(record.version),
        created_at: Some(time(record.created_at)),
        updated_at: Some(time(record.updated_at)),
    }
}

/// Writes lines.
pub(super) struct Lines {
    spool: Spool,
    hash: Sha256,
}

impl Lines {
    /// Begins with the first line, of a file that may have records or has none.
    pub(super) fn begin(spool: Spool, records: bool) -> io::Result<Self> {
        let mut lines = Self { spool, hash: Sha256::new() };
        let version = if records { VERSION } else { VERSION_WITHOUT_RECORDS };
        lines.line(&Line::Format { name: FORMAT.to_owned(), version })?;
        Ok(lines)
    }

    fn line(&mut self, line: &Line) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        self.hash.update(&bytes);
        self.spool.write_all(&bytes)
    }
}

impl Sink for Lines {
    fn earlier(&mut self, now: &DocumentPath, was: &Document) -> io::Result<()> {
        self.line(&Line::Earlier(stored(was, now)))
    }

    fn document(&mut self, document: &Document) -> io::Result<()> {
        self.line(&Line::Document(stored(document, &document.path)))
    }

    fn earlier_prompt(&mut self, was: &Prompt) -> io::Result<()> {
        self.line(&Line::EarlierPrompt(stored_prompt(was)))
    }

    fn prompt(&mut self, prompt: &Prompt) -> io::Result<()> {
        self.line(&Line::Prompt(stored_prompt(prompt)))
    }

    fn record(&mut self, record: &Record) -> io::Result<()> {
        self.line(&Line::Record(stored_record(record)))
    }

    fn finish(mut self: Box<Self>, counted: &Counted) -> io::Result<Spool> {
        let sha256 = hexadecimal(&self.hash.clone().finalize());
        self.line(&Line::End(End::new(counted, sha256)))?;
        Ok(self.spool)
    }
}

#[cfg(test)]
mod tests;
