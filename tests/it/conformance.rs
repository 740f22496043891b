//! The official conformance suite through Doorward equals the suite without it, scenario by scenario.

use crate::support::{conformance, door::Setup, upstream::Server};

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
