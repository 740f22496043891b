//! An upstream that speaks Streamable HTTP: HTTP/1.1 or HTTP/2, cleartext or TLS, TCP or a unix socket.
//!
//! Builds on pingora's connector for pools and codecs. The request's header lines are made from scratch: what a client
//! sends reaches the upstream only where [`super::Outgoing`] names it (threats: hop-by-hop nomination, credential
//! override). The answer's raw head passes the same strict check as a client's.

mod body;
mod connections;
mod peer;
mod pool;
mod request;

use std::{sync::Arc, time::Duration};

use ::http::{HeaderValue, Method, StatusCode, header};
use bytes::Bytes;
use doorward_message::http_head::{HeadLimits, check_response};
use pingora::{ErrorType, http::RequestHeader, protocols::http::client::HttpSession, upstreams::peer::HttpPeer};

pub use self::peer::{Address, PeerError, Peers, TlsFiles};
use self::{
    body::{EventBody, read_whole},
    connections::Connections,
};
use super::{Outgoing, Reply, ReplyBody};
use crate::{
    model::Fault,
    wire::{cork, uncork},
};

/// Times and sizes towards one upstream.
#[derive(Clone, Debug)]
pub struct Deadlines {
    /// Connecting, TLS included.
    pub connect: Duration,
    /// From the request's last byte to the answer's head.
    pub first_byte: Duration,
    /// Silence within an answer; subscriptions and streams of server messages may be silent for as long as they are open.
    pub idle: Duration,
    /// From an answer's head to the last byte of its body, where that is one message.
    pub body: Duration,
    /// How long a pooled connection may rest.
    pub pool_idle: Duration,
}

/// The credential for an upstream, as a complete header line.
pub struct Credential {
    /// Header name.
    pub name: ::http::HeaderName,
    /// Header value, marked sensitive.
    pub value: HeaderValue,
}

/// One HTTP upstream.
pub struct HttpUpstream {
    connections: Arc<Connections>,
    peers: Peers,
    host: HeaderValue,
    path: Box<str>,
    deadlines: Deadlines,
    message_bytes_max: usize,
    head_limits: HeadLimits,
}

impl HttpUpstream {
    /// An upstream at an address. Connects lazily. `versions` are the highest and lowest HTTP version, where they are
    /// not left to TLS.
    ///
    /// # Errors
    /// [`PeerError`] where TLS material is unusable or a name to verify is missing.
    pub fn new(
        address: Address,
        tls: Option<&TlsFiles>,
        deadlines: Deadlines,
        message_bytes_max: usize,
        versions: Option<(u8, u8)>,
    ) -> Result<Self, PeerError> {
        let host = address.host_header()?;
        let path = address.path().into();
        let peers = Peers::new(address, tls, &deadlines, versions)?;
        Ok(Self {
            connections: Arc::new(Connections::new(peers.are_http1_only())),
            peers,
            host,
            path,
            deadlines,
            message_bytes_max,
            head_limits: HeadLimits { head_bytes_max: 64 << 10, header_lines_max: 200, target_bytes_max: usize::MAX },
        })
    }

