//! The file: lines of JSON. The first says what it is, the last how much there must be and the SHA-256 of all before it.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::Receiver;

use super::{BackupError, Counted, Record};
use crate::storage::prompt::{Prompt, PromptBody, PromptName};
use crate::storage::record::{self, RecordName};
use crate::storage::{Body, Document, DocumentPath, Limits};

/// What the first line says.
const FORMAT: &str = "doorward-documents";

/// The version that is written. Version 1 had no prompts, version 2 no records.
const VERSION: u32 = 3;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    Format { name: String, version: u32 },
    Document(Stored),
    Earlier(Stored),
    Retired { path: String, version: u32 },
    Prompt(StoredPrompt),
    EarlierPrompt(StoredPrompt),
    RetiredPrompt { name: String, version: u32 },
    Record(StoredRecord),
    RetiredRecord { name: String, version: u32 },
    End(End),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    path: String,
    version: u32,
    title: String,
    media_type: String,
    content: String,
    metadata: Map<String, Value>,
    tags: BTreeSet<String>,
    created_at: i64,
    updated_at: i64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredPrompt {
    name: String,
    version: u32,
    body: PromptBody,
    created_at: i64,
    updated_at: i64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredRecord {
    /// Collection and id, with a slash between them.
    name: String,
    version: u32,
    body: Map<String, Value>,
    created_at: i64,
    updated_at: i64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    documents: u64,
    earlier: u64,
    retired: u64,
    #[serde(default)]
    prompts: u64,
    #[serde(default)]
    earlier_prompts: u64,
    #[serde(default)]
    retired_prompts: u64,
    #[serde(default)]
    records: u64,
    #[serde(default)]
    retired_records: u64,
    sha256: String,
}

impl End {
    fn new(counted: Counted, sha256: String) -> Self {
        Self {
            documents: counted.documents,
            earlier: counted.earlier,
            retired: counted.retired,
            prompts: counted.prompts,
            earlier_prompts: counted.earlier_prompts,
            retired_prompts: counted.retired_prompts,
            records: counted.records,
            retired_records: counted.retired_records,
            sha256,
        }
    }

    fn counted(&self) -> Counted {
        Counted {
            documents: self.documents,
            earlier: self.earlier,
            retired: self.retired,
            prompts: self.prompts,
            earlier_prompts: self.earlier_prompts,
            retired_prompts: self.retired_prompts,
            records: self.records,
            retired_records: self.retired_records,
        }
    }
}

impl From<Prompt> for StoredPrompt {
    fn from(prompt: Prompt) -> Self {
        Self {
            name: prompt.name.to_string(),
            version: prompt.version,
            body: prompt.body,
            created_at: prompt.created_at,
            updated_at: prompt.updated_at,
        }
    }
}

impl From<record::Record> for StoredRecord {
    fn from(record: record::Record) -> Self {
        Self {
            name: record.name.to_string(),
            version: record.version,
            body: record.body,
            created_at: record.created_at,
            updated_at: record.updated_at,
        }
    }
}

impl From<Document> for Stored {
    fn from(document: Document) -> Self {
        Self {
            path: document.path.to_string(),
            version: document.version,
            title: document.body.title,
            media_type: document.body.media_type,
            content: document.body.content,
            metadata: document.body.metadata,
            tags: document.body.tags,
            created_at: document.created_at,
            updated_at: document.updated_at,
        }
    }
}

/// Writes what comes into a new file, to the disk. Where that fails, no file is left.
pub(super) fn write(path: &Path, records: Receiver<Record>) -> Result<Counted, BackupError> {
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file = created.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => BackupError::Exists(path.to_owned()),
        _ => error.into(),
    })?;
    let written = fill(file, records);
    if written.is_err() {
        let _gone = std::fs::remove_file(path);
    }
    written
}

fn fill(file: File, mut records: Receiver<Record>) -> Result<Counted, BackupError> {
    let mut writer = Writer { file: BufWriter::new(file), hash: Sha256::new() };
    writer.line(&Line::Format { name: FORMAT.to_owned(), version: VERSION })?;
    let mut counted = Counted::default();
    loop {
        match records.blocking_recv().ok_or(BackupError::Stopped)? {
            Record::Document(document) => {
                counted.documents += 1;
                writer.line(&Line::Document(document.into()))?;
            }
            Record::Earlier(document) => {
                counted.earlier += 1;
                writer.line(&Line::Earlier(document.into()))?;
            }
            Record::Retired(path, version) => {
                counted.retired += 1;
                writer.line(&Line::Retired { path: path.to_string(), version })?;
            }
            Record::Prompt(prompt) => {
                counted.prompts += 1;
                writer.line(&Line::Prompt(prompt.into()))?;
            }
            Record::EarlierPrompt(prompt) => {
                counted.earlier_prompts += 1;
                writer.line(&Line::EarlierPrompt(prompt.into()))?;
            }
            Record::RetiredPrompt(name, version) => {
                counted.retired_prompts += 1;
                writer.line(&Line::RetiredPrompt { name: name.to_string(), version })?;
            }
            Record::Structured(record) => {
                counted.records += 1;
                writer.line(&Line::Record(record.into()))?;
            }
            Record::RetiredStructured(name, version) => {
                counted.retired_records += 1;
                writer.line(&Line::RetiredRecord { name: name.to_string(), version })?;
            }
            Record::End => break,
        }
    }
    let sha256 = hexadecimal(&writer.hash.clone().finalize());
    writer.line(&Line::End(End::new(counted, sha256)))?;
    writer.file.into_inner().map_err(|error| error.into_error())?.sync_all()?;
    Ok(counted)
}

