//! The HTTP side of links: objects to clients, and from them.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use serde::Deserialize;
use serde_json::json;

use super::content::Content;
use super::link::{READING, Sending, reading};
use super::{ObjectError, ObjectKey, Objects, media_type};
use crate::download::{Claim, LinkError, Links, Shown, answer, behind_the_end, part};
use crate::state::{Change, Shared};

#[derive(Deserialize)]
struct Signed {
    expires: u64,
    signature: String,
}

#[derive(Deserialize)]
struct SignedSending {
    #[serde(rename = "type")]
    media_type: Option<String>,
    #[serde(rename = "if")]
    condition: String,
    max: u64,
    expires: u64,
    signature: String,
}

/// Serves links, beside the endpoint. The `Host` is not checked: a page that was led here holds no link.
pub fn routes(shared: Arc<Shared>) -> Router {
    Router::new().route("/objects/{*key}", get(give).put(take)).with_state(shared)
}

fn served(shared: &Shared) -> Option<(&Objects, &Links)> {
    shared.objects().map(Arc::as_ref).zip(shared.links())
}

fn no_link(key: &str, refusal: Option<LinkError>) -> Response {
    tracing::info!(key, refusal = refusal.map(|refusal| refusal.to_string()), "link refused");
    (StatusCode::FORBIDDEN, "this link is not valid, or not any more\n").into_response()
}

async fn give(
    State(shared): State<Arc<Shared>>,
    Path(key): Path<String>,
    Query(signed): Query<Signed>,
    headers: HeaderMap,
) -> Response {
    let Some((objects, links)) = served(&shared) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let Ok(checked) = ObjectKey::parse(&key) else {
        return no_link(&key, None);
    };
    let claim = Claim { kind: READING, fields: &reading(&checked) };
    if let Err(refusal) = links.grants(&claim, signed.expires, &signed.signature) {
        return no_link(&key, Some(refusal));
    }
    stream(objects, &checked, &headers).await.unwrap_or_else(|error| refused(&error))
}

async fn stream(objects: &Objects, key: &ObjectKey, headers: &HeaderMap) -> Result<Response, ObjectError> {
    let stat = objects.stat(key).await?;
    let Ok(part) = part(headers.get(header::RANGE), stat.size) else {
        return Ok(behind_the_end(stat.size));
    };
    let (first, length) = part.unwrap_or((0, stat.size));
    // An error in the middle ends the connection before its announced length, so that nobody takes a part for the whole.
    let body = Body::from_stream(objects.stream(&stat, first, length).await?);
    let shown = Shown { size: stat.size, media_type: &stat.media_type, name: key.name(), etag: stat.etag.as_deref() };
    Ok(answer(body, part, &shown))
}

async fn take(
    State(shared): State<Arc<Shared>>,
    Path(key): Path<String>,
    Query(signed): Query<SignedSending>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some((objects, links)) = served(&shared) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let checked = ObjectKey::parse(&key).ok().zip(Sending::condition(&signed.condition));
    let Some((checked, condition)) = checked else {
        return no_link(&key, None);
    };
    let sending = Sending { key: checked, media_type: signed.media_type, condition, bytes_max: signed.max };
    if let Err(refusal) = sending.claimed(|claim| links.grants(&claim, signed.expires, &signed.signature)) {
        return no_link(&key, Some(refusal));
    }
    match store(objects, &sending, &headers, body).await {
        Ok((stat, created)) => {
            shared.announce(Change::Resources);
            shared.announce(Change::Resource(sending.key.uri()));
            let told = json!({"key": stat.key.as_str(), "uri": stat.key.uri(), "size": stat.size,
                "media_type": stat.media_type, "etag": stat.etag});
            (created, Json(told)).into_response()
        }
        Err(error) => refused(&error),
    }
}

async fn store(
    objects: &Objects,
    sending: &Sending,
    headers: &HeaderMap,
    body: Body,
) -> Result<(super::Stat, StatusCode), ObjectError> {
    let sent = headers.get(header::CONTENT_TYPE).and_then(|sent| sent.to_str().ok());
    let sent = sent.map(media_type).transpose()?;
    let kind = match (&sending.media_type, sent) {
        (Some(wanted), Some(sent)) if *wanted == sent => Some(sent),
        (Some(wanted), _) => return Err(ObjectError::OtherMediaType(wanted.clone())),
        (None, sent) => sent,
    };
    if headers.contains_key(header::CONTENT_ENCODING) {
        // It would be kept as it is sent and given out without saying so.
        return Err(ObjectError::OtherMediaType("content without Content-Encoding".to_owned()));
    }
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let bytes_max = sending.bytes_max.min(objects.limits().object_bytes);
    if announced.is_some_and(|announced| announced > bytes_max) {
        return Err(ObjectError::TooLarge(bytes_max));
    }
    let content = Content::stream(prompt(body, objects.limits().timeout), bytes_max);
    let stat = objects.put(&sending.key, kind, content, &sending.condition).await?;
    let status = if sending.condition == super::Condition::Absent { StatusCode::CREATED } else { StatusCode::OK };
    Ok((stat, status))
}

/// The pieces of a body, each of which must come in time.
fn prompt(body: Body, timeout: Duration) -> impl Stream<Item = Result<Bytes, ObjectError>> + Send {
    futures_util::stream::unfold(Some(body.into_data_stream()), move |pieces| async move {
        let mut pieces = pieces?;
        match tokio::time::timeout(timeout, pieces.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(piece))) => Some((Ok(piece), Some(pieces))),
            Ok(Some(Err(_))) | Err(_) => Some((Err(ObjectError::Cut), None)),
        }
    })
}

fn refused(error: &ObjectError) -> Response {
    let status = match error {
        ObjectError::NotFound(_) | ObjectError::NotObject(_) => StatusCode::NOT_FOUND,
        ObjectError::Exists(_) | ObjectError::Conflict { .. } | ObjectError::Etag => StatusCode::PRECONDITION_FAILED,
        ObjectError::Condition(_) => StatusCode::UNPROCESSABLE_ENTITY,
        ObjectError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        ObjectError::Full(_) => StatusCode::INSUFFICIENT_STORAGE,
        ObjectError::Range(_) => StatusCode::RANGE_NOT_SATISFIABLE,
        ObjectError::MediaType | ObjectError::OtherMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ObjectError::Cut => StatusCode::BAD_REQUEST,
        ObjectError::Timeout => StatusCode::GATEWAY_TIMEOUT,
        ObjectError::Corrupt(_) => StatusCode::INTERNAL_SERVER_ERROR,
        ObjectError::Busy | ObjectError::Refused | ObjectError::Unavailable | ObjectError::NoLinks => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    (status, Json(json!({"code": error.code(), "message": error.to_string()}))).into_response()
}
