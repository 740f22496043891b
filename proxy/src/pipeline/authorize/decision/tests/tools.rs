use std::sync::Arc;

use doorward_message::Method;
use serde_json::json;

use super::support::{call, catalogue, facts, ids, listed, parts, pdp, tools, try_pdp, user};
use crate::{
    model::{Arguments, Ask, Decider, Effect, rejection::Authorization},
    pipeline::authorize::{FindingKind, Pdp, Severity, actions, policy_store::SourceFile},
};

#[test]
fn empty_set_denies_everything_and_is_reported() {
    let mut parts = parts("");
    parts.files.policies.clear();
    let build = Pdp::build(parts).unwrap();
    assert!(build.findings.iter().any(|finding| finding.kind == FindingKind::Empty));
    let alice = user("alice", &[]);
    assert_eq!(call(&build.pdp, &alice, "ping", &json!({})).effect, Effect::Deny);
    assert!(!listed(&build.pdp, &alice, "ping"));
}

#[test]
fn syntax_error_names_file_and_line() {
    let findings = try_pdp("permit (principal, action, resource);\n\npermit (principal;\n").unwrap_err();
    let finding = &findings.0[0];
    assert_eq!(finding.kind, FindingKind::Syntax);
    assert_eq!((finding.file.as_deref(), finding.line), (Some("test.cedar"), Some(3)));
}

#[test]
fn type_error_names_file_line_and_id() {
    let policies = "permit (principal, action, resource);\n@id(\"bad\")\nforbid (principal, action, resource)\nwhen {\n  context.aproved };\n";
    let findings = try_pdp(policies).unwrap_err();
    let finding = findings.0.iter().find(|finding| finding.is_error()).unwrap();
    assert_eq!(finding.kind, FindingKind::Type);
    assert_eq!(finding.policy.as_deref(), Some("bad"));
    assert_eq!((finding.file.as_deref(), finding.line), (Some("test.cedar"), Some(5)), "{finding}");
}

#[test]
fn unknown_types_and_actions_are_found_even_in_policies_that_wait() {
    for policy in [
        r#"permit (principal in Mcp::Grup::"x", action == Mcp::Action::"tools/call/fs/later", resource);"#,
        r#"permit (principal is Mcp::Usr, action == Mcp::Action::"tools/call/fs/later", resource);"#,
        r#"permit (principal, action == Mcp::Action::"tools/lst", resource);"#,
    ] {
        assert!(try_pdp(policy).unwrap_err().0.iter().any(|finding| finding.kind == FindingKind::Type), "{policy}");
    }
}

#[test]
fn annotations_that_would_be_ignored_are_refused() {
    for name in ["approval", "mask", "secret", "shadow"] {
        let policy = format!("@{name}(\"x\") permit (principal, action, resource);");
        let findings = try_pdp(&policy).unwrap_err();
        assert!(findings.0.iter().any(|finding| finding.kind == FindingKind::AnnotationUnsupported), "{name}");
    }
}

#[test]
fn repeated_id_is_refused() {
    let policies = "@id(\"a\") permit (principal, action, resource);\n@id(\"a\") forbid (principal, action, resource);";
    assert!(try_pdp(policies).unwrap_err().0.iter().any(|finding| finding.kind == FindingKind::DuplicateId));
}

