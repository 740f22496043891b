//! Slices: what is left of a policy set for one principal, action and resource.
//!
//! A slice holds the policies whose scope matches, split in two: those that read nothing but the principal, the action
//! and the resource are evaluated once, when the slice is built ([`Tally`] `fixed`); the others ([`Program`]) are evaluated
//! per request, with a context of only what they read. Invariant, proven by property test: the sum of both equals
//! the plain authorizer over all policies and all entities, reasons and errors included.

use std::sync::{Arc, OnceLock};

use cedar_policy::{
    Authorizer, Context, Decision as CedarDecision, Effect, Entities, Entity, EntityUid, PolicySet, Request, pst,
};

use super::{
    approximate,
    compiled::{Compiled, bare, place_of},
    context::{self, TypedArguments, Unrepresentable},
    needs::ContextNeeds,
};
use crate::{
    model::{Facts, Principal},
    pipeline::authorize::argument_types::RecordType,
};

/// Something of Cedar's refused what cannot be refused; the question is denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a slice could not be built")]
pub(crate) struct SliceError;

/// What an evaluation says, as places of policies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Satisfied permits; complete only where no forbid is satisfied, which is where they matter.
    pub(crate) permits: Vec<u32>,
    /// Satisfied forbids.
    pub(crate) forbids: Vec<u32>,
    /// Policies that could not be evaluated.
    pub(crate) errors: Vec<u32>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.permits.extend_from_slice(&other.permits);
        self.forbids.extend_from_slice(&other.forbids);
        self.errors.extend_from_slice(&other.errors);
    }

    /// Cedar's determining policies: the forbids, or else the permits.
    pub(crate) fn reasons(&self) -> &[u32] {
        if self.forbids.is_empty() { &self.permits } else { &self.forbids }
    }

    /// Cedar's own decision, which skips policies that fail.
    pub(crate) fn cedar_allows(&self) -> bool {
        self.forbids.is_empty() && !self.permits.is_empty()
    }
}

/// Who asks for what, as Cedar names it.
#[derive(Clone, Debug)]
pub(crate) struct Triple {
    pub(crate) principal: EntityUid,
    pub(crate) action: EntityUid,
    pub(crate) resource: EntityUid,
}

fn run(set: &PolicySet, triple: &Triple, entities: &Entities, context: Context) -> Result<Tally, SliceError> {
    let request = Request::new(triple.principal.clone(), triple.action.clone(), triple.resource.clone(), context, None)
        .map_err(|_| SliceError)?;
    let response = Authorizer::new().is_authorized(&request, set, entities);
    let places = |ids: &mut dyn Iterator<Item = &cedar_policy::PolicyId>| {
        ids.map(|id| place_of(id).ok_or(SliceError)).collect::<Result<Vec<u32>, _>>()
    };
    let reasons = places(&mut response.diagnostics().reason())?;
    let errors = places(&mut response.diagnostics().errors().map(|error| {
        let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
        error.policy_id()
    }))?;
    let (permits, forbids) = match response.decision() {
        CedarDecision::Allow => (reasons, Vec::new()),
        CedarDecision::Deny => (Vec::new(), reasons),
    };
    Ok(Tally { permits, forbids, errors })
}

/// The context-reading policies of a slice; shared by all slices with the same ones.
#[derive(Debug)]
pub(crate) struct Program {
    set: PolicySet,
    needs: ContextNeeds,
    literals: Vec<EntityUid>,
    list: Option<ListProgram>,
}

/// The same policies with bounds instead of unknowns.
#[derive(Debug)]
struct ListProgram {
    set: PolicySet,
    needs: ContextNeeds,
    /// Permits that are bounds: where one cannot be evaluated, nothing is known.
    bounded_permits: Vec<u32>,
    /// Policies that read no unknown: their failure is certain.
    exact: Vec<u32>,
}

