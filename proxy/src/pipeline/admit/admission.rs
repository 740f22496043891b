//! Admission of one message: is its session the caller's own, and is the caller within the limits?
//!
//! In: an accepted message and its caller. Out: [`Admitted`]. Refuses with `session.*`, `rate_limit.*` and, once the
//! session has settled the revision, `accept.method_unknown`.

use std::{net::IpAddr, sync::Arc, time::Instant};

use doorward_message::{Message, MessageKind, Method, ParseError, splice::Splice};
use http::{HeaderMap, HeaderValue};

use super::rate_limit::Subject;
use crate::{
    model::{Principal, Rejection, SessionState, Transport, rejection},
    pipeline::{
        accept::{Accepted, head, message::check_method},
        context::{Context, unix_now},
        dispatch::upstream::Owner,
        door::Door,
        snapshot::{Route, Snapshot},
    },
};

/// The legacy session header.
pub const SESSION_ID: &str = "mcp-session-id";

/// Who calls, and from where.
#[derive(Clone)]
pub struct Caller {
    /// The authenticated caller.
    pub principal: Arc<Principal>,
    /// The peer's address.
    pub client: Option<IpAddr>,
    /// How the message came.
    pub transport: Transport,
}

/// A live session with the id the client sees.
#[derive(Clone)]
pub struct ActiveSession {
    /// Its state.
    pub state: Arc<SessionState>,
    /// The sealed id; `None` on stdio.
    pub id: Option<HeaderValue>,
}

/// A message of a caller who may ask.
pub struct Admitted {
    accepted: Accepted,
    session: Option<ActiveSession>,
    owner: Owner,
}

impl Admitted {
    /// The message.
    pub fn accepted(&self) -> &Accepted {
        &self.accepted
    }

    /// Its session.
    pub fn session(&self) -> Option<&ActiveSession> {
        self.session.as_ref()
    }

    /// Whose child process serves it. An `initialize` brings the key of the session it opens.
    pub fn owner(&self) -> Owner {
        self.owner
    }
}

/// Finds the session a legacy HTTP request names.
///
/// # Errors
/// [`rejection::Session`]: the same answer for every id that is not a live one of this caller on this route.
pub fn find_session(
    door: &Door,
    headers: &HeaderMap,
    route: &Route,
    principal: &Principal,
) -> Result<ActiveSession, Rejection> {
    let id = head::single(headers, SESSION_ID, rejection::Accept::MalformedHttp)?;
    let id = id.ok_or(rejection::Session::Missing)?;
    let found = door.sessions.find(id.as_bytes(), principal, &route.path, unix_now())?;
    Ok(ActiveSession { state: found.state, id: Some(id.clone()) })
}

/// Admits one message. `session` is what the transport found: by header over HTTP, by connection on stdio.
///
/// # Errors
/// See the module.
pub fn admit(context: &Context, mut accepted: Accepted, session: Option<ActiveSession>) -> Result<Admitted, Rejection> {
    let caller = &context.caller;
    if let Some(session) = &session {
        accepted.revision = session.state.revision;
    }
    check_method(&accepted.message, accepted.revision, caller.transport)?;
    limit(&context.snapshot, &context.route, caller, &accepted)?;
    if let (MessageKind::Response | MessageKind::ErrorResponse, Some(session)) = (accepted.message.kind(), &session) {
        let expected = accepted.message.id().is_some_and(|id| session.state.take_answer(id));
        if !expected {
            return Err(rejection::Accept::ResponseUnexpected.into());
        }
    }
    if accepted.revision.is_modern() {
        open_state(context, &mut accepted.message)?;
    }
    let owner = match (context.connection, &session) {
        (Some(connection), _) => Owner::Connection(connection),
        (None, Some(session)) => Owner::Session(session.state.key),
        (None, None) if accepted.revision.is_modern() => Owner::Principal(*caller.principal.digest()),
        (None, None) => {
            context.door.sessions.check_room(&caller.principal, unix_now())?;
            Owner::Session(random_key().ok_or(rejection::Session::LimitReached)?)
        }
    };
    Ok(Admitted { accepted, session, owner })
}

/// Puts the upstream's own `requestState` in the place of the sealed one that the client brought back (MCP 2026-07-28,
/// basic/patterns/mrtr: hostile until shown otherwise). What is decided on and forwarded holds the upstream's text.
fn open_state(context: &Context, message: &mut Message) -> Result<(), Rejection> {
    let Some(state) = message.params().and_then(|params| params.get("requestState")) else {
        return Ok(());
    };
    let foreign = || rejection::Accept::Message(ParseError::ParamInvalid { key: "requestState" });
    let sealed = state.as_str().ok_or_else(foreign)?;
    let text = context.door.handles.open(&sealed, context.binding(message), unix_now()).ok_or_else(foreign)?;
    let bytes = Splice::new(message.bytes()).replace(state.span(), text.as_bytes()).finish().map_err(|_| foreign())?;
    let opened = Message::parse(bytes, &context.snapshot.base.messages.limits).map_err(|_| foreign())?;
    drop(sealed);
    *message = opened;
    Ok(())
}

/// 128 random bits, from which nothing about other sessions follows.
fn random_key() -> Option<[u8; 16]> {
    let mut key = [0; 16];
    aws_lc_rs::rand::fill(&mut key).ok().map(|()| key)
}

/// Whether a message of this kind needs a session to belong to.
pub fn needs_session(accepted: &Accepted) -> bool {
    !accepted.revision.is_modern() && accepted.message.method() != Some(&Method::Initialize)
}

fn limit(snapshot: &Snapshot, route: &Route, caller: &Caller, accepted: &Accepted) -> Result<(), Rejection> {
    let called = accepted.message.name().filter(|_| accepted.message.method() == Some(&Method::ToolsCall));
    // Made-up names share a bucket, so that they cannot be used to get around the limit or to fill the table.
    let known = |name: &&str| {
        let catalogue = snapshot.pdp.catalogue(route.server.name());
        catalogue.is_some_and(|catalogue| catalogue.tool(name).is_some())
    };
    let subject = Subject {
        principal: &caller.principal,
        tool: called.map(|name| Some(name).filter(known).unwrap_or("")),
        upstream: route.server.name(),
        method: accepted.message.method().and_then(Method::known_name).unwrap_or(""),
        client_address: caller.client,
    };
    snapshot.base.rate_limiter.check(&subject, Instant::now()).map_err(Rejection::from)
}
