//! Counting what is under way, so that a drain can wait for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

/// Requests under way. Cheap to clone.
#[derive(Clone, Default)]
pub struct Active(Arc<Inner>);

#[derive(Default)]
struct Inner {
    count: AtomicUsize,
    idle: Notify,
}

/// One request under way; it ends when this is dropped.
pub struct Begun(Arc<Inner>);

impl Active {
    /// Notes the start of a request.
    pub fn begin(&self) -> Begun {
        self.0.count.fetch_add(1, Ordering::AcqRel);
        Begun(Arc::clone(&self.0))
    }

    /// How many are under way.
    pub fn count(&self) -> usize {
        self.0.count.load(Ordering::Acquire)
    }

    /// Waits until nothing is under way, at the most for `grace`. Gives what is left.
    pub async fn drained(&self, grace: Duration) -> usize {
        let idle = async {
            loop {
                let notified = self.0.idle.notified();
                if self.count() == 0 {
                    return;
                }
                notified.await;
            }
        };
        let _ = tokio::time::timeout(grace, idle).await;
        self.count()
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}
