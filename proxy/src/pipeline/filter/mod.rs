//! What may come back: lists are filtered, data masked, server requests screened.
//!
//! In: a [`Reply`] of the upstream. Out: a [`SafeReply`], the only form in which an upstream's words reach a client.
//! Every message is whole, parsed strictly, checked against what was asked, and masked before its first byte goes down;
//! one that cannot be is withheld (502) or, on a stream, dropped and counted. Invariants: never passes bytes that were
//! not parsed; never forwards a server request that the client did not declare and policy does not permit.
//! To add a step: a method of [`Screen`], called from `screen.rs` in order.

pub mod listing;
pub mod masking;
mod screen;
mod server_request;
pub mod settings;
mod stream;

use bytes::Bytes;
use http::HeaderValue;

pub use self::{
    screen::{Bounds, Expected, Screen, Screened, Sealing},
    stream::{Ending, SafeStream, frame},
};
use crate::{
    model::Fault,
    pipeline::dispatch::{Reply, ReplyBody},
};

/// An answer that may go down.
pub struct SafeReply {
    /// The upstream's session id, for the session layer; never shown to a client.
    pub session: Option<HeaderValue>,
    body: SafeBody,
}

/// The forms of a safe answer.
pub enum SafeBody {
    /// 202 without a body.
    Accepted,
    /// One message.
    Message {
        /// HTTP status.
        status: u16,
        /// The bytes that go down.
        bytes: Bytes,
        /// Whether it is an error response or a result with `isError`.
        is_error: bool,
    },
    /// Messages one by one.
    Stream(Box<SafeStream>),
    /// A bare status with meaning for the protocol (404, 405).
    Status(u16),
}

impl SafeReply {
    /// The answer's body.
    pub fn into_body(self) -> SafeBody {
        self.body
    }

    /// The answer's body, to look at.
    pub fn body(&self) -> &SafeBody {
        &self.body
    }
}

/// Screens an answer.
///
/// # Errors
/// [`Fault::UpstreamInvalid`] where the answer is not one to the question.
pub async fn apply(reply: Reply, mut screen: Screen) -> Result<SafeReply, Fault> {
    let Reply { session, body } = reply;
    let body = match body {
        // A request needs an answer; only notifications and responses are just taken.
        ReplyBody::Accepted if screen.expected().id.is_some() => return Err(Fault::UpstreamInvalid),
        ReplyBody::Accepted => SafeBody::Accepted,
        ReplyBody::Status(status) => SafeBody::Status(status),
        ReplyBody::Stream(events) => SafeBody::Stream(Box::new(SafeStream::new(events, screen))),
        ReplyBody::Message { status, bytes } => message(status, bytes, &mut screen).await?,
    };
    Ok(SafeReply { session, body })
}

/// A JSON body holds exactly the response. The upstream's own 4xx bodies pass with their status: clients tell the
/// server's era by them (MCP 2026-07-28, basic/versioning).
async fn message(status: u16, bytes: Bytes, screen: &mut Screen) -> Result<SafeBody, Fault> {
    match screen.message(bytes).await? {
        Screened::Pass { bytes, is_error, last: true } => Ok(SafeBody::Message { status, bytes, is_error }),
        Screened::Pass { .. } | Screened::Drop(_) if status >= 400 => Ok(SafeBody::Status(status)),
        Screened::Pass { .. } | Screened::Drop(_) => Err(Fault::UpstreamInvalid),
    }
}
