//! Files of the served directory as resources: `file:///` and the path, with a range where one is asked for.
//!
//! Invariant: only the one spelling of a URI that [`StoredPath::uri`] gives is served, and behind it only
//! `?offset=N`, `?length=N` or `?offset=N&length=N` with plain numbers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmcp::ErrorData;
use rmcp::model::{CompletionInfo, Resource, ResourceContents, ResourceTemplate};

use super::changed_at;
use crate::directory::{Directory, FileError, Listing, OfFile, Stat};
use crate::icons::Sign;
use crate::state::Shared;
use crate::storage::path::{Scheme, StoredPath};

/// Template of the files' URIs.
pub const FILE_TEMPLATE: &str = "file:///{+path}{?offset,length}";

/// Most bytes of a file within a message.
pub const INLINE_BYTES_MAX: usize = 1 << 20;

/// Files of one page of the list of resources.
const PAGE: u32 = 100;

/// A part of a file: text where it is text.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    /// The text, or the bytes that are none.
    pub content: Result<String, Vec<u8>>,
    /// Where to read on.
    pub next_offset: Option<u64>,
}

/// What was read from `offset` on. A character that the end of the part cuts is left for the next part.
#[must_use]
pub fn part(size: u64, offset: u64, bytes: Vec<u8>) -> Part {
    let end = |length: usize| offset.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
    let next = |length: usize| Some(end(length)).filter(|&end| end < size);
    let whole = bytes.len();
    match String::from_utf8(bytes) {
        Ok(text) => Part { content: Ok(text), next_offset: next(whole) },
        Err(error) => {
            let (valid, cut) = (error.utf8_error().valid_up_to(), error.utf8_error().error_len().is_none());
            let mut bytes = error.into_bytes();
            if cut && valid > 0 && end(whole) < size {
                bytes.truncate(valid);
                let next_offset = next(valid);
                return match String::from_utf8(bytes) {
                    Ok(text) => Part { content: Ok(text), next_offset },
                    Err(error) => Part { content: Err(error.into_bytes()), next_offset },
                };
            }
            Part { content: Err(bytes), next_offset: next(whole) }
        }
    }
}

/// The template.
#[must_use]
pub fn template() -> ResourceTemplate {
    ResourceTemplate::new(FILE_TEMPLATE, "file")
        .with_description("A file of the served directory, or a part of it")
        .with_icons(Sign::File.icons())
}

/// A file as the list shows it, but for its icon, and as results link to it.
#[must_use]
pub fn resource(stat: &Stat) -> Resource {
    Resource::new(stat.path.uri(), stat.path.as_str())
        .with_mime_type(stat.media_type())
        .with_size(stat.size)
        .with_annotations(changed_at(stat.modified_at))
}

/// A page of files from behind the path `after` on, and the URI to go on from.
///
/// # Errors
/// See [`FileError`].
pub async fn list(directory: &Directory, after: Option<String>) -> Result<(Vec<Resource>, Option<String>), FileError> {
    let page = directory.list(Listing::files(), after, PAGE).await?;
    let next = page.items.last().filter(|_| page.more).map(|last| last.path.uri());
    let listed = page.items.iter().map(|stat| resource(stat).with_icons(Sign::File.icons()));
    Ok((listed.collect(), next))
}

/// Paths that start with what was typed.
///
/// # Errors
/// See [`FileError`].
pub async fn complete(directory: &Directory, typed: &str) -> Result<CompletionInfo, FileError> {
    let limit = u32::try_from(CompletionInfo::MAX_VALUES).unwrap_or(u32::MAX);
    let page = directory.list(Listing::starting(typed.to_owned()), None, limit).await?;
    let paths = page.items.into_iter().map(|stat| stat.path.to_string()).collect();
    Ok(CompletionInfo::with_pagination(paths, None, page.more).unwrap_or_default())
}

/// What a URI asks for: something stored, from where on, and how much of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Asked<S = OfFile> {
    /// What.
    pub path: StoredPath<S>,
    /// First byte.
    pub offset: u64,
    /// Most bytes; all if not given.
    pub length: Option<usize>,
}

/// What this URI asks for; `None` for any other URI, and for another spelling of this one.
#[must_use]
pub fn asked<S: Scheme>(uri: &str) -> Option<Asked<S>> {
    let (file, query) = uri.split_once('?').map_or((uri, None), |(file, query)| (file, Some(query)));
    let path = StoredPath::from_uri(file)?;
    let Some(query) = query else {
        return Some(Asked { path, offset: 0, length: None });
    };
    let (offset, length) = match query.split_once('&') {
        Some((offset, length)) => (number(offset, "offset=")?, Some(number(length, "length=")?)),
        None => match number(query, "offset=") {
            Some(offset) => (offset, None),
            None => (0, Some(number(query, "length=")?)),
        },
    };
    let length = length.map(usize::try_from).transpose().ok()?.filter(|&length| length > 0);
    Some(Asked { path, offset, length })
}

fn number(field: &str, name: &str) -> Option<u64> {
    let digits = field.strip_prefix(name)?;
    let number: u64 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}

/// The contents; `None` when there is no such file.
///
/// # Errors
/// -32602 for a file that is too large for a message, and for a range behind the end; an internal error when the directory fails.
pub async fn read(shared: &Shared, uri: &str) -> Result<Option<ResourceContents>, ErrorData> {
    let (Some(directory), Some(asked)) = (shared.directory(), asked::<OfFile>(uri)) else {
        return Ok(None);
    };
    let length = asked.length.unwrap_or(INLINE_BYTES_MAX).min(INLINE_BYTES_MAX);
    let (stat, bytes) = match directory.read(&asked.path, asked.offset, length).await {
        Ok(read) => read,
        Err(FileError::NotFound(_) | FileError::NotRegular(_)) => return Ok(None),
        Err(error @ FileError::Range(_)) => return Err(ErrorData::invalid_params(error.to_string(), None)),
        Err(error) => return Err(ErrorData::internal_error(error.to_string(), None)),
    };
    let end = asked.offset.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    if asked.length.is_none() && end < stat.size {
        return Err(too_large(&stat));
    }
    let contents = match String::from_utf8(bytes) {
        Ok(text) => ResourceContents::text(text, uri),
        Err(error) => ResourceContents::blob(STANDARD.encode(error.into_bytes()), uri),
    };
    Ok(Some(contents.with_mime_type(stat.media_type())))
}

/// Without a link: errors go to logs, and who has a link has the file. `file_read` gives one.
fn too_large(stat: &Stat) -> ErrorData {
    let message = format!(
        "the file has {} bytes, and a message takes {INLINE_BYTES_MAX}; read parts with ?offset=N&length=N, or call file_read",
        stat.size
    );
    ErrorData::invalid_params(message, None)
}

#[cfg(test)]
mod tests;
