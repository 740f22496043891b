//! Batches over Streamable HTTP, in front of rmcp: every member goes to it as a request of its own.
//!
//! In: a POST. Out: one array with the answers, as JSON, or as the last event of a stream when a member has something to
//! say before; 202 where nothing was asked. Refusals: 413, and 400 for a batch that is refused as a whole, or outside of a
//! session of revision 2025-03-26.
//! Limits of the form: a stream that carries a batch cannot be resumed, and asks nothing of the client twice.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use tokio::sync::mpsc;

use super::{Batch, BatchError, is_batch, refusal};
use crate::state::{BatchSlot, Shared};

/// Largest body, in bytes; the same as rmcp's.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Messages of all members that wait for the client.
const BACKLOG: usize = 64;

/// Takes batches apart; lets everything else pass.
pub(in crate::transport) async fn split(shared: &Shared, request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, "Payload Too Large, or broken off").into_response();
    };
    if !is_batch(&body) {
        return single(shared, Request::from_parts(parts, Body::from(body)), next).await;
    }
    if !session(&parts.headers).is_some_and(|id| shared.batches_in(id)) {
        return refused(BatchError::Revision);
    }
    match Batch::read(&body) {
        Ok(batch) => serve(parts, &batch, next).await,
        Err(error) => refused(error),
    }
}

fn session(headers: &HeaderMap) -> Option<&str> {
    headers.get("mcp-session-id")?.to_str().ok()
}

/// Passes a single message on, and notes what session begins with it.
async fn single(shared: &Shared, mut request: Request, next: Next) -> Response {
    if session(request.headers()).is_some() {
        return next.run(request).await;
    }
    let slot = BatchSlot::default();
    request.extensions_mut().insert(slot.clone());
    let response = next.run(request).await;
    if let Some(id) = session(response.headers()) {
        shared.allow_batches(id, &slot);
    }
    response
}

fn refused(error: BatchError) -> Response {
    (StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, "application/json")], error.answer()).into_response()
}

/// The answers to a batch, as they come together.
struct Answers {
    messages: mpsc::Receiver<String>,
    gathered: Vec<String>,
}

impl Answers {
    /// The next message that answers nothing; `None` once every member is done.
    async fn other(&mut self) -> Option<String> {
        loop {
            let message = self.messages.recv().await?;
            if !is_answer(&message) {
                return Some(message);
            }
            self.gathered.push(message);
        }
    }

    fn array(&mut self) -> String {
        format!("[{}]", std::mem::take(&mut self.gathered).join(","))
    }
}

async fn serve(mut parts: Parts, batch: &Batch<'_>, next: Next) -> Response {
    parts.headers.remove(header::CONTENT_LENGTH);
    let (sender, messages) = mpsc::channel(BACKLOG);
    let mut answers = Answers { messages, gathered: batch.refusals.clone() };
    let mut asked = !answers.gathered.is_empty();
    for member in &batch.members {
        let request = Request::from_parts(parts.clone(), Body::from(member.text.to_owned()));
        let response = next.clone().run(request).await;
        if let Some(id) = &member.request {
            asked = true;
            tokio::spawn(read(response, id.clone(), sender.clone()));
        }
    }
    drop(sender);
    if !asked {
        return StatusCode::ACCEPTED.into_response();
    }
    match answers.other().await {
        None => ([(header::CONTENT_TYPE, "application/json")], answers.array()).into_response(),
        Some(first) => stream(first, answers),
    }
}

fn stream(first: String, answers: Answers) -> Response {
    let events = futures_util::stream::unfold((Some(first), Some(answers)), |(first, answers)| async move {
        let mut answers = answers?;
        let message = match first {
            Some(first) => Some(first),
            None => answers.other().await,
        };
        let (text, rest) = match message {
            Some(message) => (message, Some(answers)),
            None => (answers.array(), None),
        };
        Some((Ok::<_, Infallible>(Event::default().data(text)), (None, rest)))
    });
    Sse::new(events).into_response()
}

/// Sends on what rmcp says to one member, whether as events or at once.
async fn read(response: Response, id: Value, sender: mpsc::Sender<String>) {
    let events = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let mut body = response.into_body();
    let mut pending: Vec<u8> = vec![];
    while let Some(Ok(frame)) = body.frame().await {
        pending.extend_from_slice(&frame.into_data().unwrap_or_else(|_| Bytes::new()));
        while events && let Some(end) = pending.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = pending.drain(..end + 2).collect();
            let Some(message) = data(&event) else { continue };
            if sender.send(message).await.is_err() {
                return;
            }
        }
    }
    if !events {
        let whole = String::from_utf8(pending).ok().filter(|text| is_answer(text));
        let message = whole.unwrap_or_else(|| refusal(&id, -32600, "the member was refused"));
        let _gone = sender.send(message).await;
    }
}

/// The data of an event of rmcp's, which is one line of JSON; `None` for comments and empty events.
fn data(event: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(event).ok()?;
    let data = text.lines().find_map(|line| line.strip_prefix("data:"))?.trim();
    (!data.is_empty()).then(|| data.to_owned())
}

#[derive(Deserialize)]
struct Head {
    id: Option<IgnoredAny>,
    method: Option<IgnoredAny>,
}

fn is_answer(message: &str) -> bool {
    matches!(serde_json::from_str(message), Ok(Head { id: Some(_), method: None }))
}
