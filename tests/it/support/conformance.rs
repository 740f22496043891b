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

    /// `pass`, `FAIL`, or `skipped` where the suite itself checks nothing yet.
    pub(crate) fn word(&self, scenario: &str) -> &'static str {
        let checks = self.0.get(scenario);
        let skipped = |checks: &Vec<Check>| !checks.is_empty() && checks.iter().all(|check| check.status == "SKIPPED");
        match checks.is_some_and(skipped) {
            true => "skipped",
            false if self.passes(scenario) => "pass",
            false => "FAIL",
        }
    }

    /// Why scenarios failed, a line a check.
    pub(crate) fn failures(&self, scenarios: &[String]) -> String {
        let mut lines = String::new();
        for scenario in scenarios.iter().filter(|scenario| self.word(scenario) == "FAIL") {
            let failed = self.0.get(scenario).into_iter().flatten().filter(|check| check.status == "FAILURE");
            let _ = writeln!(lines, "{scenario}");
            for check in failed {
                let _ = writeln!(lines, "    {} {:.500}", check.id, check.message);
            }
        }
        lines
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

/// The scenarios of a requirement set for servers: those that are scored, and those that only run.
pub(crate) fn scenarios(revision: &str) -> (Vec<String>, Vec<String>) {
    let path = parts::npm_file(&format!("@modelcontextprotocol/conformance/requirements/{revision}.yaml"));
    let text = fs::read_to_string(path).unwrap();
    let section = |name: &str| {
        let start = text.find(&format!("\n{name}:\n")).unwrap_or_else(|| panic!("{revision} has no section {name}"));
        let lines = text[start + 1..].lines().skip(1);
        lines.take_while(|line| line.is_empty() || line.starts_with(' ')).collect::<Vec<_>>()
    };
    let scored = section("server").iter().filter_map(|line| line.strip_prefix("  - ")).map(str::to_owned).collect();
    let other = section("not_scored");
    let unscored = other.windows(2).filter(|pair| pair[1].trim() == "leg: server");
    (scored, unscored.filter_map(|pair| pair[0].strip_prefix("  - scenario: ")).map(str::to_owned).collect())
}

/// One line a scenario, one column a run; `-` where the scenario is not about that run.
pub(crate) fn table(columns: &[(String, Run, Vec<String>)]) -> String {
    let scenarios: BTreeSet<&String> = columns.iter().flat_map(|(_, _, expected)| expected).collect();
    let mut table = format!("{:<50}", "");
    for (name, ..) in columns {
        let _ = write!(table, " {name:>16}");
    }
    for scenario in scenarios {
        let _ = write!(table, "\n{scenario:<50}");
        for (_, run, expected) in columns {
            let cell = if expected.contains(scenario) { run.word(scenario) } else { "-" };
            let _ = write!(table, " {cell:>16}");
        }
    }
    table
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
