//! From the command line to a server that serves, and to its orderly end.

use std::io::{self, Write as _};

use doorward_reference_server::storage::location::Location;
use doorward_reference_server::telemetry::Telemetry;
use doorward_reference_server::transport::http::Listener;
use doorward_reference_server::transport::{stdio, until_signal};
use tokio_util::sync::CancellationToken;

use super::error::RunError;
use super::reload::{self, Changes, Reload};
use super::serving::{Opened, Process, Serving, limits};
use super::{Arguments, Logging, Said, own_files};

/// Does what the command line says, until it is done or a signal ends it.
///
/// # Errors
/// See [`RunError`].
pub(crate) async fn run(arguments: Arguments, said: Said, logging: Logging) -> Result<(), RunError> {
    let stop = until_signal().map_err(RunError::Serve)?;
    let location = arguments.location()?;
    if arguments.command.is_some() && matches!(location, Location::Memory) {
        return Err(RunError::NoDatabase);
    }
    if arguments.command.is_none() {
        // Before the database is made there.
        own_files::check(&arguments, &location)?;
    }
    if let Some(command) = &arguments.command {
        let store = location.open(limits(&arguments)).await?;
        let outcome = tokio::select! {
            outcome = command.run(&*store) => outcome.map_err(RunError::from),
            () = stop.cancelled() => Err(RunError::Interrupted),
        };
        store.close().await;
        return outcome;
    }
    let changes = if arguments.watches() { Some(Changes::start(arguments.config.as_deref(), said)?) } else { None };
    let telemetry = telemetry(&arguments)?;
    let opened = Opened::open(&location, &arguments, telemetry.is_some()).await?;
    let begun = begin(arguments, opened.clone(), telemetry).await;
    let (process, listener, mut serving) = match begun {
        Ok(begun) => begun,
        Err(error) => {
            opened.store.close().await;
            return Err(error);
        }
    };
    let served = match (listener, changes) {
        (None, None) => stdio::serve(serving.server(), stop).await.map_err(RunError::from),
        (None, Some(changes)) => tokio::select! {
            served = stdio::serve(serving.server(), stop) => served.map_err(RunError::from),
            never = reload::log_only(changes, &logging) => match never {},
        },
        (Some(listener), None) => offer(&serving, listener, stop).await,
        (Some(listener), Some(changes)) => {
            offer_changing(&process, &mut serving, listener, stop, changes, &logging).await
        }
    };
    // Also when serving failed: a clean end leaves one file.
    serving.opened.store.close().await;
    if let Some(telemetry) = process.telemetry {
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

async fn begin(
    arguments: Arguments,
    opened: Opened,
    telemetry: Option<Telemetry>,
) -> Result<(Process, Option<Listener>, Serving), RunError> {
    let listener = match (arguments.listen, &arguments.unix) {
        (Some(address), _) => Some(Listener::tcp(address).await.map_err(RunError::Listen)?),
        (None, Some(path)) => Some(Listener::unix(path.clone()).await.map_err(RunError::Listen)?),
        (None, None) => None,
    };
    let process = Process::new(listener.as_ref(), telemetry)?;
    let serving = Serving::begin(&process, arguments, opened, None).await?;
    Ok((process, listener, serving))
}

async fn offer(serving: &Serving, listener: Listener, stop: CancellationToken) -> Result<(), RunError> {
    let options = serving.options()?;
    tell(&listener, &options.path)?;
    listener.serve(&serving.server(), &options, stop).await.map_err(RunError::Serve)
}

/// The same, with settings that change meanwhile.
async fn offer_changing(
    process: &Process,
    serving: &mut Serving,
    listener: Listener,
    stop: CancellationToken,
    changes: Changes,
    logging: &Logging,
) -> Result<(), RunError> {
    let bound = listener.bound().map_err(RunError::Listen)?;
    let path = serving.arguments.path.clone();
    let mut reload = Reload::new(process, serving, bound, stop.clone(), logging)?;
    tell(&listener, &path)?;
    let generations = reload.generations();
    let served = tokio::select! {
        served = listener.serve_generations(&generations, stop.clone()) => served.map_err(RunError::Serve),
        never = reload.follow(changes) => match never {},
    };
    // Also where serving failed and nobody said stop.
    stop.cancel();
    reload.end().await;
    served
}

/// Says that it listens, and where.
fn tell(listener: &Listener, path: &str) -> Result<(), RunError> {
    let url = listener.url(path).map_err(RunError::Listen)?;
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening on {url}").and_then(|()| stdout.flush()).map_err(RunError::Serve)
}
