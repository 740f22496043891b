//! [`Pdp`]: an immutable snapshot of policies, entities and catalogues, and [`BoundPdp`], the same for one request.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use cedar_policy::{Entities, Entity, EntityUid};
use quick_cache::{Equivalent, sync::Cache};

use super::{
    super::{
        actions::{self, ACTIONS, GROUPS, ResourceKind, TOOLS_CALL},
        argument_types::RecordType,
        entities::{self, EntityError, Labels, Placed, ResourceFacts, Types, UriParts},
        finding::{Finding, FindingKind, Findings, Severity},
        policy_store::{self, PolicyFiles},
        schema::{Parts, PrincipalAttributes},
        validation::{self, Subject, Waiting},
    },
    compiled::{Compiled, Lineage, ScopeIndex},
    context::{TypedArguments, Unrepresentable},
    slice::{Program, Slice, SliceEntities, SliceError, Tally, Triple},
    upstreams::{KnownTools, Typing, UpstreamState},
};
use crate::{
    catalogue::Catalogue,
    model::{
        Arguments, Ask, Decider, Decision, Effect, Facts, Principal, rejection::Authorization,
    },
};
use doorward_message::{Method, Value};

/// Most slices that are kept.
const SLICES_MAX: usize = 16_384;
/// Most programs that are kept; many slices share one.
const PROGRAMS_MAX: usize = 4_096;

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

/// What does not change when a catalogue does.
#[derive(Debug)]
struct Base {
    types: Types,
    parts: PdpParts,
    policies: Vec<Compiled>,
    index: ScopeIndex,
    operator: Entities,
    methods: HashMap<&'static str, u32>,
    lineages: Vec<Lineage>,
    tool_groups: Vec<EntityUid>,
}

/// The policy decision point over one snapshot.
#[derive(Debug)]
pub struct Pdp {
    base: Arc<Base>,
    upstreams: Vec<UpstreamState>,
    upstream_places: HashMap<Box<str>, u32>,
    slices: Cache<SliceKey, Arc<Slice<Decision>>>,
    programs: Cache<ProgramKey, Arc<Program>>,
    hash: [u8; 32],
    none: Arc<[Arc<str>]>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct SliceKey {
    principal: [u8; 32],
    target: TargetKey,
    item: Box<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct TargetKey {
    upstream: u32,
    /// Place in [`ACTIONS`], or of the tool behind them.
    action: u32,
    kind: ResourceKind,
}

#[derive(Hash)]
struct SliceKeyRef<'a> {
    principal: &'a [u8; 32],
    target: TargetKey,
    item: &'a str,
}

impl Equivalent<SliceKey> for SliceKeyRef<'_> {
    fn equivalent(&self, key: &SliceKey) -> bool {
        *self.principal == key.principal && self.target == key.target && *self.item == *key.item
    }
}

/// Policies and, where they read arguments, the tool by whose types they are bounded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ProgramKey {
    policies: Vec<u32>,
    tool: Option<(u32, u32)>,
}

/// What is asked, in Cedar's terms.
struct Target<'a> {
    key: TargetKey,
    /// Empty for a tool, whose place says it all.
    item: &'a str,
    action: &'a Lineage,
    resource: TargetResource<'a>,
    arguments: Option<&'a RecordType>,
}

