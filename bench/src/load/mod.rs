//! The load driver: sends prepared requests over keep-alive connections and checks every answer.
//!
//! *Closed loop* (`closed`): each connection sends its next request when it has the last answer; shows the most a
//! target can do. *Open loop* (`open`): requests fall due at a constant rate whatever the target does, and latency counts
//! from the due time, so a stall is seen by all the requests it holds up (no coordinated omission).
//! A wrong status, body or id is an error in the figures, never a silent success.

pub(crate) mod client;
mod closed;
mod histogram;
mod open;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use serde::Serialize;
use tokio::time::Instant;

use crate::{
    error::{Error, Result},
    mcp::{self, Ask, Expectation, Request},
};
use client::Connection;
pub(crate) use histogram::{Latencies, Percentiles};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to send, as http://ADDRESS:PORT/PATH
    #[arg(long)]
    url: String,
    /// Connections
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Open loop at this many requests per second (default: closed loop)
    #[arg(long)]
    rate: Option<f64>,
    /// Measured time, seconds
    #[arg(long, default_value_t = 5.0)]
    duration_s: f64,
    /// Time before it that is not measured, seconds
    #[arg(long, default_value_t = 1.0)]
    warm_up_s: f64,
    /// Body size of a tools/call, bytes
    #[arg(long, default_value_t = 1024)]
    body_bytes: usize,
    /// Tool to call
    #[arg(long, default_value = "tool_00")]
    tool: String,
    /// Send tools/list instead of tools/call
    #[arg(long)]
    list: bool,
    /// File with a bearer token to send
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// The status that counts as right; other than 200, the body is not checked
    #[arg(long, default_value_t = 200)]
    expect_status: u16,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What to send and how.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) target: SocketAddr,
    pub(crate) connections: usize,
    /// Requests per second of an open loop; `None` for a closed loop.
    pub(crate) rate: Option<f64>,
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
    /// Sent in turn; at least one.
    pub(crate) requests: Vec<Request>,
    pub(crate) expect: Expectation,
}

/// What came of it. Only requests that ended (closed loop) or fell due (open loop) after the warm-up count.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) requests: u64,
    /// Answers that were not the expected one, and exchanges that broke.
    pub(crate) errors: u64,
    pub(crate) elapsed: Duration,
    pub(crate) latencies: Latencies,
}

impl Outcome {
    fn none() -> Self {
        Self { requests: 0, errors: 0, elapsed: Duration::ZERO, latencies: Latencies::new() }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
    pub(crate) fn requests_per_s(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }
}

/// Runs the plan on the current runtime. `at_start` is called when the warm-up is over and `at_end` when the measured
/// time is, each once; they sample what goes with the figures (CPU time).
pub(crate) async fn drive<S, E>(plan: &Plan, at_start: S, at_end: E) -> Result<Outcome>
where
    S: FnOnce(),
    E: FnOnce(),
{
    if plan.requests.is_empty() || plan.connections == 0 {
        return Err(Error::TooSmall { what: "the number of requests and connections", least: 1 });
    }
    let started = Instant::now();
    let window = Window { start: started + plan.warm_up, end: started + plan.warm_up + plan.duration };
    let workers = match plan.rate {
        None => closed::start(plan, window).await?,
        Some(rate) => open::start(plan, rate, window).await?,
    };
    tokio::time::sleep_until(window.start).await;
    at_start();
    tokio::time::sleep_until(window.end).await;
    at_end();
    let mut total = Outcome::none();
    for worker in workers {
        // A worker that panicked would be a defect; its requests are missing from the count, never added.
        let Ok(part) = worker.await else { continue };
        total.requests += part.requests;
        total.errors += part.errors;
        total.latencies.add(&part.latencies);
    }
    total.elapsed = plan.duration;
    Ok(total)
}

/// The measured time.
#[derive(Debug, Clone, Copy)]
struct Window {
    start: Instant,
    end: Instant,
}

/// One connection with its requests, which opens itself again when it breaks.
struct Worker {
    target: SocketAddr,
    connection: Option<Connection>,
    requests: Vec<Request>,
    next: usize,
    id: u64,
    expect: Expectation,
}

impl Worker {
    /// Worker `number` of those of a plan, connected. Ids differ between workers.
    async fn open(plan: &Plan, number: usize) -> Result<Self> {
        let connection =
            Connection::open(plan.target).await.map_err(|source| Error::Connect { address: plan.target, source })?;
        Ok(Self {
            target: plan.target,
            connection: Some(connection),
            requests: plan.requests.clone(),
            // Not all begin with the same request.
            next: number % plan.requests.len().max(1),
            id: u64::try_from(number).unwrap_or_default() * 1_000_000_000,
            expect: plan.expect.clone(),
        })
    }

