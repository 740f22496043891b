use super::*;
use crate::{compare::report::Measurement, load::Percentiles};

fn row(target: &'static str, cpu: f64, ratio: Option<f64>, errors: u64) -> Row {
    let median = Measurement {
        requests: 1000,
        errors,
        cpu_us_per_request: cpu,
        requests_per_s: 12_345.6,
        latency: Percentiles { p50_us: 812.4, p99_us: 3210.0, ..Percentiles::default() },
    };
    Row { scenario: "tools/call 1 KiB", target, ratio_to_passthrough: ratio, errors, median, rounds: vec![] }
}

#[test]
fn table_is_aligned_and_marks_missing_ratios() {
    let rows = [
        row("direct", 10.72, Some(0.134), 0),
        row("pass-through", 80.0, Some(1.0), 0),
        row("doorward", 100.04, None, 17),
    ];
    insta::assert_snapshot!(render(&rows), @"
    | scenario         | target       | CPU µs/request | × pass-through | requests/s | p50 µs | p99 µs | errors |
    |------------------|--------------|---------------:|---------------:|-----------:|-------:|-------:|-------:|
    | tools/call 1 KiB | direct       |           10.7 |           0.13 |      12346 |    812 |   3210 |      0 |
    | tools/call 1 KiB | pass-through |           80.0 |           1.00 |      12346 |    812 |   3210 |      0 |
    | tools/call 1 KiB | doorward     |          100.0 |              - |      12346 |    812 |   3210 |     17 |
    ");
}
