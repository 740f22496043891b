//! Upstreams: the MCP servers behind the routes. Each kind takes an [`Outgoing`] message and gives a [`Reply`].
//!
//! Invariants: a message is sent at most once, unless provably nothing of it was sent or it may be repeated by its
//! nature; the caller's credential never travels; every wait has a deadline; every buffer a bound.
//! To add a kind: a folder here and a variant of [`Upstream`].

pub mod child;
pub mod http;

use ::http::{HeaderName, HeaderValue};
use bytes::Bytes;
use doorward_message::{Revision, sse};

use crate::model::Fault;

/// What is sent on, complete: nothing is added to the message after this.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The message's exact bytes.
    pub body: Bytes,
    /// Protocol revision.
    pub revision: Revision,
    /// The mirrored headers, already checked against the body.
    pub mirrored: Vec<(HeaderName, HeaderValue)>,
    /// The upstream's own session id (legacy).
    pub session: Option<HeaderValue>,
    /// W3C trace context, as header lines.
    pub trace: Vec<(HeaderName, HeaderValue)>,
    /// Whether the answer may be silent for as long as it is open: subscriptions, streams of server messages.
    pub lasting: bool,
    /// On whose behalf, where the upstream keeps a process apart for each.
    pub owner: Owner,
}

/// Whose child process serves a message. Children are never shared between owners unless configured so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A legacy session, by its key.
    Session([u8; 16]),
    /// A principal of the stateless era, by the digest of everything a decision can depend on.
    Principal([u8; 32]),
    /// A stdio connection of ours.
    Connection(u64),
}

/// What an upstream answered.
pub struct Reply {
    /// The session id the upstream gave (legacy `initialize`).
    pub session: Option<HeaderValue>,
    /// The answer.
    pub body: ReplyBody,
}

/// The forms of an answer.
pub enum ReplyBody {
    /// Taken without an answer (202).
    Accepted,
    /// One message; the bytes are not parsed yet.
    Message {
        /// HTTP status of the answer.
        status: u16,
        /// The message's bytes, within `message_bytes_max`.
        bytes: Bytes,
    },
    /// A stream of messages.
    Stream(EventStream),
    /// Refused without a JSON-RPC body, with a status that carries meaning for the protocol (404, 405).
    Status(u16),
}

/// Messages one by one, as the upstream sends them.
pub type EventStream = Box<dyn EventSource>;

/// A source of events. Dropping it ends the exchange: the upstream sees a closed connection, or a cancellation.
#[async_trait::async_trait]
pub trait EventSource: Send {
    /// The next event; `None` at the end. Cancel safe.
    ///
    /// # Errors
    /// A [`Fault`] ends the stream.
    async fn next(&mut self) -> Result<Option<sse::Event>, Fault>;
}
