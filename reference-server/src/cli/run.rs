//! From the command line to a server that serves, and to its orderly end.

use std::io::{self, Write as _};
use std::sync::Arc;

use doorward_reference_server::ReferenceServer;
use doorward_reference_server::cache::{Cache, CachedStore};
use doorward_reference_server::state::Shared;
use doorward_reference_server::storage::location::Location;
use doorward_reference_server::storage::{Limits, Store};
use doorward_reference_server::telemetry::{ObservedStore, Telemetry};
use doorward_reference_server::transport::http::{HttpOptions, Listener};
use doorward_reference_server::transport::stdio;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::error::RunError;
use super::{Arguments, own_files};

/// Does what the command line says, until it is done or a signal ends it.
///
/// # Errors
/// See [`RunError`].
pub(crate) async fn run(arguments: Arguments) -> Result<(), RunError> {
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone()).map_err(RunError::Serve)?;
    let limits = Limits { content_bytes: arguments.max_document_bytes };
    let location = arguments.location()?;
    if arguments.command.is_some() && matches!(location, Location::Memory) {
        return Err(RunError::NoDatabase);
    }
    if arguments.command.is_none() {
        // Before the database is made there.
        own_files::check(&arguments, &location)?;
    }
    let cache = arguments.cache.settings(&location)?;
    let store = location.open(limits).await?;
    if let Some(command) = &arguments.command {
        let outcome = tokio::select! {
            outcome = command.run(&*store) => outcome.map_err(RunError::from),
            () = stop.cancelled() => Err(RunError::Interrupted),
        };
        store.close().await;
        return outcome;
    }
    let telemetry = telemetry(&arguments)?;
    let cache = arguments.cache.open(cache)?;
    let store = if telemetry.is_some() { Arc::new(ObservedStore::new(store)) } else { store };
    let store = match &cache {
        Some(cache) => Arc::new(CachedStore::new(store, Arc::clone(cache))),
        None => store,
    };
    let served = serve(&arguments, Arc::clone(&store), cache, telemetry.as_ref(), stop).await;
    // Also when serving failed: a clean end leaves one file.
    store.close().await;
    if let Some(telemetry) = telemetry {
        telemetry.stop().await;
    }
    served
}

fn telemetry(arguments: &Arguments) -> Result<Option<Telemetry>, RunError> {
    let Some(endpoint) = arguments.otlp_endpoint.as_deref().filter(|endpoint| !endpoint.is_empty()) else {
        return Ok(None);
    };
    let transport = match (arguments.listen, &arguments.unix) {
        (Some(_), _) => "tcp",
        (None, Some(_)) => "unix",
        (None, None) => "pipe",
    };
    Ok(Telemetry::start(endpoint, transport)?)
}

async fn serve(
    arguments: &Arguments,
    store: Arc<dyn Store>,
    cache: Option<Arc<dyn Cache>>,
    telemetry: Option<&Telemetry>,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let listener = match (arguments.listen, &arguments.unix) {
        (Some(address), _) => Some(Listener::tcp(address).await.map_err(RunError::Listen)?),
        (None, Some(path)) => Some(Listener::unix(path.clone()).await.map_err(RunError::Listen)?),
        (None, None) => None,
    };
    let shared = state(arguments, Arc::clone(&store), cache, listener.as_ref())?;
    if let Some(telemetry) = telemetry {
        telemetry.watch(&shared);
    }
    let following = store.feed().await?.map(|feed| {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move { shared.follow(feed).await })
    });
    let served = offer(arguments, ReferenceServer::new(shared), listener, stop).await;
    if let Some(following) = following {
        following.abort();
    }
    served
}

fn state(
    arguments: &Arguments,
    store: Arc<dyn Store>,
    cache: Option<Arc<dyn Cache>>,
    listener: Option<&Listener>,
) -> Result<Arc<Shared>, RunError> {
    let mut shared = Shared::new(store, arguments.tasks.limits(arguments.assertion.is_given()))?;
    if let Some(cache) = cache {
        shared = shared.with_cache(cache);
    }
    if let Some(links) = arguments.links.links(listener.and_then(Listener::origin))? {
        shared = shared.with_links(links);
    }
    if let Some(fetcher) = arguments.fetch.fetcher()? {
        shared = shared.with_fetcher(fetcher);
    }
    if let Some(objects) = arguments.objects.open()? {
        shared = shared.with_objects(objects);
    }
    Ok(arguments.files.serve(shared)?)
}

async fn offer(
    arguments: &Arguments,
    server: ReferenceServer,
    listener: Option<Listener>,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let Some(listener) = listener else {
        return Ok(stdio::serve(server, stop).await?);
    };
    let options = HttpOptions {
        path: arguments.path.clone(),
        allowed_hosts: arguments.allowed_host.clone(),
        assertions: arguments.assertion.read()?,
        legacy_sse: arguments.legacy_sse,
    };
    let url = listener.url(&arguments.path).map_err(RunError::Listen)?;
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening on {url}").and_then(|()| stdout.flush()).map_err(RunError::Serve)?;
    drop(stdout);
    listener.serve(&server, &options, stop).await.map_err(RunError::Serve)
}

/// Cancels `stop` at the first SIGTERM or SIGINT.
fn stop_on_signal(stop: CancellationToken) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        stop.cancel();
    });
    Ok(())
}
