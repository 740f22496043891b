//! Memory at rest, memory per idle event stream, and the time from start to ready.
//!
//! A stream is a client connection to the target that asked `subscriptions/listen` and got its first event, and the
//! target's connection to the upstream behind it. Memory is the resident set of the target and its descendants; the
//! figure per stream is the slope of a straight line through the samples, which leaves out what is there anyway.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Serialize;
use tokio::{net::TcpStream, time::sleep};

use crate::{
    compare::{
        MachineFacts, commit,
        cpu::resident_bytes,
        credentials::Issuer,
        median_of, profile, store,
        targets::{Cpus, Site, find_doorward},
        unix_s,
    },
    error::{Error, Result},
    load::{Plan, client::open_stream, drive},
    mcp::{Ask, CALL_MARKER, Expectation, Request, tool_name},
    process::{self, Launch, Process},
};

/// Source addresses of the streams: 127.0.0.2 to 127.0.0.9, because one address has ports for about 28,000.
const SOURCES: std::ops::RangeInclusive<u8> = 2..=9;
/// How long memory may settle before a sample.
const SETTLE: Duration = Duration::from_secs(2);
/// Length of the load before the second figure at rest.
const LOAD: Duration = Duration::from_secs(2);
const KIB: f64 = 1024.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Subject {
    Doorward,
    PassThrough,
    Nginx,
}

#[derive(Debug, Clone, clap::Args, Serialize)]
pub(crate) struct Args {
    /// What is measured
    #[arg(long, value_enum, default_value_t = Subject::Doorward)]
    target: Subject,
    /// The doorward binary (default: the one beside this program)
    #[arg(long)]
    doorward: Option<PathBuf>,
    /// A further argument for `doorward serve`; may be repeated
    #[arg(long, allow_hyphen_values = true)]
    doorward_arg: Vec<String>,
    /// Policies that Doorward decides with
    #[arg(long, default_value_t = 100)]
    policies: usize,
    /// Streams at the first sample
    #[arg(long, default_value_t = 1000)]
    streams_from: usize,
    /// Streams at the last sample
    #[arg(long, default_value_t = 8000)]
    streams_to: usize,
    /// Streams between samples
    #[arg(long, default_value_t = 1000)]
    step: usize,
    /// Callers among whom the streams are spread
    #[arg(long, default_value_t = 100)]
    principals: usize,
    /// Starts to take the median time of
    #[arg(long, default_value_t = 20)]
    starts: usize,
    /// Where the figures go as JSON
    #[arg(long, default_value = "bench-memory.json")]
    json: PathBuf,
}

#[derive(Serialize)]
struct Report {
    commit: String,
    started_unix_s: u64,
    command: Vec<String>,
    profile: String,
    machine: MachineFacts,
    settings: Args,
    /// Resident when just started, KiB.
    at_start_kib: f64,
    /// Resident after two seconds of calls, KiB.
    after_load_kib: f64,
    samples: Vec<Sample>,
    per_stream_kib: f64,
    start_ms: Vec<f64>,
    start_median_ms: f64,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Sample {
    streams: usize,
    resident_kib: f64,
}

/// What is needed to start the target again and again.
struct Bench<'a> {
    args: &'a Args,
    scratch: &'a Path,
    issuer: Issuer,
    upstream: Process,
    launch: Launch,
}

/// Runs the subcommand.
pub(crate) async fn run(args: &Args) -> Result<()> {
    for (what, value) in [
        ("--step", args.step),
        ("--principals", args.principals),
        ("--streams-from", args.streams_from),
        ("--starts", args.starts),
    ] {
        if value == 0 {
            return Err(Error::TooSmall { what, least: 1 });
        }
    }
    let open_files = process::raise_open_files();
    // The target holds two sockets per stream.
    let needed = u64::try_from(args.streams_to).unwrap_or(u64::MAX) * 2 + 200;
    if open_files < needed {
        eprintln!("at most {open_files} open files are allowed, {needed} are needed: `ulimit -Hn`");
    }
    let machine = MachineFacts::here();
    let started_unix_s = unix_s();
    let scratch = tempfile::tempdir().map_err(Error::io("make a temporary folder"))?;
    let bench = Bench::new(args, scratch.path()).await?;
    let target = Process::start(&bench.launch, bench.scratch).await?;
    sleep(SETTLE).await;
    let at_start_kib = resident_kib(&target)?;
    bench.load(&target).await?;
    sleep(SETTLE).await;
    let after_load_kib = resident_kib(&target)?;
    println!("resident: {at_start_kib:.0} KiB just started, {after_load_kib:.0} KiB after load");
    let samples = bench.streams(&target).await?;
    let per_stream_kib = slope(&samples);
    println!("per stream (client and upstream side): {per_stream_kib:.1} KiB");
    target.stop().await;
    let start_ms = bench.start_times().await?;
    let start_median_ms = median_of(start_ms.clone());
    println!("start to ready: {start_median_ms:.1} ms, median of {}", start_ms.len());
    bench.upstream.stop().await;
    store(
        &args.json,
        &Report {
            commit: commit(),
            started_unix_s,
            command: std::env::args().collect(),
            profile: profile(),
            machine,
            settings: args.clone(),
            at_start_kib,
            after_load_kib,
            samples,
            per_stream_kib,
            start_ms,
            start_median_ms,
        },
    )
}

