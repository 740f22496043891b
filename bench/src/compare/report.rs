//! The figures of a run with what is needed to judge and repeat it, as JSON.

use std::{
    fs,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Serialize;

use crate::load::Percentiles;

/// One round of one row.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Measurement {
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) cpu_us_per_request: f64,
    pub(crate) requests_per_s: f64,
    #[serde(flatten)]
    pub(crate) latency: Percentiles,
}

/// One scenario at one target.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) scenario: &'static str,
    pub(crate) target: &'static str,
    /// CPU per request over that of the pass-through: for the same scenario, or for the plain call where the
    /// pass-through has no such scenario. `None` without a pass-through row.
    pub(crate) ratio_to_passthrough: Option<f64>,
    /// Over all rounds.
    pub(crate) errors: u64,
    /// Field by field.
    pub(crate) median: Measurement,
    pub(crate) rounds: Vec<Measurement>,
}

/// A figure that the project promised.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Bar {
    pub(crate) name: &'static str,
    pub(crate) value: f64,
    pub(crate) at_most: f64,
    pub(crate) holds: bool,
}

impl Bar {
    pub(crate) fn new(name: &'static str, value: f64, at_most: f64) -> Self {
        Self { name, value, at_most, holds: value <= at_most }
    }

    /// For people.
    pub(crate) fn line(&self) -> String {
        let verdict = if self.holds { "holds" } else { "does not hold" };
        format!("{}: {:.2}, at most {:.2}: {verdict}", self.name, self.value, self.at_most)
    }
}

/// The whole run.
#[derive(Debug, Serialize)]
pub(crate) struct Report<S, R = Row> {
    /// Of the working folder's repository; with `-dirty` when it has changes.
    pub(crate) commit: String,
    /// Seconds since 1970.
    pub(crate) started_unix_s: u64,
    pub(crate) command: Vec<String>,
    /// The build profile of this program, by the folder it lies in.
    pub(crate) profile: String,
    pub(crate) machine: Machine,
    pub(crate) settings: S,
    pub(crate) rows: Vec<R>,
    pub(crate) bars: Vec<Bar>,
}

/// Where it ran.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu_model: String,
    pub(crate) cpus: usize,
    pub(crate) memory_kib: u64,
    pub(crate) kernel: String,
    /// Before the run: what else the machine was doing.
    pub(crate) load_average: String,
}

impl Machine {
    pub(crate) fn here() -> Self {
        let memory = field("/proc/meminfo", "MemTotal");
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Self {
            cpu_model: field("/proc/cpuinfo", "model name"),
            cpus: std::thread::available_parallelism().map_or(0, usize::from),
            memory_kib: memory.trim_end_matches(" kB").parse().unwrap_or_default(),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            load_average: load.split(' ').take(3).collect::<Vec<_>>().join(" "),
        }
    }

    pub(crate) fn line(&self) -> String {
        format!(
            "{}, {} CPUs, Linux {}, load average before the run {}",
            self.cpu_model, self.cpus, self.kernel, self.load_average
        )
    }
}

/// The value of the first line `name : value`, empty when there is none.
fn field(path: &str, name: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim().to_owned())
        .unwrap_or_default()
}

/// The commit of the repository in the working folder, or `unknown`.
pub(crate) fn commit() -> String {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "HEAD"]) else {
        return "unknown".to_owned();
    };
    match git(&["status", "--porcelain", "--untracked-files=no"]) {
        Some(changes) if changes.is_empty() => commit,
        _ => commit + "-dirty",
    }
}

/// The folder that this program lies in: `release`, `dist`, …
pub(crate) fn profile() -> String {
    std::env::current_exe()
        .ok()
        .and_then(|path| Some(path.parent()?.file_name()?.to_string_lossy().into_owned()))
        .unwrap_or_default()
}

pub(crate) fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The median of each figure.
pub(crate) fn median(rounds: &[Measurement]) -> Measurement {
    let of = |figure: fn(&Measurement) -> f64| median_of(rounds.iter().map(figure).collect());
    Measurement {
        requests: rounds.iter().map(|round| round.requests).sum(),
        errors: rounds.iter().map(|round| round.errors).sum(),
        cpu_us_per_request: of(|m| m.cpu_us_per_request),
        requests_per_s: of(|m| m.requests_per_s),
        latency: Percentiles {
            p50_us: of(|m| m.latency.p50_us),
            p90_us: of(|m| m.latency.p90_us),
            p99_us: of(|m| m.latency.p99_us),
            p999_us: of(|m| m.latency.p999_us),
            max_us: of(|m| m.latency.max_us),
        },
    }
}

/// Zero of nothing; the mean of the middle two of an even number.
pub(crate) fn median_of(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle).copied().unwrap_or_default();
    if values.len() % 2 == 1 {
        return upper;
    }
    let lower = middle.checked_sub(1).and_then(|at| values.get(at));
    lower.map_or(upper, |lower| f64::midpoint(*lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_is_the_middle_or_the_mean_of_the_middle_two() {
        assert_eq!(median_of(vec![9.0, 1.0, 5.0]), 5.0);
        assert_eq!(median_of(vec![4.0, 1.0, 2.0, 9.0]), 3.0);
        assert_eq!(median_of(vec![]), 0.0);
    }

    #[test]
    fn machine_of_this_test_is_described() {
        let machine = Machine::here();
        assert!(machine.cpus > 0 && machine.memory_kib > 0, "{machine:?}");
        assert!(!machine.kernel.is_empty());
    }
}
