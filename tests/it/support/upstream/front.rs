//! Other transports in front of the scripted upstream: TLS, HTTP/2 and a unix socket. What arrives is handed on to it over
//! plain HTTP/1.1, so that it still records every request and its script still answers.

use std::{
    future::poll_fn,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, Response};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream, UnixListener},
};

use super::{
    super::{raw, tls, wire::Io},
    Scripted,
};

/// A running front.
#[derive(Clone)]
pub(crate) struct Front {
    /// `host:port`, empty for a unix socket.
    pub(crate) address: String,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    refused: AtomicUsize,
    http2: AtomicUsize,
    http1: AtomicUsize,
}

impl Front {
    /// Speaks TLS, and HTTP/2 where that is negotiated.
    pub(crate) async fn tls(upstream: &Scripted, config: Arc<ServerConfig>) -> Self {
        let (listener, front) = Self::bind().await;
        let (upstream, counts) = (upstream.address.clone(), Arc::clone(&front.counts));
        let acceptor = tokio_rustls::TlsAcceptor::from(config);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (upstream, counts, acceptor) = (upstream.clone(), Arc::clone(&counts), acceptor.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        counts.refused.fetch_add(1, Ordering::SeqCst);
                        return;
                    };
                    // With TLS 1.3 the client learns of a refused certificate later; so it is not a client yet.
                    let http2 = stream.get_ref().1.alpn_protocol() == Some(tls::HTTP2);
                    if http2 {
                        http2_connection(Box::new(stream), upstream, counts).await;
                    } else {
                        counts.http1.fetch_add(1, Ordering::SeqCst);
                        through(&mut stream, &upstream).await;
                    }
                });
            }
        });
        front
    }

    /// Speaks HTTP/2 in clear text, by prior knowledge.
    pub(crate) async fn http2(upstream: &Scripted) -> Self {
        let (listener, front) = Self::bind().await;
        let (upstream, counts) = (upstream.address.clone(), Arc::clone(&front.counts));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(http2_connection(Box::new(stream), upstream.clone(), Arc::clone(&counts)));
            }
        });
        front
    }

    /// Listens at a unix socket.
    pub(crate) fn unix(upstream: &Scripted, path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let front = Self { address: String::new(), counts: Arc::default() };
        let (upstream, counts) = (upstream.address.clone(), Arc::clone(&front.counts));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counts.http1.fetch_add(1, Ordering::SeqCst);
                let upstream = upstream.clone();
                tokio::spawn(async move { through(&mut stream, &upstream).await });
            }
        });
        front
    }

    async fn bind() -> (TcpListener, Self) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        (listener, Self { address, counts: Arc::default() })
    }

    /// Handshakes that failed.
    pub(crate) fn refused(&self) -> usize {
        self.counts.refused.load(Ordering::SeqCst)
    }

    /// Requests that came over HTTP/2.
    pub(crate) fn http2_requests(&self) -> usize {
        self.counts.http2.load(Ordering::SeqCst)
    }

    /// Connections that spoke HTTP/1.1.
    pub(crate) fn http1_connections(&self) -> usize {
        self.counts.http1.load(Ordering::SeqCst)
    }
}

async fn through(stream: &mut (impl Io + ?Sized), upstream: &str) {
    let mut upstream = TcpStream::connect(upstream).await.unwrap();
    let _ = copy_bidirectional(stream, &mut upstream).await;
}

async fn http2_connection(stream: Box<dyn Io>, upstream: String, counts: Arc<Counts>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else {
        counts.refused.fetch_add(1, Ordering::SeqCst);
        return;
    };
    while let Some(Ok((request, respond))) = connection.accept().await {
        counts.http2.fetch_add(1, Ordering::SeqCst);
        let upstream = upstream.clone();
        tokio::spawn(async move { http2_request(request, respond, &upstream).await });
    }
}

/// Hands one stream on. A reset of it closes the connection to the upstream.
async fn http2_request(
    request: Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
    upstream: &str,
) -> Option<()> {
    let bytes = as_http1(request).await?;
    let mut stream = TcpStream::connect(upstream).await.ok()?;
    stream.write_all(&bytes).await.ok()?;
    let mut received = vec![];
    let (status, headers, from) = loop {
        if let Some((head, rest)) = raw::split_head(&received) {
            let (start, headers) = raw::parse_head(head);
            let status: u16 = start.split(' ').nth(1)?.parse().ok()?;
            break (status, headers, received.len() - rest.len());
        }
        tokio::select! {
            count = stream.read_buf(&mut received) => if count.ok()? == 0 { return None },
            _ = poll_fn(|context| respond.poll_reset(context)) => return None,
        }
    };
    let mut response = Response::builder().status(status);
    for (name, value) in &headers.0 {
        if !["transfer-encoding", "connection"].contains(&name.to_ascii_lowercase().as_str()) {
            response = response.header(name, value.as_slice());
        }
    }
    let mut sending = respond.send_response(response.body(()).ok()?, false).ok()?;
    let mut sent = 0;
    let mut closed = false;
    loop {
        let body = raw::body(&headers, &received[from..], closed, true);
        if body.bytes.len() > sent || body.complete {
            sending.send_data(Bytes::copy_from_slice(&body.bytes[sent..]), body.complete).ok()?;
            sent = body.bytes.len();
        }
        if body.complete {
            return Some(());
        }
        tokio::select! {
            count = stream.read_buf(&mut received) => closed = count.ok()? == 0,
            _ = poll_fn(|context| sending.poll_reset(context)) => return None,
        }
        if closed && !raw::body(&headers, &received[from..], true, true).complete {
            sending.send_reset(h2::Reason::INTERNAL_ERROR);
            return None;
        }
    }
}

async fn as_http1(request: Request<h2::RecvStream>) -> Option<Vec<u8>> {
    let (head, mut body) = request.into_parts();
    let mut content = vec![];
    while let Some(piece) = body.data().await {
        let piece = piece.ok()?;
        body.flow_control().release_capacity(piece.len()).ok()?;
        content.extend_from_slice(&piece);
    }
    let authority = head.uri.authority().map(|authority| authority.to_string()).unwrap_or_default();
    let mut text = format!("{} {} HTTP/1.1\r\nhost: {authority}\r\n", head.method, head.uri.path());
    for (name, value) in &head.headers {
        if name != "content-length" {
            text.push_str(&format!("{name}: {}\r\n", value.to_str().ok()?));
        }
    }
    text.push_str(&format!("content-length: {}\r\n\r\n", content.len()));
    Some([text.as_bytes(), &content].concat())
}
