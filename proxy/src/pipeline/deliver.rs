//! From a safe reply to an answer for the client; and the documents served in our own name.

use std::sync::Arc;

use bytes::Bytes;
use doorward_message::{Json, Revision};
use http::{HeaderName, HeaderValue, Method as HttpMethod, header};

use super::{
    accept::RawHead,
    admit::{admission::SESSION_ID, session::BeginError},
    answer::{Answer, AnswerBody},
    arrival::Arrival,
    authorize::enforcement::Permitted,
    context::{Context, Stop, unix_now},
    dispatch::upstream::Owner,
    filter::{SafeBody, SafeReply},
    is_initialize,
    live::LiveStream,
    snapshot::Snapshot,
};
use crate::model::{ClientCapabilities, Fault, Rejection, SessionState, Transport, rejection};

/// The protected resource metadata, where `path` is one of its addresses.
pub(super) fn metadata(snapshot: &Snapshot, raw: &RawHead<'_>, path: &str) -> Option<Answer> {
    let route = snapshot.base.metadata.get(path)?;
    if *raw.method != HttpMethod::GET && *raw.method != HttpMethod::HEAD {
        return Some(Answer::empty(405).with(header::ALLOW, HeaderValue::from_static("GET, HEAD")));
    }
    let answer = Answer::json(200, route.resource.metadata().clone());
    Some(answer.with(header::CACHE_CONTROL, HeaderValue::from_static("max-age=300")))
}

/// Adds the challenge of a refused authentication.
pub(super) fn challenged(answer: Answer, challenge: Option<String>) -> Answer {
    match challenge.and_then(|challenge| HeaderValue::try_from(challenge).ok()) {
        Some(challenge) => answer.with(header::WWW_AUTHENTICATE, challenge),
        None => answer,
    }
}

/// Makes the answer, opens a session where the reply settles one, and records the outcome where it is known.
pub(super) async fn deliver(
    context: &Context,
    permitted: &Permitted,
    reply: SafeReply,
    arrival: &mut Arrival,
) -> Result<Answer, Stop> {
    let accepted = permitted.admitted().accepted();
    let initialize = is_initialize(accepted.message.method(), accepted.revision);
    let upstream_session = reply.session.clone();
    let body = match reply.into_body() {
        // The session id is a header, so the answer that settles it must be there before the first byte goes down.
        SafeBody::Stream(stream) if initialize => {
            let (bytes, is_error) = stream.answer().await.map_err(|fault| Stop::Broken(fault, None))?;
            SafeBody::Message { status: 200, bytes, is_error }
        }
        body => body,
    };
    let mut answer = match body {
        SafeBody::Accepted => {
            arrival.outcome(202, false, 0);
            Answer::empty(202)
        }
        SafeBody::Status(status) => return status_only(context, permitted, status, arrival),
        SafeBody::Message { status, bytes, is_error } => {
            let opened = initialize && !is_error && status == 200;
            let mut answer = Answer::json(status, bytes.clone());
            if opened {
                answer = open_session(context, permitted, &bytes, upstream_session, answer)?;
            }
            arrival.outcome(status, is_error, bytes.len());
            answer
        }
        SafeBody::Stream(stream) => stream_answer(LiveStream::new(context, permitted, *stream, arrival.take())),
    };
    if let Some(session) = permitted.admitted().session()
        && let Some(id) = &session.id
        && matches!(answer.body, AnswerBody::Stream(_))
    {
        answer = answer.with(HeaderName::from_static(SESSION_ID), id.clone());
    }
    Ok(answer)
}

pub(super) fn stream_answer(live: LiveStream) -> Answer {
    Answer {
        status: 200,
        headers: vec![
            (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            // Tells buffering proxies in front to pass events as they come.
            (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
        ],
        body: AnswerBody::Stream(Box::new(live)),
        close: false,
        opened: None,
    }
}

/// A bare status: 404 means that the upstream's session has ended, so ours has too.
fn status_only(context: &Context, permitted: &Permitted, status: u16, arrival: &mut Arrival) -> Result<Answer, Stop> {
    match (status, permitted.admitted().session()) {
        (404, Some(session)) => {
            context.end_session(session);
            Err(Rejection::from(rejection::Session::Unknown).into())
        }
        (404, None) => Err(Stop::Broken(Fault::UpstreamRefused, None)),
        _ => {
            arrival.outcome(status, true, 0);
            Ok(Answer::empty(status))
        }
    }
}

/// Opens the session that an `initialize` result settles, and tells its id.
fn open_session(
    context: &Context,
    permitted: &Permitted,
    result: &Bytes,
    upstream_session: Option<HeaderValue>,
    mut answer: Answer,
) -> Result<Answer, Stop> {
    let admitted = permitted.admitted();
    let declared = admitted.accepted().message.params().and_then(|params| params.get("capabilities"));
    let key = match admitted.owner() {
        Owner::Session(key) => key,
        Owner::Principal(_) | Owner::Connection(_) => [0; 16],
    };
    let state = Arc::new(negotiated(context, key, result, upstream_session, ClientCapabilities::read(declared))?);
    if context.caller.transport == Transport::Http {
        let begun = context.door.sessions.begin(
            &context.caller.principal,
            &context.route.path,
            None,
            Arc::clone(&state),
            unix_now(),
        );
        let begun = begun.map_err(|error| match error {
            BeginError::Refused(reason) => Stop::from(Rejection::from(reason)),
            BeginError::Seal(_) => Stop::Broken(Fault::Internal, None),
        })?;
        for displaced in &begun.displaced {
            context.door.session_ended(displaced, "tcp");
        }
        let id = HeaderValue::try_from(begun.id).map_err(|_| Stop::Broken(Fault::Internal, None))?;
        answer = answer.with(HeaderName::from_static(SESSION_ID), id);
    }
    answer.opened = Some(state);
    Ok(answer)
}

/// The session state that an `initialize` result describes.
fn negotiated(
    context: &Context,
    key: [u8; 16],
    result: &Bytes,
    upstream_session: Option<HeaderValue>,
    capabilities: ClientCapabilities,
) -> Result<SessionState, Stop> {
    let limits = &context.snapshot.base.upstream_limits;
    let json = Json::parse(result.clone(), limits).map_err(|_| Stop::Broken(Fault::Internal, None))?;
    let version = json.root().get("result").and_then(|result| result.get("protocolVersion"));
    let version = version.and_then(|version| version.as_str()).and_then(|name| Revision::parse(&name));
    // A revision that is switched off here must not be negotiated past us.
    let offered = &context.snapshot.base.messages.revisions;
    let revision = version.filter(|revision| !revision.is_modern() && offered.contains(revision));
    let revision = revision.ok_or(Stop::Broken(Fault::UpstreamInvalid, None))?;
    Ok(SessionState::new(key, revision, upstream_session, capabilities))
}
