use std::{net::SocketAddr, time::Duration};

use super::*;
use crate::load::Percentiles;

fn cell(mode: Mode, target: Target, cpu_us: &[f64]) -> Cell {
    let measurement = |cpu: &f64| Measurement {
        requests: 100,
        errors: 0,
        cpu_us_per_request: *cpu,
        requests_per_s: 1.0,
        latency: Percentiles::default(),
    };
    Cell {
        mode,
        target,
        pid: 0,
        plan: Plan {
            target: SocketAddr::from(([127, 0, 0, 1], 1)),
            connections: 1,
            rate: None,
            warm_up: Duration::ZERO,
            duration: Duration::ZERO,
            requests: vec![Request::new("h", "/mcp", None, &Ask::Echo)],
            expect: Expectation { status: 200, marker: vec![], absent: vec![], id_echoed: false },
        },
        rounds: cpu_us.iter().map(measurement).collect(),
    }
}

#[test]
fn ratios_are_to_rmcp_in_the_same_mode_and_to_axum() {
    let rows = rows(&[
        cell(Mode::Stateless, Target::BareAxum, &[10.0]),
        cell(Mode::Stateless, Target::BareRmcp, &[40.0, 90.0, 30.0]),
        cell(Mode::Session, Target::BareRmcp, &[20.0]),
        cell(Mode::Session, Target::Reference, &[30.0]),
    ]);
    assert_eq!(rows[1].ratio_to_axum, Some(4.0));
    assert_eq!((rows[3].ratio_to_rmcp, rows[3].ratio_to_axum), (Some(1.5), Some(3.0)));
}

#[test]
fn bar_is_told_for_each_mode_that_was_measured() {
    let bars = bars(&[
        cell(Mode::Stateless, Target::BareRmcp, &[10.0]),
        cell(Mode::Stateless, Target::Reference, &[12.0]),
        cell(Mode::Session, Target::BareRmcp, &[10.0]),
        cell(Mode::Session, Target::Reference, &[14.0]),
    ]);
    assert_eq!(bars.iter().map(|bar| (bar.value, bar.holds)).collect::<Vec<_>>(), [(1.2, true), (1.4, false)]);
    assert!(super::bars(&[cell(Mode::Stateless, Target::Reference, &[12.0])]).is_empty());
}

#[test]
fn answer_gets_zeros_for_the_id_that_it_had() {
    let plan = cell(Mode::Stateless, Target::Reference, &[]).plan;
    let told = format!("{{\"id\":\"{}\"}}", u64::MAX % 10_000_000_000_000_000);
    assert_eq!(with_blank_id(&plan, told.as_bytes()), r#"{"id":"0000000000000000"}"#);
}