enum TargetResource<'a> {
    Ready(&'a Placed),
    Make(ResourceFacts<'a>),
}

impl Pdp {
    /// Parses, validates and prepares everything.
    ///
    /// # Errors
    /// All findings, at least one of which is an error; whoever holds an earlier PDP keeps it.
    pub fn build(parts: PdpParts) -> Result<Build, Findings> {
        let (entries, mut findings) = policy_store::parse(&parts.files.policies);
        let internal = |_: EntityError| {
            Findings(vec![Finding::new(
                Severity::Error,
                FindingKind::Type,
                "the entity types cannot be built",
            )])
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
        let subject = Subject {
            types: &types,
            attributes: &parts.attributes,
            files: &parts.files.policies,
        };
        findings.extend(upstream_names(&parts));
        findings.extend(validation::at_load(subject, &policies));
        findings = Findings::check(findings)?;
        let operator =
            operator(subject, &policies, &parts).map_err(|finding| Findings(vec![finding]))?;
        let base = Arc::new(Base::new(types, parts, policies, operator));
        let catalogues = base
            .parts
            .upstreams
            .iter()
            .map(|(_, catalogue)| catalogue.clone())
            .collect();
        let pdp = Self::assemble(base, catalogues).map_err(internal)?;
        findings.extend(pdp.standing());
        Ok(Build {
            pdp: Arc::new(pdp),
            findings,
        })
    }

    /// The same policies with another catalogue of one upstream. Slow enough (milliseconds to a second) to be kept off
    /// the request path.
    ///
    /// # Errors
    /// [`EntityError`], which nothing from outside can cause. An unknown upstream changes nothing.
    pub fn with_catalogue(
        &self,
        upstream: &str,
        catalogue: Arc<Catalogue>,
    ) -> Result<Build, EntityError> {
        let place = self.upstream_places.get(upstream).copied();
        let catalogues = (0_u32..)
            .zip(&self.upstreams)
            .map(|(other, state)| {
                if Some(other) == place {
                    Some(Arc::clone(&catalogue))
                } else {
                    state
                        .tools
                        .as_ref()
                        .map(|tools| Arc::clone(&tools.catalogue))
                }
            })
            .collect();
        let pdp = Self::assemble(Arc::clone(&self.base), catalogues)?;
        let findings = pdp.standing();
        Ok(Build {
            pdp: Arc::new(pdp),
            findings,
        })
    }

    fn assemble(
        base: Arc<Base>,
        catalogues: Vec<Option<Arc<Catalogue>>>,
    ) -> Result<Self, EntityError> {
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
            let tools = catalogue
                .map(|catalogue| KnownTools::new(typing, name, catalogue))
                .transpose()?;
            upstreams.push(UpstreamState {
                name: name.clone(),
                tools,
            });
        }
        let upstream_places = (0_u32..)
            .zip(&upstreams)
            .map(|(place, state)| (state.name.clone(), place))
            .collect();
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
            let rest = id
                .strip_prefix(TOOLS_CALL)
                .and_then(|rest| rest.strip_prefix('/'));
            let Some((upstream, tool)) = rest.and_then(|rest| rest.split_once('/')) else {
                return Waiting::Upstream;
            };
            match self.upstream(upstream) {
                None => Waiting::Upstream,
                Some(state)
                    if state
                        .tools
                        .as_ref()
                        .is_some_and(|tools| tools.get(tool).is_some()) =>
                {
                    Waiting::Known
                }
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

    fn upstream(&self, name: &str) -> Option<&UpstreamState> {
        let place = self.upstream_places.get(name)?;
        self.upstreams.get(*place as usize)
    }

    /// Upstream, tool and reason of every closed tool.
    pub fn closed_tools(&self) -> Vec<(&str, &str, &str)> {
        self.upstreams
            .iter()
            .flat_map(|state| {
                let closed = state
                    .tools
                    .as_ref()
                    .map(KnownTools::closed)
                    .unwrap_or_default();
                closed
                    .into_iter()
                    .map(|(tool, reason)| (&*state.name, tool, &**reason))
            })
            .collect()
    }

    /// The catalogue of an upstream, if it is known.
    pub fn catalogue(&self, upstream: &str) -> Option<&Arc<Catalogue>> {
        Some(&self.upstream(upstream)?.tools.as_ref()?.catalogue)
    }

    /// SHA-256 over policies, entities, attributes, labels and catalogues, for audit records.
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// How many policies there are.
    pub fn policies(&self) -> usize {
        self.base.policies.len()
    }

    /// For one request.
    pub fn bind(
        self: &Arc<Self>,
        principal: Arc<Principal>,
        facts: Facts,
        upstream: &str,
    ) -> BoundPdp {
        BoundPdp {
            upstream: self.upstream_places.get(upstream).copied(),
            pdp: Arc::clone(self),
            principal,
            facts,
        }
    }

    fn target<'a>(&'a self, upstream: u32, ask: &Ask<'a>) -> Result<Target<'a>, Authorization> {
        match *ask {
            Ask::CallTool { name, .. } => self.tool_target(upstream, name),
            Ask::GetPrompt { name, .. } => self.method_target(
                upstream,
                Method::PromptsGet.as_str(),
                ResourceKind::Prompt,
                ResourceFacts::Named(name),
            ),
            Ask::CompletePrompt { name } => self.method_target(
                upstream,
                Method::CompletionComplete.as_str(),
                ResourceKind::Prompt,
                ResourceFacts::Named(name),
            ),
            Ask::Resource { method, uri } => {
                let parts = canonical(uri)?;
                self.method_target(
                    upstream,
                    method.as_str(),
                    ResourceKind::McpResource,
                    ResourceFacts::Uri(parts),
                )
            }
            Ask::Template {
                method,
                uri_template,
            } => self.method_target(
                upstream,
                method.as_str(),
                ResourceKind::ResourceTemplate,
                ResourceFacts::Uri(template_parts(uri_template)?),
            ),
            Ask::Task {
                method,
                id: Some(id),
            } => self.method_target(
                upstream,
                method.as_str(),
                ResourceKind::Task,
                ResourceFacts::Task(id),
            ),
            Ask::ServerRequest { method } => {
                let action = match method {
                    Method::SamplingCreateMessage => "sampling",
                    Method::ElicitationCreate => "elicitation",
                    Method::RootsList => "roots",
                    _ => return Err(Authorization::Denied),
                };
                self.method_target(
                    upstream,
                    action,
                    ResourceKind::Server,
                    ResourceFacts::Server,
                )
            }
            Ask::Task { method, id: None } | Ask::Server { method } => self.method_target(
                upstream,
                method.as_str(),
                ResourceKind::Server,
                ResourceFacts::Server,
            ),
        }
    }

    fn method_target<'a>(
        &'a self,
        upstream: u32,
        action: &str,
        kind: ResourceKind,
        facts: ResourceFacts<'a>,
    ) -> Result<Target<'a>, Authorization> {
        let place = *self.base.methods.get(action).ok_or(Authorization::Denied)?;
        let row = ACTIONS.get(place as usize).ok_or(Authorization::Denied)?;
        if !row.resources.contains(&kind) {
            return Err(Authorization::Denied);
        }
        Ok(Target {
            key: TargetKey {
                upstream,
                action: place,
                kind,
            },
            item: facts.item().unwrap_or_default(),
            action: self
                .base
                .lineages
                .get(place as usize)
                .ok_or(Authorization::Denied)?,
            resource: TargetResource::Make(facts),
            arguments: None,
        })
    }

    fn tool_target(&self, upstream: u32, name: &str) -> Result<Target<'_>, Authorization> {
        let tools = self
            .upstreams
            .get(upstream as usize)
            .and_then(|state| state.tools.as_ref());
        let tool = tools
            .and_then(|tools| tools.get(name))
            .ok_or(Authorization::CatalogueUnknown)?;
        let arguments = tool
            .arguments
            .as_ref()
            .map_err(|_| Authorization::ToolClosed)?;
        Ok(Target {
            key: TargetKey {
                upstream,
                action: u32::try_from(ACTIONS.len())
                    .unwrap_or(u32::MAX)
                    .saturating_add(tool.place),
                kind: ResourceKind::Tool,
            },
            item: "",
            action: &tool.action,
            resource: TargetResource::Ready(&tool.resource),
            arguments: Some(arguments),
        })
    }

    fn slice(
        &self,
        principal: &Principal,
        target: &Target<'_>,
    ) -> Result<Arc<Slice<Decision>>, SliceError> {
        let key = SliceKeyRef {
            principal: principal.digest(),
            target: target.key,
            item: target.item,
        };
        if let Some(slice) = self.slices.get(&key) {
            return Ok(slice);
        }
        let slice = Arc::new(self.build_slice(principal, target)?);
        let key = SliceKey {
            principal: *principal.digest(),
            target: target.key,
            item: target.item.into(),
        };
        self.slices.insert(key, Arc::clone(&slice));
        Ok(slice)
    }

    fn build_slice(
        &self,
        principal: &Principal,
        target: &Target<'_>,
    ) -> Result<Slice<Decision>, SliceError> {
        let base = &*self.base;
        let caller = entities::principal(
            &base.types,
            &base.parts.attributes,
            &base.operator,
            principal,
        )
        .map_err(|_| SliceError)?;
        let made;
        let resource = match &target.resource {
            TargetResource::Ready(placed) => *placed,
            TargetResource::Make(facts) => {
                let state = self
                    .upstreams
                    .get(target.key.upstream as usize)
                    .ok_or(SliceError)?;
                made = entities::resource(
                    &base.types,
                    &base.parts.labels,
                    &state.name,
                    target.key.kind,
                    facts,
                )
                .map_err(|_| SliceError)?;
                &made
            }
        };
        let matching = base
            .index
            .matching(&base.policies, &caller, target.action, resource);
        let action = Entity::new_no_attrs(
            target.action.uid.clone(),
            target.action.ancestors.iter().cloned().collect(),
        );
        Slice::build(
            &base.policies,
            &matching,
            Triple {
                principal: caller.uid.clone(),
                action: target.action.uid.clone(),
                resource: resource.uid.clone(),
            },
            SliceEntities {
                own: [&caller.entity, &action, &resource.entity],
                operator: &base.operator,
            },
            principal,
            |policies| self.program(policies, target),
            |tally| self.decision(tally),
        )
    }

    fn program(&self, policies: Vec<u32>, target: &Target<'_>) -> Result<Arc<Program>, SliceError> {
        let reads_arguments = policies.iter().any(|place| {
            let policy = self.base.policies.get(*place as usize);
            policy.is_some_and(validation::reads_arguments)
        });
        let key = ProgramKey {
            tool: (reads_arguments && target.arguments.is_some())
                .then_some((target.key.upstream, target.key.action)),
            policies,
        };
        if let Some(program) = self.programs.get(&key) {
            return Ok(program);
        }
        let program = Arc::new(Program::new(
            &self.base.policies,
            &key.policies,
            target.arguments,
        )?);
        self.programs.insert(key, Arc::clone(&program));
        Ok(program)
    }

    fn decision(&self, tally: &Tally) -> Decision {
        let failed = !tally.errors.is_empty();
        let allow = tally.cedar_allows() && !failed;
        // A permit does not determine a refusal.
        let reasons = if tally.cedar_allows() && failed {
            &[]
        } else {
            tally.reasons()
        };
        let policies = self.ids(reasons);
        let advice = if tally.forbids.is_empty() {
            None
        } else {
            self.advice(&tally.forbids)
        };
        Decision {
            effect: if allow { Effect::Allow } else { Effect::Deny },
            policies,
            errors: self.ids(&tally.errors),
            advice,
            refusal: None,
        }
    }

    fn ids(&self, places: &[u32]) -> Arc<[Arc<str>]> {
        if places.is_empty() {
            return Arc::clone(&self.none);
        }
        let policy = |place: &u32| self.base.policies.get(*place as usize);
        let mut ids: Vec<Arc<str>> = places
            .iter()
            .filter_map(policy)
            .map(|policy| Arc::clone(&policy.entry.id))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids.into()
    }

    fn advice(&self, forbids: &[u32]) -> Option<Arc<str>> {
        let policies = forbids
            .iter()
            .filter_map(|place| self.base.policies.get(*place as usize));
        let first = policies
            .filter_map(|policy| Some((&policy.entry.id, policy.entry.advice.as_ref()?)))
            .min();
        first.map(|(_, advice)| Arc::clone(advice))
    }

    fn refusal(&self, reason: Authorization) -> Decision {
        Decision {
            effect: Effect::Deny,
            policies: Arc::clone(&self.none),
            errors: Arc::clone(&self.none),
            advice: None,
            refusal: Some(reason),
        }
    }
}

