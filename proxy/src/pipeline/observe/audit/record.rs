//! What is recorded, as typed values, and how it is written: one flat JSON object a record.
//!
//! Every message that reached policy has one [`DecisionRecord`], written before anything is sent upstream, and, where it
//! was allowed, one [`OutcomeRecord`] after it; both carry the decision id. A message refused before policy was asked has
//! exactly one [`RefusalRecord`]. [`Lifecycle`] records tell when the process started and stopped, what it loaded and what
//! could not be recorded.
//!
//! Content: no token, secret, cookie, argument or result ever. Arguments appear as a keyed digest. Everything else that a
//! client or server chose (method, target, id) is length-limited and escaped.
//!
//! To add a field: a member of [`Fields`], its line in [`Fields::write`] in the order of the keys, a row in
//! `docs/audit.md`.

use std::{net::IpAddr, sync::Arc};

use super::{
    canonical::{Form, ObjectWriter},
    digest::ArgumentsDigest,
};
use crate::{
    model::{Decision, DecisionId, Effect, Principal, Transport},
    pipeline::observe::{clock, random, text},
};

/// Characters of a JSON-RPC id that are kept (`jsonrpc.request.id`, see telemetry).
pub const ID_CHARS_MAX: usize = 64;
/// Characters of a method's or target's name, or of a URI, that are kept.
pub const TEXT_CHARS_MAX: usize = 8192;

/// What a message is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What the name names.
    pub kind: TargetKind,
    /// The name as it was sent: untrusted.
    pub name: Box<str>,
}

/// The kinds of things that a message can be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TargetKind {
    /// A tool's name.
    Tool,
    /// A prompt's name.
    Prompt,
    /// A resource's URI.
    Resource,
    /// A resource template.
    Template,
    /// A task's id.
    Task,
}

impl TargetKind {
    /// The value of `target_kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Resource => "resource",
            Self::Template => "template",
            Self::Task => "task",
        }
    }
}

/// Which way the message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the server.
    FromClient,
    /// From the server to the client.
    FromUpstream,
}

impl Direction {
    /// The value of `direction`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FromClient => "from_client",
            Self::FromUpstream => "from_upstream",
        }
    }
}

/// Who, what and where: everything that is known of a message when it is decided or refused.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// The caller, once a token has been verified.
    pub principal: Option<Arc<Principal>>,
    /// The route's path.
    pub route: Option<Arc<str>>,
    /// The upstream's configured name.
    pub upstream: Option<Arc<str>>,
    /// Protocol revision.
    pub revision: Option<&'static str>,
    /// How the message came.
    pub transport: Transport,
    /// Which way it travels.
    pub direction: Direction,
    /// The peer's address.
    pub client_address: Option<IpAddr>,
    /// The JSON-RPC method as it was sent: untrusted.
    pub method: Option<Box<str>>,
    /// What it is about.
    pub target: Option<Target>,
    /// The JSON-RPC id's JSON text.
    pub jsonrpc_id: Option<Box<str>>,
    /// The trace that the message belongs to.
    pub trace_id: Option<[u8; 16]>,
}

impl Circumstances {
    /// Nothing known yet but how and which way the message came.
    pub fn new(transport: Transport, direction: Direction) -> Self {
        Self {
            principal: None,
            route: None,
            upstream: None,
            revision: None,
            transport,
            direction,
            client_address: None,
            method: None,
            target: None,
            jsonrpc_id: None,
            trace_id: None,
        }
    }
}

/// A message was decided by policy.
#[derive(Clone, Debug)]
pub struct DecisionRecord {
    /// Ties it to the answer and to the outcome.
    pub id: DecisionId,
    /// Who, what and where.
    pub circumstances: Circumstances,
    /// The final arguments that were decided on.
    pub arguments: Option<ArgumentsDigest>,
    /// What policy said.
    pub decision: Decision,
    /// The stable code of the refusal, where the effect is deny.
    pub code: Option<&'static str>,
    /// Hash of the policy snapshot.
    pub snapshot: Arc<str>,
}

/// A message was refused before policy was asked.
#[derive(Clone, Debug)]
pub struct RefusalRecord {
    /// Ties it to the answer.
    pub id: DecisionId,
    /// As far as it is known.
    pub circumstances: Circumstances,
    /// The stable code.
    pub code: &'static str,
    /// HTTP status of the answer; `None` on stdio.
    pub status: Option<u16>,
}

