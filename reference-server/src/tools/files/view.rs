//! Files as results show them.

use rmcp::model::Resource;
use schemars::JsonSchema;
use serde::Serialize;

use crate::directory::{Kind, Stat};
use crate::tools::typed::time;

/// What is known about a file or folder.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct About {
    /// Path from the served directory on
    path: String,
    /// URI of a file as a resource
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<String>,
    /// file or folder
    kind: Name,
    /// Bytes of a file
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// Media type that the name tells
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    /// Changes with every write; who replaces or deletes a file names it
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
    /// When it was last changed, RFC 3339
    modified_at: String,
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Name {
    File,
    Folder,
}

impl From<&Stat> for About {
    fn from(stat: &Stat) -> Self {
        let file = stat.kind == Kind::File;
        Self {
            path: stat.path.to_string(),
            uri: file.then(|| stat.path.uri()),
            kind: if file { Name::File } else { Name::Folder },
            size: file.then_some(stat.size),
            media_type: file.then(|| stat.media_type()),
            revision: file.then(|| stat.revision.clone()),
            modified_at: time(stat.modified_at),
        }
    }
}

/// A file as the list of resources shows it.
pub(super) fn resource(stat: &Stat) -> Resource {
    crate::resources::files::resource(stat)
}

/// A page of files and folders.
#[derive(Serialize, JsonSchema)]
pub(super) struct Listed {
    /// The files and folders
    pub(super) entries: Vec<About>,
    /// Cursor of the next page; absent on the last
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_cursor: Option<String>,
}
