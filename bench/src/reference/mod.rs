//! What a trivial tool call costs at the reference server, beside a bare rmcp handler and a bare axum route.
//!
//! Measured as `compare` measures: rounds in which every row has its turn in a new random order, CPU time of the target's
//! process per request in a closed loop, the targets on a CPU of their own. The axum route answers the very bytes of the
//! reference server, with the id of each request.

pub(crate) mod bare;
mod session;
mod targets;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{
    compare::{
        measure,
        report::{self, Bar, Machine, Measurement, Report},
        seconds, store, table,
        targets::Cpus,
    },
    error::{Error, Result},
    load::Plan,
    mcp::{Ask, CALL_MARKER, Expectation, ID_BLANK, Request},
    process::{self, Process},
};
use targets::{Target, find_server};

/// Over the bare rmcp handler, of the same mode.
const AT_MOST: f64 = 1.3;

const TITLES: [&str; 9] =
    ["mode", "target", "CPU µs/request", "× bare rmcp", "× bare axum", "requests/s", "p50 µs", "p99 µs", "errors"];

#[derive(Debug, Clone, clap::Args, Serialize)]
pub(crate) struct Args {
    /// The reference server's binary (default: the one beside this program)
    #[arg(long)]
    server: Option<PathBuf>,
    /// Rounds
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Measured time of each row in each round, seconds
    #[arg(long, default_value_t = 2.0)]
    duration_s: f64,
    /// Time before it that is not measured, seconds
    #[arg(long, default_value_t = 0.5)]
    warm_up_s: f64,
    /// Connections of the driver
    #[arg(long, default_value_t = 16)]
    connections: usize,
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
    #[arg(long, default_value = "bench-reference.json")]
    json: PathBuf,
}

/// How a call reaches the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Revision 2026-07-28: every request for itself.
    Stateless,
    /// Revision 2025-11-25: in a session.
    Session,
}

impl Mode {
    fn label(self) -> &'static str {
        match self {
            Self::Stateless => "stateless",
            Self::Session => "session",
        }
    }
}

/// One row to measure.
struct Cell {
    mode: Mode,
    target: Target,
    pid: u32,
    plan: Plan,
    rounds: Vec<Measurement>,
}

/// One row of the report.
#[derive(Debug, Serialize)]
struct Row {
    mode: &'static str,
    target: &'static str,
    ratio_to_rmcp: Option<f64>,
    ratio_to_axum: Option<f64>,
    median: Measurement,
    rounds: Vec<Measurement>,
}

/// Runs the subcommand. A bar that does not hold is told, and no error; wrong answers are one.
pub(crate) async fn run(args: &Args) -> Result<()> {
    let mut args = args.clone();
    if args.quick {
        (args.rounds, args.duration_s, args.warm_up_s) = (1, 0.4, 0.1);
    }
    for (what, value) in [("--rounds", args.rounds), ("--connections", args.connections)] {
        if value == 0 {
            return Err(Error::TooSmall { what, least: 1 });
        }
    }
    let seed = *args.seed.get_or_insert_with(|| fastrand::u64(..));
    let (machine, started_unix_s) = (Machine::here(), report::unix_s());
    let scratch = tempfile::tempdir().map_err(Error::io("make a temporary folder"))?;
    let (processes, mut cells) = start(&args, scratch.path()).await?;
    all_rounds(&args, &mut cells, &mut fastrand::Rng::with_seed(seed)).await?;
    for process in processes {
        process.stop().await;
    }
    let rows = rows(&cells);
    let bars = bars(&cells);
    println!("{}\n\n{}", machine.line(), table::aligned(&TITLES, 2, rows.iter().map(line).collect()));
    bars.iter().for_each(|bar| println!("{}", bar.line()));
    let errors = rows.iter().map(|row| row.median.errors).sum();
    let (commit, profile) = (report::commit(), report::profile());
    let (json, command) = (args.json.clone(), std::env::args().collect());
    store(&json, &Report { commit, started_unix_s, command, profile, machine, settings: args, rows, bars })?;
    if errors == 0 { Ok(()) } else { Err(Error::WrongAnswers { count: errors }) }
}

