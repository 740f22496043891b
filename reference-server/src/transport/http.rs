//! Streamable HTTP for both eras at one path, over TCP or a Unix socket.
//!
//! In: where to listen and which hosts to accept. Out: a bound [`Listener`], then [`Listener::serve`] until `stop`.
//! Refusals: 401 for an assertion that is not valid, 403 for a `Host` or `Origin` that is not allowed (both checked
//! always), 404 for another path.
//! Invariants: legacy requests get sessions, requests of 2026-07-28 none; at `stop` calls under way have [`super::GRACE`] to
//! end, and open streams end after them.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::serve::ListenerExt as _;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tower::util::MapRequestLayer;

use super::gather::gather;
use super::generations::Generations;
use super::hosts::Hosts;
use super::linger::linger;
use super::patient::Patient;
use super::{GRACE, batch, sse};
use crate::identity::Assertions;
use crate::server::ReferenceServer;
use crate::state::Shared;
use crate::{download, health, objects};

/// Where and for whom to serve.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Path of the endpoint, with its leading slash.
    pub path: String,
    /// Hosts accepted in `Host` and `Origin` beside loopback and the address listened on; `name` or `name:port`.
    pub allowed_hosts: Vec<String>,
    /// Whether to serve HTTP+SSE of revision 2024-11-05 at [`sse::PATHS`], too. The endpoint must have another path then.
    pub legacy_sse: bool,
    /// Says who sends a request; without it nobody is known.
    pub assertions: Option<Assertions>,
}

impl Default for HttpOptions {
    /// `/mcp`, for loopback and the address listened on, without anything else.
    fn default() -> Self {
        Self { path: "/mcp".to_owned(), allowed_hosts: vec![], legacy_sse: false, assertions: None }
    }
}

/// Serves at `/mcp` until SIGTERM or SIGINT, and tells on standard output where: for small servers of one's own. What it
/// leaves out is in [`Listener::serve`] and [`app`].
///
/// # Errors
/// When the address cannot be bound, or accepting connections fails for good.
pub async fn serve(server: &ReferenceServer, address: SocketAddr) -> io::Result<()> {
    let (listener, options) = (Listener::tcp(address).await?, HttpOptions::default());
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening on {}", listener.url(&options.path)?).and_then(|()| stdout.flush())?;
    drop(stdout);
    listener.serve(server, &options, super::until_signal()?).await
}

/// The endpoint, and what is served beside it (health, links), as a part of an application of one's own. That one listens:
/// `Host` and `Origin` must be loopback or in `allowed_hosts`. Open streams, which the answers of calls under way are as well,
/// end when `streams` is cancelled.
pub fn app(server: &ReferenceServer, options: &HttpOptions, streams: CancellationToken) -> Router {
    app_at(server, options, None, streams)
}

/// A bound listener.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix socket; its file is removed at the end.
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// Listens on TCP; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn tcp(address: SocketAddr) -> io::Result<Self> {
        TcpListener::bind(address).await.map(Self::Tcp)
    }

    /// Listens on a Unix socket. A socket file that nobody serves any more is replaced.
    ///
    /// # Errors
    /// When the path cannot be bound, or someone serves it already.
    pub async fn unix(path: PathBuf) -> io::Result<Self> {
        if let Err(error) = UnixStream::connect(&path).await
            && error.kind() == io::ErrorKind::ConnectionRefused
        {
            std::fs::remove_file(&path)?;
        }
        Ok(Self::Unix(UnixListener::bind(&path)?, path))
    }

    /// What a client connects to.
    ///
    /// # Errors
    /// When the operating system does not tell the bound address.
    pub fn url(&self, path: &str) -> io::Result<String> {
        match self {
            Self::Tcp(listener) => Ok(format!("http://{}{path}", listener.local_addr()?)),
            Self::Unix(_, socket) => Ok(format!("unix:{}:{path}", socket.display())),
        }
    }

    /// Scheme and authority of the address listened on; `None` for a Unix socket.
    #[must_use]
    pub fn origin(&self) -> Option<String> {
        match self {
            Self::Tcp(listener) => Some(format!("http://{}", listener.local_addr().ok()?)),
            Self::Unix(..) => None,
        }
    }

    /// Whether it listens on every address, so that [`Listener::origin`] names none that a client could use.
    #[must_use]
    pub fn is_unspecified(&self) -> bool {
        match self {
            Self::Tcp(listener) => listener.local_addr().is_ok_and(|address| address.ip().is_unspecified()),
            Self::Unix(..) => false,
        }
    }

    /// Serves until `stop`, then lets running requests finish for a few seconds.
    ///
    /// # Errors
    /// When accepting connections fails for good.
    pub async fn serve(
        self,
        server: &ReferenceServer,
        options: &HttpOptions,
        stop: CancellationToken,
    ) -> io::Result<()> {
        let streams = CancellationToken::new();
        let app = app_at(server, options, self.bound()?, streams.clone());
        let _cut = streams.clone().drop_guard();
        self.serve_generations(&Generations::new(app, streams), stop).await
    }

    /// The address listened on; `None` for a Unix socket.
    ///
    /// # Errors
    /// When the operating system does not tell it.
    pub fn bound(&self) -> io::Result<Option<SocketAddr>> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Some),
            Self::Unix(..) => Ok(None),
        }
    }

    /// Serves as [`Listener::serve`] does what takes each other's place. Whose streams are open after the few seconds is for
    /// the caller to end.
    ///
    /// # Errors
    /// When accepting connections fails for good.
    pub async fn serve_generations(self, generations: &Arc<Generations>, stop: CancellationToken) -> io::Result<()> {
        let app = generations.app();
        let stopped = stop.clone().cancelled_owned();
        let serving = async move {
            match self {
                Self::Tcp(listener) => {
                    let listener = Patient(listener.tap_io(without_delay));
                    axum::serve(listener, app).with_graceful_shutdown(stopped).await
                }
                Self::Unix(listener, path) => {
                    let served = axum::serve(Patient(listener), app).with_graceful_shutdown(stopped).await;
                    if let Err(error) = std::fs::remove_file(&path) {
                        tracing::warn!(%error, "socket file not removed");
                    }
                    served
                }
            }
        };
        // A call's answer is a stream as well, so the streams end only after the calls.
        let grace = async {
            stop.cancelled().await;
            let ended = async {
                generations.stop().await;
                std::future::pending::<()>().await;
            };
            let _over = tokio::time::timeout(GRACE, ended).await;
        };
        tokio::select! {
            served = serving => served,
            () = grace => {
                tracing::warn!("grace period over, connections cut");
                Ok(())
            }
        }
    }
}

