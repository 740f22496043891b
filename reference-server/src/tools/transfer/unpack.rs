//! What comes in: either format, each part held to what every document, prompt and record is held to.

use std::collections::{BTreeSet, HashSet};
use std::io::{self, Read as _, Seek as _};
use std::ops::ControlFlow;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::item::{Complaint, Key, Part, Place, Thing};
use super::spool::Spool;
use super::{lines, markdown};
use crate::prompts::is_built_in;
use crate::storage::prompt::{PromptBody, PromptName};
use crate::storage::record::{self, CollectionName, InvalidRecord, RecordName};
use crate::storage::{Body, DocumentPath, Limits};

/// Bytes of a line beside a document's content: path, title, tags and metadata, each byte of which may be an escape of
/// six. Prompts and records are smaller.
const LINE_REST_BYTES_MAX: u64 = 1 << 20;

/// Is given each part of a file, and says whether it wants more.
pub(super) type Take<'a> = &'a mut dyn FnMut(Part) -> ControlFlow<()>;

/// What every part is held to.
#[derive(Debug)]
pub(super) struct Rules {
    limits: Limits,
    /// What is put before every path, with a slash at its end, or nothing.
    folder: String,
    /// Hashes of the names that were there; whole names would be as much as the file.
    seen: HashSet<[u8; 16]>,
}

impl Rules {
    /// Documents go below `folder`, which may end in a slash.
    ///
    /// # Errors
    /// Where it is no path.
    pub(super) fn new(limits: Limits, folder: Option<&str>) -> Result<Self, crate::storage::path::PathError> {
        let folder = match folder.map(|folder| folder.strip_suffix('/').unwrap_or(folder)) {
            Some(folder) => format!("{}/", DocumentPath::parse(folder)?),
            None => String::new(),
        };
        Ok(Self { limits, folder, seen: HashSet::new() })
    }

    pub(super) fn content_bytes_max(&self) -> u64 {
        u64::try_from(self.limits.content_bytes).unwrap_or(u64::MAX)
    }

    pub(super) fn line_bytes_max(&self) -> u64 {
        self.content_bytes_max().saturating_mul(6).saturating_add(LINE_REST_BYTES_MAX)
    }

    /// The path that a document gets.
    pub(super) fn path(&self, place: &Place, path: &str) -> Result<DocumentPath, Complaint> {
        let wrong = |error: crate::storage::path::PathError| {
            let message = error.to_string();
            Complaint { place: place.clone(), code: "invalid_path", message }
        };
        // By itself first: joined, a slash at its beginning would be another mistake.
        DocumentPath::parse(path).map_err(wrong)?;
        DocumentPath::parse(&format!("{}{path}", self.folder)).map_err(wrong)
    }

    /// A document, checked as `document_create` does.
    #[expect(clippy::too_many_arguments, reason = "the parts of a document, each once")]
    pub(super) fn document(
        &self,
        place: &Place,
        path: &str,
        title: Option<String>,
        media_type: String,
        content: String,
        metadata: Map<String, Value>,
        tags: BTreeSet<String>,
    ) -> Result<Thing, Complaint> {
        let path = self.path(place, path)?;
        let body = Body { title: title.unwrap_or_else(|| path.title()), media_type, content, metadata, tags };
        body.check(self.limits).map_err(|error| Complaint {
            place: place.clone(),
            code: "invalid_document",
            message: error.to_string(),
        })?;
        Ok(Thing::Document(path, body))
    }

    /// A prompt, checked as `prompt_save` does.
    pub(super) fn prompt(&self, place: &Place, name: &str, body: PromptBody) -> Result<Thing, Complaint> {
        let wrong = |code, message| Complaint { place: place.clone(), code, message };
        if is_built_in(name) {
            return Err(wrong("prompt_built_in", format!("a prompt named {name} is built in")));
        }
        let name = PromptName::parse(name).map_err(|error| wrong("invalid_prompt", error.to_string()))?;
        body.check().map_err(|error| wrong("invalid_prompt", error.to_string()))?;
        Ok(Thing::Prompt(name, body))
    }

    /// A record, checked as `record_create` does.
    pub(super) fn record(
        &self,
        place: &Place,
        collection: &str,
        id: &str,
        body: Map<String, Value>,
    ) -> Result<Thing, Complaint> {
        let wrong = |error: InvalidRecord| {
            let message = error.to_string();
            Complaint { place: place.clone(), code: "invalid_record", message }
        };
        let collection = CollectionName::parse(collection).map_err(wrong)?;
        let name = RecordName::parse(collection, id).map_err(wrong)?;
        record::check(&body).map_err(wrong)?;
        Ok(Thing::Record(name, body))
    }

    /// That a name is there for the first time.
    pub(super) fn once(&mut self, place: &Place, key: &Key) -> Result<(), Complaint> {
        let hash = Sha256::digest(key.to_string());
        let short = hash.first_chunk::<16>().copied().unwrap_or_default();
        if self.seen.insert(short) {
            return Ok(());
        }
        Err(Complaint { place: place.clone(), code: "duplicate", message: format!("the {key} is there twice") })
    }
}

/// Gives every part of a file to `take`, until it wants no more.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn read(spool: &mut Spool, mut rules: Rules, take: Take<'_>) -> io::Result<()> {
    spool.rewind()?;
    let mut beginning = [0; 2];
    let archive = match spool.read_exact(&mut beginning) {
        Ok(()) => beginning == *b"PK",
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => false,
        Err(error) => return Err(error),
    };
    spool.rewind()?;
    if archive { markdown::read(spool, &mut rules, take) } else { lines::read(spool, &mut rules, take) }
}
