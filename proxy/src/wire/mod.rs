//! The stream between a codec and its socket: a head leaves in one write with the body behind it, a resting connection
//! waits for its next request without holding a buffer, and the framing of a chunked request is checked as it passes.
//!
//! pingora's codecs write a head and a body one after the other, and each write is a system call that costs as much as
//! the decision about the request. [`cork`] holds back what is written until [`uncork`], and what is written next takes
//! it along. Invariants: bytes keep their order and none is dropped; what is held is what was written while corked, which
//! is one head; a shutdown lets everything go.

mod digests;
mod following;
#[cfg(test)]
mod tests;

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, BytesMut};
use pingora::protocols::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub use self::following::Chunks;
use self::following::Following;

/// The most that is read ahead at once: as much as the codec reads for a head.
const AHEAD_BYTES_MAX: usize = 4096;
/// Up to this much is copied behind a held head: cheaper than a vectored write, and one record under TLS.
const COPY_BYTES_MAX: usize = 16 << 10;

/// See the module.
#[derive(Debug)]
pub struct Wire {
    inner: Stream,
    corked: AtomicBool,
    held: BytesMut,
    ahead: BytesMut,
    following: Mutex<Option<Box<Following>>>,
}

/// Holds back what is written from now on, if the stream is a [`Wire`].
pub fn cork(stream: &Stream) {
    set(stream, true);
}

/// What was held back goes out with the next write, flush or shutdown.
pub fn uncork(stream: &Stream) {
    set(stream, false);
}

fn set(stream: &Stream, corked: bool) {
    if let Some(wire) = wire(stream) {
        wire.corked.store(corked, Ordering::Relaxed);
    }
}

/// The codec has read a request's head. From now on a chunked body is checked; any other is left alone.
pub fn head_read(stream: &Stream, chunked: bool) {
    let Some(wire) = wire(stream) else { return };
    let mut following = wire.following.lock().unwrap_or_else(PoisonError::into_inner);
    *following = chunked.then(|| {
        let mut following = following.take().unwrap_or_else(|| Box::new(Following::Malformed));
        following.head_read();
        following
    });
}

/// How a chunked body stands, whose bytes up to here the codec has.
pub fn chunks(stream: &Stream) -> Chunks {
    let Some(wire) = wire(stream) else { return Chunks::Unwatched };
    let following = wire.following.lock().unwrap_or_else(PoisonError::into_inner);
    following.as_ref().map_or(Chunks::Unwatched, |following| following.chunks())
}

/// How much there is of a head that has not come to its end.
pub fn head_bytes(stream: &Stream) -> usize {
    let Some(wire) = wire(stream) else { return 0 };
    let following = wire.following.lock().unwrap_or_else(PoisonError::into_inner);
    following.as_ref().map_or(0, |following| following.head_bytes())
}

fn wire(stream: &Stream) -> Option<&Wire> {
    stream.as_ref().as_any().downcast_ref()
}

impl Wire {
    /// Around a fresh stream.
    pub fn new(inner: Stream) -> Self {
        let corked = AtomicBool::new(false);
        Self { inner, corked, held: BytesMut::new(), ahead: BytesMut::new(), following: Mutex::new(None) }
    }

    /// The wire that a codec gives back; `None` if that is something else.
    pub fn again(stream: Stream) -> Option<Box<Self>> {
        stream.into_any().downcast().ok()
    }

    /// The stream below.
    pub fn inner(&self) -> &Stream {
        &self.inner
    }

    /// Waits for `count` bytes and leaves them to be read. Fewer come back only at the end of the stream.
    ///
    /// # Errors
    /// Those of the stream.
    pub async fn look_ahead(&mut self, count: usize) -> io::Result<&[u8]> {
        while self.ahead.len() < count {
            if poll_fn(|context| self.poll_ahead(context)).await? == 0 {
                break;
            }
        }
        Ok(self.ahead.get(..count).unwrap_or(&self.ahead))
    }

    /// What was looked at, for a codec that takes the first bytes of a request by themselves. They are not read again.
    pub fn begin_request(&mut self) -> BytesMut {
        let begun = std::mem::take(&mut self.ahead);
        *self.following.get_mut().unwrap_or_else(PoisonError::into_inner) = Following::begin(&begun);
        begun
    }

    /// Reads by way of the stack, so that a connection at rest has no buffer.
    fn poll_ahead(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = [MaybeUninit::uninit(); AHEAD_BYTES_MAX];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.inner).poll_read(context, &mut buffer))?;
        self.ahead.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// What was looked at, else what the stream has.
    fn poll_bytes(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.inner).poll_read(context, buffer);
        }
        let ahead = self.ahead.split_to(self.ahead.len().min(buffer.remaining()));
        buffer.put_slice(&ahead);
        if self.ahead.is_empty() {
            self.ahead = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Writes all that is held.
    fn poll_held(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(context, &self.held))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent(written);
        }
        Poll::Ready(Ok(()))
    }

    fn sent(&mut self, count: usize) {
        self.held.advance(count.min(self.held.len()));
        if self.held.is_empty() {
            self.held = BytesMut::new();
        }
    }

    fn is_held_back(&mut self, more: usize) -> bool {
        let copied = !self.held.is_empty() && self.held.len().saturating_add(more) <= COPY_BYTES_MAX;
        *self.corked.get_mut() || copied
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let had = buffer.filled().len();
        ready!(this.poll_bytes(context, buffer))?;
        if let Some(following) = this.following.get_mut().unwrap_or_else(PoisonError::into_inner)
            && !following.pass(buffer.filled().get(had..).unwrap_or_default())
        {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "malformed chunked body")));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_held_back(bytes.len()) {
            this.held.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        while !this.held.is_empty() {
            let both = [IoSlice::new(&this.held), IoSlice::new(bytes)];
            let written = ready!(Pin::new(&mut this.inner).poll_write_vectored(context, &both))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let own = written.saturating_sub(this.held.len());
            this.sent(written);
            if own > 0 {
                return Poll::Ready(Ok(own));
            }
        }
        Pin::new(&mut this.inner).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if *this.corked.get_mut() {
            return Poll::Ready(Ok(()));
        }
        ready!(this.poll_held(context))?;
        Pin::new(&mut this.inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_held(context))?;
        Pin::new(&mut this.inner).poll_shutdown(context)
    }
}
