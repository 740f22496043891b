//! HTTP/1.1 and HTTP/2 connections on pingora's codecs: reads requests, hands them to the pipeline, writes its answers.
//!
//! It decides nothing. What `ProxyHttp` would have done is done here: idle and head timeouts, `100 Continue` only after
//! the caller is known, bodies bounded while they are read, early answers without a reset of the connection, event
//! streams written as they come, and the client's going away noticed while nothing is written.

mod bounds;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, Version, header};
use pingora::{
    apps::{HttpPersistentSettings, HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp},
    http::ResponseHeader,
    protocols::{
        Stream,
        http::{ServerSession, v2::server::H2Options},
    },
    server::ShutdownWatch,
};
use tokio::time::{Instant, timeout, timeout_at};

pub use self::bounds::Bounds;
use super::drain::Active;
use crate::{
    model::{Fault, rejection::Accept},
    pipeline::{
        self,
        accept::RawHead,
        answer::{Answer, AnswerBody},
        context::{Downstream, Stop},
        door::Door,
        live::{LiveStream, Out},
    },
    wire::{Chunks, Wire, chunks, cork, head_bytes, head_read, uncork},
};

/// An unread body up to this size is read after an early answer, so that the connection can stay.
const DRAIN_BYTES_MAX: u64 = 64 << 10;
/// How long the rest of an unread body is taken and thrown away, so that the answer is not lost in a reset.
const LINGER: Duration = Duration::from_secs(1);
const COMMENT: Bytes = Bytes::from_static(b": keep-alive\n\n");
/// RFC 9113, 3.4.
const H2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What no method of HTTP/1.1 is taken for.
const H2_PREFACE_START: &[u8; 4] = b"PRI ";

/// Serves connections.
pub struct HttpApp {
    door: Arc<Door>,
    bounds: Bounds,
    active: Active,
    options: HttpServerOptions,
}

impl HttpApp {
    /// For one listener.
    pub fn new(door: Arc<Door>, bounds: Bounds, active: Active) -> Self {
        let mut options = HttpServerOptions::default();
        options.h2c = true;
        options.h2_idle_timeout = Some(bounds.keepalive);
        Self { door, bounds, active, options }
    }

    /// Drives one connection to its end. HTTP/2 is spoken only where it is offered.
    pub async fn connection(self: &Arc<Self>, stream: Stream, http2: bool, shutdown: &mut ShutdownWatch) {
        let _counted = Counted::new(&self.door);
        let mut wire = Box::new(Wire::new(stream));
        if !self.awaits_request(&mut wire, shutdown).await {
            return;
        }
        if http2 && self.is_http2(&mut wire).await {
            if self.has_preface(&mut wire).await {
                self.process_new(wire, shutdown).await;
            }
            return;
        }
        let mut session = http1(wire);
        // Without an end: rests and heads have their times here, and the codec's would end a slow head without a word.
        session.set_keepalive(Some(0));
        let mut reused = self.process_new_http(session, shutdown).await;
        while let Some((stream, settings)) = reused.take().map(ReusedHttpStream::consume) {
            let Some(mut wire) = Wire::again(stream) else { return };
            if !self.awaits_request(&mut wire, shutdown).await {
                return;
            }
            let mut session = http1(wire);
            if let Some(settings) = settings {
                settings.apply_to_session(&mut session);
            }
            reused = self.process_new_http(session, shutdown).await;
        }
    }

    /// Waits for the start of a request. A connection that rests ends when the process drains.
    async fn awaits_request(&self, wire: &mut Wire, shutdown: &mut ShutdownWatch) -> bool {
        tokio::select! {
            // What has arrived is served, also when the process drains.
            biased;
            byte = timeout(self.bounds.keepalive, wire.look_ahead(1)) => matches!(byte, Ok(Ok([_]))),
            () = draining(shutdown) => false,
        }
    }

    /// ALPN says it under TLS, the connection preface (RFC 9113 §3.4) without.
    async fn is_http2(&self, wire: &mut Wire) -> bool {
        if wire.inner().get_ssl_digest().is_some() {
            return wire.inner().selected_alpn_proto() == Some(pingora::protocols::ALPN::H2);
        }
        let preface = async {
            for count in 1..=H2_PREFACE_START.len() {
                if H2_PREFACE_START.get(..count) != Some(wire.look_ahead(count).await?) {
                    return Ok(false);
                }
            }
            Ok::<_, std::io::Error>(true)
        };
        matches!(timeout(self.bounds.head, preface).await, Ok(Ok(true)))
    }