impl Base {
    fn new(types: Types, parts: PdpParts, policies: Vec<Compiled>, operator: Entities) -> Self {
        let uids = |ids: &[&'static str]| -> Vec<EntityUid> {
            actions::ancestors(ids)
                .into_iter()
                .map(|id| types.action_uid(id))
                .collect()
        };
        let lineages = ACTIONS
            .iter()
            .map(|action| Lineage {
                uid: types.action_uid(action.id),
                ancestors: uids(action.groups),
            })
            .collect();
        let tool_groups = uids(&[TOOLS_CALL]);
        Self {
            index: ScopeIndex::new(&policies),
            methods: (0_u32..)
                .zip(ACTIONS)
                .map(|(place, action)| (action.id, place))
                .collect(),
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
fn operator(
    subject: Subject<'_>,
    policies: &[Compiled],
    parts: &PdpParts,
) -> Result<Entities, Finding> {
    let named: std::collections::BTreeSet<&str> = policies
        .iter()
        .flat_map(|policy| validation::named_tools(subject.types, policy))
        .collect();
    let named: Vec<&str> = named.into_iter().collect();
    let schema = validation::build_schema(&Parts {
        attributes: subject.attributes,
        methods: true,
        tools: &[],
        named: &named,
    })?;
    entities::operator_entities(subject.types, parts.files.entities.as_ref(), &schema)
}

/// Upstream names are parts of ids that are split at the first `/`.
fn upstream_names(parts: &PdpParts) -> Vec<Finding> {
    let invalid = parts
        .upstreams
        .iter()
        .filter(|(name, _)| name.is_empty() || name.contains('/'));
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
        field(
            state
                .tools
                .as_ref()
                .map_or(&[], |tools| tools.catalogue.hash()),
        );
    }
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(hash.finish().as_ref()) {
        *to = *from;
    }
    out
}

/// Takes a canonical URI apart; refuses others.
fn canonical(uri: &str) -> Result<UriParts<'_>, Authorization> {
    let canonical =
        doorward_message::uri::canonical(uri).map_err(|_| Authorization::UriNotCanonical)?;
    let rest = uri.split_once(':').map_or("", |(_, rest)| rest);
    let hierarchy = rest
        .split_once('?')
        .map_or(rest, |(hierarchy, _)| hierarchy);
    let (host, path) = match hierarchy.strip_prefix("//") {
        Some(hierarchy) => {
            let at = hierarchy.find('/').unwrap_or(hierarchy.len());
            let (authority, path) = hierarchy.split_at_checked(at).unwrap_or((hierarchy, ""));
            (Some(authority), path)
        }
        None => (None, hierarchy),
    };
    Ok(UriParts {
        uri,
        scheme: canonical.scheme(),
        host: host.filter(|host| !host.is_empty()),
        path: Some(path),
    })
}

/// A template is text that only the server expands; it is never read itself, so only its fixed beginning is taken apart.
fn template_parts(template: &str) -> Result<UriParts<'_>, Authorization> {
    doorward_message::uri::canonical_template(template)
        .map_err(|_| Authorization::UriNotCanonical)?;
    let fixed = template.split('{').next().unwrap_or_default();
    Ok(UriParts {
        uri: template,
        scheme: fixed.split_once(':').map_or("", |(scheme, _)| scheme),
        host: None,
        path: None,
    })
}

