mod chunks;

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use async_trait::async_trait;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream, TimingDigest,
    UniqueID, UniqueIDType, raw_connect::ProxyDigest,
};
use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::{COPY_BYTES_MAX, Wire, cork, uncork};

/// A socket that records each write, takes at most so many bytes at once, and has these bytes to read.
#[derive(Debug, Default)]
struct Socket {
    writes: Arc<Mutex<Vec<Vec<u8>>>>,
    takes_max: usize,
    vectored: bool,
    incoming: VecDeque<Vec<u8>>,
}

impl Socket {
    fn taken(&self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.takes_max);
        self.writes.lock().unwrap().push(bytes[..count].to_vec());
        count
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(mut piece) = self.incoming.pop_front() {
            let rest = piece.split_off(piece.len().min(buffer.remaining()));
            buffer.put_slice(&piece);
            if !rest.is_empty() {
                self.incoming.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.taken(bytes)))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if !self.vectored {
            let first = slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
            return self.poll_write(context, first);
        }
        Poll::Ready(Ok(self.taken(&slices.iter().flat_map(|slice| slice.iter().copied()).collect::<Vec<_>>())))
    }

    fn is_write_vectored(&self) -> bool {
        self.vectored
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[async_trait]
impl Shutdown for Socket {
    async fn shutdown(&mut self) {}
}
impl UniqueID for Socket {
    fn id(&self) -> UniqueIDType {
        7
    }
}
impl Ssl for Socket {}
impl GetTimingDigest for Socket {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        vec![]
    }
}
impl GetProxyDigest for Socket {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}
impl GetSocketDigest for Socket {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        None
    }
}
impl Peek for Socket {}

fn wire(takes_max: usize, vectored: bool) -> (Stream, Arc<Mutex<Vec<Vec<u8>>>>) {
    let socket = Socket { takes_max, vectored, ..Socket::default() };
    let writes = Arc::clone(&socket.writes);
    (Box::new(Wire::new(Box::new(socket))), writes)
}

#[tokio::test]
async fn head_and_body_leave_in_one_write() {
    for vectored in [true, false] {
        let (mut stream, writes) = wire(usize::MAX, vectored);
        cork(&stream);
        stream.write_all(b"head ").await.unwrap();
        stream.flush().await.unwrap();
        assert!(writes.lock().unwrap().is_empty());
        uncork(&stream);
        stream.write_all(b"body").await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(*writes.lock().unwrap(), [b"head body"], "vectored: {vectored}");
    }
}

#[tokio::test]
async fn large_body_is_not_copied_to_leave_with_its_head() {
    let (mut stream, writes) = wire(usize::MAX, true);
    cork(&stream);
    stream.write_all(b"head ").await.unwrap();
    uncork(&stream);
    let body = vec![b'x'; COPY_BYTES_MAX];
    stream.write_all(&body).await.unwrap();
    assert_eq!(*writes.lock().unwrap(), [[b"head ".to_vec(), body].concat()]);
}

#[tokio::test]
async fn head_without_body_leaves_with_the_flush_and_at_the_latest_with_the_shutdown() {
    let (mut stream, writes) = wire(usize::MAX, true);
    cork(&stream);
    stream.write_all(b"head").await.unwrap();
    uncork(&stream);
    stream.flush().await.unwrap();
    assert_eq!(*writes.lock().unwrap(), [b"head"]);
    cork(&stream);
    stream.write_all(b"late").await.unwrap();
    AsyncWriteExt::shutdown(&mut stream).await.unwrap();
    assert_eq!(*writes.lock().unwrap(), [b"head", b"late"]);
}

#[tokio::test]
async fn without_a_cork_every_write_goes_out_at_once() {
    let (mut stream, writes) = wire(usize::MAX, true);
    stream.write_all(b"event").await.unwrap();
    assert_eq!(*writes.lock().unwrap(), [b"event"]);
}

#[tokio::test]
async fn closed_socket_is_an_error_and_no_loop() {
    let (mut stream, _) = wire(0, true);
    cork(&stream);
    stream.write_all(b"head").await.unwrap();
    uncork(&stream);
    let large = vec![b'x'; COPY_BYTES_MAX];
    assert_eq!(stream.write_all(&large).await.unwrap_err().kind(), io::ErrorKind::WriteZero);
    assert_eq!(stream.flush().await.unwrap_err().kind(), io::ErrorKind::WriteZero);
}

#[tokio::test]
async fn what_was_looked_at_is_still_there_to_read() {
    let incoming = [b"P".to_vec(), b"OST /mcp".to_vec(), vec![b'x'; 9000]].into();
    let mut wire = Wire::new(Box::new(Socket { incoming, ..Socket::default() }));
    assert_eq!(wire.look_ahead(1).await.unwrap(), b"P");
    assert_eq!(wire.look_ahead(4).await.unwrap(), b"POST");
    let mut all = Vec::new();
    wire.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, [b"POST /mcp".to_vec(), vec![b'x'; 9000]].concat());
    assert_eq!(wire.look_ahead(1).await.unwrap(), b"", "the end is no byte");
}

#[tokio::test]
async fn wire_comes_back_from_a_codec_and_nothing_else_does() {
    let (stream, _) = wire(1, true);
    assert!(Wire::again(stream).is_some());
    let other: Stream = Box::<Socket>::default();
    assert!(Wire::again(other).is_none());
}

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<u8>),
    Cork,
    Uncork,
    Flush,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..40).prop_map(Step::Write),
        1 => Just(Step::Cork),
        2 => Just(Step::Uncork),
        1 => Just(Step::Flush),
    ]
}

proptest! {
    #[test]
    fn bytes_arrive_complete_and_in_order(
        steps in proptest::collection::vec(step(), 0..30),
        takes_max in 1..50_usize,
        vectored: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (mut stream, writes) = wire(takes_max, vectored);
        let mut wanted = Vec::new();
        runtime.block_on(async {
            for step in steps {
                match step {
                    Step::Write(bytes) => {
                        wanted.extend_from_slice(&bytes);
                        stream.write_all(&bytes).await.unwrap();
                    }
                    Step::Cork => cork(&stream),
                    Step::Uncork => uncork(&stream),
                    Step::Flush => stream.flush().await.unwrap(),
                }
            }
            AsyncWriteExt::shutdown(&mut stream).await.unwrap();
        });
        prop_assert_eq!(writes.lock().unwrap().concat(), wanted);
    }
}
