//! [`Pdp`]: an immutable snapshot of policies, entities and catalogues, with its caches of slices.

mod bound;
mod build;
mod disclosure;
mod question;

use std::{collections::HashMap, hash::Hash, sync::Arc};

use cedar_policy::{Entities, Entity, EntityUid};
use quick_cache::{Equivalent, sync::Cache};

pub use bound::BoundPdp;
pub use build::{Build, PdpParts};
use question::{Target, TargetKey, TargetResource};

use super::{
    super::{
        entities::{self, Types},
        validation,
    },
    compiled::{Compiled, Lineage, ScopeIndex},
    slice::{Program, Slice, SliceEntities, SliceError, Tally, Triple},
    upstreams::{KnownTools, UpstreamState},
};
use crate::{
    catalogue::Catalogue,
    model::{Decision, Effect, Facts, Principal, rejection::Authorization},
};

/// Most slices that are kept.
const SLICES_MAX: usize = 16_384;
/// Most programs that are kept; many slices share one.
const PROGRAMS_MAX: usize = 4_096;

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

impl Pdp {
    fn upstream(&self, name: &str) -> Option<&UpstreamState> {
        let place = self.upstream_places.get(name)?;
        self.upstreams.get(*place as usize)
    }

    /// Upstream, tool and reason of every closed tool.
    pub fn closed_tools(&self) -> Vec<(&str, &str, &str)> {
        self.upstreams
            .iter()
            .flat_map(|state| {
                let closed = state.tools.as_ref().map(KnownTools::closed).unwrap_or_default();
                closed.into_iter().map(|(tool, reason)| (&*state.name, tool, &**reason))
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
    pub fn bind(self: &Arc<Self>, principal: Arc<Principal>, facts: Facts, upstream: &str) -> BoundPdp {
        BoundPdp { upstream: self.upstream_places.get(upstream).copied(), pdp: Arc::clone(self), principal, facts }
    }

    fn slice(&self, principal: &Principal, target: &Target<'_>) -> Result<Arc<Slice<Decision>>, SliceError> {
        let key = SliceKeyRef { principal: principal.digest(), target: target.key, item: target.item };
        if let Some(slice) = self.slices.get(&key) {
            return Ok(slice);
        }
        let slice = Arc::new(self.build_slice(principal, target)?);
        let key = SliceKey { principal: *principal.digest(), target: target.key, item: target.item.into() };
        self.slices.insert(key, Arc::clone(&slice));
        Ok(slice)
    }

    fn build_slice(&self, principal: &Principal, target: &Target<'_>) -> Result<Slice<Decision>, SliceError> {
        let base = &*self.base;
        let caller = entities::principal(&base.types, &base.parts.attributes, &base.operator, principal)
            .map_err(|_| SliceError)?;
        let made;
        let resource = match &target.resource {
            TargetResource::Ready(placed) => *placed,
            TargetResource::Make(facts) => {
                let state = self.upstreams.get(target.key.upstream as usize).ok_or(SliceError)?;
                made = entities::resource(&base.types, &base.parts.labels, &state.name, target.key.kind, facts)
                    .map_err(|_| SliceError)?;
                &made
            }
        };
        let matching = base.index.matching(&base.policies, &caller, target.action, resource);
        let action = Entity::new_no_attrs(target.action.uid.clone(), target.action.ancestors.iter().cloned().collect());
        Slice::build(
            &base.policies,
            &matching,
            Triple { principal: caller.uid.clone(), action: target.action.uid.clone(), resource: resource.uid.clone() },
            SliceEntities { own: [&caller.entity, &action, &resource.entity], operator: &base.operator },
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
            tool: (reads_arguments && target.arguments.is_some()).then_some((target.key.upstream, target.key.action)),
            policies,
        };
        if let Some(program) = self.programs.get(&key) {
            return Ok(program);
        }
        let program = Arc::new(Program::new(&self.base.policies, &key.policies, target.arguments)?);
        self.programs.insert(key, Arc::clone(&program));
        Ok(program)
    }

    fn decision(&self, tally: &Tally) -> Decision {
        let failed = !tally.errors.is_empty();
        let allow = tally.cedar_allows() && !failed;
        // A permit does not determine a refusal.
        let reasons = if tally.cedar_allows() && failed { &[] } else { tally.reasons() };
        let policies = self.ids(reasons);
        let advice = if tally.forbids.is_empty() { None } else { self.advice(&tally.forbids) };
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
        let mut ids: Vec<Arc<str>> =
            places.iter().filter_map(policy).map(|policy| Arc::clone(&policy.entry.id)).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.into()
    }

    fn advice(&self, forbids: &[u32]) -> Option<Arc<str>> {
        let policies = forbids.iter().filter_map(|place| self.base.policies.get(*place as usize));
        let first = policies.filter_map(|policy| Some((&policy.entry.id, policy.entry.advice.as_ref()?))).min();
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
