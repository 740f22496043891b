//! The parts together, as processes: upstream, pass-through and load.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_doorward-bench");

/// A started part, ended when dropped.
struct Part {
    child: Child,
    url: String,
}

impl Part {
    fn start(args: &[&str]) -> Self {
        let mut child = Command::new(PROGRAM).args(args).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Self { child, url }
    }

    fn address(&self) -> &str {
        self.url.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/mcp")).unwrap()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn load(url: &str, more: &[&str]) -> (bool, serde_json::Value) {
    let output =
        Command::new(PROGRAM).args(["load", "--json", "--warm-up-s", "0.1", "--url", url]).args(more).output().unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(&output.stderr));
    });
    (output.status.success(), report)
}

#[test]
fn load_through_the_pass_through_has_no_errors() {
    let upstream = Part::start(&["upstream"]);
    let proxy = Part::start(&["passthrough", "--upstream", upstream.address()]);
    for more in [
        &["--duration-s", "1", "--connections", "8"][..],
        &["--duration-s", "0.4", "--body-bytes", "65536"],
        &["--duration-s", "0.4", "--list"],
        &["--duration-s", "0.4", "--rate", "200"],
    ] {
        let (ok, report) = load(&proxy.url, more);
        assert!(ok, "{more:?}: {report}");
        assert_eq!(report["errors"], 0, "{more:?}: {report}");
        assert!(report["requests"].as_u64().unwrap() > 20, "{more:?}: {report}");
    }
}

#[test]
fn load_tells_wrong_answers() {
    let upstream = Part::start(&["upstream"]);
    let (ok, report) = load(&upstream.url, &["--duration-s", "0.2", "--expect-status", "403"]);
    assert!(!ok);
    assert_eq!(report["errors"], report["requests"]);
    assert!(report["errors"].as_u64().unwrap() > 0);
}

#[test]
fn upstream_that_dies_shows_as_errors() {
    let upstream = Part::start(&["upstream"]);
    let proxy = Part::start(&["passthrough", "--upstream", upstream.address()]);
    drop(upstream);
    let (ok, report) = load(&proxy.url, &["--duration-s", "0.2"]);
    assert!(!ok, "{report}");
    assert!(report["errors"].as_u64().unwrap() > 0, "{report}");
}
