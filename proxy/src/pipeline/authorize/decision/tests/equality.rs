//! Sliced and cached decisions equal the plain authorizer over all policies and all entities; lists are sound.

use std::{collections::HashSet, str::FromStr, sync::Arc};

use cedar_policy::{Authorizer, Decision as CedarDecision, Entities, EntityUid, PolicyId, PolicySet, Request, Schema};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::support::{catalogue, facts, json as document, parts, tools, user};
use crate::{
    model::{Arguments, Ask, Decider, Effect, Facts, Principal, PrincipalKind},
    pipeline::authorize::{
        Pdp, PdpParts,
        actions::{ResourceKind, tool_action},
        argument_types::record_of,
        decision::{
            context::{self, TypedArguments},
            needs::ContextNeeds,
        },
        entities::{self, ResourceFacts, Types},
        policy_store::SourceFile,
        schema::{self, Parts, ToolAction},
    },
};

const ENTITIES: &str = r#"[
    {"uid": {"type": "Mcp::User", "id": "alice"}, "attrs": {"clearance": 3}, "parents": [{"type": "Mcp::Role", "id": "writer"}]},
    {"uid": {"type": "Mcp::Group", "id": "dev"}, "attrs": {}, "parents": [{"type": "Mcp::Role", "id": "reader"}]},
    {"uid": {"type": "Mcp::Role", "id": "writer"}, "attrs": {}, "parents": [{"type": "Mcp::Role", "id": "reader"}]},
    {"uid": {"type": "Mcp::Role", "id": "reader"}, "attrs": {}, "parents": []}
]"#;

const PRINCIPALS: [&str; 6] = [
    "principal",
    r#"principal == Mcp::User::"alice""#,
    r#"principal in Mcp::Group::"dev""#,
    "principal is Mcp::Workload",
    r#"principal is Mcp::User in Mcp::Role::"writer""#,
    r#"principal in Mcp::Role::"reader""#,
];

const ACTIONS: [&str; 6] = [
    "action",
    r#"action == Mcp::Action::"tools/call/fs/read""#,
    r#"action in [Mcp::Action::"tools/call/fs/read", Mcp::Action::"tools/call/fs/write"]"#,
    r#"action in Mcp::Action::"tools/call""#,
    r#"action in [Mcp::Action::"write", Mcp::Action::"list"]"#,
    r#"action == Mcp::Action::"tools/call/fs/write""#,
];

const RESOURCES: [&str; 5] = [
    "resource",
    r#"resource == Mcp::Tool::"fs/read""#,
    r#"resource in Mcp::Server::"fs""#,
    "resource is Mcp::Tool",
    r#"resource is Mcp::Tool in Mcp::Server::"other""#,
];

/// Valid for every action.
const ATOMS: [&str; 15] = [
    "context.hour < 12",
    "context.approved",
    r#"context.scopes.contains("files:read")"#,
    r#"context.scopes.contains("admin")"#,
    "(principal has clearance && principal.clearance > 2)",
    r#"principal in Mcp::Group::"dev""#,
    r#"(Mcp::User::"alice" has clearance && Mcp::User::"alice".clearance > 2)"#,
    r#"Mcp::Role::"writer" in Mcp::Role::"reader""#,
    r#"action in Mcp::Action::"write""#,
    r#"resource.labels.contains("dangerous")"#,
    r#"(context has arguments && context.arguments has path && context.arguments.path like "/data/*")"#,
    "(context has arguments && context.arguments has limit && context.arguments.limit + 9223372036854775800 > 0)",
    r#"(context has arguments && context.arguments has tags && context.arguments.tags.contains("a"))"#,
    "(context has arguments && context.arguments has deep && context.arguments.deep.flag)",
    "(context has arguments.deep.flag)",
];

/// Needs the scope of `read` and `write`; fails where the path is missing.
const PATH: &str = r#"context.arguments.path like "/etc/*""#;

fn condition(with_path: bool) -> BoxedStrategy<String> {
    let atom = if with_path {
        prop_oneof![2 => Just(PATH.to_owned()), 8 => proptest::sample::select(&ATOMS[..]).prop_map(str::to_owned)]
            .boxed()
    } else {
        proptest::sample::select(&ATOMS[..]).prop_map(str::to_owned).boxed()
    };
    atom.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            inner.clone().prop_map(|a| format!("(!({a}))")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("(if {a} then {b} else {c})")),
        ]
    })
    .boxed()
}

fn policy() -> BoxedStrategy<String> {
    (0..PRINCIPALS.len(), 0..ACTIONS.len(), 0..RESOURCES.len())
        .prop_flat_map(|(principal, action, resource)| {
            let clause = (any::<bool>(), condition(matches!(action, 1 | 2 | 5)))
                .prop_map(|(when, text)| format!("{} {{ {text} }}", if when { "when" } else { "unless" }));
            (any::<bool>(), proptest::collection::vec(clause, 0..3)).prop_map(move |(permit, clauses)| {
                format!(
                    "{} ({}, {}, {}) {};",
                    if permit { "permit" } else { "forbid" },
                    PRINCIPALS[principal],
                    ACTIONS[action],
                    RESOURCES[resource],
                    clauses.join(" ")
                )
            })
        })
        .boxed()
}

fn arguments(tool: &str) -> Vec<Value> {
    match tool {
        "read" => vec![
            json!({}),
            json!({"path": "/data/x"}),
            json!({"path": "/etc/x", "limit": 3, "tags": ["a", "b"]}),
            json!({"path": "/data/x", "limit": 100, "tags": [], "deep": {"flag": true}}),
            json!({"path": "", "limit": -1, "deep": {"flag": false}}),
        ],
        "write" => vec![json!({"path": "/etc/x", "content": ""}), json!({"content": "c"})],
        _ => vec![json!({})],
    }
}

