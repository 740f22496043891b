#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    audit::{Circumstances, Direction, Mode, Outcome, chain::Chain, verify::verify_files},
    metrics::{
        labels::{MethodLabel, Operation},
        prometheus,
    },
    traces::Carrier,
    *,
};
use crate::model::{Decision, Principal, PrincipalKind, Transport};

fn started(file: &Path, mode: Mode) -> (Observer, ObserverHandle) {
    let audit = AuditSettings { mode, ..AuditSettings::to_file(file.to_owned()) };
    Observer::start(&ObserveSettings { audit: Some(audit), ..ObserveSettings::default() }).unwrap()
}

fn circumstances(principal: &Arc<Principal>) -> Circumstances {
    Circumstances {
        principal: Some(Arc::clone(principal)),
        method: Some("tools/call".into()),
        ..Circumstances::new(Transport::Http, Direction::FromClient)
    }
}

fn decision(observer: &Observer, effect: Effect) -> DecisionRecord {
    let principal = Arc::new(Principal::local(PrincipalKind::User, "alice"));
    DecisionRecord {
        id: observer.decision_id(),
        circumstances: circumstances(&principal),
        arguments: observer.arguments_digest(b"{}"),
        decision: Decision { effect, policies: [].into(), errors: [].into(), advice: None, refusal: None },
        code: (effect == Effect::Deny).then_some("authz.denied"),
        snapshot: "sha256:0".into(),
    }
}

#[tokio::test]
async fn each_message_has_its_records_and_counts() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("audit");
    let (observer, handle) = started(&file, Mode::Strict);
    let allowed = decision(&observer, Effect::Allow);
    let id = allowed.id;
    observer.decision(allowed).await.unwrap();
    let outcome = Outcome { code: Some("upstream.timeout"), ..Outcome::default() };
    observer.outcome(OutcomeRecord { id, outcome });
    observer.decision(decision(&observer, Effect::Deny)).await.unwrap();
    observer.refused(RefusalRecord {
        id: observer.decision_id(),
        circumstances: Circumstances::new(Transport::Http, Direction::FromClient),
        code: "authn.expired",
        status: Some(401),
    });
    observer.lifecycle(Lifecycle::ReloadRefused { code: "policy.invalid" });
    handle.stop();
    let report = verify_files(&[&file]).unwrap();
    assert!(report.is_good(), "{report:?}");
    assert_eq!(report.records, 7);
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.matches(&id.to_string()).count(), 2);
    let page = prometheus::page(&observer.metrics().collect());
    for expected in [
        "doorward_refusals_total{code=\"authn.expired\"} 1\n",
        "doorward_refusals_total{code=\"authz.denied\"} 1\n",
        "doorward_refusals_total{code=\"upstream.timeout\"} 1\n",
        "doorward_decisions_total{stage=\"cedar\",decision=\"allow\",reason=\"\"} 1\n",
        "doorward_config_last_reload_success 0\n",
        "doorward_audit_records_total 7\n",
    ] {
        assert!(page.contains(expected), "{expected} in {page}");
    }
}

#[tokio::test]
async fn allowed_call_is_refused_where_strict_recording_has_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let (observer, handle) = started(&directory.path().join("audit"), Mode::Strict);
    handle.stop();
    let refused = observer.decision(decision(&observer, Effect::Allow)).await;
    assert_eq!(refused, Err(Fault::AuditUnavailable));
    let page = prometheus::page(&observer.metrics().collect());
    assert!(page.contains("doorward_refusals_total{code=\"audit.unavailable\"} 1\n"));
}

#[test]
fn digest_key_must_be_there_and_long_enough() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    let settings = ObserveSettings {
        audit: Some(AuditSettings {
            digest_key_file: Some(key.clone()),
            ..AuditSettings::to_file(directory.path().join("audit"))
        }),
        ..ObserveSettings::default()
    };
    let refused = Observer::start(&settings).err().unwrap();
    assert!(matches!(refused, StartError::DigestKeyUnreadable { .. }));
    std::fs::write(&key, "short").unwrap();
    let refused = Observer::start(&settings).err().unwrap();
    assert!(matches!(refused, StartError::DigestKeyTooShort { .. }));
}

