//! [`BoundPdp`]: the decider that travels with a call.

use std::sync::Arc;

use doorward_message::Value;

use super::{Pdp, question::Target};
use crate::{
    model::{Arguments, Ask, Decider, Decision, Facts, Principal, rejection::Authorization},
    pipeline::authorize::decision::{
        context::{TypedArguments, Unrepresentable},
        slice::{Slice, SliceError},
    },
};

/// A [`Pdp`] bound to a principal, the facts of one message and an upstream.
#[derive(Clone, Debug)]
pub struct BoundPdp {
    pub(super) pdp: Arc<Pdp>,
    pub(super) principal: Arc<Principal>,
    pub(super) facts: Facts,
    pub(super) upstream: Option<u32>,
}

impl BoundPdp {
    /// The snapshot.
    pub fn pdp(&self) -> &Arc<Pdp> {
        &self.pdp
    }

    fn find<'a>(&'a self, ask: &Ask<'a>) -> Result<(Target<'a>, Arc<Slice<Decision>>), Authorization> {
        let upstream = self.upstream.ok_or(Authorization::CatalogueUnknown)?;
        let target = self.pdp.target(upstream, ask)?;
        let slice = self.pdp.slice(&self.principal, &target).map_err(|_| Authorization::PolicyError)?;
        Ok((target, slice))
    }

    fn disclosed(&self, ask: &Ask<'_>, reason: Authorization) -> Authorization {
        match self.upstream {
            Some(upstream) => self.pdp.disclosed(upstream, ask, &self.principal, reason),
            None => reason,
        }
    }
}

fn value_of<'a>(ask: &Ask<'a>) -> Option<Value<'a>> {
    match *ask {
        Ask::CallTool { arguments: Arguments::Known(value), .. } => value,
        _ => None,
    }
}

impl Decider for BoundPdp {
    fn decide(&self, ask: &Ask<'_>) -> Decision {
        let (target, slice) = match self.find(ask) {
            Ok(found) => found,
            Err(reason) => return self.pdp.refusal(self.disclosed(ask, reason)),
        };
        if let Some(decision) = &slice.decided {
            return decision.clone();
        }
        let arguments = target.arguments.map(|types| TypedArguments { types, value: value_of(ask) });
        match slice.evaluate(&self.facts, &self.principal, arguments) {
            Ok(Ok(tally)) => self.pdp.decision(&tally),
            Ok(Err(SliceError)) => self.pdp.refusal(Authorization::PolicyError),
            Err(Unrepresentable) => self.pdp.refusal(Authorization::ArgumentUnrepresentable),
        }
    }

    fn may_list(&self, ask: &Ask<'_>) -> bool {
        self.find(ask).is_ok_and(|(_, slice)| slice.may_allow(&self.facts, &self.principal).unwrap_or(false))
    }
}
