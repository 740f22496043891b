//! One message and what is recorded of it: exactly one refusal or decision, and one outcome where it went on.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use doorward_message::{Id, Message};
use http::HeaderMap;

use super::{
    accept::RawHead,
    admit::admission::Caller,
    answer::Answer,
    authorize::enforcement::Permitted,
    context::{Context, Stop},
    observe::{
        Observer,
        audit::record::{
            Circumstances, DecisionRecord, Direction, Outcome, OutcomeRecord, RefusalRecord, Target, TargetKind,
        },
        clock,
        metrics::labels::{ErrorType, MethodLabel, Operation},
        traces::{Carrier, Outgoing, SpanRecord, Trace},
    },
    snapshot::Route,
};
use crate::model::{Decision, DecisionId, Fault, Rejection, Transport};

/// See the module.
pub struct Arrival {
    observer: Observer,
    id: DecisionId,
    started: Instant,
    sent: Option<Instant>,
    replied: Option<Instant>,
    state: State,
    circumstances: Circumstances,
    http_trace: TraceHeaders,
    trace: Option<Trace>,
    client_span: [u8; 8],
    upstream_network: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Neither refused nor decided.
    Open,
    /// Decided and permitted: an outcome is due.
    Permitted,
    /// Everything is recorded.
    Closed,
}

impl Arrival {
    /// An HTTP request has come.
    pub fn http(observer: &Observer, raw: &RawHead<'_>) -> Self {
        let mut arrival = Self::new(observer, Transport::Http);
        arrival.circumstances.client_address = raw.client;
        arrival.http_trace = TraceHeaders::read(raw.headers);
        arrival
    }

    /// A line has come.
    pub fn stdio(observer: &Observer, caller: &Caller, route: &Route) -> Self {
        let mut arrival = Self::new(observer, Transport::Stdio);
        arrival.at(route);
        arrival.by(caller);
        arrival
    }

    /// A request whose head could not be read has come.
    pub fn unreadable(observer: &Observer, client: Option<std::net::IpAddr>) -> Self {
        let mut arrival = Self::new(observer, Transport::Http);
        arrival.circumstances.client_address = client;
        arrival
    }

    fn new(observer: &Observer, transport: Transport) -> Self {
        Self {
            observer: observer.clone(),
            id: observer.decision_id(),
            started: Instant::now(),
            sent: None,
            replied: None,
            state: State::Open,
            circumstances: Circumstances::new(transport, Direction::FromClient),
            http_trace: TraceHeaders::default(),
            trace: None,
            client_span: observer.tracer().span_id(),
            upstream_network: "tcp",
        }
    }

    /// The decision id, which the answer carries.
    pub fn id(&self) -> DecisionId {
        self.id
    }

    /// The route is known.
    pub fn at(&mut self, route: &Route) {
        self.circumstances.route = Some(Arc::clone(&route.path));
        self.circumstances.upstream = Some(Arc::clone(route.server.name()));
        self.upstream_network = route.server.network();
    }

    /// The caller is known.
    pub fn by(&mut self, caller: &Caller) {
        self.circumstances.principal = Some(Arc::clone(&caller.principal));
    }

    /// The message is known.
    pub fn describe(
        &mut self,
        revision: &'static str,
        method: Option<&str>,
        target: Option<Target>,
        id: Option<String>,
    ) {
        self.circumstances.revision = Some(revision);
        self.circumstances.method = method.map(Into::into);
        self.circumstances.target = target;
        self.circumstances.jsonrpc_id = id.map(Into::into);
    }

    /// Finds the message's place in its trace, from its `_meta` and the HTTP head.
    pub fn trace(&mut self, message: &Message) {
        // The `_meta` of a request; a client's answer carries none for us.
        let meta = message.params().and_then(|_| message.meta());
        let text = |name| meta.and_then(|meta| meta.get(name)).and_then(|value| value.as_str());
        let (traceparent, tracestate, baggage) = (text("traceparent"), text("tracestate"), text("baggage"));
        let meta = Carrier {
            traceparent: traceparent.as_deref(),
            tracestate: tracestate.as_deref(),
            baggage: baggage.as_deref(),
        };
        let trace = self.observer.tracer().begin(meta, self.http_trace.carrier());
        self.circumstances.trace_id = Some(trace.trace_id);
        self.trace = Some(trace);
    }

    /// The W3C trace context that travels on.
    pub fn outgoing_trace(&self) -> Option<Outgoing> {
        self.trace.as_ref().map(|trace| trace.outgoing(self.client_span))
    }