/// Not tests of time but its measurement:
/// `cargo nextest run --release -p doorward --run-ignored only cost --no-capture`.
#[tokio::test]
#[ignore = "a measurement"]
async fn recording_cost() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("audit");
    let (observer, handle) = started(&file, Mode::BestEffort);
    let principal = Arc::new(Principal::local(PrincipalKind::User, "alice"));
    let arguments = vec![b'x'; 1024];
    let prepared = decision(&observer, Effect::Allow).decision;
    let snapshot: Arc<str> = "sha256:0".into();
    let rounds = 200_000_u32;
    let mut spent = Duration::ZERO;
    for round in 0..rounds {
        let begun = Instant::now();
        let id = observer.decision_id();
        let record = DecisionRecord {
            id,
            circumstances: circumstances(&principal),
            arguments: observer.arguments_digest(&arguments),
            decision: prepared.clone(),
            code: None,
            snapshot: Arc::clone(&snapshot),
        };
        observer.decision(record).await.unwrap();
        observer.outcome(OutcomeRecord { id, outcome: Outcome::default() });
        spent += begun.elapsed();
        if round % 64 == 0 {
            tokio::time::sleep(Duration::from_micros(300)).await;
        }
    }
    handle.stop();
    let report = verify_files(&[&file]).unwrap();
    println!("both records of a call: {:?}; {} lost", spent / rounds, report.lost);
    let bytes = std::fs::metadata(&file).unwrap().len();
    let begun = Instant::now();
    verify_files(&[&file]).unwrap();
    println!("verifying: {:?} a record of {} bytes", begun.elapsed() / 400_000, bytes / 400_000);
}

#[tokio::test]
#[ignore = "a measurement"]
async fn strict_recording_cost() {
    let directory = tempfile::tempdir_in("/var/tmp").unwrap();
    let (observer, handle) = started(&directory.path().join("audit"), Mode::Strict);
    for callers in [1_u32, 64] {
        let begun = Instant::now();
        let calls: Vec<_> = (0..callers)
            .map(|_| {
                let observer = observer.clone();
                tokio::spawn(async move {
                    for _ in 0..50 {
                        observer.decision(decision(&observer, Effect::Allow)).await.unwrap();
                    }
                })
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
        println!("{callers} callers: {:?} a durable decision", begun.elapsed() / (50 * callers));
    }
    handle.stop();
}

#[test]
#[ignore = "a measurement"]
fn counting_and_sealing_cost() {
    let observer = Observer::unrecorded();
    let metrics = observer.metrics();
    metrics.names().register(["files", "read"]);
    let each = |what: &str, rounds: u32, work: &mut dyn FnMut()| {
        let begun = Instant::now();
        for _ in 0..rounds {
            work();
        }
        println!("{what}: {:?}", begun.elapsed() / rounds);
    };
    each("one operation with its labels", 1_000_000, &mut || {
        let operation = Operation {
            method: MethodLabel::of("tools/call"),
            tool: Some(metrics.names().id("read")),
            prompt: None,
            upstream: Some(metrics.names().id("files")),
            error: None,
            revision: Some("2026-07-28"),
            network: "tcp",
        };
        metrics.server_operation(operation, Duration::from_micros(100));
    });
    each("one counter", 1_000_000, &mut || metrics.refused("authn.expired"));
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let carrier = Carrier { traceparent: Some(parent), ..Carrier::default() };
    each("one trace's begin and header", 1_000_000, &mut || {
        let trace = observer.tracer().begin(Carrier::default(), carrier);
        let outgoing = trace.outgoing(observer.tracer().span_id());
        assert!(outgoing.traceparent.is_some());
    });
    let key = DigestKey::ephemeral();
    let mut chain = Chain::new(None, key.clone());
    let mut record = decision(&observer, Effect::Allow);
    record.arguments = Some(ArgumentsDigest::new(&key, &[b'x'; 1024]));
    let record = Record::Decision(record);
    let mut lines = String::new();
    each("sealing a decision, on the writer's thread", 100_000, &mut || {
        lines.clear();
        chain.seal(&record, 0, &mut lines);
    });
}
