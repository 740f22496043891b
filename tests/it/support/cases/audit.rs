//! What the audit file says of a refused request: its decision id finds one record with the code.

use std::time::Duration;

use serde_json::Value;

/// Waits until `records` holds exactly one record with this decision id and code; says what is there otherwise.
pub(crate) async fn recorded_once(code: &str, decision_id: &Value, records: impl Fn() -> Vec<Value>) -> Option<String> {
    let ours = |record: &Value| record["decision_id"] == *decision_id && record["code"] == code;
    if !decision_id.is_string() {
        return Some(format!("no decision_id beside {code}"));
    }
    let mut seen = vec![];
    // Records leave the request path through a queue.
    for _ in 0..120 {
        seen = records();
        if seen.iter().any(ours) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let count = seen.iter().filter(|record| ours(record)).count();
    (count != 1).then(|| format!("{count} audit records with {code} and {decision_id}, not 1"))
}
