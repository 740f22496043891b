//! Policies prepared for slicing: scope, conditions and what they read; and the index that finds those whose scope can
//! match.
//!
//! In: parsed policies. Out: [`Compiled`] policies and a [`ScopeIndex`]. Invariant: [`Compiled::applies`] is exact, so a
//! policy of a slice is evaluated without its scope (`bare`), which is what makes the evaluation short.

use std::collections::HashMap;

use cedar_policy::{
    ActionConstraint, Effect, EntityTypeName, EntityUid, Policy, PolicyId, PrincipalConstraint, ResourceConstraint, pst,
};

use super::{
    super::{
        entities::Placed,
        finding::{Finding, FindingKind, Severity},
        policy_store::PolicyEntry,
    },
    needs::ContextNeeds,
};

/// Deepest conditions that are analysed.
const DEPTH_MAX: usize = 256;

/// A policy ready for use.
#[derive(Clone, Debug)]
pub(crate) struct Compiled {
    pub(crate) entry: PolicyEntry,
    pub(crate) effect: Effect,
    principal: PrincipalConstraint,
    action: ActionConstraint,
    resource: ResourceConstraint,
    pub(crate) clauses: Vec<pst::Clause>,
    pub(crate) needs: ContextNeeds,
    pub(crate) literals: Vec<EntityUid>,
    /// The conditions without scope; its Cedar id is the place in the set.
    pub(crate) bare: Policy,
}

impl Compiled {
    pub(crate) fn new(place: usize, entry: PolicyEntry) -> Result<Self, Finding> {
        let too_complex = || {
            Finding::new(Severity::Error, FindingKind::TooComplex, "this policy is nested too deeply to be analysed")
                .at(&entry.file, entry.line)
                .policy(&entry.id)
        };
        let tree = entry.policy.to_pst().map_err(|_| too_complex())?;
        let clauses = tree.body().clauses().clone();
        for clause in &clauses {
            let (pst::Clause::When(expr) | pst::Clause::Unless(expr)) = clause;
            if deeper_than(expr, DEPTH_MAX) {
                return Err(too_complex());
            }
        }
        let effect = entry.policy.effect();
        let bare = bare(place, effect, &clauses).ok_or_else(too_complex)?;
        Ok(Self {
            effect,
            principal: entry.policy.principal_constraint(),
            action: entry.policy.action_constraint(),
            resource: entry.policy.resource_constraint(),
            needs: ContextNeeds::of(&clauses),
            literals: entry.policy.entity_literals(),
            clauses,
            bare,
            entry,
        })
    }

    /// Without conditions: where the scope matches, the policy is satisfied.
    pub(crate) fn is_unconditional(&self) -> bool {
        self.clauses.is_empty()
    }

    /// Whether anybody may do anything by this policy.
    pub(crate) fn permits_all(&self) -> bool {
        self.effect == Effect::Permit
            && self.is_unconditional()
            && self.principal == PrincipalConstraint::Any
            && self.action == ActionConstraint::Any
            && self.resource == ResourceConstraint::Any
    }

    /// Whether the scope matches, exactly as Cedar evaluates it.
    pub(crate) fn applies(&self, principal: &Placed, action: &Lineage, resource: &Placed) -> bool {
        self.applies_to_action(action) && self.applies_to_resource(resource) && self.applies_to_principal(principal)
    }

    pub(crate) fn applies_to_action(&self, action: &Lineage) -> bool {
        match &self.action {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(uid) => *uid == action.uid,
            ActionConstraint::In(uids) => uids.iter().any(|uid| *uid == action.uid || action.ancestors.contains(uid)),
        }
    }

    pub(crate) fn applies_to_resource(&self, resource: &Placed) -> bool {
        match &self.resource {
            ResourceConstraint::Any => true,
            ResourceConstraint::Eq(uid) => *uid == resource.uid,
            ResourceConstraint::In(uid) => resource.is_in(uid),
            ResourceConstraint::Is(kind) => is(resource, kind),
            ResourceConstraint::IsIn(kind, uid) => is(resource, kind) && resource.is_in(uid),
        }
    }

    fn applies_to_principal(&self, principal: &Placed) -> bool {
        match &self.principal {
            PrincipalConstraint::Any => true,
            PrincipalConstraint::Eq(uid) => *uid == principal.uid,
            PrincipalConstraint::In(uid) => principal.is_in(uid),
            PrincipalConstraint::Is(kind) => is(principal, kind),
            PrincipalConstraint::IsIn(kind, uid) => is(principal, kind) && principal.is_in(uid),
        }
    }

    /// Actions that the scope names; `None` where it names none.
    pub(crate) fn scope_actions(&self) -> Option<&[EntityUid]> {
        match &self.action {
            ActionConstraint::Any => None,
            ActionConstraint::Eq(uid) => Some(std::slice::from_ref(uid)),
            ActionConstraint::In(uids) => Some(uids),
        }
    }

    /// Entity types named in the scope by `is`.
    pub(crate) fn scope_types(&self) -> impl Iterator<Item = &EntityTypeName> {
        let principal = match &self.principal {
            PrincipalConstraint::Is(kind) | PrincipalConstraint::IsIn(kind, _) => Some(kind),
            _ => None,
        };
        let resource = match &self.resource {
            ResourceConstraint::Is(kind) | ResourceConstraint::IsIn(kind, _) => Some(kind),
            _ => None,
        };
        principal.into_iter().chain(resource)
    }
}