struct Writer {
    file: BufWriter<File>,
    hash: Sha256,
}

impl Writer {
    fn line(&mut self, line: &Line) -> Result<(), BackupError> {
        let mut bytes = serde_json::to_vec(line).map_err(std::io::Error::from)?;
        bytes.push(b'\n');
        self.hash.update(&bytes);
        Ok(self.file.write_all(&bytes)?)
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a file and gives its records to `take`; the last one only when everything was right.
pub(super) fn read(
    file: &Path,
    mut take: impl FnMut(Record) -> Result<(), BackupError>,
) -> Result<Counted, BackupError> {
    let mut reader = Reader { file: BufReader::new(File::open(file)?), hash: Sha256::new(), line: 0 };
    match reader.next()? {
        Line::Format { name, version: 1..=VERSION } if name == FORMAT => {}
        _ => return Err(reader.wrong("this is no backup, or one of a newer server")),
    }
    let mut counted = Counted::default();
    loop {
        let before = reader.hash.clone();
        match reader.next()? {
            Line::Document(stored) => {
                counted.documents += 1;
                take(Record::Document(reader.document(stored)?))?;
            }
            Line::Earlier(stored) if counted.documents > 0 => {
                counted.earlier += 1;
                take(Record::Earlier(reader.document(stored)?))?;
            }
            Line::Retired { path, version } => {
                counted.retired += 1;
                take(Record::Retired(reader.path(&path)?, version))?;
            }
            Line::Prompt(stored) => {
                counted.prompts += 1;
                take(Record::Prompt(reader.prompt(stored)?))?;
            }
            Line::EarlierPrompt(stored) if counted.prompts > 0 => {
                counted.earlier_prompts += 1;
                take(Record::EarlierPrompt(reader.prompt(stored)?))?;
            }
            Line::RetiredPrompt { name, version } => {
                counted.retired_prompts += 1;
                take(Record::RetiredPrompt(reader.name(&name)?, version))?;
            }
            Line::Record(stored) => {
                counted.records += 1;
                take(Record::Structured(reader.record(stored)?))?;
            }
            Line::RetiredRecord { name, version } => {
                counted.retired_records += 1;
                take(Record::RetiredStructured(reader.record_name(&name)?, version))?;
            }
            Line::End(end) => {
                if counted != end.counted() || end.sha256 != hexadecimal(&before.finalize()) || reader.more()? {
                    return Err(reader.wrong("the backup is damaged: it is not what its last line says"));
                }
                take(Record::End)?;
                return Ok(counted);
            }
            Line::Earlier(_) | Line::EarlierPrompt(_) | Line::Format { .. } => {
                return Err(reader.wrong("this line is in a wrong place"));
            }
        }
    }
}

struct Reader {
    file: BufReader<File>,
    hash: Sha256,
    line: usize,
}

impl Reader {
    fn next(&mut self) -> Result<Line, BackupError> {
        let mut bytes = vec![];
        self.line += 1;
        self.file.read_until(b'\n', &mut bytes)?;
        if bytes.pop() != Some(b'\n') {
            return Err(self.wrong("the backup ends before its end"));
        }
        self.hash.update(&bytes);
        self.hash.update(b"\n");
        serde_json::from_slice(&bytes).map_err(|_| self.wrong("this is no line of a backup"))
    }

    fn more(&mut self) -> Result<bool, BackupError> {
        Ok(!self.file.fill_buf()?.is_empty())
    }

    fn wrong(&self, reason: &'static str) -> BackupError {
        BackupError::Format { line: self.line, reason }
    }

    fn path(&self, path: &str) -> Result<DocumentPath, BackupError> {
        DocumentPath::parse(path).map_err(|_| self.wrong("this is no path of a document"))
    }

    fn name(&self, name: &str) -> Result<PromptName, BackupError> {
        PromptName::parse(name).map_err(|_| self.wrong("this is no name of a prompt"))
    }

    fn prompt(&self, stored: StoredPrompt) -> Result<Prompt, BackupError> {
        let name = self.name(&stored.name)?;
        let StoredPrompt { version, body, created_at, updated_at, .. } = stored;
        body.check().map_err(|reason| BackupError::Prompt { line: self.line, name: name.clone(), reason })?;
        Ok(Prompt { name, version, body, created_at, updated_at })
    }

    fn record_name(&self, name: &str) -> Result<RecordName, BackupError> {
        RecordName::of_path(name).map_err(|_| self.wrong("this is no name of a record"))
    }

    fn record(&self, stored: StoredRecord) -> Result<record::Record, BackupError> {
        let name = self.record_name(&stored.name)?;
        let StoredRecord { version, body, created_at, updated_at, .. } = stored;
        let checked = record::check(&body);
        checked.map_err(|reason| BackupError::Structured { line: self.line, name: name.clone(), reason })?;
        Ok(record::Record { name, version, body, created_at, updated_at })
    }

    fn document(&self, stored: Stored) -> Result<Document, BackupError> {
        let body = Body {
            title: stored.title,
            media_type: stored.media_type,
            content: stored.content,
            metadata: stored.metadata,
            tags: stored.tags,
        };
        let path = self.path(&stored.path)?;
        // What was stored under another limit stays.
        let checked = body.check(Limits { content_bytes: usize::MAX });
        checked.map_err(|reason| BackupError::Document { line: self.line, path: path.clone(), reason })?;
        let (version, created_at, updated_at) = (stored.version, stored.created_at, stored.updated_at);
        Ok(Document { path, version, body, created_at, updated_at })
    }
}
