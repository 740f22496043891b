//! The virtual tree: a few built-in files that exist in memory only.
//!
//! In: absolute paths. Out: a file's text and media type. Refusals: [`FileError`].
//! It resolves `.`, `..` and repeated slashes as a real file system would, so that a guard in front of it which
//! compares the raw text of a path can be seen to fail (`/data/../etc/secret.conf`).
//! Invariant: it never touches a file of the host.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Longest path that is looked at, in bytes.
const PATH_BYTES_MAX: usize = 1024;

const BUILT_IN: &[(&str, &str, &str)] = &[
    ("/data/welcome.txt", "text/plain", "Welcome to the reference server. These files exist in memory only.\n"),
    ("/data/report.csv", "text/csv", "quarter,revenue\n2026-Q1,1200\n2026-Q2,1350\n2026-Q3,1410\n"),
    ("/data/notes/todo.md", "text/markdown", "# To do\n\n- read the report\n- delete this note\n"),
    (
        "/etc/secret.conf",
        "text/plain",
        "# A made-up secret: the thing that a policy must keep callers from.\ntoken = not-a-real-token\n",
    ),
];

/// Why a path could not be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// The path does not start with a slash, is too long or holds a NUL.
    #[error("not an absolute path of at most {PATH_BYTES_MAX} bytes")]
    NotAbsolute,
    /// No such file.
    #[error("no file at {0}")]
    NotFound(String),
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its normalised path.
    pub path: String,
    /// Its media type.
    pub mime_type: &'static str,
    /// Its content.
    pub text: String,
}

/// The tree. Deleting is the only change it knows; a restart brings everything back.
/// Clones are the same one.
#[derive(Debug, Clone)]
pub struct VirtualTree {
    files: Arc<RwLock<BTreeMap<String, File>>>,
}

impl VirtualTree {
    /// The tree with all built-in files.
    #[must_use]
    pub fn built_in() -> Self {
        let files = BUILT_IN
            .iter()
            .map(|&(path, mime_type, text)| {
                (path.to_owned(), File { path: path.to_owned(), mime_type, text: text.to_owned() })
            })
            .collect();
        Self { files: Arc::new(RwLock::new(files)) }
    }

    /// The file at `path`.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn read(&self, path: &str) -> Result<File, FileError> {
        let path = normalise(path)?;
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
        files.get(&path).cloned().ok_or(FileError::NotFound(path))
    }

    /// Removes the file at `path` until the next start and returns it.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn delete(&self, path: &str) -> Result<File, FileError> {
        let path = normalise(path)?;
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        files.remove(&path).ok_or(FileError::NotFound(path))
    }

    /// All files, ordered by path.
    #[must_use]
    pub fn list(&self) -> Vec<File> {
        self.files.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

/// Resolves `.`, `..` (which stops at the root) and empty segments.
///
/// # Errors
/// [`FileError::NotAbsolute`].
pub fn normalise(path: &str) -> Result<String, FileError> {
    if !path.starts_with('/') || path.len() > PATH_BYTES_MAX || path.contains('\0') {
        return Err(FileError::NotAbsolute);
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            name => segments.push(name),
        }
    }
    Ok(format!("/{}", segments.join("/")))
}

#[cfg(test)]
mod tests;