    /// Sends the next request; true when the answer was the expected one.
    async fn exchange(&mut self) -> bool {
        self.id += 1;
        self.next = (self.next + 1) % self.requests.len().max(1);
        let Some(request) = self.requests.get_mut(self.next) else {
            return false;
        };
        request.set_id(self.id);
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => match Connection::open(self.target).await {
                Ok(connection) => connection,
                Err(_) => {
                    // Do not spin on a target that is gone.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    return false;
                }
            },
        };
        let Ok(reply) = connection.exchange(request.bytes()).await else {
            return false;
        };
        let right = self.expect.met(request, reply.status, reply.body);
        if reply.keep_alive {
            self.connection = Some(connection);
        }
        right
    }
}

/// `http://127.0.0.1:80/mcp` → address, host and path.
pub(crate) fn parse_url(url: &str) -> Result<(SocketAddr, &str, &str)> {
    let malformed = || Error::Url { url: url.to_owned() };
    let rest = url.strip_prefix("http://").ok_or_else(malformed)?;
    let slash = rest.find('/').unwrap_or(rest.len());
    let (host, path) = rest.split_at_checked(slash).ok_or_else(malformed)?;
    let address = host.parse().map_err(|_| malformed())?;
    Ok((address, host, if path.is_empty() { "/" } else { path }))
}

#[derive(Serialize)]
struct Report {
    requests: u64,
    errors: u64,
    requests_per_s: f64,
    #[serde(flatten)]
    latency: Percentiles,
}

/// Runs the subcommand; answers that are not the expected ones make it an error.
pub(crate) async fn run(args: &Args) -> Result<()> {
    let (target, host, path) = parse_url(&args.url)?;
    let token = match &args.token_file {
        None => None,
        Some(path) => Some(std::fs::read_to_string(path).map_err(Error::file("read", path))?),
    };
    let ask =
        if args.list { Ask::ListTools } else { Ask::Call { tool: args.tool.clone(), body_bytes: args.body_bytes } };
    let marker = match (args.expect_status, &ask) {
        (200, Ask::ListTools) => r#""tools":["#,
        (200, _) => mcp::CALL_MARKER,
        _ => "",
    };
    let plan = Plan {
        target,
        connections: args.connections,
        rate: args.rate,
        warm_up: Duration::from_secs_f64(args.warm_up_s.max(0.0)),
        duration: Duration::from_secs_f64(args.duration_s.max(0.0)),
        requests: vec![Request::new(host, path, token.as_deref().map(str::trim), &ask)],
        expect: Expectation {
            status: args.expect_status,
            marker: marker.into(),
            absent: Vec::new(),
            id_echoed: args.expect_status == 200,
        },
    };
    let outcome = drive(&plan, || {}, || {}).await?;
    let report = Report {
        requests: outcome.requests,
        errors: outcome.errors,
        requests_per_s: outcome.requests_per_s(),
        latency: outcome.latencies.percentiles(),
    };
    print(&report, args.json)?;
    match report.errors {
        0 => Ok(()),
        count => Err(Error::WrongAnswers { count }),
    }
}

fn print(report: &Report, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string(report)?);
        return Ok(());
    }
    let p = &report.latency;
    println!(
        "{:.0} requests/s, {} requests, {} errors\nlatency in us: p50 {:.0}, p90 {:.0}, p99 {:.0}, p99.9 {:.0}, max {:.0}",
        report.requests_per_s, report.requests, report.errors, p.p50_us, p.p90_us, p.p99_us, p.p999_us, p.max_us
    );
    Ok(())
}

#[cfg(test)]
mod tests;
