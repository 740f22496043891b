//! *observe*: one decision record, built as a request's thread builds it, sealed into the chain as the writer's thread does.
//! Writing to the file is left out.

use std::{hint::black_box, sync::Arc};

use criterion::Criterion;
use doorward::{
    model::{Decision, Effect, Principal, Transport},
    pipeline::observe::{
        audit::{
            ArgumentsDigest, Circumstances, DecisionRecord, DigestKey, Direction, Record, Target, TargetKind,
            chain::Chain,
        },
        random,
    },
};

const ARGUMENTS: &[u8] = br#"{"path":"/data/reports/2026/summary.txt","count":3,"recursive":false}"#;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("observe");
    let key = DigestKey::ephemeral();
    let (principal, route, upstream): (_, Arc<str>, Arc<str>) =
        (Arc::new(Principal::anonymous()), "/mcp".into(), "upstream".into());
    let (policies, snapshot): (Arc<[Arc<str>]>, Arc<str>) = (Arc::new(["bench-0".into()]), "0".repeat(64).into());
    let build = || {
        let mut circumstances = Circumstances::new(Transport::Http, Direction::FromClient);
        circumstances.principal = Some(Arc::clone(&principal));
        circumstances.route = Some(Arc::clone(&route));
        circumstances.upstream = Some(Arc::clone(&upstream));
        circumstances.revision = Some("2026-07-28");
        circumstances.method = Some("tools/call".into());
        circumstances.target = Some(Target { kind: TargetKind::Tool, name: "tool_00".into() });
        circumstances.jsonrpc_id = Some("\"0000000000000001\"".into());
        Record::Decision(DecisionRecord {
            id: random::decision_id(),
            circumstances,
            arguments: Some(ArgumentsDigest::new(&key, black_box(ARGUMENTS))),
            decision: Decision {
                effect: Effect::Allow,
                policies: Arc::clone(&policies),
                errors: Arc::default(),
                advice: None,
                refusal: None,
            },
            code: None,
            snapshot: Arc::clone(&snapshot),
        })
    };
    group.bench_function("record built", |bencher| bencher.iter(build));
    let mut chain = Chain::new(None, key.clone());
    let (record, mut lines) = (build(), String::new());
    group.bench_function("record chained", |bencher| {
        bencher.iter(|| {
            lines.clear();
            chain.seal(black_box(&record), 1_795_689_000_000, &mut lines);
            lines.len()
        });
    });
    assert!(lines.ends_with("\"}\n"), "a line was written");
    group.finish();
}
