//! `export`.

use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::{CallToolResult, ContentBlock};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::pack::{Bounds, Counted, Format, Packed, pack};
use super::place::{Stored, Target};
use super::selection::{Documents, Records, Selection};
use super::{AT_WORK, TransferError, ended, report, scratch, watched};
use crate::resources::files::INLINE_BYTES_MAX;
use crate::state::Shared;
use crate::storage::backup::BackupError;
use crate::storage::record::CollectionName;
use crate::tasks::Work;
use crate::tools::typed::{TypedError, typed_tool, value, writes};
use crate::tools::{Call, Entry, Outcome, ToolError};

/// Records that wait between the store and the file.
const WAITING: usize = 4;

pub(super) fn entry() -> Entry {
    let description = "Takes documents, and prompts and records if wanted, out of the store as one file, as one moment had them: \
        lines of JSON that lose nothing, or a ZIP file of Markdown files for editing, of documents only. The file comes in the result up to 1 MiB, or goes to a \
        file or object, where nothing may be unless the call says what it replaces.";
    Entry::new(typed_tool::<Export, Exported>("export", "Export documents and records", description, writes()), export)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Export {
    /// false for none of the documents
    #[serde(default = "yes")]
    documents: bool,
    /// Only documents whose paths start with this, such as notes/
    prefix: Option<String>,
    /// Only documents with every one of these tags
    #[serde(default)]
    tags: Vec<String>,
    /// All stored prompts as well; jsonl only
    #[serde(default)]
    prompts: bool,
    /// Records of every collection as well; jsonl only
    #[serde(default)]
    records: bool,
    /// Records of these collections, up to 32, instead of all; jsonl only
    #[serde(default)]
    collections: Vec<String>,
    /// Earlier versions of documents and prompts as well; jsonl only
    #[serde(default)]
    history: bool,
    /// jsonl (if not given) or markdown
    #[serde(default)]
    format: Format,
    /// file:/// and a path in the served directory, or object:// and a key; the result if not given
    to: Option<String>,
    /// The revision of the file that is replaced; without it nothing may be there
    expected_revision: Option<String>,
    /// ETag of the object that is replaced; without it nothing may be there
    expected_etag: Option<String>,
    /// Replace whatever object is there
    #[serde(default)]
    overwrite: bool,
}

/// What was exported.
#[derive(Serialize, JsonSchema)]
struct Exported {
    /// The form of the file
    format: Format,
    #[serde(flatten)]
    counted: Counted,
    /// Bytes of the file
    size: u64,
    /// SHA-256 of the file, hexadecimal
    sha256: String,
    /// Where the file is
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<String>,
    /// Revision of the new file
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
    /// ETag of the new object
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    /// The file, where it is text and goes nowhere else
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    /// The file as Base64, where it is a ZIP file and goes nowhere else
    #[serde(skip_serializing_if = "Option::is_none")]
    content_base64: Option<String>,
}

fn yes() -> bool {
    true
}

impl Export {
    /// What is asked for.
    ///
    /// # Errors
    /// [`TransferError::Arguments`] where it does not go together, and names that are none of a collection.
    fn selection(&self) -> Result<Selection, ToolError> {
        let (prefix, tags) = (self.prefix.clone().unwrap_or_default(), self.tags.clone());
        let documents = match self.documents {
            true => Documents::Of { prefix, tags },
            false if prefix.is_empty() && tags.is_empty() => Documents::None,
            false => return Err(TransferError::Arguments("prefix and tags choose documents").into()),
        };
        let named = self.collections.iter().map(|name| CollectionName::parse(name));
        let records = match (self.collections.is_empty(), self.records) {
            (false, _) => Records::Of(named.collect::<Result<_, _>>()?),
            (true, true) => Records::All,
            (true, false) => Records::None,
        };
        let selection = Selection { documents, prompts: self.prompts, records, history: self.history };
        selection.check()?;
        if self.format == Format::Markdown && !selection.is_plain() {
            let message = "prompts, records and earlier versions are exported as jsonl only";
            return Err(TransferError::Arguments(message).into());
        }
        Ok(selection)
    }
}

async fn export(call: Call) -> Outcome {
    let wanted: Export = call.typed_arguments()?;
    let shared = Arc::clone(&call.server.shared);
    let selection = wanted.selection()?;
    let target = match &wanted.to {
        Some(uri) => {
            let (revision, etag) = (wanted.expected_revision, wanted.expected_etag.as_deref());
            Some(Target::parse(uri, revision, etag, wanted.overwrite, &shared)?)
        }
        None if wanted.expected_revision.is_some() || wanted.expected_etag.is_some() || wanted.overwrite => {
            return Err(TransferError::Arguments("without to there is nothing to replace").into());
        }
        None => None,
    };
    let turn = AT_WORK.try_acquire().map_err(|_| TransferError::Busy)?;
    call.long(async move |work: Work| {
        let exported = run(&work, &shared, wanted.format, selection, target).await;
        drop(turn);
        ended(exported)
    })
    .await
}

async fn run(
    work: &Work,
    shared: &Arc<Shared>,
    format: Format,
    selection: Selection,
    target: Option<Target>,
) -> Result<CallToolResult, ToolError> {
    let inline = u64::try_from(INLINE_BYTES_MAX).unwrap_or(u64::MAX);
    let bytes_max = target.as_ref().map_or(inline, |target| target.bytes_max(shared));
    let done = Arc::new(AtomicU64::new(0));
    let packing = packed(shared, format, selection, Bounds::of(format, bytes_max), Arc::clone(&done));
    let packed = watched(work, || (done.load(Ordering::Relaxed), None), packing).await?;
    report(work, done.load(Ordering::Relaxed), None).await;
    let Packed { spool, size, sha256, counted } = packed;
    let mut exported = Exported {
        format,
        counted,
        size,
        sha256,
        uri: None,
        revision: None,
        etag: None,
        content: None,
        content_base64: None,
    };
    let Some(target) = target else {
        let mut bytes = vec![];
        let mut spool = spool;
        spool.read_to_end(&mut bytes).map_err(scratch)?;
        match format {
            Format::Jsonl => exported.content = Some(String::from_utf8(bytes).map_err(|_| TypedError::Internal)?),
            Format::Markdown => exported.content_base64 = Some(STANDARD.encode(bytes)),
        }
        return Ok(CallToolResult::structured(value(&exported)?));
    };
    let media_type = match format {
        Format::Jsonl => "application/x-ndjson",
        Format::Markdown => "application/zip",
    };
    let storing = target.store(spool, media_type, shared);
    let Stored { uri, revision, etag, link } = watched(work, || (0, None), storing).await?;
    let exported = Exported { uri: Some(uri), revision, etag, ..exported };
    let mut result = CallToolResult::structured(value(&exported)?);
    result.content.push(ContentBlock::resource_link(link));
    Ok(result)
}

/// The file, from what one moment had. Nobody who waits for the target holds the store up meanwhile.
async fn packed(
    shared: &Shared,
    format: Format,
    selection: Selection,
    bounds: Bounds,
    done: Arc<AtomicU64>,
) -> Result<Packed, ToolError> {
    let (send, receive) = mpsc::channel(WAITING);
    let packing = tokio::task::spawn_blocking(move || pack(receive, format, selection, bounds, done));
    let dumped = shared.documents.dump(send).await;
    let packed = packing.await.map_err(|_| TypedError::Internal)?;
    match (dumped, packed) {
        (Ok(()), Ok(Some(packed))) => Ok(packed),
        // The one that found the other gone does not tell why.
        (Ok(()) | Err(BackupError::Stopped), Err(error)) => Err(error),
        (Err(error), _) => Err(error.into()),
        (Ok(()), Ok(None)) => Err(TypedError::Internal.into()),
    }
}
