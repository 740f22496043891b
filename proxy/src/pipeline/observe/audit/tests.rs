#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use proptest::prelude::*;

use super::{
    canonical::{Form, INTEGER_MAX, push_value},
    chain::Chain,
    record::TEXT_CHARS_MAX,
    verify::{LINE_BYTES_MAX, Reason, Report, Verifier, verify_files},
    *,
};
use crate::model::{Decision, DecisionId, Effect, Principal, PrincipalKind, Transport};

mod attacks;
mod form;
mod writing;

fn key() -> DigestKey {
    DigestKey::new(b"0123456789abcdef").unwrap()
}

fn options(mode: Mode) -> WriterOptions {
    WriterOptions { mode, queue_records_max: 1024, durable_timeout: Duration::from_secs(10), digest_key: key() }
}

fn circumstances(tool: &str) -> Circumstances {
    Circumstances {
        principal: Some(Arc::new(Principal::local(PrincipalKind::User, "alice"))),
        route: Some("/mcp".into()),
        upstream: Some("files".into()),
        revision: Some("2026-07-28"),
        client_address: Some([192, 0, 2, 7].into()),
        method: Some("tools/call".into()),
        target: Some(Target { kind: TargetKind::Tool, name: tool.into() }),
        jsonrpc_id: Some("17".into()),
        trace_id: Some([0xab; 16]),
        ..Circumstances::new(Transport::Http, Direction::FromClient)
    }
}

fn id(byte: u8) -> DecisionId {
    DecisionId::from_random([byte; 16])
}

fn decision(tool: &str) -> Record {
    Record::Decision(DecisionRecord {
        id: id(1),
        circumstances: circumstances(tool),
        arguments: Some(ArgumentsDigest::new(&key(), br#"{"path":"/data/x"}"#)),
        decision: Decision {
            effect: Effect::Allow,
            policies: ["read-data".into()].into(),
            errors: [].into(),
            advice: None,
            refusal: None,
        },
        code: None,
        snapshot: "sha256:00ff".into(),
    })
}

fn outcome() -> Record {
    Record::Outcome(OutcomeRecord {
        id: id(1),
        outcome: Outcome {
            status: Some(200),
            code: None,
            rpc_code: Some(-32602),
            is_error: Some(false),
            bytes: 512,
            duration_us: 1_234,
            upstream_us: Some(1_000),
        },
    })
}

fn refusal(code: &'static str) -> Record {
    Record::Refusal(RefusalRecord {
        id: id(2),
        circumstances: Circumstances::new(Transport::Http, Direction::FromClient),
        code,
        status: Some(401),
    })
}

/// A file with one start record, `count` decisions with their outcomes, and one stop record.
fn written(directory: &Path, name: &str, count: usize) -> PathBuf {
    let path = directory.join(name);
    let (writer, handle) = AuditWriter::start(&path, options(Mode::BestEffort)).unwrap();
    for _ in 0..count {
        writer.keep(decision("read"));
        writer.keep(outcome());
    }
    handle.stop();
    path
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

fn rewrite(path: &Path, lines: &[String]) {
    fs::write(path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
}

fn verified(path: &Path) -> Report {
    verify_files(&[path]).unwrap()
}