impl<'a> Bench<'a> {
    async fn new(args: &'a Args, scratch: &'a Path) -> Result<Self> {
        let site = Site { scratch, cpus: Cpus::default() };
        let tools = 50;
        let issuer = Issuer::start().await?;
        let upstream = Process::start(&site.upstream(tools, 1024)?, scratch).await?;
        let launch = match args.target {
            Subject::PassThrough => site.passthrough(upstream.address)?,
            Subject::Nginx => site.nginx(upstream.address)?,
            Subject::Doorward => {
                let program = find_doorward(args.doorward.as_deref())?
                    .ok_or_else(|| Error::NoDoorward { path: PathBuf::from("(beside this program)") })?;
                let sizes = (args.policies, tools);
                site.doorward(&program, upstream.address, &issuer, sizes, &args.doorward_arg)?
            }
        };
        Ok(Self { args, scratch, issuer, upstream, launch })
    }

    /// Some seconds of calls, so that what is made on first use is there.
    async fn load(&self, target: &Process) -> Result<()> {
        let ask = Ask::Call { tool: tool_name(0), body_bytes: 1024 };
        let host = target.address.to_string();
        let token = self.issuer.token(0)?;
        let plan = Plan {
            target: target.address,
            connections: 16,
            rate: None,
            warm_up: Duration::from_secs(1),
            duration: LOAD,
            requests: vec![Request::new(&host, "/mcp", Some(&token), &ask)],
            expect: Expectation { status: 200, marker: CALL_MARKER.into(), absent: Vec::new(), id_echoed: true },
        };
        match drive(&plan, || {}, || {}).await?.errors {
            0 => Ok(()),
            count => Err(Error::WrongAnswers { count }),
        }
    }

    /// Opens the streams step by step and samples the memory at each step.
    async fn streams(&self, target: &Process) -> Result<Vec<Sample>> {
        let host = target.address.to_string();
        let mut requests = Vec::with_capacity(self.args.principals);
        for number in 0..self.args.principals {
            let token = self.issuer.token(number)?;
            requests.push(Request::new(&host, "/mcp", Some(&token), &Ask::Listen));
        }
        let mut open: Vec<TcpStream> = Vec::with_capacity(self.args.streams_to);
        let mut samples = Vec::new();
        let mut wanted = self.args.streams_from;
        while wanted <= self.args.streams_to {
            while open.len() < wanted {
                let number = open.len();
                let Some(request) = requests.get_mut(number % self.args.principals) else {
                    break;
                };
                request.set_id(u64::try_from(number).unwrap_or_default());
                let (status, stream) = open_stream(target.address, source(number), request.bytes())
                    .await
                    .map_err(|source| Error::Stream { number, source })?;
                if status != 200 {
                    return Err(Error::StreamRefused { number, status });
                }
                open.push(stream);
            }
            sleep(SETTLE).await;
            let sample = Sample { streams: wanted, resident_kib: resident_kib(target)? };
            println!("{} streams: {:.0} KiB", sample.streams, sample.resident_kib);
            samples.push(sample);
            wanted += self.args.step;
        }
        Ok(samples)
    }

    /// Milliseconds from start to ready, for each start.
    async fn start_times(&self) -> Result<Vec<f64>> {
        let mut times = Vec::with_capacity(self.args.starts);
        for _ in 0..self.args.starts {
            let target = Process::start(&self.launch, self.scratch).await?;
            times.push(target.ready_after.as_secs_f64() * 1000.0);
            target.stop().await;
        }
        Ok(times)
    }
}

/// The source address of the stream with this number.
fn source(number: usize) -> IpAddr {
    let count = SOURCES.len().max(1);
    let offset = u8::try_from(number % count).unwrap_or_default();
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, SOURCES.start() + offset))
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53 bytes")]
fn resident_kib(process: &Process) -> Result<f64> {
    Ok(resident_bytes(process.pid())? as f64 / KIB)
}

/// Of the least-squares line through the samples, KiB per stream; zero for fewer than two different sizes.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53 streams")]
fn slope(samples: &[Sample]) -> f64 {
    let count = samples.len().max(1) as f64;
    let mean_x = samples.iter().map(|s| s.streams as f64).sum::<f64>() / count;
    let mean_y = samples.iter().map(|s| s.resident_kib).sum::<f64>() / count;
    let (mut together, mut spread) = (0.0, 0.0);
    for sample in samples {
        let x = sample.streams as f64 - mean_x;
        together += x * (sample.resident_kib - mean_y);
        spread += x * x;
    }
    if spread > 0.0 { together / spread } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(streams: usize, resident_kib: f64) -> Sample {
        Sample { streams, resident_kib }
    }

    #[test]
    fn slope_leaves_out_what_is_there_anyway() {
        let line = [1000, 2000, 8000].map(|n| sample(n, 30_000.0 + 12.5 * n as f64));
        assert!((slope(&line) - 12.5).abs() < 1e-9);
        assert_eq!(slope(&[sample(1000, 5.0)]), 0.0);
    }

    #[test]
    fn sources_are_spread_over_eight_addresses() {
        let all: std::collections::BTreeSet<_> = (0..100).map(source).collect();
        assert_eq!(all.len(), 8);
        assert_eq!(source(0).to_string(), "127.0.0.2");
        assert_eq!(source(15).to_string(), "127.0.0.9");
    }
}
