//! What lives as long as the process: the current snapshot, the sessions, the observer.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::{
    admit::session::Sessions,
    authorize::EntityError,
    dispatch::Server,
    observe::{
        Observer,
        audit::Lifecycle,
        metrics::{Metric, Points, Unit},
        names::metric,
    },
    snapshot::Snapshot,
};
use crate::{
    catalogue::Catalogue,
    model::{Handles, SessionState},
};

/// The process-wide state of the pipeline.
pub struct Door {
    current: ArcSwap<Snapshot>,
    // Serialises the writers of `current`: a reload and a catalogue must not undo each other.
    installing: Mutex<()>,
    /// Live legacy sessions.
    pub sessions: Sessions<SessionState>,
    /// What upstreams hand their clients to bring back.
    pub handles: Handles,
    /// Audit, metrics, traces.
    pub observer: Observer,
}

impl Door {
    /// A door in its first state.
    pub fn new(snapshot: Snapshot, sessions: Sessions<SessionState>, handles: Handles, observer: Observer) -> Self {
        Self { current: ArcSwap::from_pointee(snapshot), installing: Mutex::default(), sessions, handles, observer }
    }

    /// The current snapshot.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Takes over a complete new state.
    pub fn install(&self, snapshot: Snapshot) {
        let _guard = self.installing.lock().unwrap_or_else(PoisonError::into_inner);
        self.current.store(Arc::new(snapshot));
    }

    /// What is computed when metrics are read: live sessions, and whose tokens can be verified.
    pub fn measure(self: &Arc<Self>) {
        let door = Arc::downgrade(self);
        self.observer.metrics().add_source(move |out| {
            if let Some(door) = door.upgrade() {
                out.extend(door.gauges());
            }
        });
    }

    fn gauges(&self) -> [Metric; 2] {
        #[expect(clippy::cast_precision_loss, reason = "sessions are bounded")]
        let sessions = vec![(vec![], self.sessions.len() as f64)];
        let snapshot = self.snapshot();
        let issuers = snapshot.base.authenticator.issuers();
        let usable = issuers.map(|(issuer, usable)| (vec![("issuer", issuer.to_owned())], f64::from(u8::from(usable))));
        let gauge = |name, unit, help, points| Metric { name, unit, help, points: Points::Gauge(points) };
        [
            gauge(metric::SESSIONS_ACTIVE, Unit::Count("{session}"), "Open legacy sessions.", sessions),
            gauge(
                metric::JWKS_USABLE,
                Unit::Count("{issuer}"),
                "Whether tokens of the issuer can be verified (1) or not (0).",
                usable.collect(),
            ),
        ]
    }

    /// Ends the sessions whose time is over and forgets the tokens whose time is; `now` is Unix time in seconds.
    pub fn sweep(&self, now: u64) {
        self.snapshot().base.authenticator.sweep(now);
        for session in self.sessions.sweep(now) {
            self.session_ended(&session, "tcp");
        }
    }

    /// Counts a session that has ended; `network` is `tcp` or `pipe`.
    pub fn session_ended(&self, session: &SessionState, network: &'static str) {
        self.observer.metrics().session_ended(session.revision.as_str(), network, session.age());
    }

    /// Types the policies against a new catalogue of one server and swaps the result in.
    ///
    /// # Errors
    /// [`EntityError`]: the old state stays.
    pub fn install_catalogue(&self, server: &Server, catalogue: Arc<Catalogue>) -> Result<(), EntityError> {
        let _guard = self.installing.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = self.snapshot();
        let build = snapshot.pdp.with_catalogue(server.name(), catalogue)?;
        for finding in &build.findings {
            tracing::warn!(upstream = %server.name(), "{finding}");
        }
        self.observer.metrics().names().register(
            build
                .pdp
                .catalogue(server.name())
                .into_iter()
                .flat_map(|catalogue| catalogue.tools().map(|tool| &*tool.name)),
        );
        let next = Snapshot::new(Arc::clone(&snapshot.base), build.pdp);
        self.observer.lifecycle(Lifecycle::Snapshot { snapshot: Arc::clone(&next.hash) });
        self.current.store(Arc::new(next));
        Ok(())
    }
}
