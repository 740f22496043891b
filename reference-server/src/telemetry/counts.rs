//! What is counted elsewhere, read whenever metrics are sent.

use std::sync::{Arc, Weak};

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use super::names;
use crate::cache::Counted;
use crate::state::Shared;

fn cache(shared: &Weak<Shared>) -> Option<Counted> {
    shared.upgrade()?.cache().map(|cache| cache.counts())
}

pub(super) fn watch(meter: &Meter, shared: &Arc<Shared>) {
    let state = Arc::downgrade(shared);
    let tasks = meter.u64_observable_gauge(names::TASKS).with_description("Tasks that are not ended");
    tasks
        .with_callback(move |seen| {
            if let Some(shared) = state.upgrade() {
                seen.observe(u64::try_from(shared.tasks.running()).unwrap_or(u64::MAX), &[]);
            }
        })
        .build();
    let state = Arc::downgrade(shared);
    let lookups = meter.u64_observable_counter(names::LOOKUPS).with_description("Looks into the cache");
    lookups
        .with_callback(move |seen| {
            if let Some(counted) = cache(&state) {
                let results = [("hit", counted.hits), ("shared_hit", counted.shared_hits), ("miss", counted.misses)];
                for (result, count) in results {
                    seen.observe(count, &[KeyValue::new(names::RESULT, result)]);
                }
            }
        })
        .build();
    let state = Arc::downgrade(shared);
    let failures = meter.u64_observable_counter(names::CACHE_FAILURES).with_description("Times that Redis failed");
    failures
        .with_callback(move |seen| {
            if let Some(counted) = cache(&state) {
                seen.observe(counted.failures, &[]);
            }
        })
        .build();
}
