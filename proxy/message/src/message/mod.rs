//! JSON-RPC messages of MCP, of either direction.
//!
//! Decides whether a document is one well-formed message (or a batch of them) and what kind. In → out: bytes →
//! [`Incoming`]. Refusals: [`ParseError`], with the id where it is readable. Invariants: a [`Message`] holds exactly its own
//! bytes; its `name`, `uri` and ids are within their limits and free of control characters; no key in the envelope,
//! `params`, `_meta` or `result` is a case variant of a protocol key. Not decided here: whether a method may be sent in this
//! direction, era or state, and anything that needs a header or policy. To bound a further parameter: add it in `params.rs`.

mod params;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use bytes::Bytes;

use crate::json::{Json, Kind, Value};
use crate::{Id, Limits, Method, MethodKind, ParseError, Refused, Target, keys};
use params::Parts;

/// `_meta` key of the revision of a modern request (2026-07-28, §`_meta`).
pub(crate) const META_PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// `_meta` key of the client's capabilities.
pub(crate) const META_CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// What a body, an event or a line holds.
#[derive(Clone, Debug)]
pub enum Incoming {
    /// One message.
    Single(Message),
    /// A JSON-RPC batch of at least one message. Only 2025-03-26 knows them; the caller decides.
    Batch(Vec<Message>),
}

/// The four kinds of JSON-RPC messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// `method` and `id`.
    Request,
    /// `method` without `id`.
    Notification,
    /// `result`.
    Response,
    /// `error`.
    ErrorResponse,
}

/// One JSON-RPC message with exactly its bytes.
#[derive(Clone)]
pub struct Message {
    json: Json,
    kind: MessageKind,
    id: Option<Id>,
    method: Option<Method>,
    parts: Parts,
}

/// Reads a message or a batch.
///
/// # Errors
/// [`Refused`] with the first reason found. A batch is refused as a whole, without id.
pub fn parse_incoming(bytes: Bytes, limits: &Limits) -> Result<Incoming, Refused> {
    let json = Json::parse(bytes, limits)?;
    match json.root().kind() {
        Kind::Object => Message::from_json(json, limits).map(Incoming::Single),
        Kind::Array => batch(&json, limits).map(Incoming::Batch).map_err(Refused::from),
        _ => Err(ParseError::NotAnObject.into()),
    }
}

fn batch(json: &Json, limits: &Limits) -> Result<Vec<Message>, ParseError> {
    let root = json.root();
    let (members, limit) = (root.len(), limits.batch_members_max);
    if members == 0 {
        return Err(ParseError::BatchEmpty);
    }
    if members > limit {
        return Err(ParseError::BatchTooLarge { members, limit });
    }
    root.elements()
        .map(|member| {
            let json = Json::parse(json.bytes().slice(member.span()), limits)?;
            Message::from_json(json, limits).map_err(|refused| refused.error)
        })
        .collect()
}

/// The envelope's members, each where present.
#[derive(Default)]
struct Envelope<'a> {
    version: Option<Value<'a>>,
    id: Option<Value<'a>>,
    method: Option<Value<'a>>,
    params: Option<Value<'a>>,
    result: Option<Value<'a>>,
    error: Option<Value<'a>>,
}

impl<'a> Envelope<'a> {
    fn read(root: Value<'a>) -> Self {
        let mut envelope = Self::default();
        for (key, value) in root.entries() {
            match key.string_bytes().as_ref() {
                b"jsonrpc" => envelope.version = Some(value),
                b"id" => envelope.id = Some(value),
                b"method" => envelope.method = Some(value),
                b"params" => envelope.params = Some(value),
                b"result" => envelope.result = Some(value),
                b"error" => envelope.error = Some(value),
                _ => {}
            }
        }
        envelope
    }
}

impl Message {
    /// Reads one message; a batch is [`ParseError::NotAnObject`] here.
    ///
    /// # Errors
    /// [`Refused`] with the first reason found.
    pub fn parse(bytes: Bytes, limits: &Limits) -> Result<Self, Refused> {
        Self::from_json(Json::parse(bytes, limits)?, limits)
    }

    fn from_json(json: Json, limits: &Limits) -> Result<Self, Refused> {
        let root = json.root();
        if root.kind() != Kind::Object {
            return Err(ParseError::NotAnObject.into());
        }
        let envelope = Envelope::read(root);
        let id = envelope.id.map(|value| Id::read(value, limits));
        let refused = |error| Refused { error, id: id.clone().and_then(Result::ok) };
        keys::refuse_variants(root, keys::ENVELOPE).map_err(refused)?;
        if !envelope.version.is_some_and(|version| version.is_str("2.0")) {
            return Err(refused(ParseError::Version));
        }
        let (kind, method) = classify(&envelope, id.as_ref(), limits).map_err(refused)?;
        let parts = match kind {
            MessageKind::Request | MessageKind::Notification => {
                params::of_call(envelope.params, method.as_ref(), limits)
            }
            MessageKind::Response | MessageKind::ErrorResponse => {
                params::of_answer(envelope.result, envelope.error, limits)
            }
        }
        .map_err(refused)?;
        let id = id.and_then(Result::ok);
        Ok(Self { json, kind, id, method, parts })
    }

    /// Which of the four kinds.
    #[must_use]
    pub fn kind(&self) -> MessageKind {
        self.kind
    }

    /// The id: always there in requests and results, never in notifications; an error response may have none.
    #[must_use]
    pub fn id(&self) -> Option<&Id> {
        self.id.as_ref()
    }

    /// The method of a request or notification.
    #[must_use]
    pub fn method(&self) -> Option<&Method> {
        self.method.as_ref()
    }