impl Program {
    /// Builds the program of some policies. `arguments`: the tool's types, for the bounds.
    pub(crate) fn new(
        policies: &[Compiled],
        places: &[u32],
        arguments: Option<&RecordType>,
    ) -> Result<Self, SliceError> {
        let mut set = PolicySet::new();
        let mut needs = ContextNeeds::default();
        let mut literals = Vec::new();
        for policy in pick(policies, places) {
            let (_, policy) = policy?;
            set.add(policy.bare.clone()).map_err(|_| SliceError)?;
            needs.merge(&policy.needs);
            literals.extend(policy.literals.iter().cloned());
        }
        let list = if needs.reads_unknown() { Some(ListProgram::new(policies, places, arguments)?) } else { None };
        Ok(Self { set, needs, literals, list })
    }
}

impl ListProgram {
    fn new(policies: &[Compiled], places: &[u32], arguments: Option<&RecordType>) -> Result<Self, SliceError> {
        let mut program = Self {
            set: PolicySet::new(),
            needs: ContextNeeds::default(),
            bounded_permits: Vec::new(),
            exact: Vec::new(),
        };
        for policy in pick(policies, places) {
            let (place, policy) = policy?;
            if !policy.needs.reads_unknown() {
                program.exact.push(place);
                program.needs.merge(&policy.needs);
                program.set.add(policy.bare.clone()).map_err(|_| SliceError)?;
                continue;
            }
            let clauses = bounded(&policy.clauses, policy.effect, arguments);
            program.needs.merge(&ContextNeeds::of(&clauses));
            if policy.effect == Effect::Permit {
                program.bounded_permits.push(place);
            }
            let policy = bare(place as usize, policy.effect, &clauses).ok_or(SliceError)?;
            program.set.add(policy).map_err(|_| SliceError)?;
        }
        Ok(program)
    }
}

/// Conditions of a permit become weaker, those of a forbid stronger.
fn bounded(clauses: &[pst::Clause], effect: Effect, arguments: Option<&RecordType>) -> Vec<pst::Clause> {
    let upper = |expr| approximate::upper(expr, arguments);
    let lower = |expr| approximate::lower(expr, arguments);
    clauses
        .iter()
        .map(|clause| match (clause, effect) {
            (pst::Clause::When(expr), Effect::Permit) => pst::Clause::When(upper(expr)),
            (pst::Clause::Unless(expr), Effect::Permit) => pst::Clause::Unless(lower(expr)),
            (pst::Clause::When(expr), Effect::Forbid) => pst::Clause::When(lower(expr)),
            (pst::Clause::Unless(expr), Effect::Forbid) => pst::Clause::Unless(upper(expr)),
        })
        .collect()
}

fn pick<'a>(
    policies: &'a [Compiled],
    places: &'a [u32],
) -> impl Iterator<Item = Result<(u32, &'a Compiled), SliceError>> {
    places.iter().map(|place| {
        let policy = policies.get(*place as usize).ok_or(SliceError)?;
        Ok((*place, policy))
    })
}

/// What of the set concerns one principal, action and resource.
#[derive(Debug)]
pub(crate) struct Slice<D> {
    fixed: Tally,
    /// The decision, where no policy reads anything else.
    pub(crate) decided: Option<D>,
    dynamic: Option<Dynamic>,
    listed: OnceLock<bool>,
}

#[derive(Debug)]
struct Dynamic {
    program: Arc<Program>,
    triple: Triple,
    entities: Entities,
}

/// The entities that a slice starts from.
#[derive(Clone, Copy)]
pub(crate) struct SliceEntities<'a> {
    /// Principal, action and resource, each with all its ancestors.
    pub(crate) own: [&'a Entity; 3],
    /// The operator's entities, for those that policies name.
    pub(crate) operator: &'a Entities,
}

impl SliceEntities<'_> {
    /// Principal, action, resource, and what the policies name. Attributes hold no entities, so nothing else can be
    /// reached.
    fn collect<'b>(&self, literals: impl Iterator<Item = &'b EntityUid>) -> Result<Entities, SliceError> {
        let mut seen: std::collections::HashSet<EntityUid> = self.own.iter().map(|entity| entity.uid()).collect();
        let mut all: Vec<Entity> = self.own.iter().map(|entity| (*entity).clone()).collect();
        for uid in literals {
            if !seen.contains(uid)
                && let Some(entity) = self.operator.get(uid)
            {
                let (uid, attributes, ancestors) = entity.clone().into_inner();
                seen.insert(uid.clone());
                all.push(Entity::new(uid, attributes, ancestors).map_err(|_| SliceError)?);
            }
        }
        Entities::from_entities(all, None).map_err(|_| SliceError)
    }
}

