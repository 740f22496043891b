//! Listeners, TLS and the life of the process: start, reload, drain.
//!
//! In: a checked configuration and where it came from. Out: a running door until a signal ends it. Invariants: nothing
//! is accepted before a complete state stands; a reload builds a complete new state or changes nothing; on SIGTERM no
//! request that would finish within the grace period is cut.

mod build;
pub mod drain;
pub mod http;
pub mod listener;
mod restart;
pub mod settings;
pub mod stdio;

use std::{io, io::Write as _, net::SocketAddr, sync::Arc, time::Duration};

use doorward_message::Limits;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{oneshot, watch},
    task::{JoinHandle, JoinSet},
};

use self::{
    build::{Built, Kept, Made, Servers, build},
    drain::Active,
    http::{Bounds, HttpApp},
    listener::{CertificateHandle, ListenError, Listener},
    restart::FromStart,
};
use crate::{
    admin::{AdminServer, ItemState, Readiness},
    config::{
        Config, ConfigError, Source,
        watch::{ReloadRequested, Watch, WatchError},
    },
    model::{HandleError, Handles, Transport},
    pipeline::{
        admit::{
            admission::Caller,
            session::{Sessions, seal::SealError},
        },
        context::{Context, unix_now},
        dispatch::{Upstream, keeper},
        door::Door,
        observe::{ClientError, Observer, ObserverHandle, StartError, audit::Lifecycle},
    },
};
pub use build::BuildError;