/// A [`Pdp`] bound to a principal, the facts of one message and an upstream.
#[derive(Clone, Debug)]
pub struct BoundPdp {
    pdp: Arc<Pdp>,
    principal: Arc<Principal>,
    facts: Facts,
    upstream: Option<u32>,
}

impl BoundPdp {
    /// The snapshot.
    pub fn pdp(&self) -> &Arc<Pdp> {
        &self.pdp
    }

    fn find<'a>(
        &'a self,
        ask: &Ask<'a>,
    ) -> Result<(Target<'a>, Arc<Slice<Decision>>), Authorization> {
        let upstream = self.upstream.ok_or(Authorization::CatalogueUnknown)?;
        let target = self.pdp.target(upstream, ask)?;
        let slice = self
            .pdp
            .slice(&self.principal, &target)
            .map_err(|_| Authorization::PolicyError)?;
        Ok((target, slice))
    }
}

fn value_of<'a>(ask: &Ask<'a>) -> Option<Value<'a>> {
    match *ask {
        Ask::CallTool {
            arguments: Arguments::Known(value),
            ..
        } => value,
        _ => None,
    }
}

impl Decider for BoundPdp {
    fn decide(&self, ask: &Ask<'_>) -> Decision {
        let (target, slice) = match self.find(ask) {
            Ok(found) => found,
            Err(reason) => return self.pdp.refusal(reason),
        };
        if let Some(decision) = &slice.decided {
            return decision.clone();
        }
        let arguments = target.arguments.map(|types| TypedArguments {
            types,
            value: value_of(ask),
        });
        match slice.evaluate(&self.facts, &self.principal, arguments) {
            Ok(Ok(tally)) => self.pdp.decision(&tally),
            Ok(Err(SliceError)) => self.pdp.refusal(Authorization::PolicyError),
            Err(Unrepresentable) => self.pdp.refusal(Authorization::ArgumentUnrepresentable),
        }
    }

    fn may_list(&self, ask: &Ask<'_>) -> bool {
        self.find(ask).is_ok_and(|(_, slice)| {
            slice
                .may_allow(&self.facts, &self.principal)
                .unwrap_or(false)
        })
    }
}
