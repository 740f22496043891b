//! Open loop: requests fall due at a constant rate, whether or not earlier ones were answered.
//!
//! A pacing thread hands out due requests; a free connection takes the oldest one. Latency counts from the time it fell
//! due, so waiting for a free connection behind a slow answer is part of it. Requests that fell due before the window's
//! end are sent and counted even when they are answered later.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant as Clock},
};

use tokio::{sync::Semaphore, task::JoinHandle};

use super::{Outcome, Plan, Window, Worker};
use crate::error::Result;

/// How long requests may be late at the end before the rest is counted as errors.
const OVERTIME: Duration = Duration::from_secs(5);

/// When each request falls due.
struct Schedule {
    begin: Clock,
    interval: Duration,
    /// Number of requests in all.
    count: u64,
    taken: AtomicU64,
    /// One permit for each request that fell due and was not taken.
    due: Semaphore,
}

impl Schedule {
    fn due_at(&self, number: u64) -> Clock {
        let offset = self.interval.as_nanos().saturating_mul(number.into());
        self.begin + Duration::from_nanos(u64::try_from(offset).unwrap_or(u64::MAX))
    }

    /// Runs on a thread of its own: a runtime's timer has a resolution of a millisecond.
    fn pace(&self) {
        let mut released: u64 = 0;
        while released < self.count {
            let wait = self.due_at(released).saturating_duration_since(Clock::now());
            if !wait.is_zero() {
                std::thread::sleep(wait);
            }
            let now = Clock::now();
            let before = released;
            while released < self.count && self.due_at(released) <= now {
                released += 1;
            }
            self.due.add_permits(usize::try_from(released - before).unwrap_or_default());
        }
    }
}

/// Opens all connections, starts their tasks and the pacing thread.
pub(super) async fn start(plan: &Plan, rate: f64, window: Window) -> Result<Vec<JoinHandle<Outcome>>> {
    let mut workers = Vec::with_capacity(plan.connections);
    for number in 0..plan.connections {
        workers.push(Worker::open(plan, number).await?);
    }
    let interval = Duration::from_secs_f64(1.0 / rate.clamp(0.001, 1e6));
    let begin = Clock::now();
    let span = window.end.into_std().saturating_duration_since(begin);
    let count = span.as_nanos() / interval.as_nanos().max(1);
    let schedule = Arc::new(Schedule {
        begin,
        interval,
        count: u64::try_from(count).unwrap_or(u64::MAX),
        taken: AtomicU64::new(0),
        due: Semaphore::new(0),
    });
    let pacer = Arc::clone(&schedule);
    std::thread::spawn(move || pacer.pace());
    Ok(workers.into_iter().map(|worker| tokio::spawn(run(worker, Arc::clone(&schedule), window))).collect())
}

async fn run(mut worker: Worker, schedule: Arc<Schedule>, window: Window) -> Outcome {
    let mut outcome = Outcome::none();
    let start = window.start.into_std();
    let give_up = window.end + OVERTIME;
    loop {
        let number = schedule.taken.fetch_add(1, Ordering::Relaxed);
        if number >= schedule.count {
            return outcome;
        }
        let due = schedule.due_at(number);
        let answered = tokio::time::timeout_at(give_up, async {
            // Never closed, so this waits until the request falls due.
            if let Ok(permit) = schedule.due.acquire().await {
                permit.forget();
            }
            worker.exchange().await
        });
        let right = answered.await.unwrap_or(false);
        if due >= start {
            outcome.requests += 1;
            outcome.errors += u64::from(!right);
            outcome.latencies.record(due.elapsed());
        }
    }
}
