use super::*;

fn near(is: f64, should_be: f64) -> bool {
    (is - should_be).abs() <= should_be * 0.002
}

#[test]
fn percentiles_of_a_ramp_are_its_ranks() {
    let mut latencies = Latencies::new();
    for us in 1..=1000 {
        latencies.record(Duration::from_micros(us));
    }
    let p = latencies.percentiles();
    assert!(near(p.p50_us, 500.0), "{p:?}");
    assert!(near(p.p90_us, 900.0), "{p:?}");
    assert!(near(p.p99_us, 990.0), "{p:?}");
    assert!(near(p.p999_us, 999.0), "{p:?}");
    assert!(near(p.max_us, 1000.0), "{p:?}");
}

#[test]
fn one_stall_shows_in_the_tail_only() {
    let mut latencies = Latencies::new();
    for _ in 0..999 {
        latencies.record(Duration::from_micros(100));
    }
    latencies.record(Duration::from_secs(2));
    let p = latencies.percentiles();
    assert!(near(p.p99_us, 100.0), "{p:?}");
    assert!(near(p.max_us, 2e6), "{p:?}");
}

#[test]
fn added_histograms_count_as_one() {
    let (mut low, mut high) = (Latencies::new(), Latencies::new());
    for _ in 0..50 {
        low.record(Duration::from_micros(10));
        high.record(Duration::from_micros(1000));
    }
    low.add(&high);
    let p = low.percentiles();
    assert!(near(p.p50_us, 10.0) && near(p.p90_us, 1000.0), "{p:?}");
}

#[test]
fn nothing_recorded_is_zero_and_overlong_is_capped() {
    let mut latencies = Latencies::new();
    assert_eq!(latencies.percentiles(), Percentiles::default());
    latencies.record(Duration::from_secs(100_000));
    assert!(near(latencies.percentiles().max_us, 600e6));
}
