//! The HTTP side of signed links.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http_range_header::StartPosition;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use crate::directory::{FileError, FilePath, Stat};
use crate::state::Shared;

/// What the path of a link begins with.
pub const ROUTE: &str = "/download/";

/// Bytes that are read and sent at once.
const CHUNK_BYTES: usize = 64 << 10;

#[derive(Deserialize)]
struct Signed {
    expires: u64,
    signature: String,
}

/// Serves signed links, beside the endpoint. The `Host` is not checked: a page that was led here holds no link.
pub fn routes(shared: Arc<Shared>) -> Router {
    Router::new().route("/download/{*path}", get(download)).with_state(shared)
}

async fn download(
    State(shared): State<Arc<Shared>>,
    Path(path): Path<String>,
    Query(signed): Query<Signed>,
    headers: HeaderMap,
) -> Response {
    let (Some(directory), Some(links)) = (shared.directory(), shared.links()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let Ok(path) = FilePath::parse(&path) else {
        return StatusCode::FORBIDDEN.into_response();
    };
    if let Err(refusal) = links.check(&path, signed.expires, &signed.signature) {
        tracing::info!(%path, %refusal, "link refused");
        return (StatusCode::FORBIDDEN, "this link is not valid, or not any more\n").into_response();
    }
    match directory.file(&path).await {
        Ok((file, stat)) => {
            let same = |known: &HeaderValue| known.as_bytes() == format!("\"{}\"", stat.revision).as_bytes();
            // A part of another revision would be put behind a part of this one (RFC 9110, 13.1.5).
            let fits = headers.get(header::IF_RANGE).is_none_or(same);
            let range = headers.get(header::RANGE).filter(|_| fits);
            stream(tokio::fs::File::from_std(file), &stat, range).await
        }
        Err(FileError::NotFound(_) | FileError::NotRegular(_)) => StatusCode::NOT_FOUND.into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn stream(mut file: tokio::fs::File, stat: &Stat, range: Option<&HeaderValue>) -> Response {
    let Ok(part) = part(range, stat.size) else {
        return behind_the_end(stat.size);
    };
    let (first, length) = part.unwrap_or((0, stat.size));
    if first > 0
        && let Err(error) = file.seek(std::io::SeekFrom::Start(first)).await
    {
        tracing::warn!(%error, path = %stat.path, "a file cannot be read");
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let body = Body::from_stream(ReaderStream::with_capacity(file.take(length), CHUNK_BYTES));
    let (media_type, name, etag) = (stat.media_type(), stat.path.name(), Some(stat.revision.as_str()));
    answer(body, part, &Shown { size: stat.size, media_type: &media_type, name, etag })
}

/// What the headers of an answer tell.
pub(crate) struct Shown<'s> {
    /// Bytes of the whole.
    pub(crate) size: u64,
    /// Media type.
    pub(crate) media_type: &'s str,
    /// Name that it is saved under.
    pub(crate) name: &'s str,
    /// Revision.
    pub(crate) etag: Option<&'s str>,
}

/// That a range begins behind the end.
pub(crate) fn behind_the_end(size: u64) -> Response {
    (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, format!("bytes */{size}"))]).into_response()
}

/// What callers stored, or the part of it (first byte and length) that was asked for.
pub(crate) fn answer(body: Body, part: Option<(u64, u64)>, shown: &Shown<'_>) -> Response {
    let (first, length) = part.unwrap_or((0, shown.size));
    let mut response = Response::new(body);
    if part.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let last = first.saturating_add(length).saturating_sub(1);
        put(&mut response, header::CONTENT_RANGE, &format!("bytes {first}-{last}/{}", shown.size));
    }
    put(&mut response, header::CONTENT_LENGTH, &length.to_string());
    put(&mut response, header::CONTENT_TYPE, shown.media_type);
    if let Some(etag) = shown.etag {
        put(&mut response, header::ETAG, &format!("\"{etag}\""));
    }
    put(&mut response, header::ACCEPT_RANGES, "bytes");
    put(&mut response, header::CACHE_CONTROL, "private, no-store");
    // What callers store is theirs: a browser neither guesses its type nor runs it as a page of this server.
    put(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(&mut response, header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox");
    let name = utf8_percent_encode(shown.name, NON_ALPHANUMERIC);
    put(&mut response, header::CONTENT_DISPOSITION, &format!("attachment; filename*=UTF-8''{name}"));
    response
}

fn put(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// First byte and length of the one range that is asked for (RFC 9110, 14.2). Several ranges, and what is no range,
/// are answered with the whole.
///
/// # Errors
/// Where the range begins behind the end.
pub(crate) fn part(range: Option<&HeaderValue>, size: u64) -> Result<Option<(u64, u64)>, ()> {
    let Some(range) = range.and_then(|range| range.to_str().ok()) else {
        return Ok(None);
    };
    let Ok(parsed) = http_range_header::parse_range_header(range) else {
        return Ok(None);
    };
    if parsed.ranges.len() > 1 {
        return Ok(None);
    }
    // The last bytes of less than that are all of them.
    let suffix = parsed.ranges.first().map(|range| range.start);
    if let Some(StartPosition::FromLast(last)) = suffix
        && last >= size
        && size > 0
    {
        return Ok(None);
    }
    if size == 0 {
        return Err(());
    }
    let ranges = parsed.validate(size).map_err(|_| ())?;
    let first = ranges.into_iter().next();
    Ok(first.map(|range| (*range.start(), range.end().saturating_sub(*range.start()).saturating_add(1))))
}
