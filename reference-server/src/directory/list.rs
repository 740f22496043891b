//! Pages of what is there.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::os::fd::{AsFd as _, BorrowedFd};

use globset::{GlobBuilder, GlobSet};
use rustix::fs::{AtFlags, Dir, FileType, statat};
use rustix::io::Errno;

use super::stat::{self, Kind, Stat};
use super::{FileError, FilePath, handle};
use crate::storage::Page;

/// Folders within folders that are looked into.
pub(super) const DEPTH_MAX: usize = 64;

/// Longest pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 512;

/// What to list.
#[derive(Debug, Clone)]
pub struct Listing {
    folder: Option<FilePath>,
    recursive: bool,
    only: Only,
}

#[derive(Debug, Clone)]
enum Only {
    Everything,
    Files,
    Matching(Box<GlobSet>),
    Starting(String),
}

impl Listing {
    /// What is in a folder, and with `recursive` in the folders within it; `None` is the served directory itself.
    #[must_use]
    pub fn folder(folder: Option<FilePath>, recursive: bool) -> Self {
        Self { folder, recursive, only: Only::Everything }
    }

    /// Every file.
    #[must_use]
    pub fn files() -> Self {
        Self { folder: None, recursive: true, only: Only::Files }
    }

    /// The files whose paths match: `*` and `?` within a segment, `**` across segments, `[a-z]`, `{a,b}`.
    ///
    /// # Errors
    /// [`FileError::Pattern`].
    pub fn glob(pattern: &str) -> Result<Self, FileError> {
        if pattern.is_empty() || pattern.len() > PATTERN_BYTES_MAX {
            return Err(FileError::Pattern(format!("it has 1 to {PATTERN_BYTES_MAX} bytes")));
        }
        let glob = GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build();
        let refused = |error: globset::Error| FileError::Pattern(error.kind().to_string());
        // As a set, since a single pattern that is too deep for its engine would panic.
        let set = GlobSet::builder().add(glob.map_err(refused)?).build().map_err(refused)?;
        Ok(Self { folder: None, recursive: true, only: Only::Matching(Box::new(set)) })
    }

    /// The files whose paths start with this.
    #[must_use]
    pub fn starting(prefix: String) -> Self {
        Self { folder: None, recursive: true, only: Only::Starting(prefix) }
    }

    fn takes(&self, path: &str, kind: Kind) -> bool {
        let file = kind == Kind::File;
        match &self.only {
            Only::Everything => true,
            Only::Files => file,
            Only::Matching(pattern) => file && pattern.is_match(path),
            Only::Starting(prefix) => file && path.starts_with(prefix.as_str()),
        }
    }
}

/// One entry that a walk comes by.
pub(super) struct Seen<'w> {
    /// Its path from where the walk began; `None` where that is no text.
    pub(super) path: Option<&'w str>,
    pub(super) folder: BorrowedFd<'w>,
    pub(super) name: &'w CStr,
    pub(super) raw: &'w rustix::fs::Stat,
}

/// A page in the order of paths; keeps no more than the page while it looks.
pub(super) fn page(
    root: BorrowedFd<'_>,
    listing: &Listing,
    after: Option<&str>,
    limit: u32,
) -> Result<Page<Stat>, FileError> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut found: BTreeMap<String, Stat> = BTreeMap::new();
    let mut take = |seen: Seen<'_>| {
        let path = match (&listing.folder, seen.path) {
            (_, None) => return false,
            (None, Some(path)) => path.to_owned(),
            (Some(folder), Some(path)) => format!("{folder}/{path}"),
        };
        let Some(stat) = FilePath::parse(&path).ok().and_then(|path| stat::of(seen.raw, &path)) else {
            return false;
        };
        let kind = stat.kind;
        let last = found.last_key_value().filter(|_| found.len() > limit).map(|(last, _)| last.as_str());
        let wanted = after.is_none_or(|after| path.as_str() > after) && last.is_none_or(|last| path.as_str() < last);
        if wanted && listing.takes(&path, kind) {
            found.insert(path, stat);
            if found.len() > limit.saturating_add(1) {
                found.pop_last();
            }
        }
        listing.recursive && kind == Kind::Folder
    };
    match &listing.folder {
        None => walk(root, &mut take).map_err(|errno| FileError::Io(errno.into()))?,
        Some(path) => {
            let (parent, name) = handle::parent(root, path)?;
            let folder = handle::folder(parent.as_fd(), name).map_err(|errno| match errno {
                Errno::LOOP | Errno::NOTDIR => FileError::NotFolder(path.clone()),
                errno => FileError::of(errno, path),
            })?;
            walk(folder.as_fd(), &mut take).map_err(|errno| FileError::of(errno, path))?;
        }
    }
    let more = found.len() > limit;
    Ok(Page { items: found.into_values().take(limit).collect(), more })
}

/// Comes by every entry of a folder; `visit` says whether to go into it, where it is a folder itself.
///
/// # Errors
/// When the folder itself cannot be read. What vanishes or is forbidden further down is passed over.
pub(super) fn walk(folder: BorrowedFd<'_>, visit: &mut dyn FnMut(Seen<'_>) -> bool) -> Result<(), Errno> {
    step(folder, Some(""), DEPTH_MAX, visit)
}

fn step(
    folder: BorrowedFd<'_>,
    prefix: Option<&str>,
    depth: usize,
    visit: &mut dyn FnMut(Seen<'_>) -> bool,
) -> Result<(), Errno> {
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let Ok(raw) = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        let path = prefix.zip(name.to_str().ok()).map(|(prefix, name)| format!("{prefix}{name}"));
        let into = visit(Seen { path: path.as_deref(), folder, name, raw: &raw });
        if !into || depth == 0 || FileType::from_raw_mode(raw.st_mode) != FileType::Directory {
            continue;
        }
        let below = path.map(|path| format!("{path}/"));
        let Ok(inner) = rustix::fs::openat(folder, name, handle::FOLDER, rustix::fs::Mode::empty()) else {
            continue;
        };
        match step(inner.as_fd(), below.as_deref(), depth - 1, visit) {
            Ok(()) | Err(Errno::NOENT | Errno::ACCESS) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}
