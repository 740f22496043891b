//! The one command behind the published table: starts everything, measures in interleaved rounds, prints and stores.
//!
//! Each round runs every row once, in a new random order, so that a change of the machine's speed touches all rows alike.
//! The figure is CPU time per request of the target process by the kernel's accounts (`cpu`), which depends less on what
//! else the machine does than throughput. Every answer is checked; wrong ones are counted and make the command fail.

pub(crate) mod cpu;
pub(crate) mod credentials;
pub(crate) mod measure;
mod policies;
pub(crate) mod report;
mod scenario;
pub(crate) mod table;
pub(crate) mod targets;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Serialize;

use crate::{
    error::{Error, Result},
    load::Plan,
    process::{self, Process},
};
use credentials::Issuer;
use report::{Bar, Machine, Measurement, Report, Row};
pub(crate) use report::{Machine as MachineFacts, commit, median_of, profile, unix_s};
use scenario::{Scenario, Target, Tokens};
use targets::{Cpus, Site, find_doorward};

/// JSON body of an answer to `tools/call`, bytes.
const ANSWER_BYTES: usize = 1024;
/// Different forged tokens that are sent in turn.
const FORGED_TOKENS: usize = 512;

#[derive(Debug, Clone, clap::Args, Serialize)]
pub(crate) struct Args {
    /// The doorward binary (default: the one beside this program, if any)
    #[arg(long)]
    doorward: Option<PathBuf>,
    /// Leave doorward out
    #[arg(long, conflicts_with = "doorward")]
    no_doorward: bool,
    /// A further argument for `doorward serve`; may be repeated
    #[arg(long, allow_hyphen_values = true)]
    doorward_arg: Vec<String>,
    /// Rounds
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Measured time of each row in each round, seconds
    #[arg(long, default_value_t = 3.0)]
    duration_s: f64,
    /// Time before it that is not measured, seconds
    #[arg(long, default_value_t = 0.5)]
    warm_up_s: f64,
    /// Connections of the driver
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Open loop at this many requests per second (default: closed loop)
    #[arg(long)]
    rate: Option<f64>,
    /// Policies that Doorward decides with
    #[arg(long, default_value_t = 100)]
    policies: usize,
    /// Tools of the upstream
    #[arg(long, default_value_t = 50)]
    tools: usize,
    /// Seed of the order of rows (default: random)
    #[arg(long)]
    seed: Option<u64>,
    /// Let all processes share all CPUs instead of the target having one of its own
    #[arg(long)]
    no_pin: bool,
    /// One short round, to see that everything works; its figures mean little
    #[arg(long)]
    quick: bool,
    /// Where the figures go as JSON
    #[arg(long, default_value = "bench-compare.json")]
    json: PathBuf,
}

/// One row to measure.
struct Cell {
    scenario: Scenario,
    target: Target,
    pid: u32,
    plan: Plan,
    rounds: Vec<Measurement>,
}

/// Runs the subcommand.
pub(crate) async fn run(args: &Args) -> Result<()> {
    let mut args = args.clone();
    if args.quick {
        (args.rounds, args.duration_s, args.warm_up_s) = (1, 0.4, 0.1);
    }
    let seed = *args.seed.get_or_insert_with(|| fastrand::u64(..));
    check_sizes(&args)?;
    let machine = Machine::here();
    let started_unix_s = unix_s();
    let scratch = tempfile::tempdir().map_err(Error::io("make a temporary folder"))?;
    let fleet = Fleet::start(&args, scratch.path()).await?;
    let mut cells = fleet.cells(&args)?;
    for cell in &cells {
        measure::preflight(&cell.plan, cell.scenario.label(), cell.target.label()).await?;
    }
    all_rounds(&args, &mut cells, &mut fastrand::Rng::with_seed(seed)).await?;
    fleet.stop().await;
    let rows = rows(&cells);
    println!("{}\n\n{}", machine.line(), table::render(&rows));
    let bars = bars(&rows);
    for bar in &bars {
        println!("{}", bar.line());
    }
    let errors = rows.iter().map(|row| row.errors).sum();
    let json = args.json.clone();
    store(
        &json,
        &Report {
            commit: commit(),
            started_unix_s,
            command: std::env::args().collect(),
            profile: profile(),
            machine,
            settings: args,
            rows,
            bars,
        },
    )?;
    match errors {
        0 => Ok(()),
        count => Err(Error::WrongAnswers { count }),
    }
}

fn check_sizes(args: &Args) -> Result<()> {
    for (what, value, least) in [
        ("--rounds", args.rounds, 1),
        ("--connections", args.connections, 1),
        // One permitted and one denied tool, and the policies for that.
        ("--tools", args.tools, 2),
        ("--policies", args.policies, 3),
    ] {
        if value < least {
            return Err(Error::TooSmall { what, least });
        }
    }
    Ok(())
}

/// Writes a report as indented JSON.
pub(crate) fn store(path: &Path, report: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(report)?;
    text.push('\n');
    std::fs::write(path, text).map_err(Error::file("write", path))?;
    println!("\nwritten to {}", path.display());
    Ok(())
}

/// Everything that runs during a comparison.
struct Fleet {
    tokens: Tokens,
    _issuer: Issuer,
    upstream: Process,
    nginx: Option<Process>,
    passthrough: Process,
    doorward: Option<Process>,
}

