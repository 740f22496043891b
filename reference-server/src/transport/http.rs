//! Streamable HTTP for both eras at one path, over TCP or a Unix socket.
//!
//! In: where to listen and which hosts to accept. Out: a bound [`Listener`], then [`Listener::serve`] until `stop`.
//! Refusals: 403 for a `Host` or `Origin` that is not allowed (both checked always), 404 for another path.
//! Invariants: legacy requests get sessions, requests of 2026-07-28 none; open streams end at `stop`.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use crate::server::ReferenceServer;
use crate::{download, objects};

/// How long requests may still run after `stop`.
const GRACE: Duration = Duration::from_secs(5);

/// Where and for whom to serve.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Path of the endpoint, with its leading slash.
    pub path: String,
    /// Hosts accepted in `Host` and `Origin` beside loopback and the address listened on; `name` or `name:port`.
    pub allowed_hosts: Vec<String>,
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
        let bound = match &self {
            Self::Tcp(listener) => Some(listener.local_addr()?),
            Self::Unix(..) => None,
        };
        // Streams have no end of their own: they are closed at once, while plain requests have the grace period.
        let app = router(server, options, bound, stop.child_token());
        let stopped = stop.clone().cancelled_owned();
        let serving = async move {
            match self {
                Self::Tcp(listener) => axum::serve(listener, app).with_graceful_shutdown(stopped).await,
                Self::Unix(listener, path) => {
                    let served = axum::serve(listener, app).with_graceful_shutdown(stopped).await;
                    if let Err(error) = std::fs::remove_file(&path) {
                        tracing::warn!(%error, "socket file not removed");
                    }
                    served
                }
            }
        };
        tokio::select! {
            served = serving => served,
            () = async { stop.cancelled().await; tokio::time::sleep(GRACE).await } => {
                tracing::warn!("grace period over, connections cut");
                Ok(())
            }
        }
    }
}

fn router(
    server: &ReferenceServer,
    options: &HttpOptions,
    bound: Option<SocketAddr>,
    streams: CancellationToken,
) -> Router {
    let hosts = allowed_hosts(options, bound);
    let config = StreamableHttpServerConfig::default()
        .with_allowed_origins(hosts.iter().flat_map(|host| allowed_origins(host)))
        .enforce_origin_validation()
        .with_allowed_hosts(hosts)
        .with_cancellation_token(streams);
    let server = server.clone();
    let shared = Arc::clone(&server.shared);
    let service =
        StreamableHttpService::new(move || Ok(server.new_session()), Arc::new(LocalSessionManager::default()), config);
    Router::new()
        .route_service(&options.path, service)
        .merge(download::routes(Arc::clone(&shared)))
        .merge(objects::serve::routes(shared))
}

/// Loopback names, the address listened on unless it means "any", and what the operator added.
fn allowed_hosts(options: &HttpOptions, bound: Option<SocketAddr>) -> Vec<String> {
    let mut hosts: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    if let Some(address) = bound.map(|address| address.ip()).filter(|ip| !ip.is_unspecified() && !ip.is_loopback()) {
        hosts.push(address.to_string());
    }
    hosts.extend(options.allowed_hosts.iter().cloned());
    hosts
}

/// The origins of pages served by `host`; any port, unless the host names one.
fn allowed_origins(host: &str) -> [String; 2] {
    let colons = host.matches(':').count();
    let authority = match colons {
        0 => format!("{host}:*"),
        1 => host.to_owned(),
        _ if host.starts_with('[') && !host.ends_with(']') => host.to_owned(),
        _ if host.starts_with('[') => format!("{host}:*"),
        _ => format!("[{host}]:*"),
    };
    [format!("http://{authority}"), format!("https://{authority}")]
}

#[cfg(test)]
mod tests;
