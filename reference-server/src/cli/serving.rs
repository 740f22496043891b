//! A state that is served, made from settings.

use std::sync::Arc;

use doorward_reference_server::ReferenceServer;
use doorward_reference_server::cache::{Cache, CachedStore};
use doorward_reference_server::state::Shared;
use doorward_reference_server::storage::location::Location;
use doorward_reference_server::storage::{Limits, Store};
use doorward_reference_server::telemetry::{ObservedStore, Telemetry};
use doorward_reference_server::transport::http::{HttpOptions, Listener};
use tokio::task::JoinHandle;

use super::Arguments;
use super::error::RunError;
use super::links::{Key, random_key};

/// What stays as long as the process does.
pub(super) struct Process {
    /// Scheme and authority of the address listened on; `None` where that names no host.
    origin: Option<String>,
    /// Whether it listens on every address.
    everywhere: bool,
    link_key: Key,
    /// What a collector is told.
    pub(super) telemetry: Option<Telemetry>,
}

impl Process {
    /// # Errors
    /// See [`RunError`].
    pub(super) fn new(listener: Option<&Listener>, telemetry: Option<Telemetry>) -> Result<Self, RunError> {
        let everywhere = listener.is_some_and(Listener::is_unspecified);
        let origin = listener.filter(|_| !everywhere).and_then(Listener::origin);
        Ok(Self { origin, everywhere, link_key: random_key()?, telemetry })
    }
}

/// A store, and the cache before it.
#[derive(Clone)]
pub(super) struct Opened {
    pub(super) store: Arc<dyn Store>,
    cache: Option<Arc<dyn Cache>>,
}

impl Opened {
    /// Opens the store, behind a cache where there is to be one; `observed` where a collector is told of it.
    ///
    /// # Errors
    /// See [`RunError`].
    pub(super) async fn open(location: &Location, arguments: &Arguments, observed: bool) -> Result<Self, RunError> {
        let settings = arguments.cache.settings(location)?;
        let store = location.open(limits(arguments)).await?;
        let cache = match arguments.cache.open(settings) {
            Ok(cache) => cache,
            Err(error) => {
                store.close().await;
                return Err(error.into());
            }
        };
        let store = if observed { Arc::new(ObservedStore::new(store)) } else { store };
        let store = match &cache {
            Some(cache) => Arc::new(CachedStore::new(store, Arc::clone(cache))),
            None => store,
        };
        Ok(Self { store, cache })
    }
}

/// A state, and what it was made from.
pub(super) struct Serving {
    pub(super) arguments: Arguments,
    pub(super) opened: Opened,
    shared: Arc<Shared>,
    following: Option<JoinHandle<()>>,
}

impl Serving {
    /// Makes the state. In the place of another one, it goes on with what that one keeps in memory, and with its parts that
    /// the settings leave as they are.
    ///
    /// # Errors
    /// See [`RunError`].
    pub(super) async fn begin(
        process: &Process,
        arguments: Arguments,
        opened: Opened,
        before: Option<&Self>,
    ) -> Result<Self, RunError> {
        let shared = state(process, &arguments, &opened, before)?;
        if let Some(telemetry) = &process.telemetry {
            telemetry.watch(&shared);
        }
        let following = opened.store.feed().await?.map(|feed| {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move { shared.follow(feed).await })
        });
        Ok(Self { arguments, opened, shared, following })
    }

    /// A server of this state.
    pub(super) fn server(&self) -> ReferenceServer {
        ReferenceServer::new(Arc::clone(&self.shared))
    }

    /// How it is served over HTTP.
    ///
    /// # Errors
    /// See [`RunError`].
    pub(super) fn options(&self) -> Result<HttpOptions, RunError> {
        Ok(HttpOptions {
            path: self.arguments.path.clone(),
            allowed_hosts: self.arguments.allowed_host.clone(),
            assertions: self.arguments.assertion.read()?,
            legacy_sse: self.arguments.legacy_sse,
        })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(following) = &self.following {
            following.abort();
        }
    }
}

/// What documents are held to.
pub(super) fn limits(arguments: &Arguments) -> Limits {
    Limits { content_bytes: arguments.max_document_bytes }
}

fn state(
    process: &Process,
    arguments: &Arguments,
    opened: &Opened,
    before: Option<&Serving>,
) -> Result<Arc<Shared>, RunError> {
    if process.everywhere && !arguments.links.has_public_url() && arguments.serves_large() {
        return Err(RunError::NoPublicUrl);
    }
    let mut shared = Shared::new(Arc::clone(&opened.store), arguments.tasks.limits(arguments.assertion.is_given()))?;
    if let Some(cache) = &opened.cache {
        shared = shared.with_cache(Arc::clone(cache));
    }
    if let Some(before) = before {
        shared = shared.in_place_of(&before.shared);
    }
    if let Some(links) = arguments.links.links(process.origin.clone(), &process.link_key)? {
        shared = shared.with_links(links);
    }
    if let Some(fetcher) = arguments.fetch.fetcher()? {
        shared = shared.with_fetcher(fetcher);
    }
    let objects = match before.filter(|before| before.arguments.objects == arguments.objects) {
        Some(before) => before.shared.objects().cloned(),
        None => arguments.objects.open()?.map(Arc::new),
    };
    if let Some(objects) = objects {
        shared = shared.with_objects(objects);
    }
    Ok(arguments.files.serve(shared, before.and_then(|before| before.shared.directory()))?)
}
