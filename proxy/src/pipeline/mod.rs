//! The way of a message: `accept → admit → authorize → dispatch → filter`, with `observe` around it.
//!
//! [`from_client`] is the way of an HTTP request, [`from_line`] that of a line on stdio; both go through [`pass`], the
//! one gate. What an upstream sends by itself comes through [`from_upstream`]. Types carry the progress: only `admit`
//! makes an `Admitted`, only `authorize` a `Permitted`, only `filter` a `SafeReply`.

pub mod accept;
pub mod admit;
pub mod answer;
mod arrival;
pub mod authorize;
mod batch;
pub mod context;
mod deliver;
pub mod dispatch;
pub mod door;
pub mod filter;
pub mod live;
pub mod observe;
mod sessions;
pub mod snapshot;

use std::sync::Arc;

use bytes::Bytes;
use doorward_message::{Method, Revision};

use self::{
    accept::{Accepted, Body, RawHead, Verb, head, message},
    admit::admission::{self, ActiveSession, Caller},
    answer::Answer,
    arrival::Arrival,
    authorize::enforcement::{Permitted, Verdict},
    context::{Context, Downstream, Stop},
    dispatch::{DispatchError, upstream::Reply},
    door::Door,
    snapshot::Snapshot,
};
use crate::model::{Fault, Rejection, Transport, rejection};

/// An HTTP request of a client: the whole way, on one screen. Always answers.
pub async fn from_client(door: &Arc<Door>, raw: &RawHead<'_>, downstream: &mut dyn Downstream) -> Answer {
    let mut arrival = Arrival::http(&door.observer, raw);
    let snapshot = door.snapshot();
    let path = match head::check_transport(raw, &snapshot.base.heads) {
        Ok(path) => path,
        Err(reason) => return arrival.stopped(&reason.into()),
    };
    if let Some(document) = deliver::metadata(&snapshot, raw, path) {
        arrival.dismiss();
        return document;
    }
    match request(door, snapshot, raw, path, downstream, &mut arrival).await {
        Ok(answer) => answer,
        Err((stop, challenge)) => deliver::challenged(arrival.stopped(&stop), challenge),
    }
}

type Challenged<T> = Result<T, (Stop, Option<String>)>;

async fn request(
    door: &Arc<Door>,
    snapshot: Arc<Snapshot>,
    raw: &RawHead<'_>,
    path: &str,
    downstream: &mut dyn Downstream,
    arrival: &mut Arrival,
) -> Challenged<Answer> {
    let plain = |stop: Stop| (stop, None);
    let route = snapshot.base.routes.get(path).cloned();
    let route = route.ok_or_else(|| plain(rejection::Accept::PathUnknown.into()))?;
    arrival.at(&route);
    // Who calls is settled before a byte of the body is read, whatever the method.
    let principal = admit::identify(&snapshot, &route, raw.headers)
        .await
        .map_err(|reason| (reason.into(), route.resource.challenge(reason)))?;
    let caller = Caller { principal, client: raw.client, transport: Transport::Http };
    arrival.by(&caller);
    let head = head::check_endpoint(raw, &snapshot.base.heads).map_err(|reason| plain(reason.into()))?;
    let context = Context { door: Arc::clone(door), snapshot, route, caller, connection: None };
    match head.verb {
        Verb::Post => {
            let bytes = downstream.body(context.snapshot.base.heads.body_bytes_max).await.map_err(plain)?;
            match message::http(raw.headers, bytes, &context.snapshot.base.messages)
                .map_err(|refused| plain(refused.into()))?
            {
                Body::Single(accepted) => {
                    let session = session_of(&context, raw, &accepted).map_err(plain)?;
                    pass(&context, accepted, session, downstream, arrival).await.map_err(plain)
                }
                Body::Batch(batch) => {
                    arrival.dismiss();
                    batch::pass_all(&context, raw, batch, downstream).await.map_err(plain)
                }
            }
        }
        Verb::Get => sessions::open_stream(&context, raw, arrival).await.map_err(plain),
        Verb::Delete => sessions::end(&context, raw, arrival).await.map_err(plain),
    }
}

/// Reads a line of a stdio client, or makes the refusal that answers it.
///
/// # Errors
/// The answer.
pub fn read_line(context: &Context, line: Bytes, session: Option<&ActiveSession>) -> Result<Accepted, Box<Answer>> {
    let negotiated = session.map(|session| session.state.revision);
    message::stdio(line, negotiated, &context.snapshot.base.messages)
        .map_err(|refused| Box::new(refuse_line(context, &refused.into())))
}

