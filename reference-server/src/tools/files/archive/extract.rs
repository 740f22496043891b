//! `archive_extract`.
//!
//! The whole archive is looked at before anything is written: names, kinds, sizes. What is unpacked is bounded by the
//! sizes that the archive claims and these by the quota, so that a few bytes do not become many.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zip::ZipArchive;

use super::super::view::About;
use super::{AT_WORK, ArchiveError, ENTRIES_MAX};
use crate::directory::{Condition, Directory, FileError, FilePath, Stat};
use crate::tools::typed::{TypedError, adds, structured, typed_tool};
use crate::tools::{Call, Entry, Outcome, ToolError};

pub(super) fn entry() -> Entry {
    let description = "Unpacks a ZIP file of the served directory into a folder there. Nothing is overwritten: where one \
        of its files is there already, nothing is unpacked.";
    Entry::new(typed_tool::<Extract, Extracted>("archive_extract", "Unpack an archive", description, adds()), extract)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Extract {
    /// The archive
    path: String,
    /// The folder that it is unpacked into
    folder: String,
}

/// What was unpacked.
#[derive(Serialize, JsonSchema)]
struct Extracted {
    /// The new files
    files: Vec<About>,
}

/// A file to be, and where it is in the archive.
struct Planned {
    index: usize,
    path: FilePath,
    size: u64,
}

async fn extract(call: Call) -> Outcome {
    let wanted: Extract = call.typed_arguments()?;
    let (path, folder) = (FilePath::parse(&wanted.path)?, FilePath::parse(&wanted.folder)?);
    let directory = call.directory()?;
    let (file, _) = directory.file(&path).await?;
    let _turn = AT_WORK.acquire().await.map_err(|_| TypedError::Internal)?;
    let counted = directory.clone();
    let planning = tokio::task::spawn_blocking(move || {
        let quota = counted.quota();
        let room = quota.total_bytes.saturating_sub(counted.usage().bytes);
        plan(file, &folder, quota.file_bytes, room)
    });
    let (mut archive, planned) = planning.await.map_err(|_| TypedError::Internal)??;
    for each in &planned {
        match directory.stat(&each.path).await {
            Err(FileError::NotFound(_)) => {}
            Ok(_) => return Err(FileError::Exists(each.path.clone()).into()),
            Err(error) => return Err(error.into()),
        }
    }
    let mut files = Vec::new();
    for each in planned {
        let unpacking = tokio::task::spawn_blocking(move || {
            let content = content(&mut archive, &each);
            (archive, each.path, content)
        });
        let (back, path, content) = unpacking.await.map_err(|_| TypedError::Internal)?;
        archive = back;
        match store(directory, &path, content).await {
            Ok(stored) => files.push(stored),
            Err(error) => {
                if let ToolError::Directory(FileError::Unconfirmed(stored)) = &error {
                    files.push(Stat::clone(stored));
                }
                undo(directory, &files).await;
                return Err(error);
            }
        }
    }
    for stored in &files {
        call.announce_file(&stored.path, true);
    }
    structured(&Extracted { files: files.iter().map(About::from).collect() })
}

async fn store(
    directory: &Directory,
    path: &FilePath,
    content: Result<Vec<u8>, ArchiveError>,
) -> Result<Stat, ToolError> {
    Ok(directory.write(path, content?, Condition::Absent).await?)
}

/// Takes away what was unpacked before something failed, unless somebody has changed it meanwhile.
async fn undo(directory: &Directory, files: &[Stat]) {
    for stored in files {
        if let Err(error) = directory.delete(&stored.path, Some(stored.revision.clone())).await {
            tracing::warn!(%error, path = %stored.path, "an unpacked file stays although the archive was not unpacked");
        }
    }
}

fn plan(
    file: File,
    folder: &FilePath,
    file_bytes: u64,
    room: u64,
) -> Result<(ZipArchive<File>, Vec<Planned>), ToolError> {
    let mut archive = ZipArchive::new(file).map_err(ArchiveError::Unreadable)?;
    if archive.len() > ENTRIES_MAX {
        return Err(ArchiveError::TooMany.into());
    }
    let (mut planned, mut seen, mut total) = (Vec::new(), BTreeSet::new(), 0_u64);
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(ArchiveError::Unreadable)?;
        if entry.is_dir() {
            continue;
        }
        let name = entry.name().map_err(ArchiveError::Unreadable)?.into_owned();
        let refused = || ArchiveError::Entry(name.chars().take(200).collect());
        if entry.is_symlink() || entry.encrypted() || !is_regular(entry.unix_mode()) {
            return Err(refused().into());
        }
        // The name alone first: joined, a slash at its beginning would vanish.
        FilePath::parse(&name).map_err(|_| refused())?;
        let path = FilePath::parse(&format!("{folder}/{name}")).map_err(|_| refused())?;
        if !seen.insert(path.clone()) {
            return Err(ArchiveError::Twice(path.to_string()).into());
        }
        total = total.saturating_add(entry.size());
        if entry.size() > file_bytes {
            return Err(FileError::TooLarge(file_bytes).into());
        }
        if total > room {
            return Err(FileError::Quota("its files may have no more bytes together").into());
        }
        planned.push(Planned { index, path, size: entry.size() });
    }
    Ok((archive, planned))
}

/// Whether the mode, where there is one, is that of a regular file.
fn is_regular(mode: Option<u32>) -> bool {
    mode.is_none_or(|mode| matches!(mode & 0o170_000, 0 | 0o100_000))
}

fn content(archive: &mut ZipArchive<File>, planned: &Planned) -> Result<Vec<u8>, ArchiveError> {
    let entry = archive.by_index(planned.index)?;
    let mut content = Vec::new();
    // One more than it claims, to see that there is no more.
    entry.take(planned.size.saturating_add(1)).read_to_end(&mut content).map_err(zip::result::ZipError::Io)?;
    if u64::try_from(content.len()).unwrap_or(u64::MAX) > planned.size {
        return Err(ArchiveError::Lies(planned.path.to_string()));
    }
    Ok(content)
}
