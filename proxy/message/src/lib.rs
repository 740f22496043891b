//! What a message is: strict JSON, JSON-RPC 2.0 and MCP, without I/O.
//!
//! Everything that decides on, forwards or compares a message starts from the one strict pass of this crate, so that what
//! is decided on is what is forwarded. In → out: bytes → [`Message`]s that hold exactly those bytes and say where their
//! parts are; refusals are [`ParseError`]s with stable codes. Beside it: byte-exact edits ([`splice`]), Server-Sent Events
//! ([`sse`]), the framing of HTTP/1 ([`http_head`], [`http_chunks`]), the header mirror of 2026-07-28 ([`mirror`]) and the check of resource URIs ([`uri`]). Never: I/O, clocks,
//! randomness that shows, policy, or anything that changes a message by itself.

mod error;
pub mod http_chunks;
pub mod http_head;
mod id;
pub mod json;
pub mod keys;
mod limits;
mod message;
mod method;
pub mod mirror;
mod number;
mod revision;
pub mod splice;
pub mod sse;
pub mod uri;

pub use error::{ParseError, Refused};
pub use id::Id;
pub use json::{Json, Kind, Value};
pub use limits::Limits;
pub use message::{Incoming, Message, MessageKind, parse_incoming};
pub use method::{Direction, Method, MethodKind, Target};
pub use revision::Revision;
pub use splice::{Splice, SpliceError};
