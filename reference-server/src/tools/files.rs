//! The tools on the served directory. They are listed where the operator named one.
//!
//! In: typed arguments. Out: structured results, and a signed link for what is too large for a message.
//! Refusals: [`FileError`], with its code.
//! To add a tool: a file with its argument type, its `entry` and its function, and a line in [`entries`].

mod archive;
mod delete;
mod glob;
mod hash;
mod image;
mod list;
mod read;
mod stat;
mod view;
mod write;

pub(super) use archive::ArchiveError;
pub(super) use image::ImageError;
use rmcp::model::CallToolResult;
use serde_json::json;

use super::typed::{TypedError, refusal};
use super::{Call, Entry, ToolError};
use crate::directory::{Directory, FileError, FilePath};
use crate::state::Change;

pub(super) fn refused(error: &FileError) -> CallToolResult {
    let more = match error {
        FileError::Conflict { current, .. } => Some(("current_revision", json!(current))),
        _ => None,
    };
    refusal(error.code(), &error.to_string(), more)
}

/// Every tool of the directory.
pub(super) fn entries() -> Vec<Entry> {
    let mut entries = vec![read::entry(), write::entry(), list::entry(), glob::entry(), stat::entry(), delete::entry()];
    entries.extend([hash::entry(), image::entry()]);
    entries.extend(archive::entries());
    entries
}

impl Call {
    /// The served directory. Without one these tools are not listed, and not called.
    fn directory(&self) -> Result<&Directory, ToolError> {
        Ok(self.server.shared.directory().ok_or(TypedError::Internal)?)
    }

    /// Tells subscribers, unless the directory is watched: then whoever changes it is told of.
    fn announce_file(&self, path: &FilePath, list: bool) {
        let shared = &self.server.shared;
        if shared.watches_directory() {
            return;
        }
        if list {
            shared.announce(Change::Resources);
        }
        shared.announce(Change::Resource(path.uri()));
    }
}
