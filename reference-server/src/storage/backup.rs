//! Backups: every document and prompt with every version of it, and every record, as one moment had them, in a file that every engine can restore.
//!
//! In: a store, a file's name. Out: what was written or restored, counted. Refusals: [`BackupError`].
//! Invariants: a file has its name only when it is whole, on the disk and was read back; a store is restored as a whole or
//! not at all, and only where nothing is; a version that was given out once is not given out again after a restoration.

mod format;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tokio::sync::mpsc;

use super::prompt::{InvalidPrompt, Prompt, PromptName};
use super::record::{self, InvalidRecord, RecordName};
use super::{Document, DocumentPath, DocumentStore, StoreError};

/// Records that wait between a database and a file.
const WAITING: usize = 16;

/// Why there is no backup, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file.
    #[error("the backup's file: {0}")]
    File(#[from] io::Error),
    /// Something is there already.
    #[error("{0} exists already, and is not overwritten")]
    Exists(PathBuf),
    /// The file is damaged, or none of ours.
    #[error("line {line} of the backup: {reason}")]
    Format {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// A document that this store cannot hold.
    #[error("line {line} of the backup: the document at {path} cannot be stored: {reason}")]
    Document {
        /// Counted from 1.
        line: usize,
        /// Which one.
        path: DocumentPath,
        /// Why not.
        reason: super::Invalid,
    },
    /// A prompt that this store cannot hold.
    #[error("line {line} of the backup: the prompt {name} cannot be stored: {reason}")]
    Prompt {
        /// Counted from 1.
        line: usize,
        /// Which one.
        name: PromptName,
        /// Why not.
        reason: InvalidPrompt,
    },
    /// A structured record that this store cannot hold.
    #[error("line {line} of the backup: the record {name} cannot be stored: {reason}")]
    Structured {
        /// Counted from 1.
        line: usize,
        /// Which one.
        name: RecordName,
        /// Why not.
        reason: InvalidRecord,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is something in the store, or was.
    #[error("the database is not empty; a backup is restored into an empty one only")]
    NotEmpty,
    /// The other end has given up; its own error says why.
    #[error("the backup ends before its end")]
    Stopped,
}

impl From<sqlx::Error> for BackupError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// A part of a backup.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A document as it is.
    Document(Document),
    /// What the document before it in the backup was earlier; the oldest version first.
    Earlier(Document),
    /// The last version that a path had.
    Retired(DocumentPath, u32),
    /// A prompt as it is.
    Prompt(Prompt),
    /// What the prompt before it in the backup was earlier; the oldest version first.
    EarlierPrompt(Prompt),
    /// The last version of a prompt that was deleted.
    RetiredPrompt(PromptName, u32),
    /// A structured record.
    Structured(record::Record),
    /// The last version of a structured record that was deleted.
    RetiredStructured(RecordName, u32),
    /// There is nothing behind it, and everything before it was right.
    End,
}

/// How much is in a backup.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Documents.
    pub documents: u64,
    /// Earlier versions of them.
    pub earlier: u64,
    /// Paths whose document was moved away or deleted.
    pub retired: u64,
    /// Prompts.
    pub prompts: u64,
    /// Earlier versions of them.
    pub earlier_prompts: u64,
    /// Prompts that were deleted.
    pub retired_prompts: u64,
    /// Structured records.
    pub records: u64,
    /// Those that were deleted.
    pub retired_records: u64,
}

/// Where a store puts its records.
pub type Records = mpsc::Sender<Record>;

/// Writes everything into a new file, readable by its owner only.
///
/// # Errors
/// See [`BackupError`].
pub async fn backup(store: &dyn DocumentStore, file: &Path) -> Result<Counted, BackupError> {
    if file.try_exists()? {
        return Err(BackupError::Exists(file.to_owned()));
    }
    let (send, receive) = mpsc::channel(WAITING);
    let partial = partial(file);
    let writing = {
        let partial = partial.clone();
        tokio::task::spawn_blocking(move || format::write(&partial, receive))
    };
    let dumped = store.dump(send).await;
    let counted = first_cause(dumped, writing.await.unwrap_or(Err(BackupError::Stopped)))?;
    let finished = check(&partial, counted).await.and_then(|()| name(&partial, file));
    let _gone = fs::remove_file(&partial);
    finished.map(|()| counted)
}

/// Gives a file its name, for good.
fn name(partial: &Path, file: &Path) -> Result<(), BackupError> {
    // A link fails where a renaming would overwrite what somebody made meanwhile.
    fs::hard_link(partial, file)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(fs::File::open(folder)?.sync_all()?)
}

/// Reads a file back.
async fn check(file: &Path, wanted: Counted) -> Result<(), BackupError> {
    let file = file.to_owned();
    let reading = tokio::task::spawn_blocking(move || format::read(&file, |_| Ok(())));
    let counted = reading.await.unwrap_or(Err(BackupError::Stopped))?;
    if counted == wanted { Ok(()) } else { Err(BackupError::Stopped) }
}

fn partial(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

/// Puts a file's documents into an empty store.
///
/// # Errors
/// See [`BackupError`]; nothing is restored then.
pub async fn restore(store: &dyn DocumentStore, file: &Path) -> Result<Counted, BackupError> {
    let (send, receive) = mpsc::channel(WAITING);
    let file = file.to_owned();
    let reading = tokio::task::spawn_blocking(move || {
        format::read(&file, |record| send.blocking_send(record).map_err(|_| BackupError::Stopped))
    });
    let loaded = store.load(receive).await;
    first_cause(loaded, reading.await.unwrap_or(Err(BackupError::Stopped)))
}

/// Where both ends failed, the one that did not just find the other gone tells why.
fn first_cause(store: Result<(), BackupError>, file: Result<Counted, BackupError>) -> Result<Counted, BackupError> {
    match (store, file) {
        (Ok(()), file) => file,
        (Err(BackupError::Stopped), Err(cause)) => Err(cause),
        (Err(cause), _) => Err(cause),
    }
}
