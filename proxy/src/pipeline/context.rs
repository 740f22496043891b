//! What one message carries along the way besides its proofs: who, where, when, and what has been recorded of it.

use std::{
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use doorward_message::{Id, Message, MessageKind, Method, Revision};
use futures_util::FutureExt as _;

use super::{
    accept::Accepted,
    admit::{
        Admitted,
        admission::{ActiveSession, Caller},
    },
    arrival::Arrival,
    authorize::enforcement::{self, Permitted, Verdict, authorize},
    dispatch::{
        Server, Upstream,
        keeper::fetch_within,
        upstream::{Reply, ReplyBody},
    },
    door::Door,
    filter::{Bounds, Expected, Screen, Sealing},
    observe::Observer,
    observe::audit::record::{Target, TargetKind},
    snapshot::{Route, Snapshot},
};
use crate::model::{
    Ask, Binding, ClientCapabilities, Decider, Decision, DecisionId, Dropped, Facts, Fault, Rejection, Tally,
};

/// One downstream peer: how its body is read and how it is noticed that it went away.
#[async_trait::async_trait]
pub trait Downstream: Send {
    /// Reads the whole body, within `bytes_max`.
    async fn body(&mut self, bytes_max: usize) -> Result<Bytes, Stop>;

    /// Resolves when the peer has gone.
    async fn gone(&mut self);
}

/// Why a message went no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Refused by design; with the id to echo.
    Refused(Rejection, Option<Id>),
    /// Something broke; with the id to echo.
    Broken(Fault, Option<Id>),
}

impl Stop {
    /// The same with the id to echo.
    #[must_use]
    pub fn with_id(self, id: Option<Id>) -> Self {
        match self {
            Self::Refused(rejection, None) => Self::Refused(rejection, id),
            Self::Broken(fault, None) => Self::Broken(fault, id),
            known => known,
        }
    }
}

impl<R: Into<Rejection>> From<R> for Stop {
    fn from(rejection: R) -> Self {
        Self::Refused(rejection.into(), None)
    }
}

impl From<super::accept::message::Refused> for Stop {
    fn from(refused: super::accept::message::Refused) -> Self {
        Self::Refused(refused.rejection, refused.id)
    }
}

/// One caller at one route, under one snapshot.
#[derive(Clone)]
pub struct Context {
    /// The process.
    pub door: Arc<Door>,
    /// The state this message is decided under.
    pub snapshot: Arc<Snapshot>,
    /// Where it goes.
    pub route: Arc<Route>,
    /// Who sends it.
    pub caller: Caller,
    /// The stdio connection it came on.
    pub connection: Option<u64>,
}

impl Context {
    /// The facts of a message.
    pub fn facts(&self, revision: Revision, in_session: bool) -> Facts {
        Facts {
            revision,
            transport: self.caller.transport,
            client_address: self.caller.client,
            time_unix_s: unix_s(),
            in_session,
            approved: false,
        }
    }

    /// A decider that stays with this snapshot.
    pub fn pinned(&self, facts: Facts) -> Arc<dyn Decider> {
        Arc::new(self.snapshot.pdp.bind(Arc::clone(&self.caller.principal), facts, self.route.server.name()))
    }

    /// A decider that asks whatever snapshot is current: for the later messages of a stream.
    pub fn current(&self, facts: Facts) -> Arc<dyn Decider> {
        Arc::new(Current { context: self.clone(), facts })
    }

    /// This context, once the tools of the upstream are known where the message needs them. A catalogue that cannot be
    /// had leaves it as it is: the call is then refused.
    pub async fn with_catalogue(&self, admitted: &Admitted) -> Self {
        let server = &self.route.server;
        let message = &admitted.accepted().message;
        let known = self.snapshot.pdp.catalogue(server.name());
        // A call is decided by it, and a list by what could be called of it.
        if !matches!(message.method(), Some(Method::ToolsCall | Method::ToolsList)) {
            return self.clone();
        }
        if let Some(catalogue) = known
            && !self.asks_again(message)
        {
            if message.name().is_some_and(|name| catalogue.tool(name).is_none()) {
                server.stale.notify_one();
            }
            return self.clone();
        }
        // Nothing is asked, and no child started, for somebody who is refused whatever it says.
        if !self.matters_to(admitted) {
            return self.clone();
        }
        let session = admitted.session();
        let revision = admitted.accepted().revision;
        let upstream_session = session.and_then(|session| session.state.upstream_session.clone());
        let limits = &self.snapshot.base.upstream_limits;
        let fetched = fetch_within(&self.door, server, limits, revision, upstream_session, admitted.owner());
        if let Err(error) = fetched.await {
            tracing::warn!(upstream = %server.name(), %error, "the catalogue could not be fetched for a call");
        }
        Self { snapshot: self.door.snapshot(), ..self.clone() }
    }

