//! The end of a connection: nothing more is read, and what is under way has [`GRACE`] to be answered.
//!
//! rmcp's own end takes no reports of what is under way, so that whatever reports would wait for ever: it begins only once
//! nothing is under way.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rmcp::model::RequestId;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::transport::GRACE;

/// What ends, and is ended, with a connection.
#[derive(Debug, Default)]
pub(in crate::transport) struct Ending {
    /// Cancelled by the operator: nothing more is read.
    pub(in crate::transport) stop: CancellationToken,
    /// Cancelled once nothing more is read: ends what has no end of its own.
    pub(in crate::transport) endless: CancellationToken,
    /// Cancelled once what is under way took too long.
    pub(in crate::transport) cut: CancellationToken,
    until: Option<Instant>,
}

impl Ending {
    pub(in crate::transport) fn new(stop: CancellationToken, endless: CancellationToken) -> Self {
        Self { stop, endless, ..Self::default() }
    }

    /// Waits until nothing is under way; does not return where that takes longer than [`GRACE`] from the first time on.
    pub(super) async fn wind_down(&mut self, under_way: &UnderWay) {
        self.endless.cancel();
        let until = *self.until.get_or_insert_with(|| Instant::now() + GRACE);
        if timeout_at(until, under_way.none()).await.is_err() {
            tracing::warn!("grace period over, calls under way are cut");
            self.cut.cancel();
            std::future::pending::<()>().await;
        }
    }
}

/// Requests without an answer yet.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    requests: Mutex<HashSet<RequestId>>,
    fewer: Notify,
}

impl UnderWay {
    pub(super) fn begin(&self, id: RequestId) {
        self.requests().insert(id);
    }

    /// Notes that the answer was written, or is never to come.
    pub(super) fn end(&self, id: &RequestId) {
        self.requests().remove(id);
        self.fewer.notify_waiters();
    }

    async fn none(&self) {
        loop {
            let fewer = self.fewer.notified();
            tokio::pin!(fewer);
            fewer.as_mut().enable();
            if self.requests().is_empty() {
                return;
            }
            fewer.await;
        }
    }

    /// No code that could panic runs under this lock.
    fn requests(&self) -> MutexGuard<'_, HashSet<RequestId>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
