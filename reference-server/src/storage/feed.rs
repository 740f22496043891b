//! Changes that other servers of the same documents made.
//!
//! Every change of a document, prompt or record leaves a row in the table `changes` in its own transaction, so that nothing is told that was not done and
//! nothing done stays untold. A [`ChangeFeed`] reads the rows of others behind the ones that it read before. What wakes it
//! (a notification, a clock) only makes it look earlier. Rows are dropped after [`KEPT`].

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use super::record::RecordName;
use super::{DocumentPath, StoreError};

/// How long a change is kept for servers that could not look meanwhile.
pub const KEPT: Duration = Duration::from_secs(3600);

/// How often one looks where nothing wakes it.
pub const POLL: Duration = Duration::from_millis(500);

/// How often old changes are dropped.
pub(super) const SWEEP: Duration = Duration::from_secs(600);

/// The kind of a row that is about a document.
const DOCUMENT: &str = "document";

/// The kind of a row that is about a record.
const RECORD: &str = "record";

/// Characters of a server's name in `changes`.
const ORIGIN_BYTES: usize = 8;

/// A document that differs from before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentChange {
    /// Where it is, or was.
    pub path: DocumentPath,
    /// Whether a list of resources shows the change.
    pub listed: bool,
}

/// What others changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Documents, each as often as it was changed.
    pub documents: Vec<DocumentChange>,
    /// Whether a prompt differs from before.
    pub prompts: bool,
    /// Records, each as often as it was changed.
    pub records: Vec<RecordName>,
}

impl News {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty() && !self.prompts && self.records.is_empty()
    }

    /// Adds what a row of `changes` tells. One that cannot be read is logged and left out: the others are news none the
    /// less, and it would not be readable later.
    pub(super) fn add(&mut self, kind: &str, path: &str, listed: bool) {
        match (kind, DocumentPath::parse(path)) {
            (DOCUMENT, Ok(path)) => self.documents.push(DocumentChange { path, listed }),
            (DOCUMENT, Err(error)) => tracing::error!(%error, "a change of another server has no path"),
            (RECORD, _) => match RecordName::of_path(path) {
                Ok(name) => self.records.push(name),
                Err(error) => tracing::error!(%error, "a change of another server has no record"),
            },
            _ => self.prompts = true,
        }
    }
}

/// The changes that others make from the moment on that the feed was opened.
#[async_trait]
pub trait ChangeFeed: Debug + Send {
    /// Waits until others have changed something; never gives nothing. After a failure the next call goes on where
    /// this one would have.
    async fn next(&mut self) -> Result<News, StoreError>;
}

/// A name for a store that no other has.
pub(super) fn origin() -> Result<String, getrandom::Error> {
    let mut bytes = [0u8; ORIGIN_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