    fn matters_to(&self, admitted: &Admitted) -> bool {
        let message = &admitted.accepted().message;
        let server = self.route.server.name();
        match (message.method(), message.name()) {
            (Some(Method::ToolsCall), Some(tool)) => {
                self.snapshot.pdp.may_concern(server, tool, &self.caller.principal)
            }
            (Some(Method::ToolsList), _) => {
                let facts = self.facts(admitted.accepted().revision, admitted.session().is_some());
                enforcement::permits(message, &*self.pinned(facts))
            }
            _ => false,
        }
    }

    /// Whether a child is asked for its tools although they are known: when it has said that they changed, and when they
    /// are listed from the start. No keeper asks it, and what it lists now is what the client will call.
    fn asks_again(&self, message: &Message) -> bool {
        let server = &self.route.server;
        if !matches!(server.upstream(), Upstream::Child(_)) {
            return false;
        }
        let listed = message.method() == Some(&Method::ToolsList)
            && message.params().is_none_or(|params| params.get("cursor").is_none());
        listed || server.stale.notified().now_or_never().is_some()
    }

    /// The screen for the answer to a permitted message.
    pub fn screen(&self, permitted: &Permitted, reply: &Reply) -> Screen {
        let admitted = permitted.admitted();
        let accepted = admitted.accepted();
        let message = &accepted.message;
        let session = admitted.session();
        let declared = match message.method() {
            Some(Method::Initialize) => message.params().and_then(|params| params.get("capabilities")),
            _ => None,
        };
        let expected = Expected {
            id: message.id().cloned().filter(|_| message.kind() == MessageKind::Request),
            method: message.method().cloned(),
            revision: accepted.revision,
            progress_token: message.progress_token().map(|token| token.raw_str().into()),
            wants_logs: message.meta().is_some_and(|meta| meta.get(LOG_LEVEL).is_some()),
            capabilities: accepted
                .capabilities
                .or(session.map(|session| session.state.client))
                .unwrap_or_else(|| ClientCapabilities::read(declared)),
            session: session.map(|session| Arc::clone(&session.state)),
            sealing: accepted.revision.is_modern().then(|| self.sealing(message)),
        };
        let decider = match reply.body {
            // Each later message of a stream is decided under what is then current.
            ReplyBody::Stream(_) => self.current(self.facts(accepted.revision, session.is_some())),
            _ => Arc::clone(permitted.decider()),
        };
        self.screen_with(expected, decider)
    }

    /// The screen for what an upstream sends outside any request.
    pub fn open_screen(&self, session: &ActiveSession) -> Screen {
        let revision = session.state.revision;
        let expected = Expected {
            id: None,
            method: None,
            revision,
            progress_token: None,
            wants_logs: true,
            capabilities: session.state.client,
            session: Some(Arc::clone(&session.state)),
            sealing: None,
        };
        self.screen_with(expected, self.current(self.facts(revision, true)))
    }

    fn screen_with(&self, expected: Expected, decider: Arc<dyn Decider>) -> Screen {
        let base = &self.snapshot.base;
        let tally =
            Arc::new(RouteTally { observer: self.door.observer.clone(), server: Arc::clone(&self.route.server) });
        let bounds = Bounds {
            messages: Arc::clone(&base.upstream_limits),
            description_bytes_max: self.route.server.bounds().description_bytes_max,
        };
        Screen::new(expected, decider, base.masking.clone(), bounds, tally)
    }

    fn sealing(&self, message: &Message) -> Arc<dyn Sealing> {
        Arc::new(Sealed { context: self.clone(), message: message.clone() })
    }

    /// What a handle that comes with this message, or with its answer, is bound to.
    pub fn binding<'a>(&'a self, message: &'a Message) -> Binding<'a> {
        Binding {
            principal: &self.caller.principal,
            route: &self.route.path,
            upstream: self.route.server.name(),
            method: message.method().map_or("", Method::as_str),
            target: message.name().or(message.uri()).unwrap_or_default(),
            arguments: arguments_digest(message),
        }
    }

    /// Forgets a session that has ended at the upstream.
    pub fn end_session(&self, session: &ActiveSession) {
        if let Some(id) = &session.id {
            // Somebody else may have ended it meanwhile: it is gone either way.
            let (principal, route) = (&self.caller.principal, &self.route.path);
            if let Ok(ended) = self.door.sessions.end(id.as_bytes(), principal, route, unix_now()) {
                self.door.session_ended(&ended.state, "tcp");
            }
        }
    }

