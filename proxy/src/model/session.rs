//! What is under way between one client and one upstream: the state of a session.
//!
//! A session is a legacy HTTP session or a stdio connection; a stateless request of the modern era has none. It owns
//! the bounded table of server requests that wait for the client's answer: what matches no entry is dropped.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use doorward_message::{Id, Revision, Value};
use http::HeaderValue;

/// Server requests that may wait for a client at one time.
pub const SERVER_REQUESTS_MAX: usize = 64;

/// What the client said it can do; a server request beyond it is dropped (MCP basic/lifecycle, "Capability
/// Negotiation").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientCapabilities {
    /// `sampling/createMessage`.
    pub sampling: bool,
    /// Tools within sampling.
    pub sampling_tools: bool,
    /// `elicitation/create` in form mode.
    pub elicitation_form: bool,
    /// `elicitation/create` in URL mode.
    pub elicitation_url: bool,
    /// `roots/list`.
    pub roots: bool,
}

impl ClientCapabilities {
    /// Reads a `capabilities` object. Elicitation without a named mode means the form (2025-06-18).
    pub fn read(capabilities: Option<Value<'_>>) -> Self {
        let Some(capabilities) = capabilities else {
            return Self::default();
        };
        let sampling = capabilities.get("sampling");
        let elicitation = capabilities.get("elicitation");
        let url = elicitation.and_then(|modes| modes.get("url")).is_some();
        let form = elicitation.and_then(|modes| modes.get("form")).is_some();
        Self {
            sampling: sampling.is_some(),
            sampling_tools: sampling.and_then(|sampling| sampling.get("tools")).is_some(),
            elicitation_form: form || (elicitation.is_some() && !url),
            elicitation_url: url,
            roots: capabilities.get("roots").is_some(),
        }
    }
}

/// The state of one session.
#[derive(Debug)]
pub struct SessionState {
    /// Its own name, by which a child process is found. Not the id that the client sees.
    pub key: [u8; 16],
    /// The negotiated revision.
    pub revision: Revision,
    /// The upstream's own session id.
    pub upstream_session: Option<HeaderValue>,
    /// The client's declared capabilities.
    pub client: ClientCapabilities,
    began: Instant,
    server_requests: Mutex<HashSet<Id>>,
}

impl SessionState {
    /// A fresh session.
    pub fn new(
        key: [u8; 16],
        revision: Revision,
        upstream_session: Option<HeaderValue>,
        client: ClientCapabilities,
    ) -> Self {
        let began = Instant::now();
        Self { key, revision, upstream_session, client, began, server_requests: Mutex::default() }
    }

    /// How long it has lasted.
    pub fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// Notes a server request that goes to the client. `false` where the table is full or the id is taken.
    pub fn expect_answer(&self, id: &Id) -> bool {
        let mut waiting = self.waiting();
        waiting.len() < SERVER_REQUESTS_MAX && waiting.insert(id.clone())
    }

    /// Takes the entry for the client's answer. `false` where nothing waits under this id.
    pub fn take_answer(&self, id: &Id) -> bool {
        self.waiting().remove(id)
    }

    fn waiting(&self) -> MutexGuard<'_, HashSet<Id>> {
        self.server_requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
