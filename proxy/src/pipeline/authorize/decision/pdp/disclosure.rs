//! How much a refusal may say: a caller whom no policy could ever permit a tool learns neither that it is unknown nor
//! that it is closed, only that the call is denied.

use cedar_policy::Effect;

use super::Pdp;
use crate::{
    catalogue::Claimed,
    model::{Ask, Principal, rejection::Authorization},
    pipeline::authorize::{
        actions::{ResourceKind, tool_action},
        decision::{compiled::Lineage, upstreams::UpstreamState},
        entities::{self, EntityError, ResourceFacts},
    },
};

impl Pdp {
    /// The reason as the caller may know it.
    pub(super) fn disclosed(
        &self,
        upstream: u32,
        ask: &Ask<'_>,
        principal: &Principal,
        reason: Authorization,
    ) -> Authorization {
        let about_a_tool = matches!(reason, Authorization::CatalogueUnknown | Authorization::ToolClosed);
        match *ask {
            Ask::CallTool { name, .. } if about_a_tool => {
                let state = self.upstreams.get(upstream as usize);
                let concerned = state.is_some_and(|state| self.permit_matches(state, name, principal).unwrap_or(false));
                if concerned { reason } else { Authorization::Denied }
            }
            _ => reason,
        }
    }

    /// Whether the scope of some `permit` matches this principal's call of a tool, known or not, whatever its conditions.
    pub fn may_concern(&self, upstream: &str, tool: &str, principal: &Principal) -> bool {
        let state = self.upstream(upstream);
        state.is_some_and(|state| self.permit_matches(state, tool, principal).unwrap_or(false))
    }

    fn permit_matches(&self, state: &UpstreamState, name: &str, principal: &Principal) -> Result<bool, EntityError> {
        let base = &*self.base;
        let caller = entities::principal(&base.types, &base.parts.attributes, &base.operator, principal)?;
        let action = Lineage {
            uid: base.types.action_uid(&tool_action(&state.name, name)),
            ancestors: base.tool_groups.clone(),
        };
        let claimed = Claimed::default();
        let facts = ResourceFacts::Tool(name, &claimed);
        let tool = entities::resource(&base.types, &base.parts.labels, &state.name, ResourceKind::Tool, &facts)?;
        let matching = base.index.matching(&base.policies, &caller, &action, &tool);
        let permits =
            |place: &u32| base.policies.get(*place as usize).is_some_and(|policy| policy.effect == Effect::Permit);
        Ok(matching.iter().any(permits))
    }
}