/// How an allowed message ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// HTTP status of the answer; `None` on stdio.
    pub status: Option<u16>,
    /// The stable code of the fault or late refusal; `None` where the upstream's answer was passed on.
    pub code: Option<&'static str>,
    /// The JSON-RPC error code of the answer.
    pub rpc_code: Option<i32>,
    /// Whether a tool's result says `isError`.
    pub is_error: Option<bool>,
    /// Bytes sent down.
    pub bytes: u64,
    /// From the message's arrival to its last byte sent down, in microseconds.
    pub duration_us: u64,
    /// Of it: waiting for the upstream, in microseconds.
    pub upstream_us: Option<u64>,
}

/// How an allowed message ended, with the decision that allowed it.
#[derive(Clone, Debug)]
pub struct OutcomeRecord {
    /// The decision's id.
    pub id: DecisionId,
    /// How it ended.
    pub outcome: Outcome,
}

/// What happened to the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    /// The process started recording. Always the first record of a chain.
    Start {
        /// Our version.
        version: &'static str,
        /// Bytes of an incomplete last line (a crash in the middle of a write) that were cut off.
        truncated_bytes: Option<u64>,
    },
    /// The process stopped recording, in order.
    Stop,
    /// The file was reopened: what follows may stand in a new file.
    Reopen,
    /// A new configuration and policy snapshot took effect.
    Snapshot {
        /// Hash of the new snapshot.
        snapshot: Arc<str>,
    },
    /// A reload was refused; the old state stays.
    ReloadRefused {
        /// The stable code of the reason.
        code: &'static str,
    },
    /// So many records could not be kept since the record before (mode `best_effort`).
    Lost {
        /// How many.
        count: u64,
    },
}

impl Lifecycle {
    fn kind(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::Stop => "stop",
            Self::Reopen => "reopen",
            Self::Snapshot { .. } => "snapshot",
            Self::ReloadRefused { .. } => "reload_refused",
            Self::Lost { .. } => "lost",
        }
    }
}

/// Any record.
#[derive(Clone, Debug)]
pub enum Record {
    /// Before dispatch.
    Decision(DecisionRecord),
    /// After it.
    Outcome(OutcomeRecord),
    /// Instead of both.
    Refusal(RefusalRecord),
    /// Of the process.
    Lifecycle(Lifecycle),
}

/// A record's place in its chain.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The chain.
    pub chain_uid: &'a str,
    /// The place, from 0, without gaps.
    pub seq: u64,
    /// Fingerprint of the record before; `None` for the very first.
    pub prev: Option<&'a str>,
    /// When it happened, in milliseconds since the Unix epoch.
    pub time_unix_ms: u64,
}

/// Every member that a record can have, in the order of the keys.
#[derive(Default)]
struct Fields<'a> {
    arguments_digest: Option<&'a str>,
    bytes: Option<u64>,
    circumstances: Option<&'a Circumstances>,
    code: Option<&'a str>,
    count: Option<u64>,
    id: Option<DecisionId>,
    decision: Option<&'a Decision>,
    duration_us: Option<u64>,
    is_error: Option<bool>,
    kind: &'a str,
    rpc_code: Option<i32>,
    snapshot: Option<&'a str>,
    status: Option<u16>,
    truncated_bytes: Option<u64>,
    upstream_us: Option<u64>,
    version: Option<&'a str>,
}

impl<'a> Fields<'a> {
    fn of(record: &'a Record, arguments_digest: Option<&'a str>) -> Self {
        match record {
            Record::Decision(decision) => Self {
                kind: "decision",
                arguments_digest,
                circumstances: Some(&decision.circumstances),
                code: decision.code,
                id: Some(decision.id),
                decision: Some(&decision.decision),
                snapshot: Some(&decision.snapshot),
                ..Self::default()
            },
            Record::Refusal(refusal) => Self {
                kind: "refusal",
                circumstances: Some(&refusal.circumstances),
                code: Some(refusal.code),
                id: Some(refusal.id),
                status: refusal.status,
                ..Self::default()
            },
            Record::Outcome(OutcomeRecord { id, outcome }) => Self {
                kind: "outcome",
                bytes: Some(outcome.bytes),
                code: outcome.code,
                id: Some(*id),
                duration_us: Some(outcome.duration_us),
                is_error: outcome.is_error,
                rpc_code: outcome.rpc_code,
                status: outcome.status,
                upstream_us: outcome.upstream_us,
                ..Self::default()
            },
            Record::Lifecycle(event) => Self::of_lifecycle(event),
        }
    }

