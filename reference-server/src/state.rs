//! What the server keeps: shared state of the process, and the little that belongs to one legacy session.
//!
//! In: changes made by tools. Out: change events for subscribers, switches for the dynamic tool and prompt.
//! Invariant: a stateless request gets a fresh [`SessionState`], so it cannot see what another request set.

#![expect(deprecated, reason = "logging is deprecated from 2026-07-28 but part of every served revision")]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::model::{LoggingLevel, RequestStateCodec, RequestStateError};
use tokio::sync::broadcast;

use crate::directory::{Directory, Watch};
use crate::download::Links;
use crate::files::VirtualTree;
use crate::objects::Objects;
use crate::storage::DocumentStore;

/// How many changes a slow subscriber may fall behind before it misses some.
const CHANGES_BACKLOG: usize = 64;

/// Bytes of the key that signs request state; twice the codec's minimum strength is not needed.
const STATE_KEY_BYTES: usize = 32;

/// Something a subscriber may want to hear about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The list of tools differs from before.
    Tools,
    /// The list of prompts differs from before.
    Prompts,
    /// The list of resources differs from before.
    Resources,
    /// The resource with this URI differs from before.
    Resource(String),
}

/// Why the shared state could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The operating system gave no random bytes for the signing key.
    #[error("no random bytes for the request-state key: {0}")]
    Random(getrandom::Error),
    /// The key was refused by the codec.
    #[error("request-state key refused: {0}")]
    Key(#[from] RequestStateError),
}

/// State of the whole process.
#[derive(Debug)]
pub struct Shared {
    /// The documents.
    pub documents: Arc<dyn DocumentStore>,
    /// The built-in files.
    pub files: VirtualTree,
    directory: Option<Directory>,
    watched: AtomicBool,
    objects: Option<Objects>,
    links: Option<Links>,
    /// Seals and opens `requestState`; the key lives as long as the process.
    pub codec: RequestStateCodec,
    changes: broadcast::Sender<Change>,
    dynamic_tool: AtomicBool,
    dynamic_prompt: AtomicBool,
    watched_version: AtomicU64,
}

impl Shared {
    /// Fresh state around these documents, with the built-in files and a random signing key.
    ///
    /// # Errors
    /// When the operating system has no random bytes.
    pub fn new(documents: Arc<dyn DocumentStore>) -> Result<Self, StateError> {
        let mut key = [0u8; STATE_KEY_BYTES];
        getrandom::fill(&mut key).map_err(StateError::Random)?;
        Ok(Self {
            documents,
            files: VirtualTree::built_in(),
            directory: None,
            watched: AtomicBool::new(false),
            objects: None,
            links: None,
            codec: RequestStateCodec::try_new(key.to_vec())?,
            changes: broadcast::Sender::new(CHANGES_BACKLOG),
            dynamic_tool: AtomicBool::new(false),
            dynamic_prompt: AtomicBool::new(false),
            watched_version: AtomicU64::new(1),
        })
    }

    /// Serves this directory, too.
    #[must_use]
    pub fn with_directory(self, directory: Directory) -> Self {
        Self { directory: Some(directory), ..self }
    }

    /// Serves these objects, too.
    #[must_use]
    pub fn with_objects(self, objects: Objects) -> Self {
        Self { objects: Some(objects), ..self }
    }

    /// Gives out signed links, too. Without them, what is too large for a message is had in parts only.
    #[must_use]
    pub fn with_links(self, links: Links) -> Self {
        Self { links: Some(links), ..self }
    }

    /// The served directory.
    #[must_use]
    pub fn directory(&self) -> Option<&Directory> {
        self.directory.as_ref()
    }

    /// The store of objects.
    #[must_use]
    pub fn objects(&self) -> Option<&Objects> {
        self.objects.as_ref()
    }

    /// What signs links.
    #[must_use]
    pub fn links(&self) -> Option<&Links> {
        self.links.as_ref()
    }

