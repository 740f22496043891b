//! *authorize*: decisions of 100 policies. A question that was asked before finds its slice, and mostly its decision, in a
//! cache; one that is new slices the set first; a policy that reads arguments is evaluated with every call.

use std::{collections::BTreeMap, fmt::Write as _, hint::black_box, sync::Arc};

use bytes::Bytes;
use criterion::{BatchSize, Criterion};
use doorward::{
    catalogue::CatalogueBuilder,
    model::{Arguments, Ask, Decider, Facts, Principal, PrincipalKind, Transport, principal::PrincipalParts},
    pipeline::authorize::{
        BoundPdp, Labels, Pdp, PdpParts,
        policy_store::{PolicyFiles, SourceFile},
    },
};
use doorward_message::{Json, Limits, Method, Revision};

use crate::messages::{TOOLS, call, list};

const UPSTREAM: &str = "upstream";
const POLICIES: usize = 100;

/// The set of `doorward-bench compare`, in short: one policy for each of 40 tools, one that reads arguments, one for
/// resources, and others that concern nobody here.
fn policies() -> String {
    let mut text = String::new();
    let ours = "principal in Mcp::Group::\"bench\"";
    for number in 0..POLICIES - 3 {
        let group = if number < 40 { "bench".to_owned() } else { format!("team-{number}") };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "permit (principal in Mcp::Group::\"{group}\", action in Mcp::Action::\"tools/call\", \
             resource == Mcp::Tool::\"{UPSTREAM}/tool_{:02}\");",
            number % TOOLS
        );
    }
    let _ = writeln!(
        text,
        "permit ({ours}, action == Mcp::Action::\"tools/call/{UPSTREAM}/tool_41\", resource)\n\
         when {{ context.arguments.path like \"/data/*\" && !(context.arguments has recursive && context.arguments.recursive) }};\n\
         permit ({ours}, action == Mcp::Action::\"resources/read\", resource is Mcp::McpResource)\n\
         when {{ resource.scheme == \"file\" && resource has path && resource.path like \"/data/*\" }};\n\
         forbid (principal in Mcp::Group::\"suspended\", action, resource);"
    );
    text
}

/// The decider of one caller.
pub(crate) fn decider() -> BoundPdp {
    let limits = Limits::default();
    let page = Json::parse(list(), &limits).expect("the list is valid");
    let mut catalogue = CatalogueBuilder::default();
    catalogue.tools_page(page.root().get("result").expect("the list has a result"));
    let parts = PdpParts {
        files: PolicyFiles {
            policies: vec![SourceFile { name: "bench.cedar".into(), text: policies() }],
            entities: None,
        },
        attributes: BTreeMap::new(),
        labels: Labels::new(&BTreeMap::new()),
        upstreams: vec![(UPSTREAM.into(), Some(Arc::new(catalogue.build())))],
    };
    let build = Pdp::build(parts).map_err(|findings| findings.to_string()).expect("the policies hold");
    assert_eq!(build.pdp.policies(), POLICIES);
    let principal = Principal::new(PrincipalParts {
        kind: PrincipalKind::User,
        id: "alice".into(),
        issuer: Some("https://idp.bench.example".into()),
        client_id: None,
        scopes: vec!["mcp".into()],
        groups: vec!["bench".into(), "staff".into()],
        roles: Vec::new(),
        attributes: BTreeMap::new(),
        expires_at: None,
    });
    let facts = Facts {
        revision: Revision::V2026_07_28,
        transport: Transport::Http,
        client_address: None,
        time_unix_s: 1_795_689_000,
        in_session: false,
        approved: false,
    };
    build.pdp.bind(Arc::new(principal), facts, UPSTREAM)
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("authorize");
    let decider = decider();
    let message = Json::parse(call(1024), &Limits::default()).expect("the call is valid");
    let arguments = message.root().get("params").and_then(|params| params.get("arguments"));
    let ask = |name| Ask::CallTool { name, arguments: Arguments::Known(arguments) };
    for (name, tool) in [("cached decision", "tool_00"), ("decision with arguments", "tool_41")] {
        assert!(decider.decide(&ask(tool)).is_allow(), "{tool} is permitted");
        group.bench_function(name, |bencher| bencher.iter(|| decider.decide(black_box(&ask(tool)))));
    }
    assert!(!decider.decide(&ask("tool_45")).is_allow(), "tool_45 is not permitted");
    let mut number = 0_u64;
    let mut next = || {
        number += 1;
        Bytes::from(format!("file:///data/{number}.txt"))
    };
    let read = |uri: &Bytes| {
        let uri = std::str::from_utf8(uri).unwrap_or_default();
        decider.decide(&Ask::Resource { method: &Method::ResourcesRead, uri })
    };
    assert!(read(&next()).is_allow(), "resources are permitted");
    group.bench_function("sliced decision", |bencher| {
        bencher.iter_batched(&mut next, |uri| read(black_box(&uri)), BatchSize::SmallInput);
    });
    group.finish();
}