    /// `params`, an object.
    #[must_use]
    pub fn params(&self) -> Option<Value<'_>> {
        self.part(self.parts.params)
    }

    /// `result`, an object.
    #[must_use]
    pub fn result(&self) -> Option<Value<'_>> {
        self.part(self.parts.result)
    }

    /// `error`, an object with an integer `code` and a string `message`.
    #[must_use]
    pub fn error(&self) -> Option<Value<'_>> {
        self.part(self.parts.error)
    }

    /// `params.name`, or the name in a prompt's `params.ref`, decoded, of methods whose target it is.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.parts.name.as_deref()
    }

    /// `params.uri`, or the URI template in `params.ref`, decoded, of methods whose target it is. Not yet canonical.
    #[must_use]
    pub fn uri(&self) -> Option<&str> {
        self.parts.uri.as_deref()
    }

    /// `params.taskId`, decoded.
    #[must_use]
    pub fn task_id(&self) -> Option<&str> {
        self.parts.task_id.as_deref()
    }

    /// The parameter that names what the method acts on, where it is missing. To be asked once the method is known to
    /// exist under the message's revision: for an unknown method that answer comes first.
    #[must_use]
    pub fn missing_target(&self) -> Option<&'static str> {
        let target = self.method.as_ref()?.target();
        let there = match target {
            Target::None => true,
            Target::Name => self.parts.name.is_some(),
            Target::Uri => self.parts.uri.is_some(),
            Target::TaskId => self.parts.task_id.is_some(),
            Target::Ref => self.parts.name.is_some() || self.parts.uri.is_some(),
        };
        target.key().filter(|_| !there)
    }

    /// `params.arguments`, an object.
    #[must_use]
    pub fn arguments(&self) -> Option<Value<'_>> {
        self.part(self.parts.arguments)
    }

    /// `params._meta` or `result._meta`, an object.
    #[must_use]
    pub fn meta(&self) -> Option<Value<'_>> {
        self.part(self.parts.meta)
    }

    /// The revision named in `_meta` of a modern request, decoded but not looked up.
    #[must_use]
    pub fn protocol_version(&self) -> Option<Cow<'_, str>> {
        self.params()?;
        self.meta()?.get(META_PROTOCOL_VERSION)?.as_str()
    }

    /// Whether `_meta` names a revision, which only modern requests do (§Versioning, backward compatibility).
    #[must_use]
    pub fn is_modern(&self) -> bool {
        self.protocol_version().is_some()
    }

    /// The client's capabilities in `_meta` of a modern request.
    #[must_use]
    pub fn client_capabilities(&self) -> Option<Value<'_>> {
        self.params()?;
        self.meta()?.get(META_CLIENT_CAPABILITIES)
    }

    /// `params._meta.progressToken`, a string or a number.
    #[must_use]
    pub fn progress_token(&self) -> Option<Value<'_>> {
        self.params()?;
        self.meta()?.get("progressToken")
    }

    /// Exactly this message's bytes.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        self.json.bytes()
    }

    /// The whole message.
    #[must_use]
    pub fn value(&self) -> Value<'_> {
        self.json.root()
    }

    /// The document, for edits and masking.
    #[must_use]
    pub fn json(&self) -> &Json {
        &self.json
    }

    fn part(&self, index: Option<u32>) -> Option<Value<'_>> {
        index.map(|index| self.json.value_at(index))
    }
}

impl std::fmt::Debug for Message {
    /// Kind and method only: the rest may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message")
            .field("kind", &self.kind)
            .field("method", &self.method.as_ref().and_then(Method::known_name))
            .field("bytes", &self.bytes().len())
            .finish_non_exhaustive()
    }
}

/// JSON-RPC 2.0 §4 and §5; exactly one of `method`, `result`, `error`, and an id where the kind has one.
fn classify(
    envelope: &Envelope<'_>,
    id: Option<&Result<Id, ParseError>>,
    limits: &Limits,
) -> Result<(MessageKind, Option<Method>), ParseError> {
    match (envelope.method, envelope.result, envelope.error) {
        (Some(method), None, None) => {
            let method = read_method(method, limits)?;
            let kind = match id {
                Some(Ok(_)) => MessageKind::Request,
                Some(Err(error)) => return Err(error.clone()),
                None => MessageKind::Notification,
            };
            match (method.known_name(), method.kind(), kind) {
                (Some(method), Some(MethodKind::Request), MessageKind::Notification) => {
                    Err(ParseError::RequestWithoutId { method })
                }
                (Some(method), Some(MethodKind::Notification), MessageKind::Request) => {
                    Err(ParseError::NotificationWithId { method })
                }
                _ => Ok((kind, Some(method))),
            }
        }
        (None, Some(_), None) if envelope.params.is_none() => match id {
            Some(Ok(_)) => Ok((MessageKind::Response, None)),
            Some(Err(error)) => Err(error.clone()),
            None => Err(ParseError::IdInvalid),
        },
        (None, None, Some(_)) if envelope.params.is_none() => match id {
            Some(Err(error)) if !envelope.id.is_some_and(Value::is_null) => Err(error.clone()),
            // §5: null when the request's id could not be read; MCP leaves it out.
            _ => Ok((MessageKind::ErrorResponse, None)),
        },
        _ => Err(ParseError::Ambiguous),
    }
}

fn read_method(value: Value<'_>, limits: &Limits) -> Result<Method, ParseError> {
    let name = value.as_str().ok_or(ParseError::MethodInvalid)?;
    if name.len() > limits.method_bytes_max {
        return Err(ParseError::MethodTooLong { limit: limits.method_bytes_max });
    }
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(ParseError::MethodInvalid);
    }
    Ok(Method::parse(&name))
}
