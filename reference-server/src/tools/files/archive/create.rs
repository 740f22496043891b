//! `archive_create`.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Cursor, Read as _, Write as _};

use rmcp::model::{CallToolResult, ContentBlock};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::super::view::{About, resource};
use super::{AT_WORK, ArchiveError, ENTRIES_MAX};
use crate::directory::{Condition, Directory, FileError, FilePath, Listing, Stat};
use crate::tools::typed::{TypedError, typed_tool, value, writes};
use crate::tools::{Call, Entry, Outcome, ToolError};

pub(super) fn entry() -> Entry {
    let description = "Packs files of the served directory into a ZIP file there: those that are named, and those whose \
        paths match a pattern.";
    Entry::new(typed_tool::<Create, Created>("archive_create", "Pack files", description, writes()), create)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Create {
    /// Where the archive goes
    new_path: String,
    /// Files to pack
    #[serde(default)]
    paths: Vec<String>,
    /// A pattern of files to pack, as in file_glob
    pattern: Option<String>,
    /// The revision that is replaced; without it nothing may be at new_path
    expected_revision: Option<String>,
}

/// A new archive.
#[derive(Serialize, JsonSchema)]
struct Created {
    #[serde(flatten)]
    about: About,
    /// Number of files in it
    entries: usize,
}

async fn create(call: Call) -> Outcome {
    let wanted: Create = call.typed_arguments()?;
    let new_path = FilePath::parse(&wanted.new_path)?;
    let directory = call.directory()?;
    let paths = chosen(directory, &wanted, &new_path).await?;
    let entries = paths.len();
    let turn = AT_WORK.acquire().await.map_err(|_| TypedError::Internal)?;
    let (packed, runtime) = (directory.clone(), Handle::current());
    let packing = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        // One at a time: a thousand open files are not everybody's.
        pack(paths, packed.quota().file_bytes, |path| runtime.block_on(packed.file(path)))
    });
    let bytes = packing.await.map_err(|_| TypedError::Internal)??;
    let replaces = wanted.expected_revision.is_some();
    let condition = wanted.expected_revision.map_or(Condition::Absent, Condition::Revision);
    let stored = directory.write(&new_path, bytes, condition).await?;
    call.announce_file(&new_path, !replaces);
    let mut result = CallToolResult::structured(value(&Created { about: About::from(&stored), entries })?);
    result.content.push(ContentBlock::resource_link(resource(&stored)));
    Ok(result.into())
}

/// What is packed, in the order of paths; never the archive itself.
async fn chosen(directory: &Directory, wanted: &Create, new_path: &FilePath) -> Result<BTreeSet<FilePath>, ToolError> {
    let mut paths = wanted.paths.iter().map(|path| FilePath::parse(path)).collect::<Result<BTreeSet<_>, _>>()?;
    if let Some(pattern) = &wanted.pattern {
        let limit = u32::try_from(ENTRIES_MAX).unwrap_or(u32::MAX);
        let page = directory.list(Listing::glob(pattern)?, None, limit).await?;
        if page.more {
            return Err(ArchiveError::TooMany.into());
        }
        paths.extend(page.items.into_iter().map(|stat| stat.path));
    }
    paths.remove(new_path);
    match paths.len() {
        0 => Err(ArchiveError::Nothing.into()),
        1..=ENTRIES_MAX => Ok(paths),
        _ => Err(ArchiveError::TooMany.into()),
    }
}

fn pack(
    paths: BTreeSet<FilePath>,
    largest: u64,
    open: impl Fn(&FilePath) -> Result<(File, Stat), FileError>,
) -> Result<Vec<u8>, ToolError> {
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).unix_permissions(0o644);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let mut chunk = vec![0; 64 << 10];
    for path in paths {
        let (mut file, _) = open(&path)?;
        writer.start_file(path.as_str(), options).map_err(ArchiveError::Unreadable)?;
        loop {
            match file.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => writer.write_all(chunk.get(..count).unwrap_or_default()).map_err(FileError::Io)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(FileError::Io(error).into()),
            }
            // What is packed so far is a lower bound of the archive, and bounds the memory for it.
            if writer.get_ref().is_some_and(|packed| packed.position() > largest) {
                return Err(FileError::TooLarge(largest).into());
            }
        }
    }
    Ok(writer.finish().map_err(ArchiveError::Unreadable)?.into_inner())
}