/// How often ended sessions and expired tokens are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(30);
/// How long connections have to write what they hold once nothing is under way any more.
const FLUSH: Duration = Duration::from_secs(2);
/// How often readiness is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Why the door does not open.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Observing cannot start.
    #[error(transparent)]
    Observe(#[from] StartError),
    /// A listener.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The state cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Telemetry cannot be sent.
    #[error("OTLP export cannot start: {0}")]
    Export(#[source] ClientError),
    /// The operators' listener.
    #[error("admin.address: {0}")]
    Admin(#[source] io::Error),
    /// Session ids cannot be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Handles.
    #[error(transparent)]
    Handle(#[from] HandleError),
    /// Changes cannot be watched.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// Signals cannot be caught, or the ready line not written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A door that stands, with its listeners accepting.
pub struct Running {
    door: Arc<Door>,
    config: Config,
    from_start: FromStart,
    kept: Kept,
    keepers: Vec<(String, JoinHandle<()>)>,
    bound: Vec<SocketAddr>,
    urls: Vec<String>,
    certificates: Vec<CertificateHandle>,
    listening: JoinSet<()>,
    stop: watch::Sender<bool>,
    active: Active,
    observing: ObserverHandle,
    readiness: Arc<Readiness>,
    admin: Option<AdminServer>,
}

/// Serves until SIGTERM or SIGINT, then drains.
///
/// # Errors
/// [`ServeError`]: nothing was accepted.
pub async fn serve(source: &Source, config: Config) -> Result<(), ServeError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (mut watch, mut reloads) = Watch::start(&config.watched(source))?;
    let stdio = config.stdio;
    let mut running = Running::start(config).await?;
    let mut connection = match stdio {
        true => running.connection(),
        false => {
            running.announce()?;
            None
        }
    };
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            () = finished(&mut connection) => break,
            _ = sweep.tick() => running.door.sweep(unix_now()),
            _ = look.tick() => running.tell_readiness(),
            Some(reason) = reloads.recv() => {
                running.reload(source, reason);
                watch.set(&running.config.watched(source))?;
            }
        }
    }
    if let Some((task, stop)) = connection {
        // It may have ended by itself.
        let _ = stop.send(());
        if !task.is_finished() {
            let _ = task.await;
        }
    }
    running.drain().await;
    Ok(())
}

/// The connection over standard input and output, and how it is told to end.
type Connection = (JoinHandle<io::Result<()>>, oneshot::Sender<()>);

/// Resolves when the client of standard input has gone.
async fn finished(connection: &mut Option<Connection>) {
    match connection {
        Some((task, _)) if !task.is_finished() => {
            if let Ok(Err(error)) = task.await {
                tracing::error!(%error, "standard input");
            }
        }
        Some(_) => {}
        None => std::future::pending().await,
    }
}

impl Running {
    /// Binds, builds and accepts.
    ///
    /// # Errors
    /// [`ServeError`].
    pub async fn start(config: Config) -> Result<Self, ServeError> {
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        let listeners =
            config.listen.iter().filter(|_| !config.stdio).map(Listener::bind).collect::<Result<Vec<_>, _>>()?;
        let bound: Vec<SocketAddr> = listeners.iter().filter_map(Listener::address).collect();
        let urls = listeners.iter().map(Listener::url).collect();
        let (observer, mut observing) = Observer::start(&config.observe)?;
        observing.start_export(&observer).map_err(ServeError::Export)?;
        let readiness = Arc::new(Readiness::default());
        let admin = admin(&config, &readiness, &observer)?;
        let built = build(&config, &bound, &Kept::default())?;
        tell(&built);
        register_names(&observer, &config);
        observer.lifecycle(Lifecycle::Snapshot { snapshot: Arc::clone(&built.snapshot.hash) });
        let sessions = Sessions::new(&config.sessions)?;
        let limits = Arc::clone(&built.snapshot.base.upstream_limits);
        let door = Arc::new(Door::new(built.snapshot, sessions, Handles::new()?, observer));
        door.measure();
        let (stop, stopping) = watch::channel(false);
        let active = Active::default();
        let certificates = listeners.iter().filter_map(Listener::certificates).collect();
        let mut listening = JoinSet::new();
        for listener in listeners {
            let bounds = Bounds::new(&config.accept, listener.settings());
            let app = Arc::new(HttpApp::new(Arc::clone(&door), bounds, active.clone()));
            listening.spawn(listener.run(app, stopping.clone()));
        }
        let keepers = keepers(&door, &built.kept.servers, &limits);
        readiness.set_started();
        Ok(Self {
            door,
            from_start: FromStart::of(&config),
            config,
            kept: built.kept,
            keepers,
            bound,
            urls,
            certificates,
            listening,
            stop,
            active,
            observing,
            readiness,
            admin,
        })
    }

    /// Begins to serve standard input, as the one principal that configuration names.
    fn connection(&self) -> Option<Connection> {
        let snapshot = self.door.snapshot();
        let route = snapshot.base.routes.values().next().cloned()?;
        let principal = self.config.local_principal.clone()?;
        let context = Context {
            door: Arc::clone(&self.door),
            snapshot,
            route,
            caller: Caller { principal, client: None, transport: Transport::Stdio },
            connection: Some(1),
        };
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            // Dropped is as good as told.
            let _ = stopped.await;
        };
        Some((tokio::spawn(stdio::serve(context, stopped, self.config.drain.grace.0)), stop))
    }

    /// Where clients reach the routes: every route at every listener.
    pub fn urls(&self) -> impl Iterator<Item = String> {
        self.urls.iter().flat_map(|url| self.config.routes.keys().map(move |path| format!("{url}{path}")))
    }

    /// Prints the ready line, one for each route and listener.
    fn announce(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        for url in self.urls() {
            writeln!(out, "listening on {url}")?;
        }
        out.flush()
    }

    /// Each upstream's catalogue and each issuer's keys are items of readiness. Children are asked within their clients'
    /// sessions, so their catalogues are none.
    fn tell_readiness(&self) {
        let snapshot = self.door.snapshot();
        for (name, Made { server, .. }) in &self.kept.servers {
            let known = snapshot.pdp.catalogue(name).is_some() || matches!(server.upstream(), Upstream::Child(_));
            self.readiness.set(&format!("catalogue/{name}"), item(known, "the upstream's tools are not known yet"));
        }
        for (issuer, usable) in snapshot.base.authenticator.issuers() {
            self.readiness.set(&format!("keys/{issuer}"), item(usable, "the issuer's keys are not there"));
        }
    }

    /// Builds a complete new state and swaps it in, or keeps the old one and says why.
    fn reload(&mut self, source: &Source, reason: ReloadRequested) {
        if reason == ReloadRequested::Signal {
            self.door.observer.reopen();
        }
        for certificates in &self.certificates {
            if let Err(error) = certificates.reload() {
                tracing::error!(%error, "the certificate was not renewed; the old one stays");
            }
        }
        match self.rebuilt(source) {
            Ok(()) => {
                tracing::info!("configuration and policies were reloaded");
                let pending = self.from_start.changed(&self.config);
                if !pending.is_empty() {
                    tracing::warn!(
                        keys = pending.join(", "),
                        "changed settings that count from the next start on only"
                    );
                }
            }
            Err(error) => {
                tracing::error!("the reload was refused, the state before it stays: {error}");
                self.door.observer.lifecycle(Lifecycle::ReloadRefused { code: error.code() });
            }
        }
    }

    fn rebuilt(&mut self, source: &Source) -> Result<(), ReloadError> {
        let config = Config::load(source)?;
        let built = build(&config, &self.bound, &self.kept)?;
        tell(&built);
        register_names(&self.door.observer, &config);
        let limits = Arc::clone(&built.snapshot.base.upstream_limits);
        let snapshot = built.snapshot.with_catalogues_of(&self.door.snapshot());
        self.door.observer.lifecycle(Lifecycle::Snapshot { snapshot: Arc::clone(&snapshot.hash) });
        self.door.install(snapshot);
        self.kept = built.kept;
        self.config = config;
        for (_, keeper) in self.keepers.drain(..) {
            keeper.abort();
        }
        self.keepers = keepers(&self.door, &self.kept.servers, &limits);
        Ok(())
    }

    /// Accepts nothing more, waits for what is under way, ends the children, writes what is queued.
    pub async fn drain(mut self) {
        let grace = self.config.drain.grace.0;
        tracing::info!(under_way = self.active.count(), "draining");
        self.readiness.set_draining();
        // Nobody may listen any more, which is as good.
        let _ = self.stop.send(true);
        let left = self.active.drained(grace).await;
        if left > 0 {
            tracing::warn!(left, "the grace period is over; requests were cut");
        }
        // An answer over HTTP/2 is complete before its last frame is on the wire; connections end by themselves, and soon.
        let ended = async { while self.listening.join_next().await.is_some() {} };
        if tokio::time::timeout(FLUSH, ended).await.is_err() {
            tracing::debug!("connections were cut that did not end by themselves");
        }
        self.listening.shutdown().await;
        for (_, keeper) in self.keepers {
            keeper.abort();
        }
        for Made { server, .. } in self.kept.servers.values() {
            if let Upstream::Child(child) = server.upstream() {
                child.stop_all().await;
            }
        }
        if let Some(admin) = self.admin {
            admin.stop().await;
        }
        self.observing.stop_export().await;
        self.observing.stop();
    }
}