    fn of_lifecycle(event: &'a Lifecycle) -> Self {
        let fields = Self { kind: event.kind(), ..Self::default() };
        match event {
            Lifecycle::Start { version, truncated_bytes } => {
                Self { version: Some(version), truncated_bytes: *truncated_bytes, ..fields }
            }
            Lifecycle::Snapshot { snapshot } => Self { snapshot: Some(snapshot), ..fields },
            Lifecycle::ReloadRefused { code } => Self { code: Some(code), ..fields },
            Lifecycle::Lost { count } => Self { count: Some(*count), ..fields },
            Lifecycle::Stop | Lifecycle::Reopen => fields,
        }
    }

    fn write(&self, place: &Place<'_>, out: &mut String, form: Form) {
        let known = self.circumstances;
        let principal = known.and_then(|known| known.principal.as_deref());
        let shown = |value: Option<&'a str>| value.map(|value| text::limited(value, TEXT_CHARS_MAX));
        let mut scratch = String::new();
        let mut object = ObjectWriter::new(out, form);
        object.optional("arguments_digest", self.arguments_digest);
        object.integer("bytes", self.bytes);
        object.string("chain_uid", place.chain_uid);
        if let Some(address) = known.and_then(|known| known.client_address) {
            object.string("client_address", written(&mut scratch, address));
        }
        object.optional("client_id", principal.and_then(|principal| principal.client_id.as_deref()));
        object.optional("code", self.code);
        object.integer("count", self.count);
        if let Some(id) = self.id {
            object.string("decision_id", written(&mut scratch, id));
        }
        object.optional("direction", known.map(|known| known.direction.as_str()));
        object.integer("duration_us", self.duration_us);
        object.optional("effect", self.decision.map(|decision| effect(decision.effect)));
        object.strings("errors", self.decision.iter().flat_map(|decision| decision.errors.iter().map(|id| &**id)));
        object.bool("is_error", self.is_error);
        object.optional("issuer", principal.and_then(|principal| principal.issuer.as_deref()));
        let id = known.and_then(|known| known.jsonrpc_id.as_deref());
        object.optional("jsonrpc_id", id.map(|id| text::limited(id, ID_CHARS_MAX)));
        object.string("kind", self.kind);
        object.optional("method", shown(known.and_then(|known| known.method.as_deref())));
        object.strings("policies", self.decision.iter().flat_map(|decision| decision.policies.iter().map(|id| &**id)));
        object.optional("prev", place.prev);
        if let Some(principal) = principal {
            object.string("principal", &principal.display());
        }
        object.optional("revision", known.and_then(|known| known.revision));
        object.optional("route", known.and_then(|known| known.route.as_deref()));
        if let Some(code) = self.rpc_code {
            object.string("rpc_code", written(&mut scratch, code));
        }
        object.integer("seq", Some(place.seq));
        object.optional("snapshot", self.snapshot);
        object.integer("status", self.status.map(u64::from));
        let target = known.and_then(|known| known.target.as_ref());
        object.optional("target", shown(target.map(|target| &*target.name)));
        object.optional("target_kind", target.map(|target| target.kind.as_str()));
        scratch.clear();
        clock::push_rfc3339(&mut scratch, place.time_unix_ms);
        object.string("time", &scratch);
        if let Some(trace_id) = known.and_then(|known| known.trace_id) {
            scratch.clear();
            random::push_hex(&mut scratch, &trace_id);
            object.string("trace_id", &scratch);
        }
        object.optional("transport", known.map(|known| known.transport.as_str()));
        object.integer("truncated_bytes", self.truncated_bytes);
        object.optional("upstream", known.and_then(|known| known.upstream.as_deref()));
        object.integer("upstream_us", self.upstream_us);
        object.optional("version", self.version);
        object.finish();
    }
}

fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Allow => "allow",
        Effect::Deny => "deny",
    }
}

fn written(scratch: &mut String, value: impl std::fmt::Display) -> &str {
    use std::fmt::Write as _;
    scratch.clear();
    // Writing to a string does not fail.
    let _ = write!(scratch, "{value}");
    scratch
}

impl Record {
    /// Appends the record, without fingerprint and line end. `arguments_digest` is what the record's
    /// [`ArgumentsDigest`] resolves to.
    pub fn write(&self, arguments_digest: Option<&str>, place: &Place<'_>, out: &mut String, form: Form) {
        Fields::of(self, arguments_digest).write(place, out, form);
    }
}
