//! A stream on its way to a client: screened events, decided again while it is open, its outcome recorded at the end.
//!
//! Once every `streams.recheck_interval` of an open stream the caller is looked at again: a token that has expired and a
//! policy that no longer permits the request end the stream then; else its client gets a comment.

use std::time::Duration;

use bytes::Bytes;
use doorward_message::{Id, Message};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::{
    answer::{fault_body, rejection_body},
    arrival::Arrival,
    authorize::enforcement,
    context::{Context, unix_s},
    filter::{Ending, SafeStream, frame},
};
use crate::{
    config::units::Span,
    model::{
        Fault, Rejection,
        rejection::{Authentication, Authorization},
    },
};

/// The section `streams`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StreamSettings {
    /// How often an open stream is decided again: one whose token has expired or whose request policy no longer permits
    /// ends then, any other gets a comment, so that nobody on the way takes it for dead. 1s to 30s.
    pub recheck_interval: Span,
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self { recheck_interval: Span::seconds(15) }
    }
}

/// What comes out of a stream.
pub enum Out {
    /// Bytes for the client.
    Event(Bytes),
    /// Nothing for a while: a comment keeps the connection open.
    Quiet,
    /// The end.
    End,
}

/// See the module.
pub struct LiveStream {
    context: Context,
    stream: Option<SafeStream>,
    asked: Option<Message>,
    in_session: bool,
    id: Option<Id>,
    modern: bool,
    arrival: Option<Arrival>,
    look: Interval,
    bytes: usize,
    framed: bool,
}

impl LiveStream {
    /// Gives bare messages instead of events, for stdio.
    #[must_use]
    pub fn unframed(mut self) -> Self {
        self.framed = false;
        self.stream = self.stream.take().map(SafeStream::unframed);
        self
    }

    /// The stream that answers a message.
    pub fn new(
        context: &Context,
        permitted: &enforcement::Permitted,
        stream: SafeStream,
        arrival: Option<Arrival>,
    ) -> Self {
        let admitted = permitted.admitted();
        let message = admitted.accepted().message.clone();
        Self {
            context: context.clone(),
            id: message.id().cloned(),
            modern: admitted.accepted().revision.is_modern(),
            in_session: admitted.session().is_some(),
            asked: Some(message),
            stream: Some(stream),
            arrival,
            look: look(context.snapshot.base.recheck_interval),
            bytes: 0,
            framed: true,
        }
        .counted()
    }

    /// The legacy stream of server messages.
    pub fn open(context: &Context, stream: SafeStream, arrival: Option<Arrival>) -> Self {
        Self {
            context: context.clone(),
            id: None,
            modern: false,
            in_session: true,
            asked: None,
            stream: Some(stream),
            arrival,
            look: look(context.snapshot.base.recheck_interval),
            bytes: 0,
            framed: true,
        }
        .counted()
    }

    fn counted(self) -> Self {
        self.count(1);
        self
    }

    fn count(&self, change: i64) {
        self.context.door.observer.metrics().streams(self.context.route.server.name(), change);
    }

    /// What comes next. Cancel safe only where it is not called again.
    pub async fn next(&mut self) -> Out {
        let Some(stream) = self.stream.as_mut() else {
            return Out::End;
        };
        let next = tokio::select! {
            // Due first: what waited while the client took nothing is not told to one who may not hear it any more.
            biased;
            _ = self.look.tick() => return self.look_again(),
            next = stream.next() => next,
        };
        match next {
            Ok(Some(bytes)) => {
                self.bytes += bytes.len();
                Out::Event(bytes)
            }
            Ok(None) => self.end(None),
            Err(fault) => self.end(Some(Last::Fault(fault))),
        }
    }

    /// Waits for the answer alone, looking at the caller again meanwhile like every open stream.
    pub async fn answer(self) -> Bytes {
        let id = self.id.clone();
        let mut stream = self.unframed();
        loop {
            match stream.next().await {
                Out::Event(bytes) if stream.is_answered() => {
                    stream.finish(None);
                    return bytes;
                }
                Out::Event(_) | Out::Quiet => {}
                // Closed before its answer: recorded already.
                Out::End => return fault_body(Fault::UpstreamClosed, id.as_ref(), super::context::decision_id()),
            }
        }
    }

    fn is_answered(&self) -> bool {
        self.stream.as_ref().is_none_or(|stream| stream.screen().is_answered())
    }

    /// Whether the client's going away cancels the request.
    pub fn ends_with_client(&self) -> bool {
        self.modern || self.asked.is_none()
    }

    /// The client has gone. A modern request is cancelled; a legacy one runs to its end, unheard, in the place of its
    /// connection: it counts as under way, and a drain waits for it or ends it.
    pub async fn abandon(mut self) {
        if self.ends_with_client() {
            return self.finish(Some(&Last::Fault(Fault::DownstreamClosed)));
        }
        while !matches!(self.next().await, Out::End) {}
    }

    fn look_again(&mut self) -> Out {
        let principal = &self.context.caller.principal;
        let now = u64::try_from(unix_s()).unwrap_or_default();
        if principal.expires_at.is_some_and(|expiry| expiry < now) {
            return self.end(Some(Last::Rejection(Authentication::Expired.into())));
        }
        if let (Some(asked), Some(stream)) = (&self.asked, &self.stream) {
            let facts = self.context.facts(stream.screen().expected().revision, self.in_session);
            let still = enforcement::permits(asked, &*self.context.current(facts));
            if !still {
                return self.end(Some(Last::Rejection(Authorization::Denied.into())));
            }
        }
        Out::Quiet
    }

    /// Ends the stream; a reason is told in a last event, where the request has no answer yet.
    fn end(&mut self, last: Option<Last>) -> Out {
        let answered = self.stream.as_ref().is_none_or(|stream| stream.screen().is_answered());
        let body = match (&last, &self.arrival) {
            (Some(last), Some(arrival)) if !answered && self.id.is_some() => Some(match last {
                Last::Fault(fault) => fault_body(*fault, self.id.as_ref(), arrival.id()),
                Last::Rejection(rejection) => rejection_body(rejection, self.id.as_ref(), arrival.id()),
            }),
            _ => None,
        };
        self.finish(last.as_ref());
        match body {
            Some(body) if self.framed => Out::Event(frame(None, None, body)),
            Some(body) => Out::Event(body),
            None => Out::End,
        }
    }

    fn finish(&mut self, last: Option<&Last>) {
        let ending = self.stream.take().map(|stream| stream.ending());
        let Some(mut arrival) = self.arrival.take() else {
            return;
        };
        match (last, ending) {
            (Some(Last::Rejection(rejection)), _) => arrival.withdrawn(rejection, 200, self.bytes),
            (Some(Last::Fault(fault)), _) => arrival.broken(*fault, 200, self.bytes),
            (None, Some(Ending::Fault(fault))) => arrival.broken(fault, 200, self.bytes),
            (None, Some(Ending::Answered { is_error })) => arrival.outcome(200, is_error, self.bytes),
            (None, Some(Ending::Open) | None) => arrival.outcome(200, false, self.bytes),
        }
    }
}

impl Drop for LiveStream {
    /// A stream that is dropped unfinished still has its outcome recorded.
    fn drop(&mut self) {
        self.count(-1);
        self.finish(Some(&Last::Fault(Fault::DownstreamClosed)));
    }
}

/// Why a stream ends before its upstream ends it.
enum Last {
    Fault(Fault),
    Rejection(Rejection),
}

fn look(every: Duration) -> Interval {
    let mut look = interval_at(Instant::now() + every, every);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    look
}
