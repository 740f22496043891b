//! The message: strictly parsed, its revision known, its mirrored headers equal to its body.

use std::sync::Arc;

use bytes::Bytes;
use doorward_message::{
    Direction, Id, Incoming, Kind, Limits, Message, MessageKind, Method, ParseError, Revision, mirror, parse_incoming,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::head::{is_mirrored, single};
use crate::model::{ClientCapabilities, Rejection, Transport, rejection::Accept};

/// The header that names the revision.
pub const PROTOCOL_VERSION: &str = "mcp-protocol-version";
/// The revision where a legacy request names none (MCP 2025-06-18, basic/transports, "Protocol Version Header").
const ASSUMED: Revision = Revision::V2025_03_26;

/// Which messages are taken.
#[derive(Clone, Debug)]
pub struct MessageRules {
    /// Sizes.
    pub limits: Arc<Limits>,
    /// The revisions that are offered, oldest first.
    pub revisions: Vec<Revision>,
    /// Their names, for answers.
    pub supported: Arc<[&'static str]>,
}

impl MessageRules {
    /// Rules for these limits and revisions.
    pub fn new(limits: Limits, mut revisions: Vec<Revision>) -> Self {
        revisions.sort_unstable();
        revisions.dedup();
        let supported = revisions.iter().map(|revision| revision.as_str()).collect();
        Self { limits: Arc::new(limits), revisions, supported }
    }

    /// The offered revision of this name.
    ///
    /// # Errors
    /// [`Accept::VersionUnsupported`].
    pub fn revision(&self, name: &str) -> Result<Revision, Accept> {
        Revision::parse(name).filter(|revision| self.revisions.contains(revision)).ok_or_else(|| {
            let requested: String = name.chars().take(32).collect();
            Accept::VersionUnsupported { requested: requested.into(), supported: Arc::clone(&self.supported) }
        })
    }
}

/// One accepted message.
#[derive(Clone)]
pub struct Accepted {
    /// The message.
    pub message: Message,
    /// Its revision; for a legacy message outside `initialize`, as its header says, until the session is known.
    pub revision: Revision,
    /// The headers that travel with it: the version and, in the modern era, the checked mirror.
    pub mirrored: Vec<(HeaderName, HeaderValue)>,
    /// What the client declared with this very request (modern era).
    pub capabilities: Option<ClientCapabilities>,
}

/// The members of a batch of revision 2025-03-26.
pub struct Batch(pub Vec<Accepted>);

/// What a body holds.
pub enum Body {
    /// One message.
    Single(Accepted),
    /// A batch.
    Batch(Batch),
}

/// A refused message with its id, where that could be read, to be echoed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The reason.
    pub rejection: Rejection,
    /// The id.
    pub id: Option<Id>,
}

impl From<doorward_message::Refused> for Refused {
    fn from(refused: doorward_message::Refused) -> Self {
        Self { rejection: Accept::from(refused.error).into(), id: refused.id }
    }
}

/// Reads the body of a `POST`.
///
/// # Errors
/// [`Refused`].
pub fn http(headers: &HeaderMap, body: Bytes, rules: &MessageRules) -> Result<Body, Refused> {
    match parse_incoming(body, &rules.limits)? {
        Incoming::Single(message) => {
            let id = message.id().cloned();
            accepted(message, headers, rules)
                .map(Body::Single)
                .map_err(|reason| Refused { rejection: reason.into(), id })
        }
        Incoming::Batch(messages) => batch(messages, headers, rules)
            .map(Body::Batch)
            .map_err(|reason| Refused { rejection: reason.into(), id: None }),
    }
}

/// Reads a line of standard input. `negotiated` is the revision that `initialize` settled on this connection.
///
/// # Errors
/// [`Refused`].
pub fn stdio(line: Bytes, negotiated: Option<Revision>, rules: &MessageRules) -> Result<Accepted, Refused> {
    let Incoming::Single(message) = parse_incoming(line, &rules.limits)? else {
        return Err(Refused { rejection: Accept::BatchForbidden.into(), id: None });
    };
    let id = message.id().cloned();
    let refused = |reason: Accept| Refused { rejection: reason.into(), id: id.clone() };
    let accepted = if message.is_modern() {
        modern(message, rules).map_err(refused)?
    } else if let Some(revision) = negotiated {
        Accepted { message, revision, mirrored: Vec::new(), capabilities: None }
    } else if message.method() == Some(&Method::Initialize) {
        Accepted { message, revision: ASSUMED, mirrored: Vec::new(), capabilities: None }
    } else {
        return Err(refused(Accept::MetaInvalid));
    };
    Ok(accepted)
}

fn accepted(message: Message, headers: &HeaderMap, rules: &MessageRules) -> Result<Accepted, Accept> {
    let header = single(headers, PROTOCOL_VERSION, Accept::HeaderMismatch)?;
    let header = header.map(|value| value.to_str().map_err(|_| Accept::HeaderMismatch)).transpose()?;
    if let Some(version) = message.protocol_version() {
        if header != Some(&*version) {
            return Err(Accept::HeaderMismatch);
        }
        drop(version);
        let mut accepted = modern(message, rules)?;
        accepted.mirrored = mirrored(&accepted.message, headers)?;
        return Ok(accepted);
    }
    legacy(message, header, headers, rules)
}

fn modern(message: Message, rules: &MessageRules) -> Result<Accepted, Accept> {
    let version = message.protocol_version().ok_or(Accept::MetaInvalid)?;
    let revision = rules.revision(&version)?;
    if !revision.is_modern() {
        // A legacy revision is negotiated by `initialize`, never per request.
        return Err(Accept::VersionUnsupported {
            requested: version.as_ref().into(),
            supported: Arc::clone(&rules.supported),
        });
    }
    drop(version);
    let capabilities = message.client_capabilities().filter(|value| value.kind() == Kind::Object);
    let capabilities = ClientCapabilities::read(Some(capabilities.ok_or(Accept::MetaInvalid)?));
    Ok(Accepted { message, revision, mirrored: Vec::new(), capabilities: Some(capabilities) })
}

fn legacy(
    message: Message,
    header: Option<&str>,
    headers: &HeaderMap,
    rules: &MessageRules,
) -> Result<Accepted, Accept> {
    let mirrors = headers.keys().any(|name| is_mirrored(name) && name != PROTOCOL_VERSION);
    let (revision, mirrored) = match header {
        Some(name) => {
            let revision = rules.revision(name)?;
            if revision.is_modern() {
                // The header promises the modern era, and the body does not keep it.
                return Err(Accept::MetaInvalid);
            }
            (revision, vec![(HeaderName::from_static(PROTOCOL_VERSION), HeaderValue::from_static(revision.as_str()))])
        }
        // Mirrored headers without a version: a downgrade, or a client that cannot be understood.
        None if mirrors => return Err(Accept::HeaderMismatch),
        None => (ASSUMED, Vec::new()),
    };
    if message.method() != Some(&Method::Initialize) && !rules.revisions.contains(&revision) {
        return Err(Accept::VersionUnsupported {
            requested: revision.as_str().into(),
            supported: Arc::clone(&rules.supported),
        });
    }
    Ok(Accepted { message, revision, mirrored, capabilities: None })
}

/// Checks `Mcp-Method` and `Mcp-Name` against the body and keeps them, with the `Mcp-Param-*` headers, which are
/// checked once the tool is known (MCP 2026-07-28, basic/transports/streamable-http, "Server Validation").
fn mirrored(message: &Message, headers: &HeaderMap) -> Result<Vec<(HeaderName, HeaderValue)>, Accept> {
    let kept = headers.iter().filter(|(name, _)| is_mirrored(name));
    let kept: Vec<_> = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
    let lines = kept.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
    mirror::check_standard(message, lines).map_err(|_| Accept::HeaderMismatch)?;
    Ok(kept)
}

fn batch(messages: Vec<Message>, headers: &HeaderMap, rules: &MessageRules) -> Result<Batch, Accept> {
    let mut members = Vec::with_capacity(messages.len());
    for message in messages {
        // `initialize` must not be part of a batch (MCP 2025-03-26, basic/lifecycle).
        if message.is_modern() || message.method() == Some(&Method::Initialize) {
            return Err(Accept::BatchForbidden);
        }
        let member = accepted(message, headers, rules)?;
        if !member.revision.has_batches() {
            return Err(Accept::BatchForbidden);
        }
        members.push(member);
    }
    Ok(Batch(members))
}

/// Whether the method exists under the revision that was found, in this direction and on this transport, and says what
/// it acts on.
///
/// # Errors
/// [`Accept::MethodUnknown`]; [`ParseError::ParamInvalid`].
pub fn check_method(message: &Message, revision: Revision, transport: Transport) -> Result<(), Accept> {
    let Some(method) = message.method() else {
        return Ok(());
    };
    // Modern clients cancel over HTTP by closing the stream (MCP 2026-07-28, basic/patterns/cancellation).
    let elsewhere = revision.is_modern() && transport == Transport::Http && message.kind() == MessageKind::Notification;
    if !method.allowed(revision, Direction::ClientToServer) || elsewhere {
        return Err(Accept::MethodUnknown);
    }
    match message.missing_target() {
        Some(key) => Err(Accept::Message(ParseError::ParamInvalid { key })),
        None => Ok(()),
    }
}