impl<D> Slice<D> {
    /// Builds a slice from the matching policies. `program` finds or makes the program of the context-reading ones,
    /// `decide` turns a complete tally into a decision.
    pub(crate) fn build(
        policies: &[Compiled],
        matching: &[u32],
        triple: Triple,
        entities: SliceEntities<'_>,
        principal: &Principal,
        program: impl FnOnce(Vec<u32>) -> Result<Arc<Program>, SliceError>,
        decide: impl FnOnce(&Tally) -> D,
    ) -> Result<Self, SliceError> {
        let mut fixed = Tally::default();
        let mut bound = Vec::new();
        let mut dynamic = Vec::new();
        for policy in pick(policies, matching) {
            let (place, policy) = policy?;
            if policy.is_unconditional() {
                match policy.effect {
                    Effect::Permit => fixed.permits.push(place),
                    Effect::Forbid => fixed.forbids.push(place),
                }
            } else if policy.needs.is_bound_to_principal() {
                bound.push(place);
            } else {
                dynamic.push(place);
            }
        }
        if !bound.is_empty() {
            let program = Program::new(policies, &bound, None)?;
            let entities = entities.collect(program.literals.iter())?;
            let context = context::scopes_only(principal);
            fixed.add(&run(&program.set, &triple, &entities, context.map_err(|_| SliceError)?)?);
        }
        if dynamic.is_empty() {
            return Ok(Self { decided: Some(decide(&fixed)), fixed, dynamic: None, listed: OnceLock::new() });
        }
        let program = program(dynamic)?;
        let entities = entities.collect(program.literals.iter())?;
        Ok(Self { fixed, decided: None, dynamic: Some(Dynamic { program, triple, entities }), listed: OnceLock::new() })
    }

    /// Evaluates everything.
    pub(crate) fn evaluate(
        &self,
        facts: &Facts,
        principal: &Principal,
        arguments: Option<TypedArguments<'_>>,
    ) -> Result<Result<Tally, SliceError>, Unrepresentable> {
        let mut tally = self.fixed.clone();
        if let Some(dynamic) = &self.dynamic {
            let program = &dynamic.program;
            let context = context::build(&program.needs, facts, principal, arguments)?;
            match run(&program.set, &dynamic.triple, &dynamic.entities, context) {
                Ok(more) => tally.add(&more),
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(tally))
    }

    /// Whether some arguments, and an approval, could make the answer an allow. `false` is certain; `true` is not.
    pub(crate) fn may_allow(&self, facts: &Facts, principal: &Principal) -> Result<bool, SliceError> {
        let certain = |tally: &Tally| tally.errors.is_empty() && tally.cedar_allows();
        let Some(dynamic) = &self.dynamic else {
            return Ok(certain(&self.fixed));
        };
        if let Some(known) = self.listed.get() {
            return Ok(*known);
        }
        if !self.fixed.errors.is_empty() || !self.fixed.forbids.is_empty() {
            return Ok(false);
        }
        let (set, needs) = match &dynamic.program.list {
            Some(list) => (&list.set, &list.needs),
            None => (&dynamic.program.set, &dynamic.program.needs),
        };
        let context = context::build(needs, facts, principal, None).map_err(|_| SliceError)?;
        let tally = run(set, &dynamic.triple, &dynamic.entities, context)?;
        let answer = match &dynamic.program.list {
            None => {
                let mut all = self.fixed.clone();
                all.add(&tally);
                certain(&all)
            }
            Some(list) => {
                let failed = |places: &[u32]| tally.errors.iter().any(|place| places.contains(place));
                let possible =
                    !self.fixed.permits.is_empty() || !tally.permits.is_empty() || failed(&list.bounded_permits);
                tally.forbids.is_empty() && !failed(&list.exact) && possible
            }
        };
        if needs.is_bound_to_principal() {
            let _ = self.listed.set(answer);
        }
        Ok(answer)
    }
}