    /// Policy permits: recorded before anything is sent.
    ///
    /// # Errors
    /// [`Fault::AuditUnavailable`]: nothing may be sent.
    pub async fn permitted(
        &mut self,
        decision: Option<Decision>,
        permitted: &Permitted,
        context: &Context,
    ) -> Result<(), Fault> {
        // A client's answer was decided with the request it answers; it is still recorded.
        let decision = decision.unwrap_or_else(Decision::settled);
        let arguments = permitted.admitted().accepted().message.arguments();
        let record = DecisionRecord {
            id: self.id,
            circumstances: self.circumstances.clone(),
            arguments: arguments.and_then(|arguments| self.observer.arguments_digest(arguments.raw())),
            decision,
            code: None,
            snapshot: Arc::clone(&context.snapshot.hash),
        };
        self.state = State::Closed;
        self.observer.decision(record).await?;
        self.state = State::Permitted;
        self.sent = Some(Instant::now());
        Ok(())
    }

    /// A request about a session itself (`GET`, `DELETE`): decided when `initialize` was, and recorded like a message.
    ///
    /// # Errors
    /// [`Fault::AuditUnavailable`]: nothing may be sent.
    pub async fn settled(&mut self, verb: &str, revision: &'static str, context: &Context) -> Result<(), Fault> {
        self.describe(revision, Some(verb), None, None);
        let record = DecisionRecord {
            id: self.id,
            circumstances: self.circumstances.clone(),
            arguments: None,
            decision: Decision::settled(),
            code: None,
            snapshot: Arc::clone(&context.snapshot.hash),
        };
        self.state = State::Closed;
        self.observer.decision(record).await?;
        self.state = State::Permitted;
        self.sent = Some(Instant::now());
        Ok(())
    }

    /// Nothing to record: a public document, or a batch whose members are recorded one by one.
    pub fn dismiss(&mut self) {
        self.state = State::Closed;
    }

    /// Policy does not permit.
    ///
    /// # Errors
    /// [`Fault::AuditUnavailable`].
    pub async fn denied(
        &mut self,
        decision: Option<Decision>,
        rejection: &Rejection,
        context: &Context,
    ) -> Result<(), Fault> {
        let Some(decision) = decision else {
            return Ok(());
        };
        self.state = State::Closed;
        let record = DecisionRecord {
            id: self.id,
            circumstances: self.circumstances.clone(),
            arguments: None,
            decision,
            code: Some(rejection.public().code),
            snapshot: Arc::clone(&context.snapshot.hash),
        };
        let public = rejection.public();
        self.measure(Some(ErrorType::code(public.code)));
        self.span(public.status, Some(public.code), None, None);
        self.observer.decision(record).await
    }

    /// The upstream has begun to answer.
    pub fn replied(&mut self) {
        self.replied = Some(Instant::now());
    }

    /// The message goes no further: records what has not been recorded yet, and makes the answer.
    pub fn stopped(&mut self, stop: &Stop) -> Answer {
        let (answer, code, fault) = match stop {
            Stop::Refused(rejection, id) => {
                (Answer::rejection(rejection, id.as_ref(), self.id), rejection.public().code, None)
            }
            Stop::Broken(fault, id) => (Answer::fault(*fault, id.as_ref(), self.id), fault.public().code, Some(*fault)),
        };
        match self.state {
            State::Open => {
                self.state = State::Closed;
                self.measure(Some(ErrorType::code(code)));
                self.span(answer.status, Some(code), fault, None);
                self.observer.refused(RefusalRecord {
                    id: self.id,
                    circumstances: self.circumstances.clone(),
                    code,
                    status: Some(answer.status),
                });
            }
            State::Permitted => self.ended(answer.status, Some(code), fault, None, 0),
            State::Closed => {}
        }
        answer
    }

    /// The answer is complete, as the upstream gave it.
    pub fn outcome(&mut self, status: u16, is_error: bool, bytes: usize) {
        self.ended(status, None, None, Some(is_error), bytes);
    }

    /// The answer broke after it had begun.
    pub fn broken(&mut self, fault: Fault, status: u16, bytes: usize) {
        self.ended(status, Some(fault.public().code), Some(fault), None, bytes);
    }

    /// The answer was ended by a later decision: a token that expired, a policy that no longer permits.
    pub fn withdrawn(&mut self, rejection: &Rejection, status: u16, bytes: usize) {
        self.ended(status, Some(rejection.public().code), None, None, bytes);
    }

    /// Hands the recording of the outcome on, to a stream.
    pub fn take(&mut self) -> Option<Self> {
        let rest = Self {
            observer: self.observer.clone(),
            id: self.id,
            started: self.started,
            sent: self.sent,
            replied: self.replied,
            state: self.state,
            circumstances: self.circumstances.clone(),
            http_trace: TraceHeaders::default(),
            trace: self.trace.take(),
            client_span: self.client_span,
            upstream_network: self.upstream_network,
        };
        self.state = State::Closed;
        Some(rest)
    }