    /// The rest of the preface in the time of a head: the codec would wait for it without end.
    async fn has_preface(&self, wire: &mut Wire) -> bool {
        let preface = timeout(self.bounds.head, wire.look_ahead(H2_PREFACE.len())).await;
        matches!(preface, Ok(Ok(bytes)) if bytes == H2_PREFACE)
    }

    /// Reads a request head. `None` ends the connection.
    async fn read_head(&self, session: &mut ServerSession) -> Option<()> {
        let read = {
            // Pinned: passed by value, the whole of a large future would be copied.
            let reading = std::pin::pin!(session.read_request());
            timeout(self.bounds.head, reading).await
        };
        let refused = match read {
            Ok(Ok(true)) => return Some(()),
            Ok(Ok(false)) => return None,
            Ok(Err(error)) => match error.etype() {
                pingora::ErrorType::ReadTimedout => Accept::Timeout,
                pingora::ErrorType::ConnectionClosed => return None,
                // The codec gives up at a bound of its own, a megabyte; no malformed head. (At its bound of lines it
                // does so as well, and there the head may be small.)
                _ if self.is_large(session) => Accept::HeadTooLarge,
                _ => Accept::MalformedHttp,
            },
            Err(_) => Accept::Timeout,
        };
        let answer = pipeline::unreadable(&self.door, client(session), refused);
        session.set_keepalive(None);
        // The client may be gone already; there is nobody else to tell.
        if write(session, answer, self.bounds.write).await.is_ok() {
            // Under TLS a farewell is written, which the client may not take.
            let _ = timeout(LINGER, session.shutdown()).await;
        }
        None
    }

    fn is_large(&self, session: &ServerSession) -> bool {
        let bytes = session.as_http1().map_or(0, |http1| head_bytes(http1.stream()));
        bytes > self.bounds.head_bytes_max as usize
    }

    async fn exchange(&self, session: &mut ServerSession, shutdown: &ShutdownWatch) -> Option<()> {
        session.set_read_timeout(Some(self.bounds.body_idle));
        session.set_write_timeout(Some(self.bounds.write));
        if *shutdown.borrow() {
            session.set_keepalive(None);
        }
        let request = Request::read(session);
        if let Some(http1) = session.as_http1() {
            head_read(http1.stream(), request.is_chunked());
        }
        let mut downstream = HttpDownstream {
            session,
            expects_continue: request.expects_continue(),
            chunked: request.is_chunked(),
            bounds: &self.bounds,
            left: false,
        };
        let answer = pipeline::from_client(&self.door, &request.raw(), &mut downstream).await;
        if downstream.left {
            return None;
        }
        let keep = prepare(session, &request, answer.close);
        write(session, answer, self.bounds.write).await.ok()?;
        if !keep {
            linger(session).await;
            return None;
        }
        Some(())
    }
}

#[async_trait]
impl HttpServerApp for HttpApp {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        self.read_head(&mut session).await?;
        let _active = self.active.begin();
        self.exchange(&mut session, shutdown).await?;
        let settings = HttpPersistentSettings::for_session(&session);
        let reusable = timeout(self.bounds.write, session.finish()).await.ok()?.ok().flatten()?;
        Some(ReusedHttpStream::from_reusable_stream(reusable, settings))
    }

    fn h2_options(&self) -> Option<H2Options> {
        Some(self.bounds.h2_options())
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.options)
    }
}

/// One open connection in the metrics.
struct Counted<'a>(&'a Door);

impl<'a> Counted<'a> {
    fn new(door: &'a Door) -> Self {
        door.observer.metrics().connections(1);
        Self(door)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.observer.metrics().connections(-1);
    }
}

/// A session that begins with what was looked at ahead.
fn http1(mut wire: Box<Wire>) -> ServerSession {
    let begun = wire.begin_request();
    let mut session = ServerSession::new_http1(wire);
    if let ServerSession::H1(http1) = &mut session
        && !begun.is_empty()
    {
        http1.set_pipelined_prefix(begun);
    }
    session
}

