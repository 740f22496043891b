//! Lines of JSON: everything, and nothing lost. docs/REFERENCE_SERVER.md describes the format for others.
//!
//! The first line says what it is, the last how much there must be, and the SHA-256 of all before it. Versions and times
//! are told, and given anew where the file is imported.

use std::collections::BTreeSet;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::ITEMS_MAX;
use super::item::{Complaint, Item, Key, Part, Place, Thing, in_order};
use super::pack::{Counted, Sink};
use super::spool::{Spool, hexadecimal};
use super::unpack::{Rules, Take};
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

/// Reads lines until the end, or until `take` wants no more.
pub(super) fn read(spool: &mut Spool, rules: &mut Rules, take: Take<'_>) -> io::Result<()> {
    let mut reader = Reader {
        file: BufReader::new(spool),
        hash: Sha256::new(),
        line: 0,
        counted: Counted::default(),
        open: None,
        wrong: false,
    };
    loop {
        let part = match reader.next(rules)? {
            Next::Part(part) => part,
            Next::Nothing => continue,
            Next::End => return Ok(()),
            Next::Hopeless(complaint) => {
                let _more = take(Err(complaint));
                return Ok(());
            }
        };
        reader.wrong |= part.is_err();
        if take(part).is_break() {
            return Ok(());
        }
    }
}

enum Next {
    Part(Part),
    Nothing,
    End,
    /// Nothing behind it can be trusted.
    Hopeless(Complaint),
}

struct Reader<'a> {
    file: BufReader<&'a mut Spool>,
    hash: Sha256,
    line: usize,
    counted: Counted,
    /// What the last line was an earlier version of.
    open: Option<Key>,
    /// Whether a line was wrong, so that the counts do not have to be right.
    wrong: bool,
}

impl Reader<'_> {
    fn complaint(&self, code: &'static str, message: impl Into<String>) -> Complaint {
        Complaint { place: Place::Line(self.line), code, message: message.into() }
    }

    fn hopeless(&self, message: &str) -> Next {
        Next::Hopeless(self.complaint("invalid_line", message))
    }

    fn next(&mut self, rules: &mut Rules) -> io::Result<Next> {
        let before = self.hash.clone();
        self.line += 1;
        let mut bytes = vec![];
        (&mut self.file).take(rules.line_bytes_max()).read_until(b'\n', &mut bytes)?;
        if bytes.pop() != Some(b'\n') {
            let long = u64::try_from(bytes.len()).unwrap_or(u64::MAX).saturating_add(1) >= rules.line_bytes_max();
            return Ok(self.hopeless(if long { "the line is too long" } else { "the file ends before its last line" }));
        }
        self.hash.update(&bytes);
        self.hash.update(b"\n");
        if self.line > ITEMS_MAX {
            return Ok(self.hopeless("a file has at most 1000000 lines"));
        }
        let parsed = serde_json::from_slice(&bytes);
        match parsed {
            Ok(Line::Format { name, version: 1..=VERSION }) if self.line == 1 && name == FORMAT => Ok(Next::Nothing),
            _ if self.line == 1 => {
                Ok(self.hopeless("the first line does not say that this is an export that this server knows"))
            }
            Ok(Line::End(end)) => self.end(&end, before),
            Ok(Line::Format { .. }) => {
                Ok(Next::Part(Err(self.complaint("invalid_line", "this is the first line only"))))
            }
            Ok(line) => Ok(Next::Part(self.part(line, rules))),
            Err(error) => {
                let told = error.to_string();
                let told = told.split(" at line ").next().unwrap_or_default();
                let message = format!("not a line of an export: {told}, column {}", error.column());
                Ok(Next::Part(Err(self.complaint("invalid_line", message))))
            }
        }
    }

    fn end(&mut self, end: &End, before: Sha256) -> io::Result<Next> {
        if !self.file.fill_buf()?.is_empty() {
            return Ok(self.hopeless("there is something behind the last line"));
        }
        if self.wrong {
            return Ok(Next::End);
        }
        if let Some(key) = &self.open {
            return Ok(self.hopeless(&format!("the {key} has earlier versions and is not there itself")));
        }
        if end.counted() != self.counted {
            return Ok(self.hopeless("the file does not hold what its last line counts"));
        }
        if end.sha256.as_ref().is_some_and(|told| *told != hexadecimal(&before.finalize())) {
            let message =
                "the file is not the one that its last line tells the SHA-256 of; who has edited it leaves sha256 away";
            return Ok(self.hopeless(message));
        }
        Ok(Next::End)
    }

    fn part(&mut self, line: Line, rules: &mut Rules) -> Part {
        let place = Place::Line(self.line);
        let (thing, earlier, count) = match line {
            Line::Earlier(stored) => (document(&place, stored, rules)?, true, &mut self.counted.earlier),
            Line::Document(stored) => (document(&place, stored, rules)?, false, &mut self.counted.documents),
            Line::EarlierPrompt(stored) => {
                (rules.prompt(&place, &stored.name, stored.body)?, true, &mut self.counted.earlier_prompts)
            }
            Line::Prompt(stored) => {
                (rules.prompt(&place, &stored.name, stored.body)?, false, &mut self.counted.prompts)
            }
            Line::Format { .. } | Line::End(_) => {
                return Err(self.complaint("invalid_line", "this line is in a wrong place"));
            }
        };
        *count += 1;
        let key = thing.key();
        if let Some(open) = self.open.take().filter(|open| *open != key) {
            let message = format!("earlier versions of the {open} come right before it, and this is the {key}");
            return Err(self.complaint("invalid_line", message));
        }
        if earlier {
            self.open = Some(key);
        } else {
            rules.once(&place, &key)?;
        }
        Ok(Item { place, thing, earlier })
    }
}

fn document(place: &Place, stored: Stored, rules: &Rules) -> Result<Thing, Complaint> {
    let Stored { path, title, media_type, content, metadata, tags, .. } = stored;
    rules.document(place, &path, title, media_type.unwrap_or_else(|| "text/plain".to_owned()), content, metadata, tags)
}
