//! `archive_list`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zip::ZipArchive;

use super::{AT_WORK, ArchiveError, ENTRIES_MAX};
use crate::directory::FilePath;
use crate::tools::typed::{TypedError, reads, structured, typed_tool};
use crate::tools::{Call, Entry, Outcome, ToolError};

pub(super) fn entry() -> Entry {
    let description = "Lists what a ZIP file of the served directory holds, without unpacking it.";
    Entry::new(typed_tool::<List, Listed>("archive_list", "Look into an archive", description, reads()), list)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct List {
    /// The archive
    path: String,
}

/// What an archive holds.
#[derive(Serialize, JsonSchema)]
struct Listed {
    /// Its entries, as they are in the archive; names are whatever its maker wrote
    entries: Vec<Held>,
}

/// An entry of an archive.
#[derive(Serialize, JsonSchema)]
struct Held {
    /// Name
    name: String,
    /// Bytes when unpacked, as the archive claims
    size: u64,
    /// Bytes within the archive
    packed_size: u64,
    /// Whether it is a folder
    folder: bool,
}

async fn list(call: Call) -> Outcome {
    let wanted: List = call.typed_arguments()?;
    let (file, _) = call.directory()?.file(&FilePath::parse(&wanted.path)?).await?;
    let turn = AT_WORK.acquire().await.map_err(|_| TypedError::Internal)?;
    let looking = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let mut archive = ZipArchive::new(file).map_err(ArchiveError::Unreadable)?;
        if archive.len() > ENTRIES_MAX {
            return Err(ArchiveError::TooMany.into());
        }
        let mut entries = Vec::new();
        for index in 0..archive.len() {
            let entry = archive.by_index_raw(index).map_err(ArchiveError::Unreadable)?;
            entries.push(Held {
                name: entry.name().map_err(ArchiveError::Unreadable)?.into_owned(),
                size: entry.size(),
                packed_size: entry.compressed_size(),
                folder: entry.is_dir(),
            });
        }
        Ok::<_, ToolError>(entries)
    });
    structured(&Listed { entries: looking.await.map_err(|_| TypedError::Internal)?? })
}
