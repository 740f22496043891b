//! What a session owes its client: requests under way, and messages that its stream has not taken yet.
//!
//! Invariant: a request holds one of the session's places from its acceptance until its answer was handed to the stream,
//! and at least until its handler has ended: rmcp begins a handler for every request, and answers a cancelled one not at all.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rmcp::model::{RequestId, ServerJsonRpcMessage};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;

use crate::transport::generations::UnderWay;

/// Requests of a session that are under way at a time.
pub(super) const UNDER_WAY_MAX: usize = 16;

/// A request's place. Clones are of one place.
pub(super) type Place = Arc<Held>;

/// What a request holds until its answer was handed over.
#[derive(Debug)]
pub(super) struct Held {
    _permit: OwnedSemaphorePermit,
    _under_way: Option<UnderWay>,
}

/// A request with its handler. Where the handler panics nothing answers, so that it frees the place itself.
#[derive(Debug)]
pub(super) struct Handled {
    outbox: Weak<Outbox>,
    id: RequestId,
    _place: Place,
}

impl Handled {
    pub(super) fn new(outbox: &Arc<Outbox>, id: RequestId, place: Place) -> Self {
        Self { outbox: Arc::downgrade(outbox), id, _place: place }
    }
}

impl Drop for Handled {
    fn drop(&mut self) {
        // Otherwise the answer, which comes after the handler, still holds the place.
        if std::thread::panicking()
            && let Some(outbox) = self.outbox.upgrade()
        {
            outbox.leave(&self.id);
        }
    }
}

/// Why a request has no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// As many as may be are under way.
    Full,
    /// One with this id is.
    Repeated,
}

/// A message on its way to the stream, with the place of the request that it answers.
#[derive(Debug)]
pub(super) struct Outgoing {
    message: ServerJsonRpcMessage,
    _place: Option<Place>,
}

#[derive(Debug)]
pub(super) struct Outbox {
    places: Arc<Semaphore>,
    under_way: Mutex<HashMap<RequestId, Place>>,
    queue: Mutex<mpsc::Receiver<Outgoing>>,
    /// Messages that the stream took.
    taken: AtomicU64,
}

impl Outbox {
    /// With the queue's other end.
    pub(super) fn new(backlog: usize) -> (Arc<Self>, mpsc::Sender<Outgoing>) {
        let (sender, queue) = mpsc::channel(backlog);
        let places = Arc::new(Semaphore::new(UNDER_WAY_MAX));
        let (under_way, queue) = (Mutex::default(), Mutex::new(queue));
        (Arc::new(Self { places, under_way, queue, taken: AtomicU64::new(0) }), sender)
    }

    /// A place for this request. The caller keeps it with the request, so that it lasts as long as the handler.
    pub(super) fn enter(&self, id: &RequestId, under_way: Option<UnderWay>) -> Result<Place, Refused> {
        let mut entered = self.under_way();
        if entered.contains_key(id) {
            return Err(Refused::Repeated);
        }
        let permit = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Refused::Full)?;
        let place = Arc::new(Held { _permit: permit, _under_way: under_way });
        entered.insert(id.clone(), Arc::clone(&place));
        Ok(place)
    }

    /// The request waits for no answer any more.
    pub(super) fn leave(&self, id: &RequestId) -> Option<Place> {
        self.under_way().remove(id)
    }

    /// The message for the queue, with the place of its request until the stream takes it.
    pub(super) fn outgoing(&self, message: ServerJsonRpcMessage) -> Outgoing {
        let id = match &message {
            ServerJsonRpcMessage::Response(response) => Some(&response.id),
            ServerJsonRpcMessage::Error(error) => error.id.as_ref(),
            _ => None,
        };
        let place = id.and_then(|id| self.leave(id));
        Outgoing { message, _place: place }
    }

    /// The next message; `None` once the session has ended.
    pub(super) async fn next(&self) -> Option<ServerJsonRpcMessage> {
        // The lock is not held between polls: a stream that nobody reads is not polled, and `clear` must not wait for it.
        let outgoing = poll_fn(|context| self.queue().poll_recv(context)).await?;
        self.taken.fetch_add(1, Ordering::Relaxed);
        Some(outgoing.message)
    }

    /// Returns once messages have waited this long without one being taken.
    pub(super) async fn stalled(&self, patience: Duration) {
        let (mut since, mut before) = (Instant::now(), self.taken.load(Ordering::Relaxed));
        loop {
            tokio::time::sleep(patience / 8).await;
            let taken = self.taken.load(Ordering::Relaxed);
            if taken != before || self.queue().is_empty() {
                (since, before) = (Instant::now(), taken);
            } else if since.elapsed() >= patience {
                return;
            }
        }
    }

    /// Drops what waits, and takes nothing more.
    pub(super) fn clear(&self) {
        let mut queue = self.queue();
        queue.close();
        while queue.try_recv().is_ok() {}
        drop(queue);
        self.under_way().clear();
    }

    /// No code that could panic runs under this lock.
    fn under_way(&self) -> MutexGuard<'_, HashMap<RequestId, Place>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No code that could panic runs under this lock.
    fn queue(&self) -> MutexGuard<'_, mpsc::Receiver<Outgoing>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