impl Fleet {
    async fn start(args: &Args, scratch: &Path) -> Result<Self> {
        let cpus = if args.no_pin { Cpus::default() } else { Cpus::split() };
        if let Some(rest) = &cpus.rest {
            process::pin(rest).map_err(Error::io("pin the driver to its CPUs"))?;
        }
        let site = Site { scratch, cpus };
        let issuer = Issuer::start().await?;
        let upstream = Process::start(&site.upstream(args.tools, ANSWER_BYTES)?, scratch).await?;
        let passthrough = Process::start(&site.passthrough(upstream.address)?, scratch).await?;
        let nginx = match site.nginx(upstream.address) {
            Ok(launch) => Some(Process::start(&launch, scratch).await?),
            Err(Error::NoNginx) => {
                println!("There is {}; its rows are left out.", Error::NoNginx);
                None
            }
            Err(error) => return Err(error),
        };
        let program = if args.no_doorward { None } else { find_doorward(args.doorward.as_deref())? };
        let doorward = if let Some(program) = program {
            let sizes = (args.policies, args.tools);
            let extra = &args.doorward_arg;
            let launch = site.doorward(&program, upstream.address, &issuer, sizes, extra)?;
            Some(Process::start(&launch, scratch).await?)
        } else {
            println!("No doorward binary is used (--doorward names one); its rows are left out.");
            None
        };
        let forged = (0..FORGED_TOKENS).map(|number| issuer.forged_token(number));
        Ok(Self {
            tokens: Tokens { valid: issuer.token(0)?, forged: forged.collect::<Result<_>>()? },
            _issuer: issuer,
            upstream,
            nginx,
            passthrough,
            doorward,
        })
    }

    fn process(&self, target: Target) -> Option<&Process> {
        match target {
            Target::Direct => Some(&self.upstream),
            Target::Nginx => self.nginx.as_ref(),
            Target::PassThrough => Some(&self.passthrough),
            Target::Doorward => self.doorward.as_ref(),
        }
    }

    /// All rows, in the order of the table.
    fn cells(&self, args: &Args) -> Result<Vec<Cell>> {
        let mut cells = Vec::new();
        for scenario in Scenario::ALL {
            for target in Target::ALL {
                let Some(process) = self.process(target).filter(|_| scenario.applies_to(target)) else {
                    continue;
                };
                let host = process.address.to_string();
                cells.push(Cell {
                    scenario,
                    target,
                    pid: process.pid(),
                    plan: Plan {
                        target: process.address,
                        connections: args.connections,
                        rate: args.rate,
                        warm_up: seconds(args.warm_up_s),
                        duration: seconds(args.duration_s),
                        requests: scenario.requests(&host, &self.tokens, args.tools),
                        expect: scenario.expectation(target, args.tools, args.policies),
                    },
                    rounds: Vec::new(),
                });
            }
        }
        Ok(cells)
    }

    async fn stop(self) {
        for process in [self.doorward, self.nginx, Some(self.passthrough), Some(self.upstream)].into_iter().flatten() {
            process.stop().await;
        }
    }
}

pub(crate) fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).unwrap_or_default()
}

/// All rounds. Progress goes to stderr.
async fn all_rounds(args: &Args, cells: &mut [Cell], random: &mut fastrand::Rng) -> Result<()> {
    for round in 1..=args.rounds {
        eprintln!("round {round} of {}", args.rounds);
        let mut order: Vec<&mut Cell> = cells.iter_mut().collect();
        random.shuffle(&mut order);
        for cell in order {
            if let Some(measurement) = measure::round(&cell.plan, cell.pid).await? {
                cell.rounds.push(measurement);
            }
        }
    }
    Ok(())
}

/// Medians, and ratios to the pass-through.
fn rows(cells: &[Cell]) -> Vec<Row> {
    let cpu = |scenario, target| {
        let cell = cells.iter().find(|cell| cell.scenario == scenario && cell.target == target)?;
        Some(report::median(&cell.rounds).cpu_us_per_request).filter(|cpu| *cpu > 0.0)
    };
    let base = |scenario| cpu(scenario, Target::PassThrough).or_else(|| cpu(Scenario::Call, Target::PassThrough));
    cells
        .iter()
        .map(|cell| {
            let median = report::median(&cell.rounds);
            Row {
                scenario: cell.scenario.label(),
                target: cell.target.label(),
                ratio_to_passthrough: base(cell.scenario).map(|base| median.cpu_us_per_request / base),
                errors: median.errors,
                median,
                rounds: cell.rounds.clone(),
            }
        })
        .collect()
}

/// The promised figures, as far as this run has them.
fn bars(rows: &[Row]) -> Vec<Bar> {
    let cpu = |scenario: Scenario, target: Target| {
        let same = |row: &&Row| row.scenario == scenario.label() && row.target == target.label();
        rows.iter().find(same).map(|row| row.median.cpu_us_per_request).filter(|cpu| *cpu > 0.0)
    };
    let call = cpu(Scenario::Call, Target::Doorward);
    let bar = |name, over: Option<f64>, under: Option<f64>, at_most| Some(Bar::new(name, over? / under?, at_most));
    [
        bar("full pipeline over the pass-through (goal 1.00)", call, cpu(Scenario::Call, Target::PassThrough), 1.5),
        bar("refused forged token over an allowed call", cpu(Scenario::ForgedToken, Target::Doorward), call, 0.5),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests;
