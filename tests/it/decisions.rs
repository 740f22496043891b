//! The same policies give the same decisions in every mode and era.

use serde_json::{Value, json};

use crate::support::{
    door::Setup,
    rpc::{Client, meta},
    upstream::{Server, reference_stdio},
};

const POLICIES: &str = r#"
@id("everybody")
permit(principal, action, resource);
@id("no-delete")
@advice("Ask an operator to delete.")
forbid(principal, action == Mcp::Action::"tools/call/upstream/delete_file", resource);
@id("data-only")
forbid(principal, action == Mcp::Action::"tools/call/upstream/read_file", resource)
unless { context.arguments.path like "/data/*" };
@id("no-prompt")
forbid(principal, action, resource == Mcp::Prompt::"upstream/test_simple_prompt");
"#;

/// Messages of the corpus: method and parameters.
fn corpus() -> Vec<(&'static str, Value)> {
    let call = |name: &str, arguments: Value| ("tools/call", json!({ "name": name, "arguments": arguments }));
    vec![
        call("echo", json!({ "message": "hi" })),
        call("add", json!({ "a": 2, "b": 3 })),
        call("read_file", json!({ "path": "/data/welcome.txt" })),
        call("read_file", json!({ "path": "/etc/secret.conf" })),
        call("read_file", json!({ "path": 7 })),
        call("read_file", json!({})),
        call("delete_file", json!({ "path": "/data/welcome.txt" })),
        call("no_such_tool", json!({})),
        ("tools/list", json!({})),
        ("prompts/list", json!({})),
        ("prompts/get", json!({ "name": "test_simple_prompt" })),
        ("prompts/get", json!({ "name": "test_prompt_with_image" })),
        ("resources/read", json!({ "uri": "test://static-text" })),
        ("resources/read", json!({ "uri": "file:///data/../etc/passwd" })),
        ("resources/read", json!({ "uri": "file:///a/%2e%2e/b" })),
        ("no/such/method", json!({})),
        ("tools/call", json!({ "arguments": {} })),
    ]
}

/// What a decision looks like from outside: the code of a refusal, or what was passed on.
fn seen(message: &Value) -> Value {
    match message.pointer("/error/data/code") {
        Some(code) => json!({
            "refused": code,
            "rpc": message["error"]["code"],
            "advice": message["error"]["data"]["advice"],
        }),
        None => {
            let mut names: Vec<&str> = ["tools", "prompts"]
                .iter()
                .filter_map(|list| message["result"][list].as_array())
                .flatten()
                .filter_map(|item| item["name"].as_str())
                .collect();
            names.sort_unstable();
            json!({ "error": message["error"]["code"], "is_error": message["result"]["isError"], "names": names })
        }
    }
}

async fn over_http(url: &str, legacy: bool) -> Vec<Value> {
    let client = match legacy {
        true => Client::legacy(url, None).await,
        false => Client::modern(url, None),
    };
    let mut decisions = vec![];
    for (method, params) in corpus() {
        decisions.push(seen(&client.request(method, params).await.message));
    }
    decisions
}

async fn over_stdio(legacy: bool) -> Vec<Value> {
    let command = reference_stdio();
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let mut door = Setup::wrap().policies(POLICIES).command(&command).start_stdio();
    if legacy {
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
        door.request(&json!({ "jsonrpc": "2.0", "id": "i", "method": "initialize", "params": params })).await;
        door.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    }
    let mut decisions = vec![];
    for (id, (method, mut params)) in corpus().into_iter().enumerate() {
        if !legacy {
            params["_meta"] = meta();
        }
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        decisions.push(seen(&door.request(&message).await));
    }
    door.process.close_stdin();
    assert_eq!(door.process.exit_code(std::time::Duration::from_secs(10)).await, Some(0));
    decisions
}

#[tokio::test]
async fn one_corpus_gives_the_same_decisions_in_every_mode_and_era() {
    let server = Server::reference().await;
    let serve = Setup::serve(&server.url).no_authentication().policies(POLICIES).start().await;
    let command = reference_stdio();
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let listen = Setup::wrap_listen().policies(POLICIES).command(&command).start().await;
    wait_for_catalogue(&serve.url).await;

    let expected = over_http(&serve.url, false).await;
    assert_eq!(expected[3]["refused"], "authz.denied", "{expected:#?}");
    assert_eq!(expected[6]["advice"], "Ask an operator to delete.");
    assert_eq!(expected[2]["refused"], Value::Null);
    for (what, found) in [
        ("serve, legacy", over_http(&serve.url, true).await),
        ("wrap --listen, modern", over_http(&listen.url, false).await),
        ("wrap --listen, legacy", over_http(&listen.url, true).await),
        ("wrap, modern", over_stdio(false).await),
        ("wrap, legacy", over_stdio(true).await),
    ] {
        for ((found, expected), asked) in found.iter().zip(&expected).zip(corpus()) {
            assert_eq!(found, expected, "{what}: {asked:?}");
        }
    }
}

async fn wait_for_catalogue(url: &str) {
    let client = Client::modern(url, None);
    for _ in 0..100 {
        if client.call("echo", json!({ "message": "x" })).await.code() != "upstream.catalogue_unknown" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the catalogue stays unknown");
}

#[tokio::test]
async fn a_tool_whose_arguments_decide_is_listed_and_decided_by_them() {
    let server = Server::reference().await;
    let policies = r#"
        permit(principal, action in Mcp::Action::"list", resource);
        permit(principal, action == Mcp::Action::"tools/call/upstream/read_file", resource)
        when { context.arguments.path like "/data/*" };
    "#;
    let door = Setup::serve(&server.url).no_authentication().policies(policies).start().await;
    wait_for_catalogue(&door.url).await;
    let client = Client::modern(&door.url, None);
    let listed = client.request("tools/list", json!({})).await;
    assert_eq!(listed.names(), ["read_file"], "{}", listed.body);
    let allowed = client.call("read_file", json!({ "path": "/data/welcome.txt" })).await;
    assert_eq!(allowed.status, 200, "{}", allowed.body);
    let refused = client.call("read_file", json!({ "path": "/etc/x" })).await;
    assert_eq!((refused.status, refused.code()), (403, "authz.denied"), "{}", refused.body);
    let hidden = client.call("echo", json!({ "message": "x" })).await;
    assert_eq!((hidden.status, hidden.code()), (403, "authz.denied"), "{}", hidden.body);
}
