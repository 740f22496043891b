//! One keep-alive HTTP/1.1 connection that sends prepared bytes: a client that costs little beside what it measures.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

use crate::wire::{self, Framing, WireError};

/// Why an exchange gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("bytes after the answer")]
    Surplus,
}

/// An answer, valid until the next exchange.
#[derive(Debug)]
pub(crate) struct Reply<'a> {
    pub(crate) status: u16,
    /// Status line and header lines.
    pub(crate) head: &'a [u8],
    pub(crate) body: &'a [u8],
    /// The connection may be used again.
    pub(crate) keep_alive: bool,
}

/// A connection to the target.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    input: BytesMut,
    decoded: Vec<u8>,
}

/// Where the body of the answer is.
enum Body {
    Input { start: usize, end: usize },
    Decoded,
}

impl Connection {
    pub(crate) async fn open(to: SocketAddr) -> io::Result<Self> {
        let stream = connect(to, None).await?;
        Ok(Self { stream, input: BytesMut::with_capacity(16 << 10), decoded: Vec::new() })
    }

    /// Sends `request` and reads the whole answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Reply<'_>, ExchangeError> {
        self.input.clear();
        self.stream.write_all(request).await?;
        loop {
            let closed = self.stream.read_buf(&mut self.input).await? == 0;
            let Some((status, head)) = wire::response_head(&self.input)? else {
                if closed {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                }
                continue;
            };
            let end = self.body_end(&head, closed)?;
            match end {
                Some(end) if end < self.input.len() => return Err(ExchangeError::Surplus),
                Some(end) => {
                    let keep_alive = head.keep_alive && head.framing != Framing::Absent;
                    let body = match head.framing {
                        Framing::Chunked => Body::Decoded,
                        _ => Body::Input { start: head.len, end },
                    };
                    let start = self.input.get(..head.len).unwrap_or_default();
                    return Ok(Reply { status, head: start, body: self.body(&body), keep_alive });
                }
                None if closed => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                None => {}
            }
        }
    }

    /// Where the answer ends in `input`; `None` while it is incomplete.
    fn body_end(&mut self, head: &wire::Head, closed: bool) -> Result<Option<usize>, WireError> {
        let received = self.input.len();
        Ok(match head.framing {
            Framing::Length(length) => Some(head.len + length).filter(|end| *end <= received),
            Framing::Absent => closed.then_some(received),
            Framing::Chunked => {
                let coded = self.input.get(head.len..).unwrap_or_default();
                wire::chunked(coded, &mut self.decoded)?.map(|taken| head.len + taken)
            }
        })
    }

    fn body(&self, body: &Body) -> &[u8] {
        match body {
            Body::Input { start, end } => self.input.get(*start..*end).unwrap_or_default(),
            Body::Decoded => &self.decoded,
        }
    }
}

/// Connects, from a given source address when there are more connections than one address has ports for.
async fn connect(to: SocketAddr, from: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if let Some(from) = from {
        socket.bind(SocketAddr::new(from, 0))?;
    }
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Opens an event stream and waits for its first event (or comment). Returns the status and the connection, which
/// holds no buffers.
pub(crate) async fn open_stream(
    to: SocketAddr,
    from: IpAddr,
    request: &[u8],
) -> Result<(u16, TcpStream), ExchangeError> {
    let mut stream = connect(to, Some(from)).await?;
    stream.write_all(request).await?;
    let mut input = BytesMut::with_capacity(2 << 10);
    loop {
        if stream.read_buf(&mut input).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let Some((status, head)) = wire::response_head(&input)? else {
            continue;
        };
        let body = input.get(head.len..).unwrap_or_default();
        if status != 200 || memchr::memmem::find(body, b"\n\n").is_some() {
            return Ok((status, stream));
        }
    }
}