    /// `tcp` or `unix`.
    pub fn network(&self) -> &'static str {
        self.peers.network()
    }

    /// Sends one message and gives the answer, once its head is there.
    ///
    /// # Errors
    /// A [`Fault`] of the upstream; [`Fault::UpstreamConnect`] only where nothing was sent.
    pub async fn post(&self, outgoing: &Outgoing, credential: Option<&Credential>) -> Result<Reply, Fault> {
        let head = request::post(self, outgoing, credential)?;
        let exchange = self.exchange(head, Some(&outgoing.body)).await?;
        self.reply(exchange, outgoing.lasting).await
    }

    /// Opens the legacy stream of server messages.
    ///
    /// # Errors
    /// A [`Fault`] of the upstream.
    pub async fn open_stream(
        &self,
        outgoing: &Outgoing,
        last_event_id: Option<&HeaderValue>,
        credential: Option<&Credential>,
    ) -> Result<Reply, Fault> {
        let head = request::bodiless(self, Method::GET, outgoing, last_event_id, credential)?;
        let exchange = self.exchange(head, None).await?;
        self.reply(exchange, outgoing.lasting).await
    }

    /// Ends a legacy session. Gives the upstream's status.
    ///
    /// # Errors
    /// A [`Fault`] of the upstream.
    pub async fn end_session(&self, outgoing: &Outgoing, credential: Option<&Credential>) -> Result<u16, Fault> {
        let head = request::bodiless(self, Method::DELETE, outgoing, None, credential)?;
        let exchange = self.exchange(head, None).await?;
        let status = status(&exchange.session)?.as_u16();
        self.finish(exchange).await;
        Ok(status)
    }

    /// One request on one connection. Nothing is sent a second time, whatever becomes of it: only the search for a
    /// connection goes on, past rested ones that were closed and addresses that take none.
    async fn exchange(&self, head: RequestHeader, body: Option<&Bytes>) -> Result<Exchange, Fault> {
        let peers = self.peers.get().await?;
        let (mut session, peer) = self.connect(&peers).await?;
        self.send(&mut session, Box::new(head), body).await?;
        let connections = Arc::clone(&self.connections);
        Ok(Exchange { session, peer, connections, pool_idle: self.deadlines.pool_idle })
    }

    /// A connection to the first address that takes one: a name may have addresses where nobody listens.
    async fn connect(&self, peers: &[Arc<HttpPeer>]) -> Result<(HttpSession, Arc<HttpPeer>), Fault> {
        for peer in peers {
            match self.connections.get(peer).await {
                Ok(session) => return Ok((session, Arc::clone(peer))),
                Err(error) => tracing::debug!(%error, "no connection to the upstream"),
            }
        }
        Err(Fault::UpstreamConnect)
    }

    async fn send(
        &self,
        session: &mut HttpSession,
        head: Box<RequestHeader>,
        body: Option<&Bytes>,
    ) -> Result<(), Fault> {
        session.set_read_timeout(Some(self.deadlines.first_byte));
        session.set_write_timeout(Some(self.deadlines.idle));
        let answered = {
            // Pinned: passed by value, the whole of a large future would be copied.
            let io = std::pin::pin!(send(session, head, body));
            tokio::time::timeout(self.deadlines.first_byte, io).await
        };
        match answered {
            Ok(Ok(())) => self.check_head(session),
            Ok(Err(error)) => Err(fault_of(&error)),
            Err(_) => Err(Fault::UpstreamTimeout),
        }
    }

    fn check_head(&self, session: &HttpSession) -> Result<(), Fault> {
        if let HttpSession::H1(h1) = session {
            check_response(&h1.get_headers_raw_bytes(), &self.head_limits).map_err(|_| Fault::UpstreamInvalid)?;
        }
        Ok(())
    }

    async fn reply(&self, mut exchange: Exchange, lasting: bool) -> Result<Reply, Fault> {
        let head = exchange.session.response_header().ok_or(Fault::UpstreamInvalid)?;
        let status = head.status;
        let session = head.headers.get("mcp-session-id").cloned();
        let media = MediaType::of(&head.headers)?;
        let body = match (status, media) {
            (StatusCode::ACCEPTED, _) => {
                self.finish(exchange).await;
                ReplyBody::Accepted
            }
            (StatusCode::OK, MediaType::EventStream) => {
                let idle = (!lasting).then_some(self.deadlines.idle);
                ReplyBody::Stream(Box::new(EventBody::new(exchange, self.message_bytes_max, idle)))
            }
            (status, MediaType::Json) if status == StatusCode::OK || status.is_client_error() => {
                let bytes = self.whole(&mut exchange).await?;
                self.release(exchange).await;
                ReplyBody::Message { status: status.as_u16(), bytes }
            }
            (StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::BAD_REQUEST, _) => {
                self.finish(exchange).await;
                ReplyBody::Status(status.as_u16())
            }
            (StatusCode::OK | StatusCode::NO_CONTENT, _) => return Err(Fault::UpstreamInvalid),
            _ => return Err(Fault::UpstreamRefused),
        };
        Ok(Reply { session, body })
    }

    /// Reads a body that is one message. One that trickles is never silent, and is not waited for without end.
    async fn whole(&self, exchange: &mut Exchange) -> Result<Bytes, Fault> {
        let whole = read_whole(exchange, self.message_bytes_max, self.deadlines.idle);
        tokio::time::timeout(self.deadlines.body, whole).await.map_err(|_| Fault::UpstreamTimeout)?
    }

    /// Reads a body that says nothing and keeps the connection where that goes quickly.
    async fn finish(&self, mut exchange: Exchange) {
        let pause = Duration::from_secs(1);
        let read = tokio::time::timeout(pause, read_whole(&mut exchange, 64 << 10, pause)).await;
        if matches!(read, Ok(Ok(_))) {
            self.release(exchange).await;
        }
    }

    async fn release(&self, exchange: Exchange) {
        exchange.release().await;
    }
}