/// An event stream writes its head and its first event one after the other; with Nagle's algorithm the second would wait
/// for the client's delayed acknowledgement of the first, 40 ms.
fn without_delay(connection: &mut TcpStream) {
    if let Err(error) = connection.set_nodelay(true) {
        tracing::debug!(%error, "small writes may be delayed");
    }
}

/// As [`app`], where the address listened on is known: it is accepted in `Host` and `Origin`, too.
pub fn app_at(
    server: &ReferenceServer,
    options: &HttpOptions,
    bound: Option<SocketAddr>,
    streams: CancellationToken,
) -> Router {
    let hosts = Hosts::new(&options.allowed_hosts, bound);
    let config = StreamableHttpServerConfig::default()
        .with_allowed_origins(hosts.origins())
        .enforce_origin_validation()
        .with_allowed_hosts(hosts.names())
        .with_cancellation_token(streams.clone());
    let (server, sse_server) = (server.clone(), server.new_session());
    let shared = Arc::clone(&server.shared);
    let sessions = Arc::new(LocalSessionManager::default());
    let service = Arc::new(StreamableHttpService::new(move || Ok(server.new_session()), sessions, config));
    // Not as a service: each layer around it would copy it, and with it the names in its configuration, for every request.
    let answer = async move |request: Request| service.handle(request).await;
    let mut app = Router::new()
        .route(&options.path, any(answer))
        .layer(from_fn_with_state((hosts.clone(), Arc::clone(&shared)), front));
    if options.legacy_sse {
        app = app.merge(sse::router(sse_server, hosts, streams.clone()));
    }
    let app = match options.assertions.clone() {
        Some(assertions) => app.layer(from_fn_with_state(Arc::new(assertions), identify)),
        None => app,
    };
    // Whoever asks for health or holds a link says nothing of who they are.
    app.merge(download::routes(Arc::clone(&shared)))
        .merge(objects::serve::routes(Arc::clone(&shared)))
        .merge(health::routes(shared, streams))
        .layer(MapRequestLayer::new(linger))
}

/// What comes before rmcp: the guard of hosts, before the body is read, which rmcp's own check comes behind; and batches.
/// One layer, since each copies for every request what it surrounds.
async fn front(State((hosts, shared)): State<(Hosts, Arc<Shared>)>, request: Request, next: Next) -> Response {
    match hosts.refusal(request.headers()) {
        None => gather(batch::http::split(&shared, request, next).await).await,
        Some(refusal) => refusal,
    }
}

/// Notes the sender of a request. A refused assertion refuses the request: to go on without it would reach what belongs to
/// nobody, or to the session.
async fn identify(State(assertions): State<Arc<Assertions>>, mut request: Request, next: Next) -> Response {
    match assertions.subject(request.headers()) {
        Ok(subject) => {
            if let Some(subject) = subject {
                request.extensions_mut().insert(subject);
            }
            next.run(request).await
        }
        Err(error) => {
            tracing::warn!(%error, "assertion refused");
            (StatusCode::UNAUTHORIZED, "Unauthorized: the subject assertion is not valid").into_response()
        }
    }
}
