//! The conversation with one child: ids and progress tokens of its own, answers to their requests, the rest to whoever
//! listens.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use doorward_message::{Id, Limits, Message, MessageKind, Method, Value, splice::Splice, sse::Event};
use tokio::{
    io::{AsyncWriteExt as _, BufReader},
    process::{ChildStderr, ChildStdin, ChildStdout},
    sync::{mpsc, watch},
};

use super::{
    super::{EventSource, EventStream, ReplyBody},
    lines::{self, Line},
    process::{self, Process},
};
use crate::model::Fault;

/// Lines that may wait for a child to read them.
const TO_CHILD_MAX: usize = 64;
/// Messages that may wait for the client of one request, or of the unasked ones.
const QUEUE_MAX: usize = 256;
/// Unasked messages that are kept while nobody listens.
const UNASKED_MAX: usize = 64;
/// How long a child may leave a line unread.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Lines of standard error that are logged per second.
const LOGGED_PER_S: u32 = 20;
const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";

/// See the module.
pub(super) struct Connection {
    to_child: mpsc::Sender<Bytes>,
    state: Mutex<State>,
    limits: Limits,
    next_id: AtomicU64,
    dropped: AtomicU64,
    stop: watch::Sender<bool>,
    ended: watch::Sender<bool>,
}

struct State {
    pending: HashMap<u64, Pending>,
    unasked: VecDeque<Bytes>,
    listener: Option<mpsc::Sender<Bytes>>,
    /// Why the conversation is over.
    over: Option<Fault>,
    used: Instant,
}

struct Pending {
    id: Id,
    token: Option<Box<str>>,
    to: mpsc::Sender<Bytes>,
}

impl Connection {
    pub(super) fn new(process: Process, limits: Limits) -> Arc<Self> {
        let Process { child, stdin, stdout, stderr } = process;
        let (to_child, lines) = mpsc::channel(TO_CHILD_MAX);
        let connection = Arc::new(Self {
            to_child,
            state: Mutex::new(State {
                pending: HashMap::new(),
                unasked: VecDeque::new(),
                listener: None,
                over: None,
                used: Instant::now(),
            }),
            limits,
            next_id: AtomicU64::new(1),
            dropped: AtomicU64::new(0),
            stop: watch::channel(false).0,
            ended: watch::channel(false).0,
        });
        let stop = connection.stop.subscribe();
        tokio::spawn(write(Arc::clone(&connection), stdin, lines, stop.clone()));
        tokio::spawn(log(stderr));
        let reading = Arc::clone(&connection);
        tokio::spawn(async move {
            reading.read(stdout, stop).await;
            process::end(child).await;
            // `send` would keep nothing where nobody waits yet, and who waits later would wait for ever.
            reading.ended.send_replace(true);
        });
        connection
    }

    pub(super) fn is_alive(&self) -> bool {
        self.state().over.is_none()
    }

    /// For how long nothing was asked and nothing is under way.
    pub(super) fn idle_for(&self) -> Duration {
        let state = self.state();
        let busy = !state.pending.is_empty() || state.listener.as_ref().is_some_and(|listener| !listener.is_closed());
        if busy { Duration::ZERO } else { state.used.elapsed() }
    }

    /// Messages that were thrown away: no JSON, late, for nobody.
    #[cfg(test)]
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Begins the child's end.
    pub(super) fn stop(&self) {
        self.over(Fault::UpstreamExited);
        // Nobody listens any more where the process has ended.
        let _ = self.stop.send(true);
    }

