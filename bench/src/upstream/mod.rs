//! A deterministic MCP server that costs as little as possible, so that what is measured is the proxy before it.
//!
//! It answers from strings made at start: `tools/call` with a result of constant size that echoes the id, lists of
//! tools with real schemas, `server/discover` and `initialize` (so a proxy can learn its catalogue), and streams that
//! stay open and silent for `subscriptions/listen` and for GET. It checks nothing about its callers: it is a test
//! subject on loopback, never a server for use.

mod answers;
mod catalogue;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::{Buf as _, BytesMut};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::{
    error::{Error, Result},
    wire::{self, Framing, Verb},
};
use answers::{Answer, Answers};

/// The largest request body that is read, bytes.
const BODY_BYTES_MAX: usize = 64 << 20;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Worker threads
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Number of tools in the list
    #[arg(long, default_value_t = 50)]
    tools: usize,
    /// Size of the JSON body of a tools/call answer, bytes
    #[arg(long, default_value_t = 1024)]
    answer_bytes: usize,
    /// Interval of comment lines on open streams, milliseconds; 0 for silent streams
    #[arg(long, default_value_t = 0)]
    stream_comment_ms: u64,
}

/// Serves until the process is ended. Prints `listening on http://ADDR:PORT/mcp` when ready.
pub(crate) fn run(args: &Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(args.threads.max(1))
        .enable_all()
        .build()
        .map_err(Error::io("build a runtime"))?;
    runtime.block_on(async {
        let listener = bind(args.listen)?;
        let address = listener.local_addr().map_err(Error::io("read the address of the listener"))?;
        println!("listening on http://{address}/mcp");
        let server = Arc::new(Server {
            answers: Answers::new(args.tools, args.answer_bytes),
            comment_every: (args.stream_comment_ms > 0).then(|| Duration::from_millis(args.stream_comment_ms)),
        });
        loop {
            // Out of descriptors or an aborted handshake: the next accept may work again.
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            };
            tokio::spawn(Arc::clone(&server).connection(stream));
        }
    })
}

/// A listener with a backlog for thousands of connections at once.
fn bind(address: SocketAddr) -> Result<TcpListener> {
    let socket = tokio::net::TcpSocket::new_v4().map_err(Error::io("make a socket"))?;
    socket.set_reuseaddr(true).and_then(|()| socket.bind(address)).map_err(Error::io("bind the listener"))?;
    socket.listen(4096).map_err(Error::io("listen"))
}

struct Server {
    answers: Answers,
    comment_every: Option<Duration>,
}

/// One request as far as it matters here.
struct Received {
    verb: Verb,
    body: Vec<u8>,
    keep_alive: bool,
}

impl Server {
    async fn connection(self: Arc<Self>, mut stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let mut input = BytesMut::with_capacity(8 << 10);
        let mut output = Vec::with_capacity(4 << 10);
        // A broken or malformed connection is closed; whoever sent it counts the error.
        while let Ok(Some(request)) = read(&mut stream, &mut input).await {
            output.clear();
            let answer = match request.verb {
                Verb::Post => self.answers.post(&request.body, &mut output),
                Verb::Get => self.answers.stream(&mut output),
                Verb::Other => self.answers.method_not_allowed(&mut output),
            };
            if stream.write_all(&output).await.is_err() {
                return;
            }
            if answer == Answer::Stream {
                // Thousands of these are open at once: keep no buffers.
                drop((input, output, request));
                return hold(stream, self.comment_every).await;
            }
            if !request.keep_alive {
                return;
            }
        }
    }
}

/// The next request, `None` when the peer closed or broke the rules.
async fn read(stream: &mut TcpStream, input: &mut BytesMut) -> std::io::Result<Option<Received>> {
    loop {
        let Ok(head) = wire::request_head(input) else {
            return Ok(None);
        };
        if let Some((verb, head)) = head {
            input.advance(head.len);
            let keep_alive = head.keep_alive;
            let body = read_body(stream, input, head.framing).await?;
            return Ok(body.map(|body| Received { verb, body, keep_alive }));
        }
        if stream.read_buf(input).await? == 0 {
            return Ok(None);
        }
    }
}

async fn read_body(stream: &mut TcpStream, input: &mut BytesMut, framing: Framing) -> std::io::Result<Option<Vec<u8>>> {
    let mut decoded = Vec::new();
    loop {
        match framing {
            Framing::Absent => return Ok(Some(decoded)),
            Framing::Length(length) if length > BODY_BYTES_MAX => return Ok(None),
            Framing::Length(length) => {
                if let Some(body) = input.get(..length) {
                    decoded.extend_from_slice(body);
                    input.advance(length);
                    return Ok(Some(decoded));
                }
                input.reserve(length - input.len());
            }
            Framing::Chunked => match wire::chunked(input, &mut decoded) {
                Ok(Some(taken)) => {
                    input.advance(taken);
                    return Ok(Some(decoded));
                }
                Ok(None) if input.len() <= BODY_BYTES_MAX => {}
                _ => return Ok(None),
            },
        }
        if stream.read_buf(input).await? == 0 {
            return Ok(None);
        }
    }
}

/// Keeps an event stream open until the peer closes it.
async fn hold(mut stream: TcpStream, comment_every: Option<Duration>) {
    let mut ignored = [0; 64];
    loop {
        let read = stream.read(&mut ignored);
        let received = match comment_every {
            None => Some(read.await),
            Some(every) => tokio::time::timeout(every, read).await.ok(),
        };
        let closed = match received {
            Some(Ok(0) | Err(_)) => true,
            Some(Ok(_)) => false,
            None => stream.write_all(b"3\r\n:\n\n\r\n").await.is_err(),
        };
        if closed {
            return;
        }
    }
}
