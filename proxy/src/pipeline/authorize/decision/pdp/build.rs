//! Builds a [`Pdp`]: parses, validates, types the tools, takes the snapshot's hash.

use std::{collections::BTreeSet, sync::Arc};

use cedar_policy::{Entities, EntityUid};
use quick_cache::sync::Cache;

use super::{Base, PROGRAMS_MAX, Pdp, SLICES_MAX};
use crate::{
    catalogue::Catalogue,
    pipeline::authorize::{
        actions::{self, ACTIONS, GROUPS, TOOLS_CALL},
        decision::{
            compiled::{Compiled, Lineage, ScopeIndex},
            upstreams::{KnownTools, Typing, UpstreamState},
        },
        entities::{self, EntityError, Labels, Types},
        finding::{Finding, FindingKind, Findings, Severity},
        policy_store::{self, PolicyFiles},
        schema::{Parts, PrincipalAttributes},
        validation::{self, Subject, Waiting},
    },
};

/// What a PDP is made of.
#[derive(Clone, Debug, Default)]
pub struct PdpParts {
    /// Policies and entities as read.
    pub files: PolicyFiles,
    /// Principal attributes that the issuers' configurations map, with their types.
    pub attributes: PrincipalAttributes,
    /// Labels of servers, tools, prompts and resources.
    pub labels: Labels,
    /// Configured upstreams, with their catalogues where known.
    pub upstreams: Vec<(Box<str>, Option<Arc<Catalogue>>)>,
}

/// A PDP and what there is to say about its policies.
#[derive(Debug)]
pub struct Build {
    /// The snapshot.
    pub pdp: Arc<Pdp>,
    /// Warnings and notes.
    pub findings: Vec<Finding>,
}

impl Pdp {
    /// Parses, validates and prepares everything.
    ///
    /// # Errors
    /// All findings, at least one of which is an error; whoever holds an earlier PDP keeps it.
    pub fn build(parts: PdpParts) -> Result<Build, Findings> {
        let (entries, mut findings) = policy_store::parse(&parts.files.policies);
        let internal = |_: EntityError| {
            Findings(vec![Finding::new(Severity::Error, FindingKind::Type, "the entity types cannot be built")])
        };
        let types = Types::new().map_err(internal)?;
        let mut policies = Vec::with_capacity(entries.len());
        for (place, entry) in entries.into_iter().enumerate() {
            match Compiled::new(place, entry) {
                Ok(policy) => policies.push(policy),
                Err(finding) => findings.push(finding),
            }
        }
        findings = Findings::check(findings)?;
        let subject = Subject { types: &types, attributes: &parts.attributes, files: &parts.files.policies };
        findings.extend(upstream_names(&parts));
        findings.extend(validation::at_load(subject, &policies));
        findings = Findings::check(findings)?;
        let operator = operator(subject, &policies, &parts).map_err(|finding| Findings(vec![finding]))?;
        let base = Arc::new(Base::new(types, parts, policies, operator));
        let catalogues = base.parts.upstreams.iter().map(|(_, catalogue)| catalogue.clone()).collect();
        let pdp = Self::assemble(base, catalogues).map_err(internal)?;
        findings.extend(pdp.standing());
        Ok(Build { pdp: Arc::new(pdp), findings })
    }

    /// The same policies with another catalogue of one upstream. Slow enough (milliseconds to a second) to be kept off
    /// the request path.
    ///
    /// # Errors
    /// [`EntityError`], which nothing from outside can cause. An unknown upstream changes nothing.
    pub fn with_catalogue(&self, upstream: &str, catalogue: Arc<Catalogue>) -> Result<Build, EntityError> {
        let place = self.upstream_places.get(upstream).copied();
        let catalogues = (0_u32..)
            .zip(&self.upstreams)
            .map(|(other, state)| {
                if Some(other) == place {
                    Some(Arc::clone(&catalogue))
                } else {
                    state.tools.as_ref().map(|tools| Arc::clone(&tools.catalogue))
                }
            })
            .collect();
        let pdp = Self::assemble(Arc::clone(&self.base), catalogues)?;
        let findings = pdp.standing();
        Ok(Build { pdp: Arc::new(pdp), findings })
    }