    /// Tells subscribers what changes in the served directory, whoever changes it, for as long as the state lives.
    pub fn follow(self: &Arc<Self>, mut watch: Watch) {
        self.watched.store(true, Ordering::SeqCst);
        let shared = Arc::downgrade(self);
        tokio::spawn(async move {
            while let Some(changes) = watch.next().await {
                let Some(shared) = shared.upgrade() else {
                    return;
                };
                if changes.list {
                    shared.announce(Change::Resources);
                }
                for path in changes.files {
                    shared.announce(Change::Resource(path.uri()));
                }
            }
        });
    }

    /// Whether [`Shared::follow`] tells what changes in the served directory.
    #[must_use]
    pub fn watches_directory(&self) -> bool {
        self.watched.load(Ordering::SeqCst)
    }

    /// State with documents in memory.
    #[cfg(test)]
    #[allow(clippy::unwrap_used, reason = "tests")]
    pub(crate) async fn for_tests() -> Self {
        let documents =
            crate::storage::sqlite::SqliteStore::in_memory(crate::storage::Limits::default()).await.unwrap();
        Self::new(Arc::new(documents)).unwrap()
    }

    /// Tells every subscriber. Nobody listening is fine.
    pub fn announce(&self, change: Change) {
        let _listeners = self.changes.send(change);
    }

    /// Changes from now on.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// Adds the dynamic tool to the list or takes it away; returns whether it is listed now.
    pub fn toggle_dynamic_tool(&self) -> bool {
        let listed = !self.dynamic_tool.fetch_xor(true, Ordering::SeqCst);
        self.announce(Change::Tools);
        listed
    }

    /// Whether the dynamic tool is listed.
    #[must_use]
    pub fn dynamic_tool(&self) -> bool {
        self.dynamic_tool.load(Ordering::SeqCst)
    }

    /// Adds the dynamic prompt to the list or takes it away; returns whether it is listed now.
    pub fn toggle_dynamic_prompt(&self) -> bool {
        let listed = !self.dynamic_prompt.fetch_xor(true, Ordering::SeqCst);
        self.announce(Change::Prompts);
        listed
    }

    /// Whether the dynamic prompt is listed.
    #[must_use]
    pub fn dynamic_prompt(&self) -> bool {
        self.dynamic_prompt.load(Ordering::SeqCst)
    }

    /// Gives the watched resource new content; returns its version.
    pub fn touch_watched(&self, uri: &str) -> u64 {
        let version = self.watched_version.fetch_add(1, Ordering::SeqCst) + 1;
        self.announce(Change::Resource(uri.to_owned()));
        version
    }

    /// Version of the watched resource's content.
    #[must_use]
    pub fn watched_version(&self) -> u64 {
        self.watched_version.load(Ordering::SeqCst)
    }
}

/// What one legacy session has set: its log level and the resources it subscribed to.
#[derive(Debug)]
pub struct SessionState {
    log_level: Mutex<LoggingLevel>,
    subscriptions: Mutex<BTreeSet<String>>,
}

impl Default for SessionState {
    fn default() -> Self {
        Self { log_level: Mutex::new(LoggingLevel::Info), subscriptions: Mutex::default() }
    }
}

impl SessionState {
    /// The lowest level that the session wants to hear.
    #[must_use]
    pub fn log_level(&self) -> LoggingLevel {
        *held(&self.log_level)
    }

    /// Sets the lowest level that the session wants to hear.
    pub fn set_log_level(&self, level: LoggingLevel) {
        *held(&self.log_level) = level;
    }

    /// Remembers a subscription.
    pub fn subscribe(&self, uri: String) {
        held(&self.subscriptions).insert(uri);
    }

    /// Forgets a subscription; false when there was none.
    pub fn unsubscribe(&self, uri: &str) -> bool {
        held(&self.subscriptions).remove(uri)
    }

    /// Whether the session subscribed to this resource.
    #[must_use]
    pub fn subscribed(&self, uri: &str) -> bool {
        held(&self.subscriptions).contains(uri)
    }
}

/// The data behind these locks is replaced whole, so a panic elsewhere cannot leave it half-written.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
