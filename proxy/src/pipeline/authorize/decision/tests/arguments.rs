use serde_json::json;

use super::support::{call, ids, pdp, read, try_pdp, user};
use crate::{
    model::{Effect, rejection::Authorization},
    pipeline::authorize::FindingKind,
};

const DATA: &str = r#"
@id("data") permit (principal, action == Mcp::Action::"tools/call/fs/read", resource)
when { context.arguments.path like "/data/*" };
"#;

#[test]
fn path_rule_allows_what_it_names_and_nothing_else() {
    let pdp = pdp(DATA);
    let alice = user("alice", &[]);
    let allowed = call(&pdp, &alice, "read", &json!({"path": "/data/x"}));
    assert_eq!(allowed.effect, Effect::Allow);
    assert_eq!(ids(&allowed.policies), ["data"]);
    for path in ["/etc/x", "/data", "/data-evil/x", ""] {
        assert_eq!(call(&pdp, &alice, "read", &json!({"path": path})).effect, Effect::Deny, "{path}");
    }
    assert_eq!(call(&pdp, &alice, "write", &json!({"path": "/data/x", "content": ""})).effect, Effect::Deny);
}

#[test]
fn forbid_that_cannot_be_evaluated_denies() {
    // Cedar skips the forbid, because the required argument is missing, and would allow.
    let pdp = pdp(r#"
        permit (principal, action, resource);
        @id("no-etc") forbid (principal, action == Mcp::Action::"tools/call/fs/read", resource)
        when { context.arguments.path like "/etc/*" };"#);
    let decision = call(&pdp, &user("alice", &[]), "read", &json!({}));
    assert_eq!(decision.effect, Effect::Deny);
    assert_eq!(ids(&decision.errors), ["no-etc"]);
    assert!(decision.policies.is_empty());
}

#[test]
fn argument_that_policy_reads_and_cedar_cannot_hold_denies() {
    let pdp = pdp(r#"
        permit (principal, action, resource);
        forbid (principal, action == Mcp::Action::"tools/call/fs/read", resource)
        when { context.arguments has limit && context.arguments.limit > 10 };"#);
    let alice = user("alice", &[]);
    let refused = |arguments| {
        let decision = call(&pdp, &alice, "read", &arguments);
        (decision.effect, decision.refusal)
    };
    for value in [json!(1.5), json!(null), json!("7"), json!([1]), json!(u64::MAX), json!({"a": 1})] {
        let expected = (Effect::Deny, Some(Authorization::ArgumentUnrepresentable));
        assert_eq!(refused(json!({"path": "x", "limit": value})), expected, "{value}");
    }
    assert_eq!(refused(json!({"path": "x", "limit": 10})), (Effect::Allow, None));
    assert_eq!(refused(json!({"path": "x", "limit": 11})), (Effect::Deny, None));
    // Nobody reads these.
    assert_eq!(refused(json!({"path": null, "ratio": 0.5, "tags": [1, "a", null]})), (Effect::Allow, None));
}

#[test]
fn untyped_argument_does_not_slip_past_a_forbid_with_has() {
    // `ratio` is a number in the schema, so Cedar has no type for it and `has` would be false.
    let pdp = pdp(r#"
        permit (principal, action, resource);
        forbid (principal, action in Mcp::Action::"tools/call", resource)
        when { context.arguments has ratio };"#);
    let alice = user("alice", &[]);
    let with = call(&pdp, &alice, "read", &json!({"path": "x", "ratio": 2}));
    assert_eq!(with.refusal, Some(Authorization::ArgumentUnrepresentable));
    assert_eq!(call(&pdp, &alice, "read", &json!({"path": "x"})).effect, Effect::Allow);
    // Not even declared by `ping`.
    let undeclared = call(&pdp, &alice, "ping", &json!({"ratio": "x"}));
    assert_eq!(undeclared.refusal, Some(Authorization::ArgumentUnrepresentable));
}

#[test]
fn arguments_read_as_a_whole_must_all_be_typed() {
    let pdp = pdp(r#"
        permit (principal, action == Mcp::Action::"tools/call/fs/write", resource)
        when { context.arguments == {path: "/a", content: "b"} };"#);
    let alice = user("alice", &[]);
    assert_eq!(call(&pdp, &alice, "write", &json!({"path": "/a", "content": "b"})).effect, Effect::Allow);
    let more = call(&pdp, &alice, "write", &json!({"path": "/a", "content": "b", "mode": 7}));
    assert_eq!(more.refusal, Some(Authorization::ArgumentUnrepresentable));
}

#[test]
fn magic_keys_of_cedars_json_are_plain_names() {
    let policy = r#"
        permit (principal, action == Mcp::Action::"tools/call/fs/read", resource)
        when { context.arguments.path == "a" };"#;
    let pdp = pdp(policy);
    for key in ["__entity", "__extn", "__expr", "neutral"] {
        let object = json!({key: {"type": "User", "id": "admin", "fn": "ip", "arg": "10.0.0.1"}});
        let decision = call(&pdp, &user("alice", &[]), "read", &json!({"path": "a", "more": object}));
        assert_eq!(decision.effect, Effect::Allow, "{key}");
        let decision = call(&pdp, &user("alice", &[]), "read", &json!({"path": object}));
        assert_eq!(decision.refusal, Some(Authorization::ArgumentUnrepresentable), "{key}");
    }
}

#[test]
fn sets_and_records_of_arguments_are_typed() {
    let pdp = pdp(r#"
        permit (principal, action == Mcp::Action::"tools/call/fs/read", resource)
        when { context.arguments has tags && context.arguments.tags.contains("public") }
        unless { context.arguments has deep && context.arguments.deep.flag };"#);
    let allow = |arguments| call(&pdp, &user("alice", &[]), "read", &arguments).effect == Effect::Allow;
    assert!(allow(json!({"path": "", "tags": ["a", "public"]})));
    assert!(!allow(json!({"path": "", "tags": ["a"]})));
    assert!(!allow(json!({"path": "", "tags": ["public"], "deep": {"flag": true}})));
    assert!(allow(json!({"path": "", "tags": ["public"], "deep": {"flag": false}})));
    // `has deep` reads it, and Cedar cannot hold all of it.
    assert!(!allow(json!({"path": "", "tags": ["public"], "deep": {"flag": false, "other": 1.5}})));
}

#[test]
fn policy_about_an_argument_that_no_tool_can_have_is_refused_at_load() {
    let findings = try_pdp("permit (principal, action, resource) when { context.arguments.path like \"/data/*\" };");
    assert!(findings.unwrap_err().0.iter().any(|finding| finding.kind == FindingKind::Type));
}

#[test]
fn context_facts_are_readable() {
    let pdp = pdp(r#"
        permit (principal, action, resource) when {
            context.revision == "2026-07-28" && context.transport == "http" && context.scopes.contains("files:read")
            && context has client_address && context.client_address.isInRange(ip("10.0.0.0/8"))
            && context.hour == 10 && context.minute == 30 && context.weekday == 4 && context.time == 1795689000
            && !context.in_session && !context.approved
        };"#);
    assert_eq!(call(&pdp, &user("alice", &[]), "ping", &json!({})).effect, Effect::Allow);
}

#[test]
fn resource_uris_are_decided_on_in_canonical_form_only() {
    let pdp = pdp(r#"
        permit (principal, action == Mcp::Action::"resources/read", resource is Mcp::McpResource)
        when { resource.scheme == "file" && resource has path && resource.path like "/allowed/*" };"#);
    let alice = user("alice", &[]);
    assert_eq!(read(&pdp, &alice, "file:///allowed/x").effect, Effect::Allow);
    assert_eq!(read(&pdp, &alice, "file:///allowed-evil/x").effect, Effect::Deny);
    for uri in [
        "file:///allowed/../etc/passwd",
        "FILE:///allowed/x",
        "file:///allowed/%2e%2e/x",
        "file://localhost/allowed/x",
        "file:////allowed/x",
        "file:///allowed\\x",
    ] {
        assert_eq!(read(&pdp, &alice, uri).refusal, Some(Authorization::UriNotCanonical), "{uri}");
    }
}
