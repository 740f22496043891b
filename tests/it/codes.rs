//! Every stable code is provoked through the front door: `tests/cases/codes.toml` holds those that one HTTP request can
//! provoke, the modules here the others. [`rule`] keeps it so.

mod admission;
mod rule;
mod upstreams;
mod wrapped;

use serde_json::Value;

use crate::support::{
    cases::{recorded_once, run_file},
    door::Door,
    rpc::Answer,
};

#[tokio::test]
async fn codes_that_one_request_provokes() {
    run_file("codes").await;
}

/// The answer is a fault with this code, HTTP status and JSON-RPC code, and has one audit record. The rule reads the codes
/// of these calls from the source.
async fn expect_fault(code: &str, status: u16, rpc_code: i64, answer: &Answer, door: &Door) {
    assert_eq!((answer.code(), answer.status, answer.rpc_code()), (code, status, rpc_code), "{}", answer.body);
    let id = &answer.message["error"]["data"]["decision_id"];
    assert_eq!(recorded_once(code, id, || door.audit()).await, None, "{}", door.audit_text());
}

/// The answer is a refusal by design with this code, HTTP status and JSON-RPC code, has one audit record, and the upstream
/// saw nothing of the request, which held `canary`.
async fn expect_refusal(
    code: &str,
    status: u16,
    rpc_code: i64,
    answer: &Answer,
    door: &Door,
    upstream_bytes: &[u8],
    canary: &str,
) {
    expect_fault(code, status, rpc_code, answer, door).await;
    expect_unseen(upstream_bytes, canary);
}

fn expect_unseen(upstream_bytes: &[u8], canary: &str) {
    let seen = upstream_bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
    assert!(!seen, "the upstream saw {canary}: {}", String::from_utf8_lossy(upstream_bytes));
}

/// A message on standard output is an error with this code, and has one audit record.
async fn expect_line(code: &str, rpc_code: i64, message: &Value, records: impl Fn() -> Vec<Value>) {
    let error = &message["error"];
    assert_eq!((error["data"]["code"].as_str(), error["code"].as_i64()), (Some(code), Some(rpc_code)), "{message}");
    assert_eq!(recorded_once(code, &error["data"]["decision_id"], records).await, None);
}
