use super::*;

#[test]
fn stat_is_read_behind_a_name_with_parentheses() {
    let text = "77 (a) b (c) S 12 77 77 0 -1 4194560 1 2 3 4 150 25 7 8 20 0 3 0 99 1 2";
    assert_eq!(parse_stat(text), Some(Stat { parent: 12, ticks: 175 }));
    assert_eq!(parse_stat("77 (x) S 12"), None);
}

#[test]
fn schedstat_is_its_first_field() {
    assert_eq!(parse_schedstat("141355 123021 2\n"), Some(141_355));
    assert_eq!(parse_schedstat(""), None);
}

#[test]
fn resident_memory_is_read_in_bytes() {
    let text = "Name:\tx\nState:\tS (sleeping)\nVmRSS:\t   40960 kB\nThreads:\t1\n";
    assert_eq!(parse_resident(text), Some(40_960 * 1024));
    assert_eq!(parse_resident("State:\tZ (zombie)\n"), Some(0));
    assert_eq!(parse_resident("State:\tS (sleeping)\n"), None);
}

fn sample(threads: &[((u32, u32), u64)], ticks: u64) -> CpuSample {
    CpuSample { threads: threads.iter().copied().collect(), ticks }
}

#[test]
fn used_time_is_the_sum_over_threads_new_ones_included() {
    let before = sample(&[((1, 1), 100), ((1, 2), 50)], 0);
    let after = sample(&[((1, 1), 300), ((1, 2), 50), ((9, 9), 7)], 0);
    assert_eq!(after.since(&before), Duration::from_nanos(207));
}

#[test]
fn ended_thread_switches_to_ticks() {
    let before = sample(&[((1, 1), 100), ((1, 2), 50)], 10);
    let after = sample(&[((1, 1), 300)], 15);
    let tick = Duration::from_nanos(1_000_000_000 / rustix::param::clock_ticks_per_second());
    assert_eq!(after.since(&before), tick * 5);
}

#[test]
fn own_work_is_seen() {
    let pid = std::process::id();
    let before = CpuSample::take(pid).unwrap();
    let started = std::time::Instant::now();
    let mut x = 1u64;
    while started.elapsed() < Duration::from_millis(100) {
        x = std::hint::black_box(x.wrapping_mul(31));
    }
    let used = CpuSample::take(pid).unwrap().since(&before);
    // The machine may be busy, so not all of the 100 ms need be ours.
    assert!(used > Duration::from_millis(5), "{used:?}");
    assert!(resident_bytes(pid).unwrap() > 1 << 20);
}

#[test]
fn process_that_does_not_exist_is_an_error() {
    assert!(matches!(CpuSample::take(u32::MAX), Err(Error::ProcessGone { .. })));
}
