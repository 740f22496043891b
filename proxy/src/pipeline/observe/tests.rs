#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use std::{path::Path, sync::Arc, time::Duration};

use super::{
    audit::{Circumstances, Direction, Mode, Outcome, verify::verify_files},
    metrics::prometheus,
    *,
};
use crate::model::{Decision, Principal, PrincipalKind, Transport};

fn started(file: &Path, mode: Mode) -> (Observer, ObserverHandle) {
    let audit = AuditSettings {
        mode,
        ..AuditSettings::to_file(file.to_owned())
    };
    Observer::start(&ObserveSettings {
        audit: Some(audit),
        ..ObserveSettings::default()
    })
    .unwrap()
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
        decision: Decision {
            effect,
            policies: [].into(),
            errors: [].into(),
            advice: None,
            refusal: None,
        },
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
    let outcome = Outcome {
        code: Some("upstream.timeout"),
        ..Outcome::default()
    };
    observer.outcome(OutcomeRecord { id, outcome });
    observer
        .decision(decision(&observer, Effect::Deny))
        .await
        .unwrap();
    observer.refused(RefusalRecord {
        id: observer.decision_id(),
        circumstances: Circumstances::new(Transport::Http, Direction::FromClient),
        code: "authn.expired",
        status: Some(401),
    });
    observer.lifecycle(Lifecycle::ReloadRefused {
        code: "policy.invalid",
    });
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

/// Not a test of time but its measurement: `cargo nextest run --release --run-ignored only recording_cost --no-capture`.
#[tokio::test]
#[ignore = "a measurement"]
async fn recording_cost() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("audit");
    let (observer, handle) = started(&file, Mode::BestEffort);
    let principal = Arc::new(Principal::local(PrincipalKind::User, "alice"));
    let arguments = vec![b'x'; 1024];
    let rounds = 200_000_u32;
    let mut spent = Duration::ZERO;
    for round in 0..rounds {
        let begun = std::time::Instant::now();
        let id = observer.decision_id();
        let record = DecisionRecord {
            id,
            circumstances: circumstances(&principal),
            arguments: observer.arguments_digest(&arguments),
            ..decision(&observer, Effect::Allow)
        };
        observer.decision(record).await.unwrap();
        observer.outcome(OutcomeRecord {
            id,
            outcome: Outcome::default(),
        });
        spent += begun.elapsed();
        if round % 64 == 0 {
            tokio::time::sleep(Duration::from_micros(300)).await;
        }
    }
    handle.stop();
    let report = verify_files(&[&file]).unwrap();
    println!(
        "{:?} for both records of a call; {} lost",
        spent / rounds,
        report.lost
    );
}
