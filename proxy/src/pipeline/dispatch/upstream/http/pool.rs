//! HTTP/1.1 connections at rest. The one that rested last is used first, so that what load no longer needs grows old.
//!
//! pingora's own pool starts a task for each rest, and meets the next request while that task still holds the
//! connection. Here a rest costs a push and a pop; one task a pool, only while something rests, closes what has rested
//! too long. Invariants: a connection that was closed or said something while it rested is never used again; the lock
//! is never held over a wait.

use std::{
    collections::VecDeque,
    future::{Future as _, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Waker},
    time::Duration,
};

use tokio::{
    io::{AsyncRead as _, ReadBuf},
    time::Instant,
};

use crate::wire::Wire;

/// Connections that rest at most.
const RESTING_MAX: usize = 512;
/// How often the task looks for old ones.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

struct Resting {
    wire: Box<Wire>,
    /// Which address and TLS identity it is for.
    key: u64,
    until: Instant,
}

#[derive(Default)]
struct State {
    /// Oldest first.
    resting: VecDeque<Resting>,
    swept: bool,
}

/// See the module.
#[derive(Default)]
pub(super) struct Pool {
    state: Mutex<State>,
}

impl Pool {
    /// The youngest connection with this key that is still good.
    pub(super) fn take(&self, key: u64) -> Option<Box<Wire>> {
        loop {
            let Resting { mut wire, until, .. } = {
                let mut state = self.state();
                let place = state.resting.iter().rposition(|resting| resting.key == key)?;
                state.resting.remove(place)?
            };
            if until > Instant::now() && is_quiet(&mut wire) {
                return Some(wire);
            }
        }
    }

    /// Lets a connection rest for at most this long.
    pub(super) fn put(self: &Arc<Self>, wire: Box<Wire>, key: u64, rest: Duration) {
        let mut state = self.state();
        // The oldest makes room.
        let oldest = if state.resting.len() >= RESTING_MAX { state.resting.pop_front() } else { None };
        state.resting.push_back(Resting { wire, key, until: Instant::now() + rest });
        let begin = !std::mem::replace(&mut state.swept, true);
        drop(state);
        drop(oldest);
        if begin {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    /// Closes what has rested too long. `false` when nothing rests any more.
    fn close_old(&self) -> bool {
        let now = Instant::now();
        let mut state = self.state();
        let old = state.resting.iter().take_while(|resting| resting.until <= now).count();
        let closed: Vec<Resting> = state.resting.drain(..old).collect();
        state.swept = !state.resting.is_empty();
        let goes_on = state.swept;
        drop(state);
        drop(closed);
        goes_on
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is locked, and what it holds is valid at every step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn sweep(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        if !pool.upgrade().is_some_and(|pool| pool.close_old()) {
            return;
        }
    }
}

/// Whether nothing came since the last answer: neither the end nor bytes that nobody asked for.
fn is_quiet(wire: &mut Wire) -> bool {
    let mut byte = [0; 1];
    let mut context = Context::from_waker(Waker::noop());
    let read = poll_fn(|context| Pin::new(&mut *wire).poll_read(context, &mut ReadBuf::new(&mut byte)));
    // A task that has used up its turn would find every connection quiet.
    pin!(tokio::task::unconstrained(read)).poll(&mut context).is_pending()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    const REST: Duration = Duration::from_secs(4);

    fn connection() -> (Box<Wire>, DuplexStream) {
        let (own, other) = duplex(64);
        (Box::new(Wire::new(Box::new(own))), other)
    }

    #[tokio::test]
    async fn youngest_connection_with_the_key_is_taken() {
        let pool = Arc::new(Pool::default());
        let (old, mut old_end) = connection();
        let (young, mut young_end) = connection();
        let (other, _other_end) = connection();
        pool.put(old, 1, REST);
        pool.put(young, 1, REST);
        pool.put(other, 2, REST);
        let mut taken = pool.take(1).unwrap();
        young_end.write_all(b"y").await.unwrap();
        old_end.write_all(b"o").await.unwrap();
        assert_eq!(taken.look_ahead(1).await.unwrap(), b"y");
        // The old one has said something meanwhile.
        assert!(pool.take(1).is_none());
        assert!(pool.take(2).is_some());
        assert!(pool.take(2).is_none());
    }

    #[tokio::test]
    async fn closed_connection_is_not_taken() {
        let pool = Arc::new(Pool::default());
        let (wire, end) = connection();
        pool.put(wire, 1, REST);
        drop(end);
        assert!(pool.take(1).is_none());
    }

    #[tokio::test]
    async fn closed_connection_is_not_taken_by_a_task_that_has_used_up_its_turn() {
        let pool = Arc::new(Pool::default());
        let (wire, end) = connection();
        pool.put(wire, 1, REST);
        drop(end);
        let exhausted = poll_fn(|context| {
            while pin!(tokio::task::coop::consume_budget()).poll(context).is_ready() {}
            std::task::Poll::Ready(pool.take(1).is_none())
        });
        assert!(exhausted.await);
    }

    #[tokio::test(start_paused = true)]
    async fn old_connection_is_closed_and_the_task_ends() {
        let pool = Arc::new(Pool::default());
        let (wire, mut end) = connection();
        pool.put(wire, 1, REST);
        tokio::time::sleep(REST + 2 * SWEEP_EVERY).await;
        assert!(end.write_all(b"x").await.is_err(), "the other side is gone");
        assert!(!pool.state().swept);
        let (wire, _end) = connection();
        pool.put(wire, 1, REST);
        assert!(pool.state().swept, "the next rest begins a new task");
    }

    #[tokio::test]
    async fn number_at_rest_is_bounded() {
        let pool = Arc::new(Pool::default());
        let mut ends = Vec::new();
        for _ in 0..=RESTING_MAX {
            let (wire, end) = connection();
            pool.put(wire, 1, REST);
            ends.push(end);
        }
        assert_eq!(pool.state().resting.len(), RESTING_MAX);
        assert!(ends[0].write_all(b"x").await.is_err(), "the oldest made room");
    }
}
