//! What carries the messages, on both sides of the door: TLS, HTTP/2, unix sockets, broken and silent connections.

mod disconnect;
mod downstream;
mod http2;
mod http2_attacks;
mod legacy;
mod upstream;
mod upstream_faults;

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    door::{Door, Setup},
    rpc::Client,
    upstream::{Reply, Step, response},
};

/// Everything but one tool.
const POLICIES: &str = r#"
permit(principal, action, resource);
forbid(principal, action, resource == Mcp::Tool::"upstream/delete_all");
"#;

/// A door without authentication on a plain loopback listener, in front of this `upstreams` entry.
async fn door_to(upstream: &str) -> Door {
    setup_to(upstream).start().await
}

fn setup_to(upstream: &str) -> Setup {
    setup_with(upstream, "")
}

/// The same with more YAML.
fn setup_with(upstream: &str, more: &str) -> Setup {
    let yaml = format!(
        "listen: {{ address: 127.0.0.1:0 }}\n\
         authentication: {{ disabled: true }}\n\
         authorization: {{ policies: {{{{folder}}}}/policies }}\n\
         upstreams:\n  upstream: {{ {upstream} }}\n\
         observe: {{ audit: {{ file: {{{{folder}}}}/audit.jsonl }} }}\n{more}"
    );
    Setup::config(&yaml).file("policies/p.cedar", POLICIES)
}

/// Waits until the door knows its upstream's tools.
async fn ready(client: &Client) {
    for _ in 0..200 {
        if client.call("echo", json!({ "message": "warm" })).await.code() != "upstream.catalogue_unknown" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the catalogue stays unknown");
}

/// A reply, given once, to this method.
fn once(on: &str, steps: Vec<Step>) -> Reply {
    Reply { on: Some(on.to_owned()), steps, times: 1 }
}

/// A complete answer to the request with id 1.
fn answer(result: &Value) -> Step {
    Step::Send(response(200, &[], json!({ "jsonrpc": "2.0", "id": 1, "result": result }).to_string().as_bytes()))
}

fn done() -> Value {
    json!({ "resultType": "complete", "content": [] })
}

/// The head of an event stream that ends with its connection.
fn stream_head() -> Step {
    Step::Send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n".to_vec())
}

fn event(message: &Value) -> Step {
    Step::Send(format!("data: {message}\n\n").into_bytes())
}

fn pause_ms(ms: u64) -> Step {
    Step::Pause(Duration::from_millis(ms))
}
