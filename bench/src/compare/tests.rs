use std::net::SocketAddr;

use super::*;
use crate::{load::Percentiles, mcp::Expectation};

fn cell(scenario: Scenario, target: Target, cpu_us: &[f64]) -> Cell {
    let measurement = |cpu: &f64| Measurement {
        requests: 100,
        errors: 1,
        cpu_us_per_request: *cpu,
        requests_per_s: 1.0,
        latency: Percentiles::default(),
    };
    Cell {
        scenario,
        target,
        pid: 0,
        plan: Plan {
            target: SocketAddr::from(([127, 0, 0, 1], 1)),
            connections: 1,
            rate: None,
            warm_up: Duration::ZERO,
            duration: Duration::ZERO,
            requests: vec![],
            expect: Expectation { status: 200, marker: vec![], absent: vec![], id_echoed: false },
        },
        rounds: cpu_us.iter().map(measurement).collect(),
    }
}

#[test]
fn rows_hold_medians_and_ratios_and_sum_errors() {
    let rows = rows(&[
        cell(Scenario::Call, Target::PassThrough, &[80.0, 300.0, 70.0]),
        cell(Scenario::Call, Target::Doorward, &[120.0, 100.0, 110.0]),
        cell(Scenario::ForgedToken, Target::Doorward, &[40.0]),
    ]);
    assert_eq!(rows[0].median.cpu_us_per_request, 80.0);
    assert_eq!(rows[1].ratio_to_passthrough, Some(110.0 / 80.0));
    assert_eq!(rows[1].errors, 3);
    // No pass-through refuses tokens: over its plain call.
    assert_eq!(rows[2].ratio_to_passthrough, Some(0.5));
}

#[test]
fn bars_are_checked_against_their_limits() {
    let rows = rows(&[
        cell(Scenario::Call, Target::PassThrough, &[100.0]),
        cell(Scenario::Call, Target::Doorward, &[140.0]),
        cell(Scenario::ForgedToken, Target::Doorward, &[71.0]),
    ]);
    let bars = bars(&rows);
    assert_eq!((bars[0].value, bars[0].holds), (1.4, true));
    assert!(bars[1].value > 0.5 && !bars[1].holds);
}

#[test]
fn bars_without_a_doorward_row_are_absent() {
    let rows = rows(&[cell(Scenario::Call, Target::PassThrough, &[100.0])]);
    assert!(bars(&rows).is_empty());
}

#[test]
fn cpu_per_request_is_in_microseconds() {
    assert_eq!(measure::per_request_us(Duration::from_millis(10), 100), 100.0);
}

#[test]
fn refusals_are_asked_of_doorward_only() {
    let count = |target| {
        let scenarios = Scenario::ALL.iter();
        scenarios.filter(|s| s.applies_to(target)).count()
    };
    assert_eq!((count(Target::Nginx), count(Target::Doorward)), (3, 6));
}

#[tokio::test]
async fn preflight_names_what_it_got() {
    let mut cell = cell(Scenario::Call, Target::Nginx, &[]);
    let tokens = Tokens { valid: "t".into(), forged: vec![] };
    cell.plan.requests = Scenario::Call.requests("h", &tokens, 2);
    tokio::time::pause();
    let error = measure::preflight(&cell.plan, "tools/call", "nginx").await.unwrap_err();
    assert!(matches!(error, Error::Preflight { status: 0, .. }), "{error}");
}
