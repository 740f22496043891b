//! Content that comes piece by piece: written beside its place while it comes, and moved there as a whole.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use rustix::fs::{AtFlags, fstat, fsync, openat, unlinkat};

use super::stat::{self, Stat};
use super::usage::Usage;
use super::write::{self, Condition, FILE_MODE, NEW};
use super::{Directory, FileError, FilePath, Inner, handle};

/// A file that is not there yet. Dropped before its end, it leaves nothing.
#[derive(Debug)]
pub struct Upload(Option<Unfinished>);

#[derive(Debug)]
struct Unfinished {
    inner: Arc<Inner>,
    path: FilePath,
    folder: OwnedFd,
    beside: String,
    file: File,
    /// Counted as used while they are not at their place.
    bytes: u64,
    /// How many folders were made on the way to it.
    made: u64,
}

impl Directory {
    /// Begins a file, and makes the folders on the way to it.
    ///
    /// # Errors
    /// See [`FileError`].
    pub async fn upload(&self, path: &FilePath) -> Result<Upload, FileError> {
        let (inner, path) = (Arc::clone(&self.0), path.clone());
        let begun = tokio::task::spawn_blocking(move || {
            let (folder, name, made) = {
                let mut usage = inner.usage();
                if usage.files >= inner.quota.files.saturating_add(1) {
                    return Err(write::no_more_files());
                }
                let (mut made, room) = (0, usage.room(inner.quota.files));
                let placed = handle::parent_made(inner.root.as_fd(), &path, room, &mut made);
                if placed.is_err() {
                    made -= handle::prune(inner.root.as_fd(), &path, made).min(made);
                }
                usage.folders += made;
                let (folder, name) = placed?;
                (folder, name, made)
            };
            debug_assert_eq!(name, path.name());
            let beside = write::unserved_name()?;
            let file = openat(&folder, &*beside, NEW, FILE_MODE).map_err(|errno| FileError::of(errno, &path))?;
            Ok(Upload(Some(Unfinished { path, folder, beside, file: File::from(file), bytes: 0, made, inner })))
        })
        .await;
        begun.unwrap_or_else(|error| Err(FileError::Io(std::io::Error::other(error))))
    }
}

impl Upload {
    /// Adds a piece.
    ///
    /// # Errors
    /// See [`FileError`].
    pub async fn write(&mut self, piece: impl AsRef<[u8]> + Send + 'static) -> Result<(), FileError> {
        self.blocking(move |unfinished| unfinished.write(piece.as_ref())).await
    }

    /// Moves the file to its place.
    ///
    /// # Errors
    /// See [`FileError`].
    pub async fn finish(mut self, condition: Option<Condition>) -> Result<Stat, FileError> {
        self.blocking(move |unfinished| unfinished.finish(condition.as_ref())).await
    }

    /// Lends the file to a thread that may wait for the disk.
    async fn blocking<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Unfinished) -> Result<T, FileError> + Send + 'static,
    ) -> Result<T, FileError> {
        let gone = || FileError::Io(std::io::Error::other("the upload has ended"));
        let mut unfinished = self.0.take().ok_or_else(gone)?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work(&mut unfinished);
            (done, unfinished)
        });
        let (done, unfinished) = done.await.map_err(|error| FileError::Io(std::io::Error::other(error)))?;
        self.0 = Some(unfinished);
        done
    }
}

impl Unfinished {
    fn write(&mut self, piece: &[u8]) -> Result<(), FileError> {
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        let quota = self.inner.quota;
        if self.bytes.saturating_add(length) > quota.file_bytes {
            return Err(FileError::TooLarge(quota.file_bytes));
        }
        {
            let mut usage = self.inner.usage();
            if usage.bytes.saturating_add(length) > quota.total_bytes {
                return Err(write::no_more_bytes());
            }
            usage.bytes = usage.bytes.saturating_add(length);
        }
        self.bytes = self.bytes.saturating_add(length);
        self.file.write_all(piece).map_err(|error| match rustix::io::Errno::from_io_error(&error) {
            Some(errno) => FileError::of(errno, &self.path),
            None => FileError::Io(error),
        })
    }

    /// The file takes the place under the lock of all writes, as [`write::write`] does.
    fn finish(&mut self, condition: Option<&Condition>) -> Result<Stat, FileError> {
        let failed = |errno| FileError::of(errno, &self.path);
        fsync(&self.file).map_err(failed)?;
        // What a move does not change.
        let stat = stat::regular(&fstat(&self.file).map_err(failed)?, &self.path)?;
        let inner = Arc::clone(&self.inner);
        let mut usage = inner.usage();
        let old = match condition {
            Some(condition) => write::replacing(&inner, &self.path, condition)?,
            None => write::there(&inner, &self.path)?,
        };
        let after = old.map_or(*usage, |old| write::without(*usage, &old));
        let after = Usage { files: after.files.saturating_add(1), ..after };
        if after.files > inner.quota.files {
            return Err(write::no_more_files());
        }
        write::move_to(self.folder.as_fd(), &self.beside, self.path.name(), condition == Some(&Condition::Absent))
            .map_err(failed)?;
        *usage = after;
        self.bytes = 0;
        write::confirmed(self.folder.as_fd(), stat)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let mut usage = self.inner.usage();
        usage.bytes = usage.bytes.saturating_sub(self.bytes);
        // Nothing to do where it is not there any more: it took its place.
        let _ = unlinkat(&self.folder, &*self.beside, AtFlags::empty());
        usage.folders = usage.folders.saturating_sub(handle::prune(self.inner.root.as_fd(), &self.path, self.made));
    }
}
