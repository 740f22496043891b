//! `export` and `import`: a part of the store as one file, out and back in.
//!
//! In: typed arguments. Out: counts, and the file where it is small. Refusals: [`TransferError`], with its code.
//! Invariants: an export is at its place as a whole or not at all, and is what one moment had; an import is read to its
//! end and held to every limit before anything is written, from a copy that nobody changes meanwhile.
//!
//! Reading order: [`export`] and [`import`] are the tools, [`selection`] and [`pack`] are what goes out, [`lines`] and [`markdown`] are the
//! two formats, [`unpack`] reads either, [`apply`] decides and writes, [`place`] and [`spool`] are where bytes are.
//! To add a kind of thing: a variant of [`item::Thing`], a choice in [`selection`], a line in [`lines`] and a store in
//! [`apply`].

mod apply;
mod export;
mod import;
mod item;
mod lines;
mod markdown;
mod pack;
mod place;
mod selection;
mod spool;
mod unpack;

use std::io;
use std::time::Duration;

use rmcp::model::{CallToolResponse, CallToolResult};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::MissedTickBehavior;

use self::item::Complaint;
use super::typed::{TypedError, refusal};
use super::{Entry, ToolError};
use crate::storage::backup::BackupError;
use crate::tasks::{Stop, Work};

/// Largest file of an export or import, in bytes: it lies in the folder for temporary files meanwhile.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Most lines of a file, or entries of an archive before [`ARCHIVE_ENTRIES_MAX`] holds.
const ITEMS_MAX: usize = 1_000_000;

/// Most entries of an archive, whose list of entries is held in memory.
const ARCHIVE_ENTRIES_MAX: usize = 50_000;

/// How often a client is told how far it is.
const REPORT: Duration = Duration::from_millis(250);

/// Exports and imports at once: each has a connection to the database for itself.
static AT_WORK: Semaphore = Semaphore::const_new(2);

/// Why nothing, or not everything, was exported or imported.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// Arguments that do not go together.
    #[error("{0}")]
    Arguments(&'static str),
    /// Not a place.
    #[error("{0:?} is neither file:/// and a path nor object:// and a key, in their one spelling")]
    Uri(String),
    /// A place that this server does not have.
    #[error("this server serves no {0}")]
    NoPlace(&'static str),
    /// More bytes than may be.
    #[error("this is more than {0} bytes; {1}")]
    TooLarge(u64, &'static str),
    /// More than an import takes.
    #[error("a file of this format takes {0} documents, prompts, records and earlier versions together; export a part")]
    TooMany(u64),
    /// Others are at it.
    #[error("two exports or imports are under way; try again later")]
    Busy,
    /// The folder for temporary files.
    #[error("the server's folder for temporary files cannot be used at the moment")]
    Scratch(#[source] io::Error),
    /// What was read is not what may be written. Nothing was.
    #[error("nothing was imported: {}", counted(.0.len(), *.1))]
    Refused(Vec<Complaint>, bool),
    /// The store failed when a part was written.
    #[error("the import ended at {at}: {message}")]
    Stopped {
        /// Where.
        at: String,
        /// The code of what failed.
        code: &'static str,
        /// What failed.
        message: String,
        /// What was written before.
        done: Box<apply::Imported>,
    },
}

fn counted(told: usize, more: bool) -> String {
    let what = if told == 1 { "thing is wrong" } else { "things are wrong" };
    if more { format!("more than {told} {what}; the first are told") } else { format!("{told} {what}") }
}

impl TransferError {
    /// The stable code of the failure.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Arguments(_) => "invalid_arguments",
            Self::Uri(_) => "invalid_uri",
            Self::NoPlace(_) => "place_unavailable",
            Self::TooLarge(..) | Self::TooMany(_) => "transfer_too_large",
            Self::Busy => "transfer_busy",
            Self::Scratch(_) => "scratch_unavailable",
            Self::Refused(..) => "import_refused",
            Self::Stopped { code, .. } => code,
        }
    }

    /// What the caller sees.
    pub(super) fn into_result(self) -> CallToolResult {
        let more = match &self {
            Self::Refused(complaints, _) => Some(("complaints", json!(complaints))),
            Self::Stopped { done, .. } => Some(("done", json!(done))),
            _ => None,
        };
        if let Self::Scratch(error) = &self {
            tracing::error!(%error, "the folder for temporary files failed");
        }
        refusal(self.code(), &self.to_string(), more)
    }
}

/// What an error on the way into or out of the spool means.
fn scratch(error: io::Error) -> ToolError {
    TransferError::Scratch(error).into()
}

impl From<BackupError> for ToolError {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Store(error) => error.into(),
            other => {
                tracing::error!(error = %other, "the store could not be read");
                TypedError::Internal.into()
            }
        }
    }
}

/// Both tools.
pub(super) fn entries() -> Vec<Entry> {
    vec![export::entry(), import::entry()]
}

/// The end of a long operation, from that of its work.
fn ended(outcome: Result<CallToolResult, ToolError>) -> Result<CallToolResult, Stop> {
    match outcome {
        Ok(result) => Ok(result),
        Err(ToolError::Cancelled) => Err(Stop::Cancelled),
        Err(error) => match error.into_response() {
            Ok(CallToolResponse::Complete(result)) => Ok(result),
            Ok(_) => Ok(TypedError::Internal.into_result()),
            Err(error) => Err(Stop::Failed(error)),
        },
    }
}

/// Waits for a part of the work, tells now and then how far it is, and drops it where the client wants it to stop.
async fn watched<T>(
    work: &Work,
    how_far: impl Fn() -> (u64, Option<u64>),
    part: impl Future<Output = Result<T, ToolError>>,
) -> Result<T, ToolError> {
    let mut part = std::pin::pin!(part);
    let mut ticks = tokio::time::interval(REPORT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = 0;
    loop {
        tokio::select! {
            biased;
            () = work.cancelled() => return Err(ToolError::Cancelled),
            outcome = &mut part => return outcome,
            _ = ticks.tick() => {
                let (done, total) = how_far();
                if done > told {
                    told = done;
                    report(work, done, total).await;
                }
            }
        }
    }
}

async fn report(work: &Work, done: u64, total: Option<u64>) {
    match total {
        Some(total) => work.report(done, total, "steps").await,
        None => work.report_so_far(done, "documents, prompts and records").await,
    }
}
