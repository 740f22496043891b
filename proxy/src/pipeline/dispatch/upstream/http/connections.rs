//! Connections to an upstream and the pools they rest in.

use std::time::Duration;

use pingora::{
    connectors::{ConnectorOptions, TransportConnector, http::Connector},
    protocols::http::{client::HttpSession, v1::client::HttpSession as Http1Session},
    upstreams::peer::{HttpPeer, Peer as _},
};

use crate::wire::Wire;

/// Connections that rest at most, per worker thread.
const RESTING_MAX: usize = 512;

/// See the module.
pub(super) enum Connections {
    /// HTTP/1.1 on our own stream, whose heads leave together with their bodies.
    Http1(TransportConnector),
    /// What TLS negotiates, or HTTP/2 alone.
    Negotiated(Box<Connector>),
}

impl Connections {
    pub(super) fn new(http1_only: bool) -> Self {
        let options = Some(ConnectorOptions::new(RESTING_MAX));
        if http1_only {
            Self::Http1(TransportConnector::new(options))
        } else {
            Self::Negotiated(Box::new(Connector::new(options)))
        }
    }

    /// A connection, and whether it was used before.
    ///
    /// # Errors
    /// Those of connecting. Nothing was sent.
    pub(super) async fn get(&self, peer: &HttpPeer) -> pingora::Result<(HttpSession, bool)> {
        match self {
            Self::Negotiated(connector) => connector.get_http_session(peer).await,
            Self::Http1(connector) => {
                let (stream, reused) = connector.get_stream(peer).await?;
                // A stream that rested is a wire already.
                let stream = if reused { stream } else { Box::new(Wire::new(stream)) };
                Ok((HttpSession::H1(Http1Session::new_with_options(stream, peer)), reused))
            }
        }
    }

    /// Lets a connection rest, where its last answer was read to the end and allows it.
    pub(super) async fn release(&self, mut session: HttpSession, peer: &HttpPeer, rest: Duration) {
        if let HttpSession::H1(http1) = &mut session {
            http1.respect_keepalive();
        }
        match (self, session) {
            (Self::Http1(connector), HttpSession::H1(session)) => {
                if let Some(stream) = session.reuse().await {
                    connector.release_stream(stream, peer.reuse_hash(), Some(rest));
                }
            }
            (Self::Negotiated(connector), session) => connector.release_http_session(session, peer, Some(rest)).await,
            // Not made by this kind.
            (Self::Http1(_), _) => {}
        }
    }
}
