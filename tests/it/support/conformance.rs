//! The official MCP conformance suite (npm) against a server, and the comparison of two of its runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    time::Duration,
};

use serde_json::Value;
use tokio::process::Command;

use super::{parts, process::run_command};

/// A check's outcome within a scenario.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Check {
    pub(crate) id: String,
    pub(crate) status: String,
    /// The suite's message for people; differs from run to run.
    pub(crate) message: String,
}

/// A run of the suite: scenario → its checks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Run(pub(crate) BTreeMap<String, Vec<Check>>);

impl Run {
    /// A scenario passes when it ran at least one check and none failed.
    pub(crate) fn passes(&self, scenario: &str) -> bool {
        self.0
            .get(scenario)
            .is_some_and(|checks| !checks.is_empty() && checks.iter().all(|check| check.status != "FAILURE"))
    }

    pub(crate) fn passed(&self) -> usize {
        self.0.keys().filter(|scenario| self.passes(scenario)).count()
    }

    /// The outcome of every check, without the text.
    fn outcomes(&self, scenario: &str) -> BTreeSet<(String, String)> {
        let checks = self.0.get(scenario).into_iter().flatten();
        checks.map(|check| (check.id.clone(), check.status.clone())).collect()
    }
}

/// Runs one requirement set (`2025-11-25`, `2026-07-28`) against `url`.
pub(crate) async fn requirements(url: &str, revision: &str) -> Run {
    run(url, &["--requirements", revision]).await
}

/// Runs one scenario, also one that no requirement set scores.
pub(crate) async fn scenario(url: &str, name: &str) -> Run {
    run(url, &["--scenario", name, "--force"]).await
}

async fn run(url: &str, arguments: &[&str]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(parts::node());
    command.arg(parts::npm_file("@modelcontextprotocol/conformance/dist/index.js"));
    command.args(["server", "--url", url]).args(arguments).arg("-o").arg(folder.path());
    let finished = run_command(&mut command, Duration::from_secs(600)).await;
    let mut result = Run::default();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        // `server-NAME-2026-11-23T00-00-09-963Z`
        let Some(scenario) = name.strip_prefix("server-").and_then(|rest| rest.get(..rest.len().checked_sub(25)?))
        else {
            continue;
        };
        let Ok(text) = fs::read_to_string(entry.path().join("checks.json")) else {
            continue;
        };
        let checks: Vec<Value> = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let text = |check: &Value, key: &str| check[key].as_str().unwrap_or_default().to_owned();
        let checks = checks.iter().map(|check| Check {
            id: text(check, "id"),
            status: text(check, "status"),
            message: text(check, "errorMessage"),
        });
        result.0.insert(scenario.to_owned(), checks.collect());
    }
    assert!(!result.0.is_empty(), "the suite wrote no results\n{}\n{}", finished.stdout, finished.stderr);
    result
}

/// Where two runs differ, as a table with both sides' reasons; `None` where they agree.
pub(crate) fn difference(alone: &Run, behind: &Run) -> Option<String> {
    let scenarios: BTreeSet<&String> = alone.0.keys().chain(behind.0.keys()).collect();
    let mut table = String::new();
    for scenario in scenarios {
        if alone.outcomes(scenario) == behind.outcomes(scenario) && alone.passes(scenario) == behind.passes(scenario) {
            continue;
        }
        let word = |run: &Run| {
            if run.passes(scenario) { "passes" } else { "fails" }
        };
        let _ = writeln!(table, "{scenario:<50} alone: {:<7} behind: {}", word(alone), word(behind));
        for (side, run, other) in [("alone", alone, behind), ("behind", behind, alone)] {
            let theirs = other.outcomes(scenario);
            let own = run.0.get(scenario).into_iter().flatten();
            for check in own.filter(|check| !theirs.contains(&(check.id.clone(), check.status.clone()))) {
                let _ = writeln!(table, "    {side:<6} {:<8} {} {:.300}", check.status, check.id, check.message);
            }
        }
    }
    if table.is_empty() {
        return None;
    }
    Some(format!(
        "{} of {} scenarios pass alone, {} of {} behind the door\n{table}",
        alone.passed(),
        alone.0.len(),
        behind.passed(),
        behind.0.len()
    ))
}