/// Refuses a line of a stdio client, recorded like every other refusal.
pub fn refuse_line(context: &Context, stop: &Stop) -> Answer {
    Arrival::stdio(&context.door.observer, &context.caller, &context.route).stopped(stop)
}

/// An accepted line of a stdio client goes through the same gate as an HTTP request. Always answers; a notification's
/// answer is for nobody.
pub async fn from_line(
    context: &Context,
    accepted: Accepted,
    session: Option<ActiveSession>,
    downstream: &mut dyn Downstream,
) -> Answer {
    let mut arrival = Arrival::stdio(&context.door.observer, &context.caller, &context.route);
    let session = session.filter(|_| !accepted.revision.is_modern());
    match pass(context, accepted, session, downstream, &mut arrival).await {
        Ok(answer) => answer,
        Err(stop) => arrival.stopped(&stop),
    }
}

/// The one gate: `admit → authorize → dispatch → filter` for one accepted message.
async fn pass(
    context: &Context,
    accepted: Accepted,
    session: Option<ActiveSession>,
    downstream: &mut dyn Downstream,
    arrival: &mut Arrival,
) -> Result<Answer, Stop> {
    let id = accepted.message.id().cloned();
    let echo = |stop: Stop| stop.with_id(id.clone());
    context::describe(arrival, &accepted, accepted.revision);
    let admitted = admit::admit(context, accepted, session).map_err(|rejection| echo(rejection.into()))?;
    let context = &context.with_catalogue(&admitted).await;
    let permitted = match context.authorize(admitted) {
        Verdict::Permit(permitted, decision) => {
            arrival.permitted(decision, &permitted, context).await.map_err(|fault| echo(Stop::Broken(fault, None)))?;
            permitted
        }
        Verdict::Refuse(rejection, decision) => {
            arrival.denied(decision, &rejection, context).await.map_err(|fault| echo(Stop::Broken(fault, None)))?;
            return Err(echo(rejection.into()));
        }
    };
    let reply = forward(context, &permitted, downstream, arrival).await.map_err(echo)?;
    arrival.replied();
    let screen = context.screen(&permitted, &reply);
    let safe = filter::apply(reply, screen).await.map_err(|fault| echo(Stop::Broken(fault, None)))?;
    deliver::deliver(context, &permitted, safe, arrival).await.map_err(echo)
}

/// Sends the message. In the modern era a client that goes away cancels its request; in the legacy one it does not
/// (MCP 2025-11-25, basic/transports: "Disconnection … SHOULD NOT be interpreted as the client cancelling").
async fn forward(
    context: &Context,
    permitted: &Permitted,
    downstream: &mut dyn Downstream,
    arrival: &Arrival,
) -> Result<Reply, Stop> {
    let modern = permitted.admitted().accepted().revision.is_modern();
    // Pinned: passed by value, the whole of a large future would be copied.
    let mut sent =
        std::pin::pin!(dispatch::forward(permitted, &context.route.server, &context.caller, arrival.outgoing_trace()));
    let reply = if modern {
        tokio::select! {
            reply = &mut sent => reply,
            () = downstream.gone() => Err(DispatchError::Fault(Fault::DownstreamClosed)),
        }
    } else {
        sent.await
    };
    reply.map_err(|error| match error {
        DispatchError::Rejection(rejection) => Stop::Refused(rejection, None),
        DispatchError::Fault(fault) => Stop::Broken(fault, None),
    })
}

fn session_of(context: &Context, raw: &RawHead<'_>, accepted: &Accepted) -> Result<Option<ActiveSession>, Stop> {
    if !admission::needs_session(accepted) {
        return Ok(None);
    }
    let id = accepted.message.id().cloned();
    admission::find_session(&context.door, raw.headers, &context.route, &context.caller.principal)
        .map(Some)
        .map_err(|rejection: Rejection| Stop::Refused(rejection, id))
}

/// Screens what an upstream sends by itself outside any request: the legacy `GET` stream, the unasked lines of a child.
pub fn from_upstream(context: &Context, session: &ActiveSession) -> filter::Screen {
    context.open_screen(session)
}

/// Whether this message settles a session: the answer to it does.
fn is_initialize(method: Option<&Method>, revision: Revision) -> bool {
    method == Some(&Method::Initialize) && !revision.is_modern()
}

/// A request whose head could not even be read: refused and recorded like every other.
pub fn unreadable(door: &Door, client: Option<std::net::IpAddr>, reason: rejection::Accept) -> Answer {
    Arrival::unreadable(&door.observer, client).stopped(&reason.into())
}
