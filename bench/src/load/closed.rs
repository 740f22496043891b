//! Closed loop: every connection sends its next request as soon as it has the last answer.

use std::time::Instant as Clock;

use tokio::task::JoinHandle;

use super::{Outcome, Plan, Window, Worker};
use crate::error::Result;

/// Opens all connections, then starts a task for each that runs until the window's end.
pub(super) async fn start(plan: &Plan, window: Window) -> Result<Vec<JoinHandle<Outcome>>> {
    let mut workers = Vec::with_capacity(plan.connections);
    for number in 0..plan.connections {
        workers.push(Worker::open(plan, number).await?);
    }
    Ok(workers.into_iter().map(|worker| tokio::spawn(run(worker, window))).collect())
}

async fn run(mut worker: Worker, window: Window) -> Outcome {
    let (start, end) = (window.start.into_std(), window.end.into_std());
    let mut outcome = Outcome::none();
    let mut sent = Clock::now();
    while sent < end {
        let right = worker.exchange().await;
        let done = Clock::now();
        if done >= start && done < end {
            outcome.requests += 1;
            outcome.errors += u64::from(!right);
            outcome.latencies.record(done - sent);
        }
        sent = done;
    }
    outcome
}