fn is(entity: &Placed, kind: &EntityTypeName) -> bool {
    entity.uid.type_name() == kind
}

/// A policy of any scope with these conditions.
pub(crate) fn bare(place: usize, effect: Effect, clauses: &[pst::Clause]) -> Option<Policy> {
    let id = place.to_string();
    let effect = match effect {
        Effect::Permit => pst::Effect::Permit,
        Effect::Forbid => pst::Effect::Forbid,
    };
    let template = pst::Template::new(
        id.as_str(),
        effect,
        pst::PrincipalConstraint::Any,
        pst::ActionConstraint::Any,
        pst::ResourceConstraint::Any,
    )
    .try_with_clauses(clauses.iter().cloned())
    .ok()?;
    let policy = pst::StaticPolicy::try_from(template).ok()?;
    Policy::from_pst(pst::Policy::Static(policy)).ok()
}

/// The place in the set that a bare policy's id stands for.
pub(crate) fn place_of(id: &PolicyId) -> Option<u32> {
    AsRef::<str>::as_ref(id).parse().ok()
}

fn deeper_than(expr: &pst::Expr, depth: usize) -> bool {
    use pst::Expr;
    let Some(depth) = depth.checked_sub(1) else {
        return true;
    };
    match expr {
        Expr::UnaryOp { expr, .. }
        | Expr::GetAttr { expr, .. }
        | Expr::HasAttr { expr, .. }
        | Expr::Like { expr, .. } => deeper_than(expr, depth),
        Expr::BinaryOp { left, right, .. } => deeper_than(left, depth) || deeper_than(right, depth),
        Expr::Is { expr, in_expr, .. } => {
            deeper_than(expr, depth) || in_expr.as_ref().is_some_and(|other| deeper_than(other, depth))
        }
        Expr::IfThenElse { cond, then_expr, else_expr } => {
            deeper_than(cond, depth) || deeper_than(then_expr, depth) || deeper_than(else_expr, depth)
        }
        Expr::Set(items) => items.iter().any(|item| deeper_than(item, depth)),
        Expr::Record(members) => members.values().any(|member| deeper_than(member, depth)),
        _ => false,
    }
}

/// An action with its groups.
#[derive(Clone, Debug)]
pub(crate) struct Lineage {
    pub(crate) uid: EntityUid,
    pub(crate) ancestors: Vec<EntityUid>,
}

impl Lineage {
    fn all(&self) -> impl Iterator<Item = &EntityUid> {
        std::iter::once(&self.uid).chain(&self.ancestors)
    }
}

/// Finds the policies that can apply, without looking at all of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScopeIndex {
    by_principal: Dimension,
    by_action: Dimension,
    by_resource: Dimension,
}

/// Places of policies by the entity that one part of the scope names.
#[derive(Clone, Debug, Default)]
struct Dimension {
    unconstrained: Vec<u32>,
    by_uid: HashMap<EntityUid, Vec<u32>>,
}

impl Dimension {
    fn add(&mut self, place: u32, uids: Option<&[EntityUid]>) {
        match uids {
            None => self.unconstrained.push(place),
            Some(uids) => {
                for uid in uids {
                    self.by_uid.entry(uid.clone()).or_default().push(place);
                }
            }
        }
    }

    fn candidates<'a>(&self, lineage: impl Iterator<Item = &'a EntityUid>) -> Vec<&[u32]> {
        let mut lists = vec![self.unconstrained.as_slice()];
        lists.extend(lineage.filter_map(|uid| self.by_uid.get(uid)).map(Vec::as_slice));
        lists
    }
}

impl ScopeIndex {
    pub(crate) fn new(policies: &[Compiled]) -> Self {
        let mut index = Self::default();
        for (place, policy) in (0_u32..).zip(policies) {
            index.by_principal.add(
                place,
                match &policy.principal {
                    PrincipalConstraint::Any | PrincipalConstraint::Is(_) => None,
                    PrincipalConstraint::In(uid) | PrincipalConstraint::Eq(uid) | PrincipalConstraint::IsIn(_, uid) => {
                        Some(std::slice::from_ref(uid))
                    }
                },
            );
            index.by_resource.add(
                place,
                match &policy.resource {
                    ResourceConstraint::Any | ResourceConstraint::Is(_) => None,
                    ResourceConstraint::In(uid) | ResourceConstraint::Eq(uid) | ResourceConstraint::IsIn(_, uid) => {
                        Some(std::slice::from_ref(uid))
                    }
                },
            );
            index.by_action.add(place, policy.scope_actions());
        }
        index
    }

    /// Places of the policies whose scope matches, in order.
    pub(crate) fn matching(
        &self,
        policies: &[Compiled],
        principal: &Placed,
        action: &Lineage,
        resource: &Placed,
    ) -> Vec<u32> {
        let dimensions = [
            self.by_principal.candidates(principal.lineage()),
            self.by_action.candidates(action.all()),
            self.by_resource.candidates(resource.lineage()),
        ];
        let shortest = dimensions.iter().min_by_key(|lists| lists.iter().map(|list| list.len()).sum::<usize>());
        let mut places: Vec<u32> = shortest
            .into_iter()
            .flatten()
            .flat_map(|list| list.iter().copied())
            .filter(|place| {
                policies.get(*place as usize).is_some_and(|policy| policy.applies(principal, action, resource))
            })
            .collect();
        places.sort_unstable();
        places.dedup();
        places
    }
}
