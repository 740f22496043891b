//! `import`.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rmcp::model::CallToolResult;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::apply::{Apply, Imported, OnConflict};
use super::item::{Complaint, Part};
use super::place::Source;
use super::spool::Spool;
use super::unpack::{Rules, read};
use super::{AT_WORK, TransferError, ended, report, scratch, watched};
use crate::state::Shared;
use crate::tasks::Work;
use crate::tools::typed::{TypedError, adds, typed_tool, value};
use crate::tools::{Call, Entry, Outcome, ToolError, records};

/// Parts that wait between the file and the store.
const WAITING: usize = 4;

/// Most complaints that are told.
const COMPLAINTS_MAX: usize = 20;

pub(super) fn entry() -> Entry {
    let description = "Brings a file of export back, here or on another server, also an edited one: from the call, a file or an \
        object. All of it is checked before anything is written. Where a document, prompt or record is there \
        already, nothing is imported (fail), it stays (skip), or gets a new version (update).";
    Entry::new(typed_tool::<Import, Imported>("import", "Import documents and records", description, adds()), import)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Import {
    /// file:/// and a path in the served directory, or object:// and a key
    from: Option<String>,
    /// The file itself, where it is jsonl
    content: Option<String>,
    /// The file itself as Base64
    content_base64: Option<String>,
    /// What happens where a document, prompt or record is there already
    #[serde(default)]
    on_conflict: OnConflict,
    /// Put documents below this path, where they were if not given; prompts and records keep their names
    prefix: Option<String>,
    /// Write nothing, and tell what would be
    #[serde(default)]
    dry_run: bool,
}

async fn import(call: Call) -> Outcome {
    let wanted: Import = call.typed_arguments()?;
    let shared = Arc::clone(&call.server.shared);
    let source = Source::parse(wanted.from.as_deref(), wanted.content, wanted.content_base64.as_deref(), &shared)?;
    let prefix = wanted.prefix.filter(|prefix| !prefix.is_empty());
    Rules::new(shared.documents.limits(), prefix.as_deref())?;
    let (on_conflict, dry_run) = (wanted.on_conflict, wanted.dry_run);
    let turn = AT_WORK.try_acquire().map_err(|_| TransferError::Busy)?;
    call.long(async move |work: Work| {
        let imported = run(&work, &shared, source, prefix, on_conflict, dry_run).await;
        drop(turn);
        ended(imported)
    })
    .await
}

async fn run(
    work: &Work,
    shared: &Arc<Shared>,
    source: Source,
    prefix: Option<String>,
    on_conflict: OnConflict,
    dry_run: bool,
) -> Result<CallToolResult, ToolError> {
    let spool = watched(work, || (0, None), source.copy(shared)).await?;
    let rules = || Rules::new(shared.documents.limits(), prefix.as_deref());
    let seen = AtomicU64::new(0);
    let mut planning = Apply::new(shared, on_conflict, false);
    let checking = checked(spool, rules()?, &mut planning, &seen);
    let spool = watched(work, || (seen.load(Ordering::Relaxed), None), checking).await?;
    let all = seen.load(Ordering::Relaxed);
    let mut imported = planning.imported();
    imported.dry_run = dry_run;
    if !dry_run {
        let mut writing = Apply::new(shared, on_conflict, true);
        // Checking was the first half.
        let how_far = || (all.saturating_add(seen.load(Ordering::Relaxed)), Some(all.saturating_mul(2)));
        seen.store(0, Ordering::Relaxed);
        watched(work, how_far, written(spool, rules()?, &mut writing, &seen)).await?;
        imported = writing.imported();
    }
    report(work, all.saturating_mul(2), Some(all.saturating_mul(2))).await;
    Ok(CallToolResult::structured(value(&imported)?))
}

/// Parts of a file, read by a thread of its own that ends once nobody takes them.
struct Reading {
    parts: mpsc::Receiver<Part>,
    thread: tokio::task::JoinHandle<std::io::Result<Spool>>,
}

impl Reading {
    fn begin(mut spool: Spool, rules: Rules) -> Self {
        let (send, parts) = mpsc::channel(WAITING);
        let thread = tokio::task::spawn_blocking(move || {
            read(&mut spool, rules, &mut |part| match send.blocking_send(part) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            })?;
            Ok(spool)
        });
        Self { parts, thread }
    }

    /// The file again, once every part of it was taken.
    async fn end(self) -> Result<Spool, ToolError> {
        drop(self.parts);
        self.thread.await.map_err(|_| TypedError::Internal)?.map_err(scratch)
    }
}

/// Looks at every part, and at what the store would do with it.
async fn checked(spool: Spool, rules: Rules, planning: &mut Apply, seen: &AtomicU64) -> Result<Spool, ToolError> {
    let mut reading = Reading::begin(spool, rules);
    let mut complaints: Vec<Complaint> = vec![];
    while let Some(part) = reading.parts.recv().await {
        let complaint = match part {
            Ok(item) => planning.step(item).await?,
            Err(complaint) => Some(complaint),
        };
        if let Some(complaint) = complaint {
            if complaints.len() == COMPLAINTS_MAX {
                return Err(TransferError::Refused(complaints, true).into());
            }
            complaints.push(complaint);
        }
        seen.fetch_add(1, Ordering::Relaxed);
    }
    let spool = reading.end().await?;
    if complaints.is_empty() { Ok(spool) } else { Err(TransferError::Refused(complaints, false).into()) }
}

/// Writes every part. What was right once is right again: nobody has changed the file.
async fn written(spool: Spool, rules: Rules, writing: &mut Apply, seen: &AtomicU64) -> Result<(), ToolError> {
    let mut reading = Reading::begin(spool, rules);
    while let Some(part) = reading.parts.recv().await {
        let item = part.map_err(|_| TypedError::Internal)?;
        let place = item.place.clone();
        let stopped = match writing.step(item).await {
            Ok(None) => None,
            Ok(Some(complaint)) => Some((complaint.code, complaint.message)),
            Err(error) => Some(told(error)?),
        };
        if let Some((code, message)) = stopped {
            let done = Box::new(writing.imported());
            return Err(TransferError::Stopped { at: place.to_string(), code, message, done }.into());
        }
        seen.fetch_add(1, Ordering::Relaxed);
    }
    reading.end().await.map(|_| ())
}

/// Code and message of what the store refused.
fn told(error: ToolError) -> Result<(&'static str, String), ToolError> {
    match error {
        ToolError::Document(error) => Ok((error.code(), error.to_string())),
        ToolError::Prompt(error) => Ok((error.code(), error.to_string())),
        ToolError::Record(error) => Ok((records::code(&error), error.to_string())),
        other => Err(other),
    }
}
