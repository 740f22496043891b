//! The official conformance suite: the reference server passes it in both eras over both transports, and through Doorward
//! the suite's outcome is the same, scenario by scenario.

use crate::support::{
    bridge::Bridge,
    conformance,
    door::Setup,
    upstream::{Server, reference_stdio},
};

/// Revisions with the number of scenarios that the suite scores for servers.
const SCORED: [(&str, usize); 2] = [("2025-11-25", 30), ("2026-07-28", 37)];

/// Scenarios about HTTP alone. Over standard streams they would only test the bridge.
const HTTP_ONLY: [&str; 6] = [
    "dns-rebinding-protection",
    "http-header-validation",
    "http-custom-header-server-validation",
    "server-session-lifecycle",
    "server-sse-polling",
    "tasks-request-headers",
];

/// Scenarios of the suite that check nothing yet.
const EMPTY: [&str; 1] = ["tasks-status-notifications"];

/// Prints the table of the project's conformance; see `.config/nextest.toml`.
#[tokio::test]
async fn conformance_of_the_server_in_both_eras_over_both_transports() {
    let server = Server::reference().await;
    let bridge = Bridge::start(reference_stdio()).await;
    let mut columns = vec![];
    for (revision, count) in SCORED {
        let (scored, unscored) = conformance::scenarios(revision);
        assert_eq!(scored.len(), count, "the suite scores other scenarios for {revision} than it did");
        let all = [scored, unscored].concat();
        let streams = all.iter().filter(|name| !HTTP_ONLY.contains(&name.as_str())).cloned().collect();
        let over_http = conformance::requirements(&server.url, revision).await;
        let over_stdio = conformance::requirements(&bridge.url, revision).await;
        columns.push((format!("{revision} HTTP"), over_http, all));
        columns.push((format!("{revision} stdio"), over_stdio, streams));
    }
    println!("{}", conformance::table(&columns));
    let mut failures = String::new();
    for (name, run, expected) in &columns {
        let expected = expected.iter().filter(|scenario| !EMPTY.contains(&scenario.as_str()));
        let expected: Vec<String> = expected.cloned().collect();
        let passed = expected.iter().filter(|scenario| run.word(scenario) == "pass").count();
        println!("{name}: {passed} of {}", expected.len());
        if passed < expected.len() {
            failures.push_str(&format!("{name}\n{}", run.failures(&expected)));
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

async fn same_through_the_door(revision: &str, scored: usize) {
    let server = Server::reference().await;
    let door = Setup::serve(&server.url).no_authentication().bundle("permit-all").start().await;
    let alone = conformance::requirements(&server.url, revision).await;
    let behind = conformance::requirements(&door.url, revision).await;
    assert!(alone.passed() >= scored, "the server alone passes {} scenarios", alone.passed());
    if let Some(difference) = conformance::difference(&alone, &behind) {
        panic!("{difference}\n{}", door.process.stderr.text());
    }
}

#[tokio::test]
async fn requirements_of_2025_11_25_hold_through_the_door() {
    same_through_the_door("2025-11-25", 30).await;
}

#[tokio::test]
async fn requirements_of_2026_07_28_hold_through_the_door() {
    same_through_the_door("2026-07-28", 37).await;
}

#[tokio::test]
async fn header_validation_holds_through_the_door() {
    let server = Server::reference().await;
    let door = Setup::serve(&server.url).no_authentication().bundle("permit-all").start().await;
    for scenario in ["http-header-validation", "http-custom-header-server-validation"] {
        let run = conformance::scenario(&door.url, scenario).await;
        assert!(run.passes(scenario), "{scenario}: {run:?}");
    }
}
