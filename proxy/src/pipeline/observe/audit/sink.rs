//! Where lines go: a file, opened so that the chain continues, or standard output.
//!
//! A file is created with mode 0600, opened for appending and locked: two processes in one file would tear its chain. On
//! opening, an incomplete last line (a crash in the middle of a write) is cut off and reported; a last line that is
//! complete but not a proven record is refused, since nothing may be appended to a file that is not what it claims.
//!
//! After a failed write the file is cut back to its last complete line, so that a full disk leaves no torn line.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};

use super::{chain::Predecessor, verify};

/// Why an audit file cannot be written to.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operating system refused.
    #[error("the audit file {path} cannot be opened: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process writes to it.
    #[error("the audit file {path} is written by another process; give each its own file")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// Its end is no record.
    #[error(
        "the audit file {path} does not end with a valid record ({reason}); run `doorward audit verify` on it, keep it, and name another file"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with the last line.
        reason: verify::Reason,
    },
}

/// What an existing file held at its end.
#[derive(Debug, Default)]
pub struct Tail {
    /// The last record's place.
    pub predecessor: Option<Predecessor>,
    /// Bytes of a torn last line that were cut off.
    pub truncated_bytes: Option<u64>,
}

/// Where lines go.
#[derive(Debug)]
pub enum Sink {
    /// A file.
    File {
        /// Open for appending.
        file: File,
        /// For reopening.
        path: PathBuf,
        /// Up to here every line is complete; `None` where the file is no regular one (a pipe, a device).
        good_bytes: Option<u64>,
        /// A write failed and the file could not be cut back yet.
        torn: bool,
    },
    /// Standard output.
    Stdout,
}

impl Sink {
    /// Opens a file, `-` for standard output.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(path: &Path) -> Result<(Self, Tail), OpenError> {
        if path == Path::new("-") {
            return Ok((Self::Stdout, Tail::default()));
        }
        let io_error = |source| OpenError::Io { path: path.to_owned(), source };
        let mut file =
            OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path).map_err(io_error)?;
        if !file.metadata().map_err(io_error)?.is_file() {
            let sink = Self::File { file, path: path.to_owned(), good_bytes: None, torn: false };
            return Ok((sink, Tail::default()));
        }
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(OpenError::InUse { path: path.to_owned() });
        }
        let (tail, good_bytes) = recover(&mut file, path)?;
        let sink = Self::File { file, path: path.to_owned(), good_bytes: Some(good_bytes), torn: false };
        Ok((sink, tail))
    }

    /// Opens the same path anew, after it was moved away. The chain carries over by itself; the new file may hold
    /// earlier records only if they are this chain's.
    ///
    /// # Errors
    /// See [`OpenError`]; the old file stays in use then.
    pub fn reopen(&mut self) -> Result<(), OpenError> {
        let Self::File { file, path, .. } = self else {
            return Ok(());
        };
        // Our own lock on an unmoved file would look like another process's.
        let same = File::open(&*path).and_then(|now| same_file(&now, file)).unwrap_or(false);
        if same {
            return Ok(());
        }
        let path = path.clone();
        let (new, _) = Self::open(&path)?;
        *self = new;
        Ok(())
    }

    /// Appends whole lines: all of them, or none.
    ///
    /// # Errors
    /// If they could not be written; the next call first cuts the file back.
    pub fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(lines)?;
                stdout.flush()
            }
            Self::File { file, good_bytes, torn, .. } => {
                if *torn && let Some(good) = *good_bytes {
                    file.set_len(good)?;
                    *torn = false;
                }
                if let Err(error) = file.write_all(lines) {
                    *torn = good_bytes.is_none_or(|good| file.set_len(good).is_err());
                    return Err(error);
                }
                if let Some(good) = good_bytes {
                    *good += lines.len() as u64;
                }
                Ok(())
            }
        }
    }

    /// Makes everything appended durable.
    ///
    /// # Errors
    /// If the device fails.
    pub fn sync(&self) -> io::Result<()> {
        match self {
            Self::File { file, good_bytes: Some(_), .. } => file.sync_data(),
            Self::File { .. } | Self::Stdout => Ok(()),
        }
    }
}

fn same_file(a: &File, b: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let (a, b) = (a.metadata()?, b.metadata()?);
    Ok(a.dev() == b.dev() && a.ino() == b.ino())
}

/// Finds the last complete line, cuts off what stands behind it and proves the line.
fn recover(file: &mut File, path: &Path) -> Result<(Tail, u64), OpenError> {
    let io_error = |source| OpenError::Io { path: path.to_owned(), source };
    let length = file.metadata().map_err(io_error)?.len();
    // Two lines' worth: a torn one and the complete one before it.
    let window = 2 * (verify::LINE_BYTES_MAX as u64 + 1);
    let from = length.saturating_sub(window);
    file.seek(SeekFrom::Start(from)).map_err(io_error)?;
    let mut end = Vec::new();
    file.take(window).read_to_end(&mut end).map_err(io_error)?;
    let Some(line_feed) = memchr::memrchr(b'\n', &end) else {
        if from > 0 {
            return Err(OpenError::Damaged { path: path.to_owned(), reason: verify::Reason::TooLong });
        }
        let tail = Tail { predecessor: None, truncated_bytes: (length > 0).then_some(length) };
        file.set_len(0).map_err(io_error)?;
        return Ok((tail, 0));
    };
    let (complete, torn) = end.split_at_checked(line_feed + 1).unwrap_or((&end, &[]));
    let without_feed = complete.get(..line_feed).unwrap_or_default();
    let start = memchr::memrchr(b'\n', without_feed).map_or(0, |at| at + 1);
    let last = verify::parse(without_feed.get(start..).unwrap_or_default());
    let last = last.map_err(|reason| OpenError::Damaged { path: path.to_owned(), reason })?;
    let torn = torn.len() as u64;
    let good = length - torn;
    if torn > 0 {
        file.set_len(good).map_err(io_error)?;
        file.sync_data().map_err(io_error)?;
    }
    let predecessor = Predecessor { chain_uid: last.chain_uid, fingerprint: last.fingerprint };
    let tail = Tail { predecessor: Some(predecessor), truncated_bytes: (torn > 0).then_some(torn) };
    Ok((tail, good))
}
