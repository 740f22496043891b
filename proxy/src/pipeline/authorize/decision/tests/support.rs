//! A small world: upstream `fs` with a few tools, and principals.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use doorward_message::{Json, Limits, Method, Revision};
use serde_json::{Value, json};

use crate::{
    catalogue::{Catalogue, CatalogueBuilder},
    model::{
        Arguments, Ask, Attribute, Decider, Decision, Facts, Principal, PrincipalKind, Transport,
        principal::PrincipalParts,
    },
    pipeline::authorize::{
        Build, Findings, Labels, Pdp, PdpParts,
        policy_store::{PolicyFiles, SourceFile},
        schema::AttributeType,
    },
};

pub(crate) fn json(value: &Value) -> Json {
    Json::parse(Bytes::from(value.to_string()), &Limits::default()).unwrap()
}

pub(crate) fn catalogue(tools: &Value) -> Arc<Catalogue> {
    let mut builder = CatalogueBuilder::default();
    builder.tools_page(json(&json!({"tools": tools})).root());
    Arc::new(builder.build())
}

pub(crate) fn tools() -> Value {
    json!([
        {"name": "read", "annotations": {"readOnlyHint": true}, "inputSchema": {
            "type": "object",
            "properties": {
                "path": {"type": "string"},
                "limit": {"type": "integer"},
                "tags": {"type": "array", "items": {"type": "string"}},
                "deep": {"type": "object", "properties": {"flag": {"type": "boolean"}}, "required": ["flag"]},
                "ratio": {"type": "number"},
            },
            "required": ["path"],
        }},
        {"name": "write", "inputSchema": {
            "type": "object",
            "properties": {"path": {"type": "string"}, "content": {"type": "string"}},
            "required": ["path", "content"],
        }},
        {"name": "ping", "inputSchema": {"type": "object"}},
    ])
}

pub(crate) fn parts(policies: &str) -> PdpParts {
    PdpParts {
        files: PolicyFiles {
            policies: vec![SourceFile { name: "test.cedar".into(), text: policies.to_owned() }],
            entities: None,
        },
        attributes: BTreeMap::from([
            ("department".to_owned(), AttributeType::String),
            ("clearance".to_owned(), AttributeType::Long),
        ]),
        labels: Labels::new(&BTreeMap::from([("fs/write".to_owned(), vec!["dangerous".to_owned()])])),
        upstreams: vec![("fs".into(), Some(catalogue(&tools()))), ("other".into(), None)],
    }
}

pub(crate) fn try_pdp(policies: &str) -> Result<Build, Findings> {
    Pdp::build(parts(policies))
}

pub(crate) fn pdp(policies: &str) -> Arc<Pdp> {
    try_pdp(policies).unwrap_or_else(|findings| panic!("{findings}")).pdp
}

pub(crate) fn user(id: &str, groups: &[&str]) -> Arc<Principal> {
    let attributes = BTreeMap::from([("department".into(), Attribute::String("eng".into()))]);
    Arc::new(Principal::new(PrincipalParts {
        kind: PrincipalKind::User,
        id: id.into(),
        issuer: Some("https://idp.example".into()),
        client_id: None,
        scopes: vec!["files:read".into()],
        groups: groups.iter().map(|name| (*name).into()).collect(),
        roles: Vec::new(),
        attributes,
        expires_at: None,
    }))
}

pub(crate) fn facts() -> Facts {
    Facts {
        revision: Revision::V2026_07_28,
        transport: Transport::Http,
        client_address: Some("10.1.2.3".parse().unwrap()),
        // Thursday 2026-11-26, 10:30:00 UTC.
        time_unix_s: 1_795_689_000,
        in_session: false,
        approved: false,
    }
}

pub(crate) fn call(pdp: &Arc<Pdp>, principal: &Arc<Principal>, tool: &str, arguments: &Value) -> Decision {
    let document = json(arguments);
    pdp.bind(Arc::clone(principal), facts(), "fs")
        .decide(&Ask::CallTool { name: tool, arguments: Arguments::Known(Some(document.root())) })
}

pub(crate) fn listed(pdp: &Arc<Pdp>, principal: &Arc<Principal>, tool: &str) -> bool {
    pdp.bind(Arc::clone(principal), facts(), "fs")
        .may_list(&Ask::CallTool { name: tool, arguments: Arguments::Unknown })
}

pub(crate) fn read(pdp: &Arc<Pdp>, principal: &Arc<Principal>, uri: &str) -> Decision {
    pdp.bind(Arc::clone(principal), facts(), "fs").decide(&Ask::Resource { method: &Method::ResourcesRead, uri })
}

pub(crate) fn ids(ids: &[Arc<str>]) -> Vec<&str> {
    ids.iter().map(|id| &**id).collect()
}