fn principals() -> Vec<Arc<Principal>> {
    vec![
        user("alice", &[]),
        user("alice", &["dev", "ops"]),
        user("bob", &["dev"]),
        user("carol", &[]),
        Arc::new(Principal::local(PrincipalKind::Workload, "anonymous")),
    ]
}

/// Everything, without slices or caches.
struct Plain {
    set: PolicySet,
    entities: Entities,
    types: Types,
    parts: PdpParts,
}

impl Plain {
    fn new(parts: PdpParts) -> Self {
        let parsed = PolicySet::from_str(&parts.files.policies[0].text).unwrap();
        let mut set = PolicySet::new();
        for policy in parsed.policies() {
            let number: usize = policy.id().to_string().strip_prefix("policy").unwrap().parse().unwrap();
            set.add(policy.new_id(PolicyId::new(format!("test.cedar#{}", number + 1)))).unwrap();
        }
        let tools = tools();
        let types: Vec<_> = tools
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| (tool_action("fs", tool["name"].as_str().unwrap()), record_of(&tool["inputSchema"]).unwrap()))
            .collect();
        let actions: Vec<_> = types.iter().map(|(id, arguments)| ToolAction { id, arguments }).collect();
        let schema =
            schema::generate(&Parts { attributes: &parts.attributes, methods: true, tools: &actions, named: &[] });
        let schema = Schema::from_json_value(schema).unwrap();
        let entities = Entities::from_json_str(ENTITIES, Some(&schema)).unwrap();
        Self { set, entities, types: Types::new().unwrap(), parts }
    }

    fn decide(
        &self,
        principal: &Principal,
        tool: &str,
        arguments: &Value,
        facts: &Facts,
    ) -> (CedarDecision, Vec<String>, Vec<String>) {
        let caller = entities::principal(&self.types, &self.parts.attributes, &self.entities, principal).unwrap();
        let catalogue = catalogue(&tools());
        let known = catalogue.tool(tool).unwrap();
        let resource = entities::resource(
            &self.types,
            &self.parts.labels,
            "fs",
            ResourceKind::Tool,
            &ResourceFacts::Tool(tool, &known.claimed),
        )
        .unwrap();
        let server =
            entities::resource(&self.types, &self.parts.labels, "fs", ResourceKind::Server, &ResourceFacts::Server)
                .unwrap();
        let all = self
            .entities
            .clone()
            .upsert_entities([caller.entity.clone(), resource.entity.clone(), server.entity], None)
            .unwrap();
        let needs = ContextNeeds { whole: true, ..ContextNeeds::default() };
        let document = document(arguments);
        let types = record_of(known.input_schema.as_ref().unwrap()).unwrap();
        let typed = TypedArguments { types: &types, value: Some(document.root()) };
        let context = context::build(&needs, facts, principal, Some(typed)).unwrap();
        let action: EntityUid = self.types.action_uid(&tool_action("fs", tool));
        let request = Request::new(caller.uid, action, resource.uid, context, None).unwrap();
        let response = Authorizer::new().is_authorized(&request, &self.set, &all);
        let mut reasons: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
        let mut errors: Vec<String> = response
            .diagnostics()
            .errors()
            .map(|error| {
                let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
                error.policy_id().to_string()
            })
            .collect();
        reasons.sort_unstable();
        errors.sort_unstable();
        (response.decision(), reasons, errors)
    }
}

fn check(policies: &[String]) -> Result<(), TestCaseError> {
    let mut parts = parts(&policies.join("\n"));
    parts.files.entities = Some(SourceFile { name: "entities.json".into(), text: ENTITIES.to_owned() });
    let build = Pdp::build(parts.clone());
    prop_assume!(build.is_ok(), "impossible combination of scopes");
    let pdp = build.unwrap().pdp;
    prop_assert_eq!(pdp.closed_tools(), vec![]);
    let plain = Plain::new(parts);
    let mut hidden: HashSet<(usize, &str)> = HashSet::new();
    for (who, principal) in principals().iter().enumerate() {
        for tool in ["read", "write", "ping"] {
            let bound = pdp.bind(Arc::clone(principal), facts(), "fs");
            if !bound.may_list(&Ask::CallTool { name: tool, arguments: Arguments::Unknown }) {
                hidden.insert((who, tool));
            }
        }
    }
    for approved in [false, true] {
        let facts = Facts { approved, ..facts() };
        for (who, principal) in principals().iter().enumerate() {
            let bound = pdp.bind(Arc::clone(principal), facts.clone(), "fs");
            for tool in ["read", "write", "ping"] {
                for arguments in arguments(tool) {
                    let document = document(&arguments);
                    let decision =
                        bound.decide(&Ask::CallTool { name: tool, arguments: Arguments::Known(Some(document.root())) });
                    let (cedar, reasons, errors) = plain.decide(principal, tool, &arguments, &facts);
                    let allowed = cedar == CedarDecision::Allow;
                    let expected = if allowed && errors.is_empty() { Effect::Allow } else { Effect::Deny };
                    let reasons = if allowed && !errors.is_empty() { Vec::new() } else { reasons };
                    prop_assert_eq!(decision.effect, expected, "{} {:?}", tool, arguments);
                    prop_assert_eq!(super::support::ids(&decision.policies), reasons);
                    prop_assert_eq!(super::support::ids(&decision.errors), errors);
                    prop_assert_eq!(decision.refusal, None);
                    prop_assert!(expected == Effect::Deny || !hidden.contains(&(who, tool)), "{} is hidden", tool);
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn slices_decide_as_the_plain_authorizer_and_lists_hide_nothing_callable(policies in proptest::collection::vec(policy(), 1..9)) {
        check(&policies)?;
    }
}
