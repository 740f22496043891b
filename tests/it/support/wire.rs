//! One MCP request over whatever carries it: TCP, TLS or a unix socket, HTTP/1.1 or HTTP/2. Each on a connection of its own.

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};

use super::{
    raw::{self, Patience, Piece},
    rpc::{Answer, Message},
    tls,
};

/// Any connection.
pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// What carries the bytes.
#[derive(Clone)]
pub(crate) enum Carrier {
    Tcp(String),
    Tls(String, Arc<ClientConfig>),
    Unix(PathBuf),
}

impl Carrier {
    /// Connects; with TLS the negotiated protocol comes along.
    pub(crate) async fn connect(&self) -> std::io::Result<(Box<dyn Io>, Option<Vec<u8>>)> {
        Ok(match self {
            Self::Tcp(address) => (Box::new(TcpStream::connect(address).await?), None),
            Self::Unix(path) => (Box::new(UnixStream::connect(path).await?), None),
            Self::Tls(address, config) => {
                let stream = TcpStream::connect(address).await?;
                let name = ServerName::try_from("localhost").unwrap();
                let stream = tokio_rustls::TlsConnector::from(Arc::clone(config)).connect(name, stream).await?;
                let protocol = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
                (Box::new(stream), protocol)
            }
        })
    }

    fn scheme(&self) -> &'static str {
        if matches!(self, Self::Tls(..)) { "https" } else { "http" }
    }
}

/// Which HTTP is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Http1,
    Http2,
}

/// A way to a door.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) name: &'static str,
    pub(crate) carrier: Carrier,
    pub(crate) version: Version,
}

impl Way {
    pub(crate) fn new(name: &'static str, carrier: Carrier, version: Version) -> Self {
        Self { name, carrier, version }
    }

    /// Sends a message to `/mcp` of `localhost` and reads the answer to its end.
    pub(crate) async fn send(&self, message: &Message) -> Answer {
        match self.version {
            Version::Http1 => self.http1(message).await,
            Version::Http2 => Http2::connect(&self.carrier).await.send(message).await,
        }
    }

    async fn http1(&self, message: &Message) -> Answer {
        let (io, protocol) = self.carrier.connect().await.unwrap();
        assert_ne!(protocol.as_deref(), Some(tls::HTTP2), "{}: HTTP/2 was negotiated", self.name);
        let mut head = "POST /mcp HTTP/1.1\r\nhost: localhost\r\n".to_owned();
        for (name, value) in &message.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let head = format!("{head}content-length: {}\r\n\r\n{}", message.body.len(), message.body);
        let seen = raw::exchange_on(io, &[Piece::from(head.into_bytes())], Patience::default()).await;
        let first = seen.first();
        assert!(first.complete, "{}: the answer is cut: {}", self.name, first.text());
        let mut headers = HeaderMap::new();
        for (name, value) in &first.headers.0 {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value).unwrap());
        }
        Answer::read(first.status, headers, first.text())
    }
}

/// An HTTP/2 connection.
pub(crate) struct Http2 {
    send: h2::client::SendRequest<Bytes>,
    scheme: &'static str,
    connection: tokio::task::JoinHandle<Result<(), h2::Error>>,
}

/// A request that is under way.
pub(crate) struct Stream {
    pub(crate) response: h2::client::ResponseFuture,
    pub(crate) sending: h2::SendStream<Bytes>,
}

impl Http2 {
    pub(crate) async fn connect(carrier: &Carrier) -> Self {
        let (io, protocol) = carrier.connect().await.unwrap();
        if matches!(carrier, Carrier::Tls(..)) {
            assert_eq!(protocol.as_deref(), Some(tls::HTTP2), "ALPN");
        }
        Self::over(io, carrier.scheme()).await
    }

    async fn over(io: Box<dyn Io>, scheme: &'static str) -> Self {
        let (send, connection) = h2::client::handshake(io).await.unwrap();
        Self { send, scheme, connection: tokio::spawn(connection) }
    }

    /// Whether the peer has ended the connection.
    pub(crate) fn ended(&self) -> bool {
        self.connection.is_finished()
    }

    /// Begins a request to this authority.
    pub(crate) async fn begin(&self, authority: &str, message: &Message) -> Stream {
        self.begin_with(authority, message, message.body.len()).await
    }

    /// Begins a request of whose body only so many bytes come, and not the end.
    pub(crate) async fn begin_unfinished(&self, authority: &str, message: &Message, bytes: usize) -> Stream {
        assert!(bytes < message.body.len());
        self.begin_with(authority, message, bytes).await
    }

    async fn begin_with(&self, authority: &str, message: &Message, bytes: usize) -> Stream {
        let mut request = Request::post(format!("{}://{authority}/mcp", self.scheme));
        for (name, value) in &message.headers {
            request = request.header(*name, value);
        }
        let mut send = self.send.clone().ready().await.unwrap();
        let (response, mut sending) = send.send_request(request.body(()).unwrap(), false).unwrap();
        let body = Bytes::from(message.body.clone()).slice(..bytes);
        sending.send_data(body, bytes == message.body.len()).unwrap();
        Stream { response, sending }
    }

    /// Sends a message to `localhost` and reads the answer to its end.
    pub(crate) async fn send(&self, message: &Message) -> Answer {
        self.begin("localhost", message).await.answer().await.unwrap()
    }
}

impl Stream {
    /// The whole answer.
    pub(crate) async fn answer(self) -> Result<Answer, h2::Error> {
        let (head, mut body) = self.response.await?.into_parts();
        let mut bytes = vec![];
        while let Some(piece) = body.data().await {
            let piece = piece?;
            body.flow_control().release_capacity(piece.len())?;
            bytes.extend_from_slice(&piece);
        }
        Ok(Answer::read(head.status.as_u16(), head.headers, String::from_utf8(bytes).unwrap()))
    }
}