    /// Asks policy.
    pub fn authorize(&self, admitted: Admitted) -> Verdict {
        let facts = self.facts(admitted.accepted().revision, admitted.session().is_some());
        let table = admitted
            .accepted()
            .message
            .name()
            .filter(|_| admitted.accepted().message.method() == Some(&Method::ToolsCall))
            .and_then(|name| self.snapshot.pdp.catalogue(self.route.server.name())?.tool(name))
            .map(|tool| &tool.headers);
        authorize(admitted, self.pinned(facts), table)
    }
}

/// SHA-256 of the arguments, in one order and spelling: a client may write them anew when it asks again.
fn arguments_digest(message: &Message) -> [u8; 32] {
    let text = message.arguments().map(|arguments| {
        let value: Option<serde_json::Value> = serde_json::from_slice(arguments.raw()).ok();
        value.map_or_else(
            || arguments.raw_str().to_owned(),
            |mut value| {
                value.sort_all_objects();
                value.to_string()
            },
        )
    });
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.unwrap_or_default().as_bytes());
    let mut out = [0; 32];
    out.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    out
}

/// `_meta` key by which a modern client asks for log messages.
const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";

/// Counts for one route, and tells its server's keeper about changed lists.
struct RouteTally {
    observer: Observer,
    server: Arc<Server>,
}

impl Tally for RouteTally {
    fn dropped(&self, reason: Dropped) {
        self.observer.metrics().upstream_dropped(reason.as_str());
    }

    fn redacted(&self, detector: &'static str, count: usize) {
        self.observer.metrics().redacted(detector, count as u64);
    }

    fn list_changed(&self) {
        self.server.stale.notify_one();
    }
}

/// Seals what the answer to one message gives its client to bring back.
struct Sealed {
    context: Context,
    message: Message,
}

impl Sealing for Sealed {
    fn seal(&self, text: &str) -> Result<String, Fault> {
        let binding = self.context.binding(&self.message);
        self.context.door.handles.seal(text, binding, unix_now()).map_err(|_| Fault::Internal)
    }
}

struct Current {
    context: Context,
    facts: Facts,
}

impl Current {
    fn bound(&self) -> impl Decider {
        let facts = Facts { time_unix_s: unix_s(), ..self.facts.clone() };
        let principal = Arc::clone(&self.context.caller.principal);
        self.context.door.snapshot().pdp.bind(principal, facts, self.context.route.server.name())
    }
}

impl Decider for Current {
    fn decide(&self, ask: &Ask<'_>) -> Decision {
        self.bound().decide(ask)
    }

    fn may_list(&self, ask: &Ask<'_>) -> bool {
        self.bound().may_list(ask)
    }
}

/// Now, in seconds since the Unix epoch.
pub fn unix_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|time| i64::try_from(time.as_secs()).ok()).unwrap_or(0)
}

/// Now, in whole seconds since the Unix epoch.
pub fn unix_now() -> u64 {
    u64::try_from(unix_s()).unwrap_or_default()
}

/// What a message is about, for its records.
pub fn target(message: &Message) -> Option<Target> {
    let method = message.method()?;
    let (kind, name) = match method {
        Method::ToolsCall => (TargetKind::Tool, message.name()?),
        Method::PromptsGet => (TargetKind::Prompt, message.name()?),
        Method::CompletionComplete => match (message.name(), message.uri()) {
            (Some(name), _) => (TargetKind::Prompt, name),
            (None, uri) => (TargetKind::Template, uri?),
        },
        _ => match (message.uri(), message.task_id()) {
            (Some(uri), _) => (TargetKind::Resource, uri),
            (None, task) => (TargetKind::Task, task?),
        },
    };
    Some(Target { kind, name: name.into() })
}

/// Adds what the message itself tells to its records.
pub fn describe(arrival: &mut Arrival, accepted: &Accepted, revision: Revision) {
    let message = &accepted.message;
    arrival.trace(message);
    let method = match message.kind() {
        MessageKind::Request | MessageKind::Notification => message.method().map(Method::as_str),
        MessageKind::Response | MessageKind::ErrorResponse => Some("response"),
    };
    arrival.describe(revision.as_str(), method, target(message), message.id().map(Id::raw));
}

/// The decision id of a message that is refused before it has one.
pub fn decision_id() -> DecisionId {
    super::observe::random::decision_id()
}

/// When something happened, for durations.
pub fn now() -> Instant {
    Instant::now()
}