/// Resolves once the process drains.
async fn draining(shutdown: &mut ShutdownWatch) {
    if shutdown.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn client(session: &ServerSession) -> Option<std::net::IpAddr> {
    session.client_addr().and_then(|address| address.as_inet()).map(|address| address.ip())
}

/// What of a request outlives the reading of its body.
struct Request {
    method: http::Method,
    target: Bytes,
    authority: Option<Box<str>>,
    headers: HeaderMap,
    raw: Option<Bytes>,
    client: Option<std::net::IpAddr>,
    content_length: Option<u64>,
}

impl Request {
    fn read(session: &ServerSession) -> Self {
        let head = session.req_header();
        let authority = head.uri.authority().filter(|_| session.is_http2());
        let length = head.headers.get(header::CONTENT_LENGTH);
        Self {
            method: head.method.clone(),
            target: Bytes::copy_from_slice(head.raw_path()),
            authority: authority.map(|authority| authority.as_str().into()),
            headers: head.headers.clone(),
            raw: session.as_http1().map(|http1| http1.get_headers_raw_bytes()),
            client: client(session),
            content_length: length.and_then(|value| value.to_str().ok()?.parse().ok()),
        }
    }

    fn raw(&self) -> RawHead<'_> {
        RawHead {
            method: &self.method,
            target: &self.target,
            authority: self.authority.as_deref(),
            headers: &self.headers,
            raw: self.raw.as_deref(),
            client: self.client,
        }
    }

    fn expects_continue(&self) -> bool {
        self.headers.contains_key(header::EXPECT)
    }

    fn is_chunked(&self) -> bool {
        self.headers.contains_key(header::TRANSFER_ENCODING)
    }
}

struct HttpDownstream<'a> {
    session: &'a mut ServerSession,
    expects_continue: bool,
    bounds: &'a Bounds,
    chunked: bool,
    left: bool,
}

#[async_trait]
impl Downstream for HttpDownstream<'_> {
    async fn body(&mut self, bytes_max: usize) -> Result<Bytes, Stop> {
        // What came with the head has been looked at already.
        if self.chunks() == Chunks::Malformed {
            return Err(Accept::MalformedHttp.into());
        }
        if self.expects_continue {
            let written = timeout(self.bounds.write, self.session.write_continue_response()).await;
            if !matches!(written, Ok(Ok(()))) {
                return Err(self.closed());
            }
        }
        let mut first: Option<Bytes> = None;
        let mut rest = BytesMut::new();
        let end = Instant::now() + self.bounds.body;
        loop {
            // The codec's own time-out knows HTTP/1.1 only.
            let read = {
                let reading = std::pin::pin!(self.session.read_request_body());
                timeout_at(end.min(Instant::now() + self.bounds.body_idle), reading).await
            };
            let piece = match read {
                Ok(Ok(Some(piece))) => piece,
                Ok(Ok(None)) if self.chunks() == Chunks::Open => return Err(Accept::MalformedHttp.into()),
                Ok(Ok(None)) => break,
                Ok(Err(error)) => return Err(self.failed(&error)),
                Err(_) => return Err(Accept::Timeout.into()),
            };
            if first.as_ref().map_or(0, Bytes::len) + rest.len() + piece.len() > bytes_max {
                return Err(Accept::BodyTooLarge.into());
            }
            if first.is_none() && rest.is_empty() {
                first = Some(piece);
            } else {
                rest.extend_from_slice(&first.take().unwrap_or_default());
                rest.extend_from_slice(&piece);
            }
        }
        Ok(first.unwrap_or_else(|| rest.freeze()))
    }

    async fn gone(&mut self) {
        // Bytes after the body, or the end of the connection: nobody waits for this answer any more.
        let _ = self.session.read_body_or_idle(true).await;
        self.left = true;
    }
}

impl HttpDownstream<'_> {
    fn closed(&mut self) -> Stop {
        self.left = true;
        Stop::Broken(Fault::DownstreamClosed, None)
    }

    /// How the framing of a chunked body over HTTP/1.1 stands.
    fn chunks(&self) -> Chunks {
        let followed = self.session.as_http1().filter(|_| self.chunked);
        followed.map_or(Chunks::Unwatched, |http1| chunks(http1.stream()))
    }

    fn failed(&mut self, error: &pingora::Error) -> Stop {
        if self.chunks() == Chunks::Malformed {
            return Accept::MalformedHttp.into();
        }
        match error.etype() {
            pingora::ErrorType::ReadTimedout => Accept::Timeout.into(),
            pingora::ErrorType::ConnectionClosed | pingora::ErrorType::ReadError => self.closed(),
            _ => Accept::MalformedHttp.into(),
        }
    }
}