    fn assemble(base: Arc<Base>, catalogues: Vec<Option<Arc<Catalogue>>>) -> Result<Self, EntityError> {
        let typing = Typing {
            subject: Subject {
                types: &base.types,
                attributes: &base.parts.attributes,
                files: &base.parts.files.policies,
            },
            policies: &base.policies,
            labels: &base.parts.labels,
            tool_groups: &base.tool_groups,
        };
        let mut upstreams = Vec::with_capacity(catalogues.len());
        for ((name, _), catalogue) in base.parts.upstreams.iter().zip(catalogues) {
            let tools = catalogue.map(|catalogue| KnownTools::new(typing, name, catalogue)).transpose()?;
            upstreams.push(UpstreamState { name: name.clone(), tools });
        }
        let upstream_places = (0_u32..).zip(&upstreams).map(|(place, state)| (state.name.clone(), place)).collect();
        let hash = snapshot_hash(&base, &upstreams);
        Ok(Self {
            base,
            upstreams,
            upstream_places,
            slices: Cache::new(SLICES_MAX),
            programs: Cache::new(PROGRAMS_MAX),
            hash,
            none: Arc::from(Vec::new()),
        })
    }

    /// Closed tools, waiting policies, policies that permit everything.
    fn standing(&self) -> Vec<Finding> {
        let known = |id: &str| {
            let rest = id.strip_prefix(TOOLS_CALL).and_then(|rest| rest.strip_prefix('/'));
            let Some((upstream, tool)) = rest.and_then(|rest| rest.split_once('/')) else {
                return Waiting::Upstream;
            };
            match self.upstream(upstream) {
                None => Waiting::Upstream,
                Some(state) if state.tools.as_ref().is_some_and(|tools| tools.get(tool).is_some()) => Waiting::Known,
                Some(_) => Waiting::Tool,
            }
        };
        let mut findings = validation::waiting(&self.base.types, &self.base.policies, known);
        for (upstream, tool, reason) in self.closed_tools() {
            findings.push(Finding::new(
                Severity::Warning,
                FindingKind::ToolClosed,
                format!("tool {tool:?} of {upstream:?} is closed: {reason}"),
            ));
        }
        findings
    }
}

impl Base {
    fn new(types: Types, parts: PdpParts, policies: Vec<Compiled>, operator: Entities) -> Self {
        let uids = |ids: &[&'static str]| -> Vec<EntityUid> {
            actions::ancestors(ids).into_iter().map(|id| types.action_uid(id)).collect()
        };
        let lineages = ACTIONS
            .iter()
            .map(|action| Lineage { uid: types.action_uid(action.id), ancestors: uids(action.groups) })
            .collect();
        let tool_groups = uids(&[TOOLS_CALL]);
        Self {
            index: ScopeIndex::new(&policies),
            methods: (0_u32..).zip(ACTIONS).map(|(place, action)| (action.id, place)).collect(),
            lineages,
            tool_groups,
            types,
            parts,
            policies,
            operator,
        }
    }
}

/// The operator's entities, and all actions that policies can name.
fn operator(subject: Subject<'_>, policies: &[Compiled], parts: &PdpParts) -> Result<Entities, Finding> {
    let named: BTreeSet<&str> =
        policies.iter().flat_map(|policy| validation::named_tools(subject.types, policy)).collect();
    let named: Vec<&str> = named.into_iter().collect();
    let schema =
        validation::build_schema(&Parts { attributes: subject.attributes, methods: true, tools: &[], named: &named })?;
    entities::operator_entities(subject.types, parts.files.entities.as_ref(), &schema)
}

/// Upstream names are parts of ids that are split at the first `/`.
fn upstream_names(parts: &PdpParts) -> Vec<Finding> {
    let invalid = parts.upstreams.iter().filter(|(name, _)| name.is_empty() || name.contains('/'));
    invalid
        .map(|(name, _)| {
            Finding::new(
                Severity::Error,
                FindingKind::UpstreamUnknown,
                format!("the upstream name {name:?} is empty or holds a slash"),
            )
        })
        .collect()
}

fn snapshot_hash(base: &Base, upstreams: &[UpstreamState]) -> [u8; 32] {
    let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    let mut field = |value: &[u8]| {
        hash.update(&(value.len() as u64).to_le_bytes());
        hash.update(value);
    };
    let files = &base.parts.files;
    for file in files.policies.iter().chain(&files.entities) {
        field(file.name.as_bytes());
        field(file.text.as_bytes());
    }
    field(format!("{:?}", base.parts.attributes).as_bytes());
    for (key, labels) in base.parts.labels.entries() {
        field(format!("{key:?} {labels:?}").as_bytes());
    }
    field(format!("{GROUPS:?} {ACTIONS:?}").as_bytes());
    for state in upstreams {
        field(state.name.as_bytes());
        field(state.tools.as_ref().map_or(&[], |tools| tools.catalogue.hash()));
    }
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(hash.finish().as_ref()) {
        *to = *from;
    }
    out
}