/// One request and its answer on one connection.
pub(super) struct Exchange {
    session: HttpSession,
    peer: Arc<HttpPeer>,
    connections: Arc<Connections>,
    pool_idle: Duration,
}

impl Exchange {
    async fn release(self) {
        let Self { session, peer, connections, pool_idle } = self;
        connections.release(session, &peer, pool_idle).await;
    }
}

/// Sends a request and reads the head of its answer; interim heads (1xx) are passed over.
async fn send(session: &mut HttpSession, head: Box<RequestHeader>, body: Option<&Bytes>) -> pingora::Result<()> {
    match body {
        Some(body) => write_together(session, head, body).await?,
        None => session.write_request_header(head).await?,
    }
    session.finish_request_body().await?;
    loop {
        session.read_response_header().await?;
        if !session.response_header().is_some_and(|head| head.status.is_informational()) {
            return Ok(());
        }
    }
}

/// Writes head and body with one system call where the connection is our own.
async fn write_together(session: &mut HttpSession, head: Box<RequestHeader>, body: &Bytes) -> pingora::Result<()> {
    if let HttpSession::H1(http1) = &*session {
        cork(http1.stream());
    }
    let written = session.write_request_header(head).await;
    if let HttpSession::H1(http1) = &*session {
        uncork(http1.stream());
    }
    written?;
    session.write_request_body(body.clone(), true).await
}

enum MediaType {
    Json,
    EventStream,
    Other,
}

impl MediaType {
    /// The answer's media type. Any content encoding is refused: none was accepted, and masking must see plain bytes.
    fn of(headers: &::http::HeaderMap) -> Result<Self, Fault> {
        let encoding = headers.get(header::CONTENT_ENCODING);
        if encoding.is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
            return Err(Fault::UpstreamInvalid);
        }
        let essence = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .map(str::trim)
            .unwrap_or_default();
        Ok(if essence.eq_ignore_ascii_case("application/json") {
            Self::Json
        } else if essence.eq_ignore_ascii_case("text/event-stream") {
            Self::EventStream
        } else {
            Self::Other
        })
    }
}

fn status(session: &HttpSession) -> Result<StatusCode, Fault> {
    session.response_header().map(|head| head.status).ok_or(Fault::UpstreamInvalid)
}

/// What a codec error means for the exchange, after something may have been sent.
fn fault_of(error: &pingora::Error) -> Fault {
    match error.etype() {
        ErrorType::ReadTimedout | ErrorType::WriteTimedout => Fault::UpstreamTimeout,
        ErrorType::InvalidHTTPHeader | ErrorType::H2Error | ErrorType::InvalidH2 => Fault::UpstreamInvalid,
        _ => Fault::UpstreamClosed,
    }
}
