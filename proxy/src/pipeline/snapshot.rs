//! One immutable state of everything a call is decided under; swapped whole on reload and when a catalogue changes.

use std::{collections::HashMap, sync::Arc, time::Duration};

use doorward_message::Limits;

use super::{
    accept::{HeadRules, MessageRules},
    admit::{
        authentication::{Authenticator, metadata::ProtectedResource},
        rate_limit::RateLimiter,
    },
    authorize::Pdp,
    dispatch::Server,
    filter::masking::Masking,
};

/// A path and the server behind it.
pub struct Route {
    /// The path, which is also the route's name in audit records and session ids.
    pub path: Arc<str>,
    /// The server.
    pub server: Arc<Server>,
    /// The route as an OAuth protected resource.
    pub resource: ProtectedResource,
}

/// Everything that configuration says, ready to use.
pub struct Base {
    /// Routes by path.
    pub routes: HashMap<Box<str>, Arc<Route>>,
    /// Metadata documents by well-known path, as route paths.
    pub metadata: HashMap<Box<str>, Arc<Route>>,
    /// Bounds of heads, hosts, origins.
    pub heads: HeadRules,
    /// Bounds of messages, revisions.
    pub messages: MessageRules,
    /// Bounds of the upstream's messages.
    pub upstream_limits: Arc<Limits>,
    /// Who may call.
    pub authenticator: Arc<Authenticator>,
    /// How often.
    pub rate_limiter: Arc<RateLimiter>,
    /// What is masked.
    pub masking: Masking,
    /// How often an open stream is decided again.
    pub recheck_interval: Duration,
    /// Requests of one stdio client under way at a time.
    pub stdio_requests_max: usize,
}

/// The state a call pins.
#[derive(Clone)]
pub struct Snapshot {
    /// From configuration.
    pub base: Arc<Base>,
    /// Policies with the catalogues they are typed against.
    pub pdp: Arc<Pdp>,
    /// The PDP's hash in hexadecimal, for records.
    pub hash: Arc<str>,
}

impl Snapshot {
    /// A state with its hash.
    pub fn new(base: Arc<Base>, pdp: Arc<Pdp>) -> Self {
        let hash =
            pdp.hash().iter().flat_map(|byte| crate::model::decision_id::hex_digits(*byte)).collect::<String>().into();
        Self { base, pdp, hash }
    }

    /// This state with the catalogues that an earlier one has seen, for upstreams that it knows and has no own of.
    #[must_use]
    pub fn with_catalogues_of(self, earlier: &Self) -> Self {
        let mut state = self;
        for route in state.base.routes.clone().values() {
            let name = route.server.name();
            let known = earlier.pdp.catalogue(name).filter(|_| state.pdp.catalogue(name).is_none());
            if let Some(known) = known
                && let Ok(build) = state.pdp.with_catalogue(name, Arc::clone(known))
            {
                state = Self::new(state.base, build.pdp);
            }
        }
        state
    }
}