/// Starts the targets, the axum route last, when it is known what the reference server says. Returns them with the rows.
async fn start(args: &Args, scratch: &Path) -> Result<(Vec<Process>, Vec<Cell>)> {
    let cpus = if args.no_pin { Cpus::default() } else { Cpus::split() };
    if let Some(rest) = &cpus.rest {
        process::pin(rest).map_err(Error::io("pin the driver to its CPUs"))?;
    }
    let program = find_server(args.server.as_deref())?;
    let answer = scratch.join("answer");
    let (mut processes, mut cells) = (vec![], vec![]);
    for target in Target::ALL.into_iter().rev() {
        let process = Process::start(&target.launch(&cpus, &answer, &program)?, scratch).await?;
        let modes: &[Mode] =
            if target == Target::BareAxum { &[Mode::Stateless] } else { &[Mode::Session, Mode::Stateless] };
        for &mode in modes {
            let plan = plan(args, &process, mode).await?;
            let told = measure::preflight(&plan, mode.label(), target.label()).await?;
            if (target, mode) == (Target::Reference, Mode::Stateless) {
                std::fs::write(&answer, with_blank_id(&plan, &told)).map_err(Error::file("write", &answer))?;
            }
            cells.insert(0, Cell { mode, target, pid: process.pid(), plan, rounds: vec![] });
        }
        processes.push(process);
    }
    cells.sort_by_key(|cell| cell.mode == Mode::Session);
    Ok((processes, cells))
}

async fn plan(args: &Args, process: &Process, mode: Mode) -> Result<Plan> {
    let host = process.address.to_string();
    let request = match mode {
        Mode::Stateless => Request::new(&host, "/mcp", None, &Ask::Echo),
        Mode::Session => Request::echo_in_session(&host, "/mcp", &session::begin(process.address).await?),
    };
    Ok(Plan {
        target: process.address,
        connections: args.connections,
        rate: None,
        warm_up: seconds(args.warm_up_s),
        duration: seconds(args.duration_s),
        requests: vec![request],
        expect: Expectation { status: 200, marker: CALL_MARKER.into(), absent: vec![], id_echoed: true },
    })
}

/// The answer to the preflight, with zeros for the id that it had.
fn with_blank_id(plan: &Plan, told: &[u8]) -> String {
    let text = String::from_utf8_lossy(told);
    let Some(mut request) = plan.requests.first().cloned() else {
        return text.into_owned();
    };
    request.set_id(u64::MAX);
    text.replace(&*String::from_utf8_lossy(request.id()), ID_BLANK)
}

/// All rounds. Progress goes to stderr.
async fn all_rounds(args: &Args, cells: &mut [Cell], random: &mut fastrand::Rng) -> Result<()> {
    for round in 1..=args.rounds {
        eprintln!("round {round} of {}", args.rounds);
        let mut order: Vec<&mut Cell> = cells.iter_mut().collect();
        random.shuffle(&mut order);
        for cell in order {
            cell.rounds.extend(measure::round(&cell.plan, cell.pid).await?);
        }
    }
    Ok(())
}

/// Median CPU time of a row; `None` without one.
fn cpu(cells: &[Cell], mode: Mode, target: Target) -> Option<f64> {
    let cell = cells.iter().find(|cell| cell.mode == mode && cell.target == target)?;
    Some(report::median(&cell.rounds).cpu_us_per_request).filter(|cpu| *cpu > 0.0)
}

fn rows(cells: &[Cell]) -> Vec<Row> {
    let row = |cell: &Cell| {
        let median = report::median(&cell.rounds);
        // The axum route knows no modes.
        let over = |base: Option<f64>| base.map(|base| median.cpu_us_per_request / base);
        Row {
            mode: cell.mode.label(),
            target: cell.target.label(),
            ratio_to_rmcp: over(cpu(cells, cell.mode, Target::BareRmcp)),
            ratio_to_axum: over(cpu(cells, Mode::Stateless, Target::BareAxum)),
            median,
            rounds: cell.rounds.clone(),
        }
    };
    cells.iter().map(row).collect()
}

fn bars(cells: &[Cell]) -> Vec<Bar> {
    let bar = |(mode, name)| {
        let value = cpu(cells, mode, Target::Reference)? / cpu(cells, mode, Target::BareRmcp)?;
        Some(Bar::new(name, value, AT_MOST))
    };
    let names = [
        (Mode::Stateless, "trivial call over a bare rmcp handler, stateless"),
        (Mode::Session, "trivial call over a bare rmcp handler, in a session"),
    ];
    names.into_iter().filter_map(bar).collect()
}

fn line(row: &Row) -> [String; TITLES.len()] {
    let ratio = |ratio: Option<f64>| ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
    [
        row.mode.to_owned(),
        row.target.to_owned(),
        format!("{:.1}", row.median.cpu_us_per_request),
        ratio(row.ratio_to_rmcp),
        ratio(row.ratio_to_axum),
        format!("{:.0}", row.median.requests_per_s),
        format!("{:.0}", row.median.latency.p50_us),
        format!("{:.0}", row.median.latency.p99_us),
        row.median.errors.to_string(),
    ]
}

#[cfg(test)]
mod tests;