    /// Resolves when the process has ended.
    pub(super) async fn ended(&self) {
        // The sender lives in `self`.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    /// Sends a request and waits for the first message that belongs to it. `silence` is the longest time between two.
    pub(super) async fn request(
        self: &Arc<Self>,
        message: &Message,
        first_byte: Duration,
        silence: Option<Duration>,
    ) -> Result<ReplyBody, Fault> {
        let id = message.id().cloned().ok_or(Fault::Internal)?;
        let own = self.next_id.fetch_add(1, Ordering::Relaxed);
        let token = message.progress_token();
        let own_text = own.to_string();
        let mut splice =
            Splice::new(message.bytes()).replace(member(message.value(), "id")?.span(), own_text.as_bytes());
        if let Some(token) = token {
            splice = splice.replace(token.span(), own_text.as_bytes());
        }
        let line = lines::one_line(&splice.finish().map_err(|_| Fault::Internal)?);
        let (to, mut from) = mpsc::channel(QUEUE_MAX);
        let pending = Pending { id, token: token.map(|token| token.raw_str().into()), to };
        {
            let mut state = self.state();
            if let Some(fault) = state.over {
                return Err(fault);
            }
            state.used = Instant::now();
            state.pending.insert(own, pending);
        }
        let guard = Guard { connection: Arc::clone(self), own };
        self.send(line).await?;
        let first = match tokio::time::timeout(first_byte, from.recv()).await {
            Ok(Some(first)) => first,
            Ok(None) => return Err(self.why()),
            Err(_) => return Err(Fault::UpstreamTimeout),
        };
        if !self.state().pending.contains_key(&own) && from.is_empty() {
            return Ok(ReplyBody::Message { status: 200, bytes: first });
        }
        let heard = tokio::time::Instant::now();
        Ok(ReplyBody::Stream(Box::new(Answer { first: Some(first), from, silence, heard, guard })))
    }

    /// Sends a notification, or a client's answer to the child's own request.
    pub(super) async fn tell(&self, message: &Message) -> Result<(), Fault> {
        let mut bytes = message.bytes().clone();
        if message.method() == Some(&Method::NotificationsCancelled) {
            let requested = message.params().and_then(|params| params.get("requestId"));
            let Some(requested) = requested else {
                return Ok(());
            };
            let own = Id::read(requested, &self.limits).ok().and_then(|id| self.own_id(&id));
            // What is not under way cannot be cancelled.
            let Some(own) = own else { return Ok(()) };
            let splice = Splice::new(message.bytes()).replace(requested.span(), own.to_string().as_bytes());
            bytes = splice.finish().map_err(|_| Fault::Internal)?;
        }
        self.state().used = Instant::now();
        self.send(lines::one_line(&bytes)).await
    }

    /// The messages that belong to no request. A second listener takes the place of the first.
    pub(super) fn unasked(&self) -> EventStream {
        let (to, from) = mpsc::channel(QUEUE_MAX);
        let mut state = self.state();
        while let Some(message) = state.unasked.pop_front() {
            // The queue is larger than what is kept.
            let _ = to.try_send(message);
        }
        state.listener = Some(to);
        Box::new(Unasked { from })
    }

    fn own_id(&self, id: &Id) -> Option<u64> {
        self.state().pending.iter().find(|(_, pending)| pending.id == *id).map(|(own, _)| *own)
    }

    async fn send(&self, line: Bytes) -> Result<(), Fault> {
        match tokio::time::timeout(WRITE_TIMEOUT, self.to_child.send(line)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(self.why()),
            Err(_) => Err(Fault::UpstreamTimeout),
        }
    }

    fn why(&self) -> Fault {
        self.state().over.unwrap_or(Fault::UpstreamExited)
    }

    /// The conversation is over: everything that waits learns it at once.
    fn over(&self, fault: Fault) {
        let mut state = self.state();
        state.over.get_or_insert(fault);
        state.pending.clear();
        state.listener = None;
    }

    async fn read(&self, stdout: ChildStdout, mut stop: watch::Receiver<bool>) {
        let mut stdout = BufReader::with_capacity(64 << 10, stdout);
        loop {
            let line = tokio::select! {
                line = lines::read(&mut stdout, self.limits.message_bytes_max) => line,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            match line {
                Ok(Line::Whole(line)) => self.line(line),
                Ok(Line::TooLong) => {
                    self.over(Fault::UpstreamTooLarge);
                    break;
                }
                Ok(Line::End) | Err(_) => break,
            }
        }
        self.over(Fault::UpstreamExited);
        // Closes the child's standard input.
        let _ = self.stop.send(true);
    }

    /// One line of the child: banners and broken JSON are dropped.
    fn line(&self, line: Bytes) {
        if line.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        let routed = Message::parse(line, &self.limits).ok().and_then(|message| self.route(&message));
        if routed.is_none() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn route(&self, message: &Message) -> Option<()> {
        match message.kind() {
            MessageKind::Response | MessageKind::ErrorResponse => self.response(message),
            MessageKind::Request => self.to_listener(message.bytes().clone()),
            MessageKind::Notification => self.notification(message),
        }
    }

    fn response(&self, message: &Message) -> Option<()> {
        let own = own_number(member(message.value(), "id").ok()?)?;
        let pending = self.state().pending.remove(&own)?;
        let id = pending.id.raw();
        let mut splice =
            Splice::new(message.bytes()).replace(member(message.value(), "id").ok()?.span(), id.as_bytes());
        if let Some(subscription) = message.meta().and_then(|meta| meta.get(SUBSCRIPTION_ID)) {
            splice = splice.replace(subscription.span(), id.as_bytes());
        }
        pending.to.try_send(splice.finish().ok()?).ok()
    }

    fn notification(&self, message: &Message) -> Option<()> {
        let params = message.params();
        let place = match message.method()? {
            Method::NotificationsProgress => {
                let token = params?.get("progressToken")?;
                return self.to_pending(message, own_number(token)?, token, |pending| pending.token.clone());
            }
            Method::NotificationsCancelled => params.and_then(|params| params.get("requestId")),
            _ => message.meta().and_then(|meta| meta.get(SUBSCRIPTION_ID)),
        };
        if let Some((place, own)) = place.and_then(|place| Some((place, own_number(place)?)))
            && self.state().pending.contains_key(&own)
        {
            return self.to_pending(message, own, place, |pending| Some(pending.id.raw().into()));
        }
        let log = message.method() == Some(&Method::NotificationsMessage);
        match self.alone().filter(|_| log) {
            Some(to) => to.try_send(message.bytes().clone()).ok(),
            None => self.to_listener(message.bytes().clone()),
        }
    }

    /// With one request under way and nobody listening, a log message can only be its.
    fn alone(&self) -> Option<mpsc::Sender<Bytes>> {
        // Locked once: the lock is not reentrant.
        let state = self.state();
        let alone = state.listener.is_none() && state.pending.len() == 1;
        state.pending.values().next().filter(|_| alone).map(|pending| pending.to.clone())
    }

    /// Passes a message to the request it belongs to, with the client's own text in the place of ours. A request whose
    /// queue is full ends, and nobody else's.
    fn to_pending(
        &self,
        message: &Message,
        own: u64,
        place: Value<'_>,
        text: impl Fn(&Pending) -> Option<Box<str>>,
    ) -> Option<()> {
        let mut state = self.state();
        let pending = state.pending.get(&own)?;
        let bytes = Splice::new(message.bytes()).replace(place.span(), text(pending)?.as_bytes()).finish().ok()?;
        if pending.to.try_send(bytes).is_err() {
            state.pending.remove(&own);
            return None;
        }
        Some(())
    }

    fn to_listener(&self, bytes: Bytes) -> Option<()> {
        let mut state = self.state();
        let bytes = match state.listener.as_ref().map(|listener| listener.try_send(bytes.clone())) {
            Some(Ok(())) => return Some(()),
            Some(Err(mpsc::error::TrySendError::Full(_))) => return None,
            Some(Err(mpsc::error::TrySendError::Closed(bytes))) => {
                state.listener = None;
                bytes
            }
            None => bytes,
        };
        let full = state.unasked.len() >= UNASKED_MAX;
        if full {
            state.unasked.pop_front();
        }
        state.unasked.push_back(bytes);
        (!full).then_some(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn member<'a>(object: Value<'a>, name: &str) -> Result<Value<'a>, Fault> {
    object.get(name).ok_or(Fault::Internal)
}

fn own_number(value: Value<'_>) -> Option<u64> {
    value.as_i64().and_then(|number| u64::try_from(number).ok())
}

/// A request under way. Dropped before its answer came, it cancels the request.
struct Guard {
    connection: Arc<Connection>,
    own: u64,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.connection.state().pending.remove(&self.own).is_none() {
            return;
        }
        let own = self.own;
        let cancelled = format!(
            "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{{\"requestId\":{own},\"reason\":\"the client has gone\"}}}}\n"
        );
        // A child that reads nothing learns nothing.
        let _ = self.connection.to_child.try_send(Bytes::from(cancelled));
    }
}

/// The messages that belong to one request.
struct Answer {
    first: Option<Bytes>,
    from: mpsc::Receiver<Bytes>,
    silence: Option<Duration>,
    heard: tokio::time::Instant,
    guard: Guard,
}

#[async_trait::async_trait]
impl EventSource for Answer {
    async fn next(&mut self) -> Result<Option<Event>, Fault> {
        if let Some(first) = self.first.take() {
            return Ok(Some(event(first)));
        }
        let next = match self.silence {
            // Counted from the last message: who reads looks up in between.
            Some(silence) => tokio::time::timeout_at(self.heard + silence, self.from.recv()).await,
            None => Ok(self.from.recv().await),
        };
        self.heard = tokio::time::Instant::now();
        match next.map_err(|_| Fault::UpstreamTimeout)? {
            Some(bytes) => Ok(Some(event(bytes))),
            None if self.guard.connection.is_alive() => Ok(None),
            None => Err(self.guard.connection.why()),
        }
    }
}

struct Unasked {
    from: mpsc::Receiver<Bytes>,
}

#[async_trait::async_trait]
impl EventSource for Unasked {
    async fn next(&mut self) -> Result<Option<Event>, Fault> {
        Ok(self.from.recv().await.map(event))
    }
}

fn event(bytes: Bytes) -> Event {
    Event { data: Some(bytes), ..Event::default() }
}

/// Writes lines until the conversation is over; then the child's standard input closes.
async fn write(
    connection: Arc<Connection>,
    mut stdin: ChildStdin,
    mut lines: mpsc::Receiver<Bytes>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let line = tokio::select! {
            line = lines.recv() => line,
            _ = stop.wait_for(|stop| *stop) => None,
        };
        let Some(line) = line else { return };
        let written = tokio::time::timeout(WRITE_TIMEOUT, async {
            stdin.write_all(&line).await?;
            stdin.flush().await
        });
        if !matches!(written.await, Ok(Ok(()))) {
            connection.over(Fault::UpstreamExited);
            return;
        }
    }
}

/// Standard error is free text: logged line by line, made harmless, and not more than so many a second.
async fn log(stderr: ChildStderr) {
    let mut stderr = BufReader::new(stderr);
    let (mut second, mut count) = (Instant::now(), 0);
    loop {
        let line = match lines::read(&mut stderr, 64 << 10).await {
            Ok(Line::Whole(line)) => line,
            Ok(Line::TooLong) => continue,
            Ok(Line::End) | Err(_) => return,
        };
        if second.elapsed() >= Duration::from_secs(1) {
            (second, count) = (Instant::now(), 0);
        }
        count += 1;
        if count <= LOGGED_PER_S {
            tracing::info!(target: "doorward::child", "{}", lines::harmless(&line));
        }
    }
}
