//! How far a rebuild of the index is, as a client of each era hears it within the call, over both transports.

use serde_json::{Value, json};

use super::{both_eras, done, features::call_with};
use crate::storage::{engine::Engine, on_every_engine};
use crate::support::{
    rpc::{Answer, LEGACY, MODERN},
    stdio::Stdio,
};

/// Two whole steps of the rebuild and a part of one.
const DOCUMENTS: usize = 250;

on_every_engine!(rebuild_reports_its_steps_within_the_call);

/// The reports grow, say of how much, and come before the answer. Steps that follow quickly are told as the last of them.
fn check(answer: &Answer, name: &str) {
    assert_eq!(answer.result()["structuredContent"]["documents"], DOCUMENTS, "{name}: {}", answer.body);
    let (last, before) = answer.messages.split_last().unwrap();
    assert!(last.get("method").is_none(), "{name}: {}", answer.body);
    let reports: Vec<&Value> = before.iter().filter(|message| message["method"] == "notifications/progress").collect();
    let steps: Vec<f64> = reports.iter().map(|report| report["params"]["progress"].as_f64().unwrap()).collect();
    assert!(steps.last() == Some(&250.0) && steps.is_sorted_by(|one, next| one < next), "{name}: {steps:?}");
    for (report, step) in reports.iter().zip(&steps) {
        assert!([0.0, 100.0, 200.0, 250.0].contains(step), "{name}: {steps:?}");
        let told = json!({
            "progressToken": "t", "progress": step, "total": 250.0, "message": format!("{step} of 250 documents"),
        });
        assert_eq!(report["params"], told, "{name}");
    }
}

async fn rebuild_reports_its_steps_within_the_call(engine: Engine) {
    let token = json!({ "progressToken": "t" });
    let server = engine.server().await;
    let clients = both_eras(&server.url).await;
    for number in 0..DOCUMENTS {
        let document = json!({ "path": format!("many/{number:03}"), "content": format!("bread {number}") });
        done(&clients[0], "document_create", document).await;
    }
    for (client, era) in clients.iter().zip(["modern", "legacy"]) {
        check(&call_with(client, "index_rebuild", json!({}), &token).await, era);
        let silent = client.call("index_rebuild", json!({})).await;
        assert_eq!(silent.messages.len(), 1, "{era}: {}", silent.body);
    }
    let database = engine.name().into_string().unwrap();
    for revision in [MODERN, LEGACY] {
        let mut client = Stdio::start_with(revision, &["--database", &database], json!({})).await;
        let params = json!({ "name": "index_rebuild", "arguments": {}, "_meta": token });
        check(&client.request("tools/call", params).await, revision);
    }
}