    fn ended(
        &mut self,
        status: u16,
        code: Option<&'static str>,
        fault: Option<Fault>,
        is_error: Option<bool>,
        bytes: usize,
    ) {
        if self.state != State::Permitted {
            return;
        }
        self.state = State::Closed;
        let error = match (code, is_error) {
            (Some(code), _) => Some(ErrorType::code(code)),
            (None, Some(true)) => Some(ErrorType::Tool),
            (None, _) => None,
        };
        self.measure(error);
        self.span(status, code, fault, is_error);
        let upstream = self.sent.zip(self.replied).map(|(sent, replied)| replied.duration_since(sent));
        self.observer.outcome(OutcomeRecord {
            id: self.id,
            outcome: Outcome {
                status: (self.circumstances.transport == Transport::Http).then_some(status),
                code,
                rpc_code: None,
                is_error,
                bytes: bytes as u64,
                duration_us: micros(self.started.elapsed()),
                upstream_us: upstream.map(micros),
            },
        });
    }

    /// The SERVER span of the message and the CLIENT span of its way to the upstream, where the trace is sampled.
    fn span(&self, status: u16, code: Option<&'static str>, fault: Option<Fault>, is_error: Option<bool>) {
        let Some(trace) = &self.trace else { return };
        let now = clock::now_unix_ns();
        let before = |since: Instant| now.saturating_sub(u64::try_from(since.elapsed().as_nanos()).unwrap_or(0));
        let method = self.circumstances.method.as_deref().unwrap_or_default();
        let fill = |mut span: SpanRecord| {
            let circumstances = &self.circumstances;
            span.target.clone_from(&circumstances.target);
            span.jsonrpc_id.clone_from(&circumstances.jsonrpc_id);
            span.revision = circumstances.revision;
            span.upstream = circumstances.upstream.as_deref().map(Into::into);
            span.status = (circumstances.transport == Transport::Http).then_some(status);
            span.tool_error = is_error == Some(true);
            span.refusal = code;
            span.fault = fault;
            span.decision_id = Some(self.id);
            span
        };
        let tracer = self.observer.tracer();
        tracer.record(trace, || {
            let mut span = fill(SpanRecord::server(trace, method, before(self.started), now));
            span.network = network(&self.circumstances);
            span.client_address = self.circumstances.client_address;
            span
        });
        if let Some(sent) = self.sent {
            let end = self.replied.map_or(now, before);
            tracer.record(trace, || {
                let mut span = fill(SpanRecord::client(trace, self.client_span, method, before(sent), end));
                span.network = self.upstream_network;
                span
            });
        }
    }

    fn measure(&self, error: Option<ErrorType>) {
        let metrics = self.observer.metrics();
        let names = metrics.names();
        let circumstances = &self.circumstances;
        let named = |kind: TargetKind| {
            let target = circumstances.target.as_ref().filter(|target| target.kind == kind);
            target.map(|target| names.id(&target.name))
        };
        let operation = |network| Operation {
            method: MethodLabel::of(circumstances.method.as_deref().unwrap_or_default()),
            tool: named(TargetKind::Tool),
            prompt: named(TargetKind::Prompt),
            upstream: circumstances.upstream.as_deref().map(|upstream| names.id(upstream)),
            error,
            revision: circumstances.revision,
            network,
        };
        metrics.server_operation(operation(network(circumstances)), self.started.elapsed());
        if let Some(sent) = self.sent {
            metrics.client_operation(operation(self.upstream_network), sent.elapsed());
        }
        if let (Some(sent), Some(replied)) = (self.sent, self.replied) {
            metrics.overhead("request", sent.duration_since(self.started));
            metrics.overhead("response", replied.elapsed());
        }
    }
}

impl Drop for Arrival {
    /// A message whose way was cut (its client left) still has its one record.
    fn drop(&mut self) {
        match self.state {
            State::Permitted => self.broken(Fault::DownstreamClosed, 499, 0),
            State::Open => {
                let _ = self.stopped(&Stop::Broken(Fault::DownstreamClosed, None::<Id>));
            }
            State::Closed => {}
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn network(circumstances: &Circumstances) -> &'static str {
    match circumstances.transport {
        Transport::Stdio => "pipe",
        Transport::Http if circumstances.client_address.is_some() => "tcp",
        Transport::Http => "unix",
    }
}

/// The trace headers of a request; one that is repeated is ignored (W3C Trace Context §3.2).
#[derive(Default)]
struct TraceHeaders {
    traceparent: Option<Box<str>>,
    tracestate: Option<Box<str>>,
    baggage: Option<Box<str>>,
}

impl TraceHeaders {
    fn read(headers: &HeaderMap) -> Self {
        let text = |name| {
            let mut values = headers.get_all(name).iter();
            match (values.next(), values.next()) {
                (Some(value), None) => value.to_str().ok().map(Box::from),
                _ => None,
            }
        };
        Self { traceparent: text("traceparent"), tracestate: text("tracestate"), baggage: text("baggage") }
    }

    fn carrier(&self) -> Carrier<'_> {
        Carrier {
            traceparent: self.traceparent.as_deref(),
            tracestate: self.tracestate.as_deref(),
            baggage: self.baggage.as_deref(),
        }
    }
}