#[derive(Debug, thiserror::Error)]
enum ReloadError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Build(#[from] BuildError),
}

impl ReloadError {
    fn code(&self) -> &'static str {
        match self {
            Self::Config(_) => "config.invalid",
            Self::Build(BuildError::Policies(_) | BuildError::Store(_)) => "config.policies",
            Self::Build(_) => "config.unusable",
        }
    }
}

fn keepers(door: &Arc<Door>, servers: &Servers, limits: &Arc<Limits>) -> Vec<(String, JoinHandle<()>)> {
    servers
        .iter()
        .map(|(name, Made { server, .. })| {
            let keeper = keeper::keep(Arc::clone(door), Arc::clone(server), Arc::clone(limits));
            (name.clone(), tokio::spawn(keeper))
        })
        .collect()
}

fn tell(built: &Built) {
    for finding in &built.findings {
        tracing::warn!("{finding}");
    }
}

/// The names that may be labels of metrics.
fn register_names(observer: &Observer, config: &Config) {
    let names = observer.metrics().names();
    names.register(config.upstreams.keys().map(String::as_str));
    names.register(config.routes.keys().map(String::as_str));
}

fn item(holds: bool, otherwise: &'static str) -> ItemState {
    if holds { ItemState::Ready } else { ItemState::Waiting(otherwise) }
}

fn admin(config: &Config, readiness: &Arc<Readiness>, observer: &Observer) -> Result<Option<AdminServer>, ServeError> {
    let Some(settings) = &config.admin else {
        return Ok(None);
    };
    let listener = std::net::TcpListener::bind(settings.address).map_err(ServeError::Admin)?;
    listener.set_nonblocking(true).map_err(ServeError::Admin)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(ServeError::Admin)?;
    let server = AdminServer::start(listener, &settings.hosts, Arc::clone(readiness), Arc::clone(observer.metrics()));
    let server = server.map_err(ServeError::Admin)?;
    tracing::info!(address = %server.address(), "health and metrics");
    Ok(Some(server))
}
