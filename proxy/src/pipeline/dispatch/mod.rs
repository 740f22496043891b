//! To the upstream and back: the message goes out once, with the upstream's own credential, and an answer comes in.
//!
//! In: a `Permitted` message. Out: a [`upstream::Reply`], still unscreened. Invariants: what is sent are the bytes that
//! were decided on, but for the trace context in `_meta`, which no decision reads; the caller's token never travels; the
//! upstream's era is known from its own answers, never guessed from a client's message. To add a kind of upstream, see
//! [`upstream`].

pub mod credential;
pub mod keeper;
mod own;
pub mod settings;
mod trace;
pub mod upstream;

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use doorward_message::{Method, Revision};
use http::{HeaderName, HeaderValue};
use tokio::sync::Notify;

pub use self::upstream::{EventStream, Reply, ReplyBody};
use self::{
    credential::CredentialSource,
    upstream::{Outgoing, child::ChildUpstream, http::HttpUpstream},
};
use super::{
    accept::message::PROTOCOL_VERSION, admit::admission::Caller, authorize::enforcement::Permitted, observe::traces,
};
use crate::{
    catalogue::Bounds,
    model::{Fault, Principal, Rejection, rejection::Accept},
};

/// The kinds of upstreams.
pub enum Upstream {
    /// Streamable HTTP.
    Http(Box<HttpUpstream>),
    /// Child processes over stdio.
    Child(Box<ChildUpstream>),
}

/// One configured upstream.
pub struct Server {
    name: Arc<str>,
    upstream: Upstream,
    credential: Option<CredentialSource>,
    bounds: Bounds,
    eras: AtomicU8,
    /// Asks for a new look at the catalogue.
    pub stale: Notify,
}

const MODERN: u8 = 1;
const LEGACY: u8 = 2;

impl Server {
    /// A server that has not been spoken to yet.
    pub fn new(name: &str, upstream: Upstream, credential: Option<CredentialSource>, bounds: Bounds) -> Self {
        Self { name: name.into(), upstream, credential, bounds, eras: AtomicU8::new(0), stale: Notify::new() }
    }

    /// What is taken of its lists.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// The configured name, the id of its `Mcp::Server`.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// How it is reached: `tcp`, `unix` or `pipe`.
    pub fn network(&self) -> &'static str {
        match &self.upstream {
            Upstream::Http(http) => http.network(),
            Upstream::Child(_) => "pipe",
        }
    }

    /// The upstream itself.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Notes which eras the upstream was seen to speak.
    pub(crate) fn saw_eras(&self, modern: bool, legacy: bool) {
        let eras = if modern { MODERN } else { 0 } | if legacy { LEGACY } else { 0 };
        self.eras.store(eras, Ordering::Relaxed);
    }

    /// A modern message for an upstream that is known to be legacy only. The other way round the upstream's own answer
    /// to `initialize` tells the client.
    fn check_era(&self, revision: Revision) -> Result<(), Rejection> {
        if revision.is_modern() && self.eras.load(Ordering::Relaxed) == LEGACY {
            let legacy = Revision::ALL.iter().filter(|revision| !revision.is_modern());
            return Err(Accept::EraMismatch {
                requested: revision.as_str().into(),
                supported: legacy.map(|revision| revision.as_str()).collect(),
            }
            .into());
        }
        Ok(())
    }

    /// The upstream's credential for this principal. Pools and children are keyed by what it is made from; today one
    /// configured value serves every principal.
    async fn credential(&self, _principal: &Principal) -> Result<Option<upstream::http::Credential>, Fault> {
        match &self.credential {
            Some(source) => source.get().await.map(Some),
            None => Ok(None),
        }
    }

    pub(super) async fn post(&self, outgoing: &Outgoing, principal: &Principal) -> Result<Reply, Fault> {
        match &self.upstream {
            Upstream::Http(http) => http.post(outgoing, self.credential(principal).await?.as_ref()).await,
            Upstream::Child(child) => child.post(outgoing).await,
        }
    }

    /// Opens the stream of server messages of a session.
    ///
    /// # Errors
    /// A [`Fault`] of the upstream.
    pub async fn open_stream(
        &self,
        outgoing: &Outgoing,
        last_event_id: Option<&HeaderValue>,
        principal: &Principal,
    ) -> Result<Reply, Fault> {
        match &self.upstream {
            Upstream::Http(http) => {
                http.open_stream(outgoing, last_event_id, self.credential(principal).await?.as_ref()).await
            }
            Upstream::Child(child) => child.open_stream(outgoing).await,
        }
    }

    /// Ends a session at the upstream.
    ///
    /// # Errors
    /// A [`Fault`] of the upstream.
    pub async fn end_session(&self, outgoing: &Outgoing, principal: &Principal) -> Result<u16, Fault> {
        match &self.upstream {
            Upstream::Http(http) => http.end_session(outgoing, self.credential(principal).await?.as_ref()).await,
            Upstream::Child(child) => child.end_session(outgoing).await,
        }
    }
}

/// Why a permitted message did not get an answer.
#[derive(Debug)]
pub enum DispatchError {
    /// The upstream does not speak the message's era.
    Rejection(Rejection),
    /// Something broke.
    Fault(Fault),
}

impl From<Fault> for DispatchError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Sends a permitted message.
///
/// # Errors
/// [`DispatchError`].
pub async fn forward(
    permitted: &Permitted,
    server: &Server,
    caller: &Caller,
    trace: Option<traces::Outgoing>,
) -> Result<Reply, DispatchError> {
    let accepted = permitted.admitted().accepted();
    server.check_era(accepted.revision).map_err(DispatchError::Rejection)?;
    let session = permitted.admitted().session();
    let mirrored = match session {
        Some(session) => vec![version_header(session.state.revision)],
        None => accepted.mirrored.clone(),
    };
    let outgoing = Outgoing {
        body: trace::body(&accepted.message, trace.as_ref()).map_err(|_| Fault::Internal)?,
        revision: accepted.revision,
        mirrored,
        session: session.and_then(|session| session.state.upstream_session.clone()),
        trace: trace::headers(trace.as_ref()),
        lasting: accepted.message.method() == Some(&Method::SubscriptionsListen),
        owner: permitted.admitted().owner(),
    };
    Ok(server.post(&outgoing, &caller.principal).await?)
}

/// The version header of a legacy session.
pub fn version_header(revision: Revision) -> (HeaderName, HeaderValue) {
    (HeaderName::from_static(PROTOCOL_VERSION), HeaderValue::from_static(revision.as_str()))
}
