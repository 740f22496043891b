//! Latencies: recorded with a relative error below 0.2 percent, summed up as percentiles in microseconds.

use std::time::Duration;

use serde::Serialize;

/// The longest latency told apart, seconds; longer ones count as this.
const LATENCY_S_MAX: u64 = 600;

/// Latencies of one run.
#[derive(Debug, Clone)]
pub(crate) struct Latencies {
    // `None` when the bounds were refused, which constant valid bounds are not.
    nanos: Option<hdrhistogram::Histogram<u64>>,
}

/// Percentiles, microseconds; zero when nothing was recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50_us: f64,
    pub(crate) p90_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) max_us: f64,
}

impl Latencies {
    pub(crate) fn new() -> Self {
        Self { nanos: hdrhistogram::Histogram::new_with_bounds(1, LATENCY_S_MAX * 1_000_000_000, 3).ok() }
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        if let Some(nanos) = &mut self.nanos {
            nanos.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        if let (Some(to), Some(from)) = (&mut self.nanos, &other.nanos) {
            // Both have the same bounds, so every value fits.
            let _ = to.add(from);
        }
    }

    pub(crate) fn percentiles(&self) -> Percentiles {
        let Some(nanos) = self.nanos.as_ref().filter(|n| !n.is_empty()) else {
            return Percentiles::default();
        };
        let at = |percent| micros(nanos.value_at_percentile(percent));
        Percentiles {
            p50_us: at(50.0),
            p90_us: at(90.0),
            p99_us: at(99.0),
            p999_us: at(99.9),
            max_us: micros(nanos.max()),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53 nanoseconds")]
fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1000.0
}

#[cfg(test)]
mod tests;