/// Whether the connection can stay after this answer. A short unread body is read after it.
fn prepare(session: &mut ServerSession, request: &Request, close: bool) -> bool {
    if session.is_http2() {
        return true;
    }
    // Readers of chunked bodies differ in what they tolerate; what might be left of one is nobody's next request.
    let unread = !session.is_body_done();
    let short = request.content_length.is_some_and(|bytes| bytes <= DRAIN_BYTES_MAX) && !request.expects_continue();
    if close || request.is_chunked() || (unread && !short) {
        session.set_keepalive(None);
        return false;
    }
    if unread {
        session.set_close_on_response_before_downstream_finish(false);
        session.set_total_drain_timeout(Some(LINGER));
    }
    true
}

/// Takes what the client still sends for a moment: closing on unread bytes would reset the answer away.
async fn linger(session: &mut ServerSession) {
    let drain = async { while let Ok(Some(_)) = session.read_request_body().await {} };
    let _ = timeout(LINGER, drain).await;
    // Nobody is left who would have to hear of it.
    let _ = timeout(LINGER, session.shutdown()).await;
}

/// Bounds one write: the codec bounds those of bodies only, and one that nobody reads would hold its connection.
async fn in_time<T>(within: Duration, write: impl Future<Output = pingora::Result<T>>) -> pingora::Result<()> {
    // Pinned: passed by value, the whole of a large future would be copied.
    let write = std::pin::pin!(write);
    match timeout(within, write).await {
        Ok(written) => written.map(|_| ()),
        Err(_) => pingora::Error::e_explain(pingora::ErrorType::WriteTimedout, "the client does not read"),
    }
}

/// Writes an answer.
async fn write(session: &mut ServerSession, answer: Answer, within: Duration) -> pingora::Result<()> {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut head = ResponseHeader::build_no_case(status, Some(answer.headers.len() + 3))?;
    for (name, value) in answer.headers {
        head.append_header(name, value)?;
    }
    match answer.body {
        AnswerBody::Empty => {
            if status != StatusCode::NO_CONTENT {
                head.insert_header(header::CONTENT_LENGTH, "0")?;
            }
            in_time(within, session.write_response_header(Box::new(head))).await?;
            in_time(within, session.finish_body()).await
        }
        AnswerBody::Whole(body) => {
            head.insert_header(header::CONTENT_LENGTH, body.len())?;
            let wire = |session: &ServerSession, set: fn(&Stream)| session.as_http1().map(|http1| set(http1.stream()));
            // Head and body leave together.
            wire(session, cork);
            let head = in_time(within, session.write_response_header(Box::new(head))).await;
            wire(session, uncork);
            head?;
            in_time(within, session.write_response_body(body, true)).await
        }
        AnswerBody::Stream(live) => {
            if !session.is_http2() && session.req_header().version == Version::HTTP_11 {
                head.insert_header(header::TRANSFER_ENCODING, "chunked")?;
            }
            in_time(within, session.write_response_header(Box::new(head))).await?;
            stream(session, *live, within).await
        }
    }
}

/// Writes events as they come. Between them the client is watched: its going away ends or detaches the stream.
async fn stream(session: &mut ServerSession, mut live: LiveStream, within: Duration) -> pingora::Result<()> {
    loop {
        let out = tokio::select! {
            out = live.next() => Some(out),
            _ = session.read_body_or_idle(true) => None,
        };
        let bytes = match out {
            Some(Out::Event(bytes)) => bytes,
            Some(Out::Quiet) => COMMENT,
            Some(Out::End) => return in_time(within, session.write_response_body(Bytes::new(), true)).await,
            None => {
                live.abandon().await;
                return pingora::Error::e_explain(pingora::ErrorType::ConnectionClosed, "the client left its stream");
            }
        };
        if let Err(error) = in_time(within, session.write_response_body(bytes, false)).await {
            live.abandon().await;
            return Err(error);
        }
    }
}
