//! The admin listener: health and metrics, apart from the traffic.
//!
//! In: `GET` or `HEAD` of `/live`, `/ready`, `/startup` (JSON with reasons) and `/metrics` (Prometheus text). Nothing is
//! changed by any request, no body is read, no answer holds a secret, a token or an argument.
//!
//! Refusals: another method 405; another path 404; a `Host` that is neither one of our names nor an IP literal 403, and on
//! a loopback address one that does not name the loopback (DNS rebinding); any `Origin` 403, since no web page has
//! business here; more than [`CONNECTIONS_MAX`] connections wait.
//!
//! hyper carries it without a framework: four fixed paths need no router, and hyper is there already for our HTTP client.

mod hosts;
pub mod readiness;

#[cfg(test)]
mod tests;

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinHandle,
};

use crate::pipeline::observe::metrics::{Metrics, prometheus};
pub use readiness::{ItemState, Readiness, ReadinessReport};

/// Connections served at a time.
pub const CONNECTIONS_MAX: usize = 64;
/// A head must have arrived within this time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// On stopping, answers under way have this long.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// The running listener.
pub struct AdminServer {
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
    address: SocketAddr,
}

struct State {
    readiness: Arc<Readiness>,
    metrics: Arc<Metrics>,
    hosts: hosts::Hosts,
}

impl AdminServer {
    /// Serves on a listener until [`Self::stop`]. Must be called within a tokio runtime. `hosts` are names under which it
    /// is asked besides IP literals and `localhost` (on a loopback address: loopback literals only).
    ///
    /// # Errors
    /// If the listener's address cannot be told.
    pub fn start(
        listener: TcpListener,
        hosts: &[String],
        readiness: Arc<Readiness>,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let hosts = hosts::Hosts::new(address.ip(), hosts);
        let state = Arc::new(State { readiness, metrics, hosts });
        let (stop, stopping) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, state, stopping));
        Ok(Self { stop, accepting, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no new connection and ends the open ones after the answers under way.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        if tokio::time::timeout(STOP_TIMEOUT, &mut self.accepting).await.is_err() {
            tracing::warn!("admin connections were cut at the end");
            self.accepting.abort();
        }
    }
}

async fn accept(listener: TcpListener, state: Arc<State>, mut stopping: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept_one(&listener, &places) => accepted,
            _ = stopping.changed() => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, place)) => {
                let (state, stopping) = (Arc::clone(&state), stopping.clone());
                connections.spawn(async move {
                    serve(stream, state, stopping).await;
                    drop(place);
                });
            }
            Err(error) => {
                // Out of descriptors, or a connection that was gone at once: neither ends the listener.
                tracing::warn!(%error, "an admin connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn accept_one(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

async fn serve(stream: TcpStream, state: Arc<State>, mut stopping: watch::Receiver<bool>) {
    let service = service_fn(move |request| {
        let answer = answer(&state, &request);
        async move { Ok::<_, Infallible>(answer) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stopping.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an admin connection ended early");
    }
}

fn answer(state: &State, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if !state.hosts.allow(request.headers()) {
        let text = "This Host is not served here. Add it to admin.hosts if it should be.\n";
        return plain(StatusCode::FORBIDDEN, text);
    }
    if request.headers().contains_key(header::ORIGIN) {
        return plain(StatusCode::FORBIDDEN, "Web pages have no access here.\n");
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let text = "GET and HEAD are offered here.\n";
        let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED, text);
        refusal.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    match request.uri().path() {
        "/live" => json(true, &serde_json::json!({ "live": true })),
        "/startup" => {
            let started = state.readiness.report().started;
            json(started, &serde_json::json!({ "started": started }))
        }
        "/ready" => {
            let report = state.readiness.report();
            json(report.ready, &serde_json::json!(report))
        }
        "/metrics" => {
            let page = prometheus::page(&state.metrics.collect());
            response(StatusCode::OK, prometheus::CONTENT_TYPE, page)
        }
        _ => plain(StatusCode::NOT_FOUND, "Here are /live, /ready, /startup and /metrics.\n"),
    }
}

fn json(good: bool, body: &serde_json::Value) -> Response<Full<Bytes>> {
    let status = if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    response(status, "application/json", format!("{body}\n"))
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    response(status, "text/plain; charset=utf-8", text.to_owned())
}

fn response(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let fixed: [(HeaderName, &'static str); 3] = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in fixed {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
