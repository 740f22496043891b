//! Whether the server says that it is ready while its database is away.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{postgres::Postgres, rpc::Client, upstream::Server};

const PATIENCE: Duration = Duration::from_secs(20);

/// Asks until the status is this; the report.
async fn ready_with(server: &Server, status: u16) -> Value {
    let url = server.url.replace("/mcp", "/ready");
    let asking = async {
        loop {
            let answer = reqwest::get(&url).await.unwrap();
            let (told, report) = (answer.status().as_u16(), answer.json::<Value>().await.unwrap());
            assert_eq!(told == 200, report["ready"] == true, "{report}");
            if told == status {
                return report;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("never {status}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_follows_the_database() {
    let mut database = Postgres::start().await;
    let server = Server::reference_on(database.url().as_ref()).await;
    let well = json!({ "ready": true, "documents": "ok" });
    let away = json!({ "ready": false, "documents": "unavailable" });
    assert_eq!(ready_with(&server, 200).await, well);
    database.kill().await;
    assert_eq!(ready_with(&server, 503).await, away);
    let live = reqwest::get(server.url.replace("/mcp", "/live")).await.unwrap();
    assert_eq!(live.status(), 200);
    database.run().await;
    assert_eq!(ready_with(&server, 200).await, well);
    let listed = Client::modern(&server.url, None).call("document_list", json!({})).await;
    assert_ne!(listed.result()["isError"], true, "{}", listed.body);
    // One that hangs is as good as away.
    let frozen = database.freeze();
    assert_eq!(ready_with(&server, 503).await, away);
    drop(frozen);
    assert_eq!(ready_with(&server, 200).await, well);
}
