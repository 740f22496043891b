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
use crate::storage::{Document, DocumentPath};
use crate::tools::typed::time;

/// What the first line says.
const FORMAT: &str = "doorward-export";

/// The version that is written, and the newest that is read.
const VERSION: u32 = 1;

/// A line. Another kind of thing is another variant, and another count in [`End`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    Format { name: String, version: u32 },
    Earlier(Stored),
    Document(Stored),
    EarlierPrompt(StoredPrompt),
    Prompt(StoredPrompt),
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
struct End {
    documents: u64,
    #[serde(default)]
    earlier: u64,
    #[serde(default)]
    prompts: u64,
    #[serde(default)]
    earlier_prompts: u64,
    /// Left away by whoever has edited the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

impl End {
    fn counted(&self) -> Counted {
        let Self { documents, earlier, prompts, earlier_prompts, .. } = *self;
        Counted { documents, earlier, prompts, earlier_prompts }
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

/// Writes lines.
pub(super) struct Lines {
    spool: Spool,
    hash: Sha256,
}

impl Lines {
    /// Begins with the first line.
    pub(super) fn begin(spool: Spool) -> io::Result<Self> {
        let mut lines = Self { spool, hash: Sha256::new() };
        lines.line(&Line::Format { name: FORMAT.to_owned(), version: VERSION })?;
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

    fn finish(mut self: Box<Self>, counted: &Counted) -> io::Result<Spool> {
        let Counted { documents, earlier, prompts, earlier_prompts } = *counted;
        let sha256 = Some(hexadecimal(&self.hash.clone().finalize()));
        self.line(&Line::End(End { documents, earlier, prompts, earlier_prompts, sha256 }))?;
        Ok(self.spool)
    }
}
