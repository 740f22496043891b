//! Connections to an upstream, new and rested.

use std::{sync::Arc, time::Duration};

use pingora::{
    connectors::{ConnectorOptions, TransportConnector, http::Connector},
    protocols::http::{client::HttpSession, v1::client::HttpSession as Http1Session},
    upstreams::peer::{HttpPeer, Peer as _},
};

use super::pool::Pool;
use crate::wire::Wire;

/// Negotiated connections that rest at most.
const RESTING_MAX: usize = 512;

/// See the module.
pub(super) enum Connections {
    /// HTTP/1.1 on our own stream, whose heads leave together with their bodies.
    Http1(Box<TransportConnector>, Arc<Pool>),
    /// What TLS negotiates, or HTTP/2 alone.
    Negotiated(Box<Connector>),
}

impl Connections {
    pub(super) fn new(http1_only: bool) -> Self {
        let options = Some(ConnectorOptions::new(RESTING_MAX));
        if http1_only {
            Self::Http1(Box::new(TransportConnector::new(options)), Arc::default())
        } else {
            Self::Negotiated(Box::new(Connector::new(options)))
        }
    }

    /// A connection, rested or new. One that was closed while it rested is passed over.
    ///
    /// # Errors
    /// Those of connecting. Nothing was sent.
    pub(super) async fn get(&self, peer: &HttpPeer) -> pingora::Result<HttpSession> {
        match self {
            Self::Negotiated(connector) => Ok(connector.get_http_session(peer).await?.0),
            Self::Http1(connector, pool) => {
                let wire = match pool.take(peer.reuse_hash()) {
                    Some(wire) => wire,
                    None => Box::new(Wire::new(connector.new_stream(peer).await?)),
                };
                Ok(HttpSession::H1(Http1Session::new_with_options(wire, peer)))
            }
        }
    }

    /// Lets a connection rest, where its last answer was read to the end and allows it.
    pub(super) async fn release(&self, mut session: HttpSession, peer: &HttpPeer, rest: Duration) {
        if let HttpSession::H1(http1) = &mut session {
            http1.respect_keepalive();
        }
        match (self, session) {
            (Self::Http1(_, pool), HttpSession::H1(session)) => {
                if let Some(wire) = session.reuse().await.and_then(Wire::again) {
                    pool.put(wire, peer.reuse_hash(), rest);
                }
            }
            (Self::Negotiated(connector), session) => connector.release_http_session(session, peer, Some(rest)).await,
            // Not made by this kind.
            (Self::Http1(..), _) => {}
        }
    }
}
