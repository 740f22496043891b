//! The legacy session's own HTTP requests: `GET` opens its stream of server messages, `DELETE` ends it.

use bytes::Bytes;
use doorward_message::Revision;
use http::HeaderName;

use super::{
    accept::{RawHead, head, message::PROTOCOL_VERSION},
    admit::admission::{SESSION_ID, find_session},
    answer::{Answer, AnswerBody},
    arrival::Arrival,
    context::{Context, Stop},
    deliver::stream_answer,
    dispatch::{
        upstream::{Outgoing, Owner, ReplyBody},
        version_header,
    },
    filter::{self, SafeBody},
    from_upstream,
    live::LiveStream,
};
use crate::model::{Fault, Rejection, rejection};

/// Opens the stream of server messages. Without a session there is none: the modern era offers `POST` only.
pub(super) async fn open_stream(context: &Context, raw: &RawHead<'_>, arrival: &mut Arrival) -> Result<Answer, Stop> {
    let session = session(context, raw)?;
    let revision = session.state.revision.as_str();
    arrival.settled("GET", revision, context).await.map_err(|fault| Stop::Broken(fault, None))?;
    let outgoing = outgoing(&session);
    let last_event_id = head::single(raw.headers, "last-event-id", rejection::Accept::MalformedHttp)?;
    let server = &context.route.server;
    let reply = server
        .open_stream(&outgoing, last_event_id, &context.caller.principal)
        .await
        .map_err(|fault| Stop::Broken(fault, None))?;
    if let ReplyBody::Status(status) = reply.body {
        return ended(context, &session, status, arrival);
    }
    let safe =
        filter::apply(reply, from_upstream(context, &session)).await.map_err(|fault| Stop::Broken(fault, None))?;
    let SafeBody::Stream(stream) = safe.into_body() else {
        return Err(Stop::Broken(Fault::UpstreamInvalid, None));
    };
    let mut answer = stream_answer(LiveStream::open(context, *stream, arrival.take()));
    if let Some(id) = session.id {
        answer = answer.with(HeaderName::from_static(SESSION_ID), id);
    }
    debug_assert!(matches!(answer.body, AnswerBody::Stream(_)));
    Ok(answer)
}

/// Ends a session, here and at the upstream.
pub(super) async fn end(context: &Context, raw: &RawHead<'_>, arrival: &mut Arrival) -> Result<Answer, Stop> {
    let session = session(context, raw)?;
    let revision = session.state.revision.as_str();
    arrival.settled("DELETE", revision, context).await.map_err(|fault| Stop::Broken(fault, None))?;
    let status = context
        .route
        .server
        .end_session(&outgoing(&session), &context.caller.principal)
        .await
        .map_err(|fault| Stop::Broken(fault, None))?;
    if status != 405 {
        context.end_session(&session);
    }
    let status = if (200..300).contains(&status) || status == 405 { status } else { 200 };
    arrival.outcome(status, status == 405, 0);
    Ok(Answer::empty(status))
}

fn session(context: &Context, raw: &RawHead<'_>) -> Result<super::admit::admission::ActiveSession, Stop> {
    let version = head::single(raw.headers, PROTOCOL_VERSION, rejection::Accept::HeaderMismatch)?;
    let revision = version.and_then(|version| Revision::parse(version.to_str().ok()?));
    // The modern era has neither of these methods, whatever session a request names.
    if revision.is_some_and(Revision::is_modern) {
        return Err(rejection::Accept::MethodNotAllowed("POST").into());
    }
    find_session(&context.door, raw.headers, &context.route, &context.caller.principal).map_err(|reason| match reason {
        Rejection::Session(rejection::Session::Missing) => rejection::Accept::MethodNotAllowed("POST").into(),
        reason => reason.into(),
    })
}

fn outgoing(session: &super::admit::admission::ActiveSession) -> Outgoing {
    Outgoing {
        body: Bytes::new(),
        revision: session.state.revision,
        mirrored: vec![version_header(session.state.revision)],
        session: session.state.upstream_session.clone(),
        trace: Vec::new(),
        lasting: true,
        owner: Owner::Session(session.state.key),
    }
}

fn ended(
    context: &Context,
    session: &super::admit::admission::ActiveSession,
    status: u16,
    arrival: &mut Arrival,
) -> Result<Answer, Stop> {
    if status == 404 {
        context.end_session(session);
        return Err(Rejection::from(rejection::Session::Unknown).into());
    }
    arrival.outcome(status, true, 0);
    Ok(Answer::empty(status))
}
