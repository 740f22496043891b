//! The client side of `doorward wrap`: one connection over our own standard input and output.
//!
//! Lines go through the same gate as HTTP requests. Requests run side by side; `initialize` and notifications are
//! handled in their order, so that nothing overtakes the handshake. Standard output carries messages only.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use doorward_message::{Id, MessageKind, Method};
use tokio::{
    io::{AsyncWriteExt as _, BufReader},
    sync::mpsc,
    task::{AbortHandle, JoinSet},
};

use crate::{
    model::{Fault, rejection::Accept},
    pipeline::{
        self,
        accept::Accepted,
        admit::admission::ActiveSession,
        answer::{Answer, AnswerBody},
        context::{Context, Downstream, Stop},
        dispatch::{
            upstream::{
                Outgoing, Owner, ReplyBody,
                child::lines::{self, Line},
            },
            version_header,
        },
        filter::{self, SafeBody},
        live::Out,
    },
};

/// Lines that may wait for the client to read them.
const TO_CLIENT_MAX: usize = 256;

/// One stdio connection.
pub struct StdioConnection {
    base: Context,
    session: Mutex<Option<ActiveSession>>,
    under_way: Mutex<HashMap<Id, AbortHandle>>,
    listening: Mutex<JoinSet<()>>,
    to_client: mpsc::Sender<Bytes>,
}

/// Serves until standard input ends or `stopped` resolves; then waits for what is under way, at the most for `grace`.
///
/// # Errors
/// Standard input cannot be read.
pub async fn serve(base: Context, stopped: impl Future<Output = ()>, grace: Duration) -> io::Result<()> {
    let (to_client, lines) = mpsc::channel(TO_CLIENT_MAX);
    let writer = tokio::spawn(write(lines));
    let connection = Arc::new(StdioConnection {
        base,
        session: Mutex::default(),
        under_way: Mutex::default(),
        listening: Mutex::default(),
        to_client,
    });
    let mut requests = JoinSet::new();
    let read = connection.read(&mut requests);
    let result = tokio::select! {
        result = read => result,
        () = stopped => Ok(()),
    };
    let finish = async { while requests.join_next().await.is_some() {} };
    if tokio::time::timeout(grace, finish).await.is_err() {
        tracing::warn!("the grace period is over; requests were cut");
    }
    requests.shutdown().await;
    connection.listening().abort_all();
    if let Some(session) = &*connection.session() {
        connection.base.door.session_ended(&session.state, "pipe");
    }
    drop(connection);
    // Everything that was answered is written before the end.
    let _ = tokio::time::timeout(grace, writer).await;
    result
}

impl StdioConnection {
    async fn read(self: &Arc<Self>, requests: &mut JoinSet<()>) -> io::Result<()> {
        let mut stdin = BufReader::with_capacity(64 << 10, tokio::io::stdin());
        loop {
            let bytes_max = self.base.door.snapshot().base.messages.limits.message_bytes_max;
            let line = match lines::read(&mut stdin, bytes_max).await? {
                Line::Whole(line) => line,
                Line::TooLong => {
                    let stop = Stop::from(Accept::BodyTooLarge);
                    self.answer(pipeline::refuse_line(&self.context(), &stop)).await;
                    // The rest of the line is no message.
                    return Ok(());
                }
                Line::End => return Ok(()),
            };
            while requests.try_join_next().is_some() {}
            if !line.iter().all(u8::is_ascii_whitespace) {
                // Under what is current now that it is here: the wait for it may have been long.
                self.line(self.context(), line, requests).await;
            }
        }
    }

    /// The context under what is current.
    fn context(&self) -> Context {
        Context { snapshot: self.base.door.snapshot(), ..self.base.clone() }
    }

    async fn line(self: &Arc<Self>, context: Context, line: Bytes, requests: &mut JoinSet<()>) {
        let session = self.session().clone();
        let accepted = match pipeline::read_line(&context, line, session.as_ref()) {
            Ok(accepted) => accepted,
            Err(answer) => return self.answer(*answer).await,
        };
        let message = &accepted.message;
        if message.method() == Some(&Method::NotificationsCancelled) && accepted.revision.is_modern() {
            self.cancel(&accepted, &context);
        }
        if message.kind() != MessageKind::Request {
            pipeline::from_line(&context, accepted, session, &mut Stays).await;
            return;
        }
        if message.method() == Some(&Method::Initialize) {
            let answer = pipeline::from_line(&context, accepted, session, &mut Stays).await;
            return self.initialized(answer).await;
        }
        self.request(context, accepted, session, requests).await;
    }

