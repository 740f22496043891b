//! One round of one row: requests by a plan, and the CPU time that the target used meanwhile.

use std::{net::SocketAddr, time::Duration};

use tokio::time::{Instant, sleep};

use super::{cpu::CpuSample, report::Measurement};
use crate::{
    error::{Error, Result},
    load::{Plan, client::Connection, drive},
    mcp::Request,
};

/// How long a target may take until it answers as expected.
const PREFLIGHT: Duration = Duration::from_secs(10);

/// One request of each kind, again until it is answered as expected: a proxy may still be learning its catalogue.
/// Returns the answer's body.
pub(crate) async fn preflight(plan: &Plan, scenario: &'static str, target: &'static str) -> Result<Vec<u8>> {
    let give_up = Instant::now() + PREFLIGHT;
    let mut seen = (0, String::new());
    while let Some(mut request) = plan.requests.first().cloned() {
        request.set_id(u64::MAX);
        match ask(plan.target, &request).await {
            Some((status, body)) if plan.expect.met(&request, status, &body) => return Ok(body),
            Some((status, body)) => {
                seen = (status, String::from_utf8_lossy(&body).chars().take(300).collect());
            }
            None => {}
        }
        if Instant::now() > give_up {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    Err(Error::Preflight { scenario, target, status: seen.0, body: seen.1 })
}

async fn ask(target: SocketAddr, request: &Request) -> Option<(u16, Vec<u8>)> {
    let mut connection = Connection::open(target).await.ok()?;
    let reply = connection.exchange(request.bytes()).await.ok()?;
    Some((reply.status, reply.body.to_vec()))
}

/// Sends by the plan to process `pid`; `None` where the measured time never came.
pub(crate) async fn round(plan: &Plan, pid: u32) -> Result<Option<Measurement>> {
    let (mut before, mut after) = (None, None);
    let outcome = drive(plan, || before = Some(CpuSample::take(pid)), || after = Some(CpuSample::take(pid))).await?;
    let (Some(before), Some(after)) = (before, after) else {
        return Ok(None);
    };
    let used = after?.since(&before?);
    Ok(Some(Measurement {
        requests: outcome.requests,
        errors: outcome.errors,
        cpu_us_per_request: per_request_us(used, outcome.requests),
        requests_per_s: outcome.requests_per_s(),
        latency: outcome.latencies.percentiles(),
    }))
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
pub(super) fn per_request_us(used: Duration, requests: u64) -> f64 {
    used.as_secs_f64() * 1e6 / requests.max(1) as f64
}