#[test]
fn forbid_gives_its_advice() {
    let pdp = pdp(r#"
        permit (principal, action, resource);
        @id("b") @advice("ask bob") forbid (principal, action == Mcp::Action::"tools/call/fs/write", resource);
        @id("a") forbid (principal, action == Mcp::Action::"tools/call/fs/write", resource);"#);
    let decision = call(&pdp, &user("alice", &[]), "write", &json!({}));
    assert_eq!(ids(&decision.policies), ["a", "b"]);
    assert_eq!(decision.advice.as_deref(), Some("ask bob"));
}

#[test]
fn tool_outside_the_catalogue_is_unknown_whatever_policy_says() {
    let pdp = pdp("permit (principal, action, resource);");
    let alice = user("alice", &[]);
    assert_eq!(call(&pdp, &alice, "nope", &json!({})).refusal, Some(Authorization::CatalogueUnknown));
    let other = pdp.bind(Arc::clone(&alice), facts(), "other");
    let ask = Ask::CallTool { name: "read", arguments: Arguments::Known(None) };
    assert_eq!(other.decide(&ask).refusal, Some(Authorization::CatalogueUnknown));
    // Other methods go on.
    assert!(other.decide(&Ask::Server { method: &Method::ToolsList }).is_allow());
    assert!(!pdp.bind(alice, facts(), "nowhere").decide(&Ask::Server { method: &Method::ToolsList }).is_allow());
}

#[test]
fn caller_without_any_permit_cannot_tell_unknown_and_closed_tools_from_denied_ones() {
    let pdp = pdp(r#"
        permit (principal in Mcp::Group::"ops", action in Mcp::Action::"tools/call", resource);
        forbid (principal, action in Mcp::Action::"tools/call", resource)
        when { context.arguments.path like "/etc/*" };"#);
    let refusal = |who: &Arc<crate::model::Principal>, tool| call(&pdp, who, tool, &json!({})).refusal;
    let (ops, other) = (user("alice", &["ops"]), user("bob", &["sales"]));
    // `ping` has no path to type that policy against: it is closed.
    assert_eq!(refusal(&ops, "ping"), Some(Authorization::ToolClosed));
    assert_eq!(refusal(&ops, "nope"), Some(Authorization::CatalogueUnknown));
    for tool in ["ping", "nope"] {
        assert_eq!(refusal(&other, tool), Some(Authorization::Denied), "{tool}");
    }
}

#[test]
fn policy_waits_for_its_tool() {
    let policy = r#"permit (principal, action == Mcp::Action::"tools/call/other/later", resource)
        when { context.arguments.n > 3 };"#;
    let build = try_pdp(policy).unwrap();
    assert!(build.findings.iter().any(|finding| finding.kind == FindingKind::ToolUnknown));
    let later = json!([{"name": "later", "inputSchema": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}}]);
    let known = build.pdp.with_catalogue("other", catalogue(&later)).unwrap();
    assert_eq!(known.findings, []);
    assert_ne!(known.pdp.hash(), build.pdp.hash());
    let document = super::support::json(&json!({"n": 4}));
    let ask = Ask::CallTool { name: "later", arguments: Arguments::Known(Some(document.root())) };
    assert!(known.pdp.bind(user("alice", &[]), facts(), "other").decide(&ask).is_allow());
}

#[test]
fn tool_whose_policies_cannot_be_typed_is_closed_and_only_it() {
    let build = try_pdp(
        r#"
        permit (principal, action, resource);
        @id("paths") forbid (principal, action in Mcp::Action::"tools/call", resource)
        when { context.arguments.path like "/etc/*" };"#,
    )
    .unwrap();
    let alice = user("alice", &[]);
    let ping = call(&build.pdp, &alice, "ping", &json!({}));
    assert_eq!(ping.refusal, Some(Authorization::ToolClosed));
    assert!(!listed(&build.pdp, &alice, "ping"));
    assert_eq!(call(&build.pdp, &alice, "read", &json!({"path": "/x"})).effect, Effect::Allow);
    let closed = build.pdp.closed_tools();
    assert_eq!(closed.len(), 1);
    assert!(closed[0].2.contains("paths"), "{}", closed[0].2);
    assert!(build.findings.iter().any(|finding| finding.kind == FindingKind::ToolClosed));
}

#[test]
fn policy_about_one_tool_does_not_close_another() {
    let build = try_pdp(
        r#"
        permit (principal, action in Mcp::Action::"tools/call", resource == Mcp::Tool::"fs/read")
        when { context.arguments.path like "/data/*" };"#,
    )
    .unwrap();
    assert_eq!(build.pdp.closed_tools(), []);
}

#[test]
fn tool_without_a_usable_schema_is_closed() {
    let mut parts = parts("permit (principal, action, resource);");
    let wide: serde_json::Map<_, _> = (0..2_001).map(|n| (n.to_string(), json!({"type": "string"}))).collect();
    parts.upstreams[0].1 = Some(catalogue(&json!([
        {"name": "none"},
        {"name": "list", "inputSchema": []},
        {"name": "array", "inputSchema": {"type": "array"}},
        {"name": "wide", "inputSchema": {"type": "object", "properties": wide}},
        {"name": "fine", "inputSchema": {"type": "object"}},
    ])));
    let build = Pdp::build(parts).unwrap();
    let closed: Vec<_> = build.pdp.closed_tools().into_iter().map(|(_, tool, _)| tool).collect();
    assert_eq!(closed, ["array", "list", "none", "wide"]);
    assert_eq!(call(&build.pdp, &user("alice", &[]), "none", &json!({})).refusal, Some(Authorization::ToolClosed));
}

#[test]
fn names_with_policy_syntax_are_only_names() {
    let names = ["x\", Action::\"admin", "\"); permit(principal,action,resource); //", "a\u{2028}b", "a/b/c", "*"];
    let mut parts = parts(r#"permit (principal, action == Mcp::Action::"tools/call/fs/x", resource);"#);
    let tools: Vec<_> = names
        .iter()
        .map(|name| json!({"name": name, "inputSchema": {"type": "object", "properties": {*name: {"type": "string"}}}}))
        .collect();
    parts.upstreams[0].1 = Some(catalogue(&json!(tools)));
    let pdp = Pdp::build(parts).unwrap().pdp;
    for name in names {
        let decision = call(&pdp, &user("alice", &[]), name, &json!({}));
        assert_eq!((decision.effect, decision.refusal), (Effect::Deny, None), "{name}");
    }
}

#[test]
fn same_subject_with_other_groups_never_shares_a_decision() {
    let pdp = pdp(r#"permit (principal in Mcp::Group::"ops", action, resource);"#);
    for _ in 0..2 {
        assert_eq!(call(&pdp, &user("alice", &["ops"]), "ping", &json!({})).effect, Effect::Allow);
        assert_eq!(call(&pdp, &user("alice", &["dev"]), "ping", &json!({})).effect, Effect::Deny);
    }
}

#[test]
fn roles_nest_through_the_entities_file() {
    let mut parts = parts(
        r#"
        permit (principal in Mcp::Role::"reader", action, resource);
        forbid (principal, action, resource) unless { principal has clearance && principal.clearance > 2 };"#,
    );
    parts.files.entities = Some(SourceFile {
        name: "entities.json".into(),
        text: json!([
            {"uid": {"type": "Mcp::User", "id": "alice"}, "attrs": {"clearance": 3}, "parents": []},
            {"uid": {"type": "Mcp::Group", "id": "dev"}, "attrs": {}, "parents": [{"type": "Mcp::Role", "id": "writer"}]},
            {"uid": {"type": "Mcp::Role", "id": "writer"}, "attrs": {}, "parents": [{"type": "Mcp::Role", "id": "reader"}]},
            {"uid": {"type": "Mcp::Role", "id": "reader"}, "attrs": {}, "parents": []},
        ])
        .to_string(),
    });
    let pdp = Pdp::build(parts).unwrap().pdp;
    assert_eq!(call(&pdp, &user("alice", &["dev"]), "ping", &json!({})).effect, Effect::Allow);
    assert_eq!(call(&pdp, &user("alice", &[]), "ping", &json!({})).effect, Effect::Deny);
    assert_eq!(call(&pdp, &user("bob", &["dev"]), "ping", &json!({})).effect, Effect::Deny);
}

#[test]
fn entities_file_may_not_speak_of_tools() {
    let mut parts = parts("permit (principal, action, resource);");
    for text in [
        r#"[{"uid": {"type": "Mcp::Server", "id": "fs"}, "attrs": {"labels": [], "name": "fs"}, "parents": []}]"#,
        "[",
        r#"[{"uid": {"type": "Mcp::User", "id": "a"}, "attrs": {"nope": 1}, "parents": []}]"#,
    ] {
        parts.files.entities = Some(SourceFile { name: "entities.json".into(), text: text.to_owned() });
        let findings = Pdp::build(parts.clone()).unwrap_err();
        assert_eq!((findings.0[0].kind, findings.0[0].file.as_deref()), (FindingKind::Entities, Some("entities.json")));
    }
}

#[test]
fn labels_are_the_operators_and_claims_the_servers() {
    let pdp = pdp(r#"
        permit (principal, action, resource is Mcp::Tool)
        when { resource.claimed has readOnlyHint && resource.claimed.readOnlyHint };
        permit (principal, action in Mcp::Action::"tools/call", resource)
        when { resource.labels.contains("dangerous") };"#);
    let allow = |tool| call(&pdp, &user("alice", &[]), tool, &json!({})).is_allow();
    assert!(allow("read") && allow("write") && !allow("ping"));
}

#[test]
fn every_method_of_the_protocol_has_its_action() {
    for method in Method::KNOWN {
        let id = match method {
            Method::SamplingCreateMessage => "sampling",
            Method::ElicitationCreate => "elicitation",
            Method::RootsList => "roots",
            Method::ToolsCall => continue,
            other => other.as_str(),
        };
        assert!(actions::find(id).is_some(), "{id}");
    }
}

#[test]
fn unknown_method_is_denied() {
    let pdp = pdp("permit (principal, action, resource);");
    let method = Method::parse("tools/call/fs/read");
    let bound = pdp.bind(user("alice", &[]), facts(), "fs");
    assert!(!bound.decide(&Ask::Server { method: &method }).is_allow());
    assert!(!bound.decide(&Ask::Server { method: &Method::parse("admin/all") }).is_allow());
}

#[test]
fn warnings_do_not_refuse() {
    let build = try_pdp("@owner(\"me\") permit (principal, action, resource);").unwrap();
    assert!(
        build
            .findings
            .iter()
            .any(|finding| finding.kind == FindingKind::AnnotationUnknown && finding.severity == Severity::Warning)
    );
    assert!(build.findings.iter().any(|finding| finding.kind == FindingKind::PermitsAll));
    assert_eq!(build.pdp.catalogue("fs").unwrap().hash(), catalogue(&tools()).hash());
}
