//! What the server keeps: shared state of the process, and the little that belongs to one legacy session.
//!
//! In: changes made by tools. Out: change events for subscribers, switches for the dynamic tool and prompt.
//! Invariant: a stateless request gets a fresh [`SessionState`], so it cannot see what another request set.

#![expect(deprecated, reason = "logging is deprecated from 2026-07-28 but part of every served revision")]

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use rmcp::model::{LoggingLevel, RequestStateCodec, RequestStateError};
use tokio::sync::broadcast;

use crate::cache::Cache;
use crate::directory::{Directory, Watch};
use crate::download::Links;
use crate::fetch::Fetcher;
use crate::files::VirtualTree;
use crate::objects::Objects;
use crate::storage::record::RecordName;
use crate::storage::{ChangeFeed, DocumentStore, News, PromptStore, RecordStore, Store};
use crate::tasks::{TaskLimits, Tasks};

/// How many changes a slow subscriber may fall behind before it misses some.
const CHANGES_BACKLOG: usize = 1024;

/// How long to leave a store alone that could not tell what others changed.
const FEED_REST: Duration = Duration::from_secs(2);

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
    /// The stored prompts.
    pub prompts: Arc<dyn PromptStore>,
    /// The structured records.
    pub records: Arc<dyn RecordStore>,
    /// The tasks of everybody.
    pub tasks: Tasks,
    cache: Option<Arc<dyn Cache>>,
    /// Held by whoever rebuilds the text index.
    pub rebuilding: Arc<tokio::sync::Mutex<()>>,
    /// The built-in files.
    pub files: VirtualTree,
    samples: bool,
    directory: Option<Directory>,
    watched: AtomicBool,
    objects: Option<Arc<Objects>>,
    links: Option<Links>,
    fetcher: Option<Fetcher>,
    /// Seals and opens `requestState`; the key lives as long as the process.
    pub codec: RequestStateCodec,
    /// HTTP sessions whose revision has batches.
    batching: Mutex<HashMap<String, Weak<SessionState>>>,
    changes: broadcast::Sender<Change>,
    dynamic_tool: AtomicBool,
    dynamic_prompt: AtomicBool,
    watched_version: AtomicU64,
}

impl Shared {
    /// Fresh state around what this store holds, with the built-in files and a random signing key.
    ///
    /// # Errors
    /// When the operating system has no random bytes.
    pub fn new(store: Arc<dyn Store>, tasks: TaskLimits) -> Result<Self, StateError> {
        let mut key = [0u8; STATE_KEY_BYTES];
        getrandom::fill(&mut key).map_err(StateError::Random)?;
        Ok(Self {
            documents: Arc::<dyn Store>::clone(&store),
            prompts: Arc::<dyn Store>::clone(&store),
            records: store,
            tasks: Tasks::new(tasks),
            cache: None,
            rebuilding: Arc::default(),
            files: VirtualTree::built_in(),
            samples: true,
            directory: None,
            watched: AtomicBool::new(false),
            objects: None,
            links: None,
            fetcher: None,
            codec: RequestStateCodec::try_new(key.to_vec())?,
            batching: Mutex::default(),
            changes: broadcast::Sender::new(CHANGES_BACKLOG),
            dynamic_tool: AtomicBool::new(false),
            dynamic_prompt: AtomicBool::new(false),
            watched_version: AtomicU64::new(1),
        })
    }

    /// Serves nothing that is there for trying out and testing only: no sample tools, no resources below `test://` and
    /// `demo://`, no built-in prompts.
    #[must_use]
    pub fn without_samples(self) -> Self {
        Self { samples: false, ..self }
    }

    /// Whether tools, resources and prompts for trying out and testing are served.
    #[must_use]
    pub fn has_samples(&self) -> bool {
        self.samples
    }

    /// The same in the place of a state that ends: tasks, signed request state, who listens to changes, and what tools
    /// switched in memory are those of `before`. What this one was made with stays: its store, limits and parts.
    #[must_use]
    pub fn in_place_of(self, before: &Self) -> Self {
        let switch = |of: &AtomicBool| AtomicBool::new(of.load(Ordering::SeqCst));
        Self {
            tasks: before.tasks.with_limits(self.tasks.limits()),
            rebuilding: Arc::clone(&before.rebuilding),
            files: before.files.clone(),
            codec: before.codec.clone(),
            changes: before.changes.clone(),
            dynamic_tool: switch(&before.dynamic_tool),
            dynamic_prompt: switch(&before.dynamic_prompt),
            watched_version: AtomicU64::new(before.watched_version()),
            ..self
        }
    }

    /// Shows the cache that is before the store.
    #[must_use]
    pub fn with_cache(self, cache: Arc<dyn Cache>) -> Self {
        Self { cache: Some(cache), ..self }
    }