    async fn request(
        self: &Arc<Self>,
        context: Context,
        accepted: Accepted,
        session: Option<ActiveSession>,
        requests: &mut JoinSet<()>,
    ) {
        let Some(id) = accepted.message.id().cloned() else {
            return;
        };
        if self.under_way().contains_key(&id) {
            let stop = Stop::Refused(Accept::IdInUse.into(), Some(id));
            return self.answer(pipeline::refuse_line(&context, &stop)).await;
        }
        if self.under_way().len() >= context.snapshot.base.stdio_requests_max {
            let stop = Stop::Broken(Fault::Overloaded, Some(id));
            return self.answer(pipeline::refuse_line(&context, &stop)).await;
        }
        let connection = Arc::clone(self);
        let own = id.clone();
        let mut entry = self.under_way();
        let task = requests.spawn(async move {
            let answer = pipeline::from_line(&context, accepted, session, &mut Stays).await;
            connection.answer(answer).await;
            connection.under_way().remove(&own);
        });
        entry.insert(id, task);
    }

    /// Cancelling is dropping: the child is told by what the request held.
    fn cancel(&self, accepted: &Accepted, context: &Context) {
        let limits = &context.snapshot.base.messages.limits;
        let requested = accepted.message.params().and_then(|params| params.get("requestId"));
        let id = requested.and_then(|id| Id::read(id, limits).ok());
        if let Some(task) = id.and_then(|id| self.under_way().remove(&id)) {
            task.abort();
        }
    }

    /// The session that `initialize` opened; from now on the server may speak by itself.
    async fn initialized(self: &Arc<Self>, answer: Answer) {
        if let Some(state) = answer.opened.clone() {
            let session = ActiveSession { state, id: None };
            *self.session() = Some(session.clone());
            let listening = listen(self.context(), session, self.to_client.clone());
            self.listening().spawn(listening);
        }
        self.answer(answer).await;
    }

    async fn answer(&self, answer: Answer) {
        match answer.body {
            AnswerBody::Empty => {}
            AnswerBody::Whole(body) => self.say(&body).await,
            AnswerBody::Stream(live) => {
                let mut live = live.unframed();
                loop {
                    match live.next().await {
                        Out::Event(message) => self.say(&message).await,
                        Out::Quiet => {}
                        Out::End => return,
                    }
                }
            }
        }
    }

    async fn say(&self, message: &Bytes) {
        // Nobody reads any more: the end of standard input follows.
        let _ = self.to_client.send(lines::one_line(message)).await;
    }

    fn listening(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn session(&self) -> MutexGuard<'_, Option<ActiveSession>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<Id, AbortHandle>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stdio client stays as long as the process.
struct Stays;

#[async_trait::async_trait]
impl Downstream for Stays {
    async fn body(&mut self, _: usize) -> Result<Bytes, Stop> {
        Ok(Bytes::new())
    }

    async fn gone(&mut self) {
        std::future::pending::<()>().await;
    }
}

/// Passes on what the server says by itself.
async fn listen(context: Context, session: ActiveSession, to_client: mpsc::Sender<Bytes>) {
    let outgoing = Outgoing {
        body: Bytes::new(),
        revision: session.state.revision,
        mirrored: vec![version_header(session.state.revision)],
        session: None,
        trace: Vec::new(),
        lasting: true,
        owner: Owner::Connection(context.connection.unwrap_or_default()),
    };
    let reply = context.route.server.open_stream(&outgoing, None, &context.caller.principal).await;
    let Ok(reply) = reply else { return };
    if matches!(reply.body, ReplyBody::Status(_)) {
        return;
    }
    let screened = filter::apply(reply, pipeline::from_upstream(&context, &session)).await;
    let Ok(SafeBody::Stream(stream)) = screened.map(filter::SafeReply::into_body) else {
        return;
    };
    let mut stream = stream.unframed();
    while let Ok(Some(message)) = stream.next().await {
        if to_client.send(lines::one_line(&message)).await.is_err() {
            return;
        }
    }
}

async fn write(mut lines: mpsc::Receiver<Bytes>) {
    let mut stdout = tokio::io::stdout();
    while let Some(line) = lines.recv().await {
        if stdout.write_all(&line).await.is_err() || stdout.flush().await.is_err() {
            return;
        }
    }
}
