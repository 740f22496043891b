//! A crowd whose requests are all under way at the same time: the upstream holds every answer until new policies were
//! taken again and again. And what the audit file then says of each.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use tokio::task::JoinSet;

use super::{
    super::{super::raw::Connection, fixture::Running, format::Case},
    Crowd,
    send::{Answers, One, answer},
};

/// Sends a part of the crowd, replaces the policies, and so on; opens the gate when all have been sent and replaced.
pub(super) async fn answers(case: &Case, crowd: &Crowd, running: &Running, requests: &Arc<Vec<One>>) -> Answers {
    let upstream = &running.upstreams[0];
    let (mut workers, mut failures) = (JoinSet::new(), vec![]);
    let part = requests.len().div_ceil(crowd.policies.len().max(1));
    upstream.hold(true);
    for (place, policies) in crowd.policies.iter().enumerate() {
        let until = (part * (place + 1)).min(requests.len());
        for number in part * place..until {
            let (requests, address, case) = (Arc::clone(requests), running.door.address(), case.clone());
            workers.spawn(async move {
                let mut connection = Connection::to(&address);
                (number, answer(&case, &address, &mut connection, &requests[number].bytes).await)
            });
        }
        if !arrive(running, until).await {
            failures.push(format!("{} of {until} requests are under way", upstream.held()));
            break;
        }
        running.set_policies(policies).await;
    }
    if let Some(early) = workers.try_join_next() {
        failures.push(format!("an answer came before its time: {early:?}"));
    }
    upstream.hold(false);
    let by_number = workers.join_all().await.into_iter().collect();
    Answers { by_number, failures }
}

/// Waits until so many requests are held.
async fn arrive(running: &Running, count: usize) -> bool {
    for _ in 0..400 {
        if running.upstreams[0].held() >= count {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    false
}

/// Waits until the records of what came before are written: at least the door's first call, and then no more.
pub(super) async fn records_settle(running: &Running) {
    let mut seen = String::new();
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        let now = running.door.audit_text();
        if now == seen && now.contains(r#""kind":"outcome""#) {
            return;
        }
        seen = now;
    }
}

/// Whether the records after `from` hold each decision once and its outcome once, both under one snapshot, and agree on
/// which policies a snapshot has.
pub(super) async fn one_snapshot_each(running: &Running, from: usize, wanted: usize) -> Vec<String> {
    let mut records: Vec<Value> = vec![];
    let of = |records: &[Value], kind: &str| -> Vec<Value> {
        records.iter().filter(|record| record["kind"] == kind).cloned().collect()
    };
    for _ in 0..200 {
        let text = running.door.audit_text().split_off(from);
        let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        records = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok()).collect();
        if of(&records, "outcome").len() >= wanted {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut failures = vec![];
    for kind in ["decision", "outcome"] {
        let records = of(&records, kind);
        let ids: BTreeSet<String> = records.iter().map(|record| record["decision_id"].to_string()).collect();
        if ids.len() != wanted || records.len() != wanted {
            failures.push(format!("{} records {kind} with {} ids for {wanted} requests", records.len(), ids.len()));
        }
    }
    let mut by_id: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut policies: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for record in records.iter().filter(|record| record["decision_id"].is_string() && record["snapshot"].is_string()) {
        by_id.entry(record["decision_id"].to_string()).or_default().insert(record["snapshot"].to_string());
        if record["kind"] == "decision" {
            policies.entry(record["snapshot"].to_string()).or_default().insert(record["policies"].to_string());
        }
    }
    if by_id.len() != wanted || by_id.values().any(|snapshots| snapshots.len() != 1) {
        failures.push(format!("{} of {wanted} requests have one snapshot", by_id.len()));
    }
    if policies.len() < 2 || policies.values().any(|sets| sets.len() != 1) {
        failures.push(format!("snapshots and the policies that decided under them: {policies:?}"));
    }
    failures
}