    /// The cache before the store.
    #[must_use]
    pub fn cache(&self) -> Option<&Arc<dyn Cache>> {
        self.cache.as_ref()
    }

    /// Serves this directory, too.
    #[must_use]
    pub fn with_directory(self, directory: Directory) -> Self {
        Self { directory: Some(directory), ..self }
    }

    /// Serves these objects, too.
    #[must_use]
    pub fn with_objects(self, objects: impl Into<Arc<Objects>>) -> Self {
        Self { objects: Some(objects.into()), ..self }
    }

    /// Gives out signed links, too. Without them, what is too large for a message is had in parts only.
    #[must_use]
    pub fn with_links(self, links: Links) -> Self {
        Self { links: Some(links), ..self }
    }

    /// Fetches addresses of the outside, too.
    #[must_use]
    pub fn with_fetcher(self, fetcher: Fetcher) -> Self {
        Self { fetcher: Some(fetcher), ..self }
    }

    /// What fetches addresses of the outside.
    #[must_use]
    pub fn fetcher(&self) -> Option<&Fetcher> {
        self.fetcher.as_ref()
    }

    /// The served directory.
    #[must_use]
    pub fn directory(&self) -> Option<&Directory> {
        self.directory.as_ref()
    }

    /// The store of objects.
    #[must_use]
    pub fn objects(&self) -> Option<&Arc<Objects>> {
        self.objects.as_ref()
    }

    /// What signs links.
    #[must_use]
    pub fn links(&self) -> Option<&Links> {
        self.links.as_ref()
    }

    /// Tells subscribers what changes in the served directory, whoever changes it, for as long as the state lives.
    pub fn follow_directory(self: &Arc<Self>, mut watch: Watch) {
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

    /// Whether [`Shared::follow_directory`] tells what changes in the served directory.
    #[must_use]
    pub fn watches_directory(&self) -> bool {
        self.watched.load(Ordering::SeqCst)
    }

    /// State with documents in memory.
    #[cfg(test)]
    #[allow(clippy::unwrap_used, reason = "tests")]
    pub(crate) async fn for_tests() -> Self {
        let store = crate::storage::sqlite::SqliteStore::in_memory(crate::storage::Limits::default()).await.unwrap();
        Self::new(Arc::new(store), TaskLimits::default()).unwrap()
    }

    /// Remembers that this HTTP session may send batches, as long as it lives; nothing for an empty slot.
    pub fn allow_batches(&self, session: &str, slot: &BatchSlot) {
        if let Some(state) = slot.0.get() {
            let mut batching = held(&self.batching);
            batching.retain(|_, state| state.strong_count() > 0);
            batching.insert(session.to_owned(), state.clone());
        }
    }

    /// Whether this HTTP session may send batches.
    #[must_use]
    pub fn batches_in(&self, session: &str) -> bool {
        held(&self.batching).get(session).is_some_and(|state| state.strong_count() > 0)
    }

    /// Tells every subscriber. Nobody listening is fine.
    pub fn announce(&self, change: Change) {
        let _listeners = self.changes.send(change);
    }

    /// Tells every subscriber what other servers of the same database change, for ever.
    pub async fn follow(&self, mut feed: Box<dyn ChangeFeed>) {
        loop {
            // A failure is in the log by now, and nothing is lost by it.
            let Ok(News { documents, prompts, records }) = feed.next().await else {
                tokio::time::sleep(FEED_REST).await;
                continue;
            };
            if prompts {
                self.announce(Change::Prompts);
            }
            if documents.iter().any(|change| change.listed) {
                self.announce(Change::Resources);
            }
            let records = records.iter().map(RecordName::uri);
            let uris: BTreeSet<String> = documents.iter().map(|change| change.path.uri()).chain(records).collect();
            uris.into_iter().for_each(|uri| self.announce(Change::Resource(uri)));
        }
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

/// How a new session tells the transport, which knows its id, that its revision has batches.
#[derive(Debug, Clone, Default)]
pub struct BatchSlot(Arc<OnceLock<Weak<SessionState>>>);

impl BatchSlot {
    /// Says that this session's revision has batches.
    pub fn fill(&self, session: &Arc<SessionState>) {
        let _filled = self.0.set(Arc::downgrade(session));
    }
}

/// Numbers sessions, so that one is never taken for another.
static SESSIONS: AtomicU64 = AtomicU64::new(0);

/// What one legacy session has set: its log level and the resources it subscribed to.
#[derive(Debug)]
pub struct SessionState {
    /// No other session of this process has this number.
    pub number: u64,
    log_level: Mutex<LoggingLevel>,
    subscriptions: Mutex<BTreeSet<String>>,
}

impl Default for SessionState {
    fn default() -> Self {
        Self {
            number: SESSIONS.fetch_add(1, Ordering::Relaxed),
            log_level: Mutex::new(LoggingLevel::Info),
            subscriptions: Mutex::default(),
        }
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
