//! The form of a table, and the world that it describes.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use doorward_message::{Json, Limits};
use serde::Deserialize;

use crate::{
    catalogue::{Catalogue, CatalogueBuilder},
    model::{Attribute, Principal, PrincipalKind, principal::PrincipalParts},
    pipeline::authorize::{Findings, Labels, Pdp, PdpParts, policy_store::PolicyFiles, schema::PrincipalAttributes},
};

/// A table as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    /// Upstreams with what they offer, in the form of list results.
    #[serde(default)]
    upstreams: BTreeMap<String, UpstreamRow>,
    /// As `authorization.labels`.
    #[serde(default)]
    labels: BTreeMap<String, Vec<String>>,
    /// Mapped principal attributes with their types.
    #[serde(default)]
    attributes: PrincipalAttributes,
    /// Principals by the name that cases use.
    #[serde(default)]
    principals: BTreeMap<String, PrincipalRow>,
    /// The cases.
    pub(super) cases: Vec<CaseRow>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct UpstreamRow {
    #[serde(default)]
    tools: Vec<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PrincipalRow {
    user: Option<String>,
    agent: Option<String>,
    workload: Option<String>,
    issuer: Option<String>,
    client_id: Option<String>,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    attributes: BTreeMap<String, AttributeRow>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum AttributeRow {
    Bool(bool),
    Long(i64),
    String(String),
    Strings(Vec<String>),
}

/// A case as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CaseRow {
    pub(super) name: String,
    pub(super) principal: String,
    pub(super) upstream: Option<String>,
    pub(super) tool: Option<String>,
    pub(super) prompt: Option<String>,
    pub(super) resource: Option<String>,
    pub(super) template: Option<String>,
    pub(super) task: Option<String>,
    pub(super) action: Option<String>,
    pub(super) arguments: Option<serde_json::Value>,
    #[serde(default)]
    pub(super) context: ContextRow,
    pub(super) expect: Expect,
    pub(super) policies: Option<Vec<String>>,
    pub(super) errors: Option<Vec<String>>,
    pub(super) refusal: Option<String>,
    pub(super) listed: Option<bool>,
}

/// What a case says of the context.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ContextRow {
    /// `Mon 08:00`, in UTC.
    pub(super) at: Option<String>,
    /// Seconds since the Unix epoch.
    pub(super) time: Option<i64>,
    pub(super) revision: Option<String>,
    pub(super) transport: Option<String>,
    pub(super) client_address: Option<std::net::IpAddr>,
    pub(super) in_session: bool,
    pub(super) approved: bool,
}

/// The expected effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Expect {
    Allow,
    Deny,
}

/// A table's world, ready for questions.
pub(super) struct World {
    pub(super) pdp: Arc<Pdp>,
    pub(super) principals: BTreeMap<String, Arc<Principal>>,
    pub(super) upstreams: Vec<String>,
}

pub(super) enum WorldError {
    Policies(Findings),
    Upstream(String),
}

impl World {
    pub(super) fn build(table: &Table, policies: &PolicyFiles) -> Result<Self, WorldError> {
        let upstreams = table
            .upstreams
            .iter()
            .map(|(name, row)| Ok((name.as_str().into(), Some(catalogue(name, row)?))))
            .collect::<Result<Vec<_>, WorldError>>()?;
        let parts = PdpParts {
            files: policies.clone(),
            attributes: table.attributes.clone(),
            labels: Labels::new(&table.labels),
            upstreams,
        };
        let build = Pdp::build(parts).map_err(WorldError::Policies)?;
        Ok(Self {
            pdp: build.pdp,
            principals: table
                .principals
                .iter()
                .map(|(name, row)| (name.clone(), Arc::new(row.principal(name))))
                .collect(),
            upstreams: table.upstreams.keys().cloned().collect(),
        })
    }
}

fn catalogue(name: &str, row: &UpstreamRow) -> Result<Arc<Catalogue>, WorldError> {
    let invalid = || WorldError::Upstream(name.to_owned());
    let text = serde_json::json!({"tools": row.tools}).to_string();
    let document = Json::parse(Bytes::from(text), &Limits::default()).map_err(|_| invalid())?;
    let mut builder = CatalogueBuilder::default();
    builder.tools_page(document.root());
    let catalogue = builder.build();
    if catalogue.dropped().is_empty() { Ok(Arc::new(catalogue)) } else { Err(invalid()) }
}

impl PrincipalRow {
    fn principal(&self, name: &str) -> Principal {
        let (kind, id) = match (&self.user, &self.agent, &self.workload) {
            (Some(id), _, _) => (PrincipalKind::User, id.as_str()),
            (None, Some(id), _) => (PrincipalKind::Agent, id.as_str()),
            (None, None, Some(id)) => (PrincipalKind::Workload, id.as_str()),
            (None, None, None) => (PrincipalKind::User, name),
        };
        let boxed = |items: &[String]| items.iter().map(|item| item.as_str().into()).collect();
        Principal::new(PrincipalParts {
            kind,
            id: id.into(),
            issuer: self.issuer.as_deref().map(Into::into),
            client_id: self.client_id.as_deref().map(Into::into),
            scopes: boxed(&self.scopes),
            groups: boxed(&self.groups),
            roles: boxed(&self.roles),
            attributes: self.attributes.iter().map(|(name, value)| (name.as_str().into(), value.attribute())).collect(),
            expires_at: None,
        })
    }
}

impl AttributeRow {
    fn attribute(&self) -> Attribute {
        match self {
            Self::Bool(flag) => Attribute::Bool(*flag),
            Self::Long(number) => Attribute::Long(*number),
            Self::String(text) => Attribute::String(text.as_str().into()),
            Self::Strings(items) => Attribute::Strings(items.iter().map(|item| item.as_str().into()).collect()),
        }
    }
}
