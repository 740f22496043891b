//! Limits of what an upstream offers, of policy files, and of groups.

use serde_json::{Value, json};

use crate::support::{
    door::{Door, Setup},
    rpc::{Answer, Client},
    tokens::Issuer,
    upstream::{Era, Scripted},
};

fn tool(name: &str, description: &str) -> Value {
    json!({ "name": name, "description": description, "inputSchema": { "type": "object" } })
}

fn listed(tools: &[Value]) -> Value {
    json!({ "resultType": "complete", "ttlMs": 1000, "cacheScope": "public", "tools": tools })
}

async fn offering(tools: &[Value], more: &str) -> (Door, Scripted, Client) {
    let upstream = Scripted::start(Era::Modern).await;
    upstream.set_result("tools/list", listed(tools));
    let door = Setup::open(&format!("url: \"{}\"{more}", upstream.url), "").start().await;
    let client = Client::modern(&door.url, None);
    for _ in 0..200 {
        if client.call("t-0", json!({})).await.status == 200 {
            return (door, upstream, client);
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the catalogue stays unknown: {}", door.process.stderr.text());
}

fn expect_unknown(answer: &Answer) {
    assert_eq!((answer.status, answer.code()), (503, "upstream.catalogue_unknown"), "{}", answer.body);
}

#[tokio::test]
async fn tools_beyond_1000_are_hidden_and_cannot_be_called() {
    for count in [999, 1000, 1001] {
        let tools: Vec<Value> = (0..count).map(|n| tool(&format!("t-{n}"), "one of many")).collect();
        let (_door, upstream, client) = offering(&tools, "").await;
        let list = client.request("tools/list", json!({})).await;
        assert_eq!(list.names().len(), count.min(1000));
        let last = client.call(&format!("t-{}", count - 1), json!({ "message": "canary" })).await;
        if count <= 1000 {
            assert_eq!(last.status, 200, "{}", last.body);
        } else {
            expect_unknown(&last);
            assert!(!upstream.saw(b"canary"));
        }
    }
}

#[tokio::test]
async fn tools_beyond_a_configured_number_are_hidden() {
    let tools: Vec<Value> = (0..3).map(|n| tool(&format!("t-{n}"), "")).collect();
    let (_door, _upstream, client) = offering(&tools, ", tools_max: 2").await;
    assert_eq!(client.request("tools/list", json!({})).await.names(), ["t-0", "t-1"]);
    expect_unknown(&client.call("t-2", json!({})).await);
}

#[tokio::test]
async fn tool_with_a_description_over_16_kib_is_hidden_and_cannot_be_called() {
    let of = |name, bytes| tool(name, &"d".repeat(bytes));
    let tools = [tool("t-0", ""), of("less", 16_383), of("at", 16_384), of("over", 16_385)];
    let (_door, upstream, client) = offering(&tools, "").await;
    assert_eq!(client.request("tools/list", json!({})).await.names(), ["t-0", "less", "at"]);
    assert_eq!(client.call("at", json!({})).await.status, 200);
    expect_unknown(&client.call("over", json!({ "message": "canary" })).await);
    assert!(!upstream.saw(b"canary"));
    // A description that grows after the catalogue was seen does not get through either.
    upstream.set_result("tools/list", listed(&[tool("t-0", ""), of("at", 16_385)]));
    assert_eq!(client.request("tools/list", json!({})).await.names(), ["t-0"]);
}

#[tokio::test]
async fn resources_and_prompts_with_a_description_over_the_limit_are_hidden() {
    let (_door, upstream, client) = offering(&[tool("t-0", "")], ", description_bytes_max: 16B").await;
    let long = "d".repeat(17);
    let result = |key: &str, items: Value| json!({ "resultType": "complete", "ttlMs": 1000, "cacheScope": "public", key: items });
    let prompts = json!([{ "name": "short", "description": &long[..16] }, { "name": "long", "description": long }]);
    upstream.set_result("prompts/list", result("prompts", prompts));
    assert_eq!(client.request("prompts/list", json!({})).await.names(), ["short"]);
    let resources =
        json!([{ "uri": "file:///a", "name": "a", "description": long }, { "uri": "file:///b", "name": "b" }]);
    upstream.set_result("resources/list", result("resources", resources));
    assert_eq!(client.request("resources/list", json!({})).await.names(), ["b"]);
}

#[tokio::test]
async fn policy_file_up_to_1_mib_is_read() {
    let upstream = Scripted::start(Era::Modern).await;
    let policy = |bytes: usize| {
        let text = "permit(principal, action, resource);\n";
        format!("{text}//{}", "c".repeat(bytes - text.len() - 2))
    };
    for bytes in [(1 << 20) - 1, 1 << 20] {
        let setup = Setup::serve(&upstream.url).no_authentication().policies(&policy(bytes));
        let door = setup.start().await;
        let answer = Client::modern(&door.url, None).request("prompts/get", json!({ "name": "greet" })).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let setup = Setup::serve(&upstream.url).no_authentication().policies(&policy((1 << 20) + 1));
    let (code, stderr) = setup.refuse().await;
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("test.cedar") && stderr.contains("over 1048576 bytes"), "{stderr}");
}

#[tokio::test]
async fn token_with_200_groups_passes_and_with_201_does_not() {
    groups_up_to(200, "").await;
}

#[tokio::test]
async fn token_has_a_configured_number_of_groups() {
    groups_up_to(3, ", groups_max: 3").await;
}

async fn groups_up_to(most: usize, more: &str) {
    const RESOURCE: &str = "https://mcp.example.com/mcp";
    let (upstream, issuer) = (Scripted::start(Era::Modern).await, Issuer::start(RESOURCE).await);
    let yaml = format!(
        "listen: {{ address: 127.0.0.1:0 }}\n\
         authentication: {{ issuers: [ {{ issuer: \"{}\", claims: {{ groups: /groups }} }} ]{more} }}\n\
         authorization: {{ policies: \"bundle:permit-all\" }}\n\
         upstreams: {{ test: {{ url: \"{}\" }} }}\n\
         routes: {{ /mcp: {{ upstream: test, resource: \"{RESOURCE}\" }} }}\n",
        issuer.url(),
        upstream.url
    );
    let door = Setup::config(&yaml).start().await;
    let groups = |count: usize| -> Vec<String> { (0..count).map(|n| format!("g{n}")).collect() };
    for (count, expected) in [(most - 1, (200, "")), (most, (200, "")), (most + 1, (401, "authn.claims_invalid"))] {
        let token = issuer.token_of("alice", json!({ "groups": groups(count) }));
        let answer = Client::modern(&door.url, Some(&token)).request("prompts/get", json!({ "name": "greet" })).await;
        assert_eq!((answer.status, answer.code()), expected, "{count}: {}", answer.body);
    }
    assert_eq!(upstream.calls().len(), 2);
}

/// A door whose policies are these files, under these bounds.
fn with_policies(upstream: &Scripted, files: &[(&str, String)], bounds: &str) -> Setup {
    let yaml = format!(
        "listen: {{ address: 127.0.0.1:0 }}\n\
         authentication: {{ disabled: true }}\n\
         authorization: {{ policies: \"{{{{folder}}}}/policies\", {bounds} }}\n\
         upstreams: {{ test: {{ url: \"{}\" }} }}\n",
        upstream.url
    );
    files.iter().fold(Setup::config(&yaml), |setup, (name, text)| setup.file(&format!("policies/{name}"), text))
}

async fn holds(setup: Setup) {
    let door = setup.start().await;
    let answer = Client::modern(&door.url, None).request("prompts/get", json!({ "name": "greet" })).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

async fn refuses(setup: Setup, place: &str, reason: &str) {
    let (code, stderr) = setup.refuse().await;
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains(place) && stderr.contains(reason), "{stderr}");
}

const PERMIT: &str = "permit(principal, action, resource);\n//";

#[tokio::test]
async fn policy_and_entities_files_have_a_configured_size() {
    let upstream = Scripted::start(Era::Modern).await;
    let bounds = "file_bytes_max: 2KiB";
    let of = |policy: usize, entities: usize| {
        let filled = "c".repeat(policy - PERMIT.len());
        [("a.cedar", format!("{PERMIT}{filled}")), ("entities.json", format!("{:entities$}", "[]"))]
    };
    holds(with_policies(&upstream, &of(2_048, 2_048), bounds)).await;
    refuses(with_policies(&upstream, &of(2_049, 2_048), bounds), "a.cedar", "over 2048 bytes").await;
    refuses(with_policies(&upstream, &of(2_048, 2_049), bounds), "entities.json", "over 2048 bytes").await;
    // More than the default may be allowed as well.
    holds(with_policies(&upstream, &of((1 << 20) + 1, 2), "file_bytes_max: 2MiB")).await;
}

#[tokio::test]
async fn policy_folder_has_a_configured_number_of_files() {
    let upstream = Scripted::start(Era::Modern).await;
    let files = ["a.cedar", "b.cedar", "c.cedar"].map(|name| (name, PERMIT.to_owned()));
    holds(with_policies(&upstream, &files[..2], "files_max: 2")).await;
    refuses(with_policies(&upstream, &files, "files_max: 2"), "policies", "more than 2 policy files").await;
}

#[tokio::test]
async fn token_has_a_configured_length() {
    const RESOURCE: &str = "https://mcp.example.com/mcp";
    let (upstream, issuer) = (Scripted::start(Era::Modern).await, Issuer::start(RESOURCE).await);
    let yaml = format!(
        "listen: {{ address: 127.0.0.1:0 }}\n\
         authentication: {{ issuers: [ {{ issuer: \"{}\", audiences: [ \"{RESOURCE}\" ] }} ], token_bytes_max: 1KiB }}\n\
         upstreams: {{ test: {{ url: \"{}\" }} }}\n",
        issuer.url(),
        upstream.url
    );
    let door = Setup::config(&yaml).start().await;
    for (bytes, code) in [(1_024, "authn.token_malformed"), (1_025, "authn.token_too_large")] {
        let answer = Client::modern(&door.url, Some(&"t".repeat(bytes))).request("ping", json!({})).await;
        assert_eq!((answer.status, answer.code()), (401, code), "{bytes}: {}", answer.body);
    }
}
