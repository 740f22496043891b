//! Follows the bytes of a request with a chunked body on their way to the codec, and says when its framing is broken.
//!
//! Whether a body is chunked is known only when the codec has parsed the head, and by then it has taken the first bytes
//! of the body with it. So what is behind the head is kept until [`Following::head_read`]. A request that came with its
//! whole head and no `Transfer-Encoding` in it, which is nearly every request, is not followed at all.

use bytes::BytesMut;
use doorward_message::http_chunks::ChunkScanner;

const HEAD_END: &[u8; 4] = b"\r\n\r\n";
const TRANSFER_ENCODING: &[u8; 17] = b"transfer-encoding";

/// Most bytes that are kept while nobody knows what they are.
const BEHIND_BYTES_MAX: usize = 128 << 10;

/// How the chunks of the request's body stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunks {
    /// The body is not followed: it has a length, or nobody has begun.
    Unwatched,
    /// More is to come.
    Open,
    /// The body has come to its end.
    Complete,
    /// Its framing is one that readers could disagree on.
    Malformed,
}

/// What of a request is followed.
#[derive(Debug)]
pub(super) enum Following {
    /// The head: so many bytes of its end have been seen, and so many bytes altogether.
    Head {
        seen: usize,
        bytes: usize,
    },
    /// What came behind the head while nobody knows yet what it is.
    Behind(BytesMut),
    /// A chunked body.
    Body(ChunkScanner),
    Malformed,
}

impl Following {
    /// For a request that begins with these bytes; `None` where a chunked body cannot come.
    pub(super) fn begin(begun: &[u8]) -> Option<Box<Self>> {
        if is_plain(begun) {
            return None;
        }
        let mut following = Box::new(Self::Head { seen: 0, bytes: 0 });
        following.pass(begun);
        Some(following)
    }

    /// These bytes go to the codec. `false` says that it must not go on with them.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> bool {
        match self {
            Self::Head { seen, bytes: all } => {
                *all = all.saturating_add(bytes.len());
                if let Some(behind) = behind_head(seen, bytes) {
                    *self = Self::Behind(BytesMut::from(behind));
                }
            }
            // More than the codec reads beside a head: it has found no end where one seemed to be.
            Self::Behind(kept) if kept.len().saturating_add(bytes.len()) > BEHIND_BYTES_MAX => {
                *self = Self::Malformed;
                return false;
            }
            Self::Behind(kept) => kept.extend_from_slice(bytes),
            Self::Body(scanner) => {
                if scanner.push(bytes).is_err() {
                    *self = Self::Malformed;
                    return false;
                }
            }
            // The request is answered; what still comes is thrown away.
            Self::Malformed => {}
        }
        true
    }

    /// The head was parsed, and a chunked body follows it.
    pub(super) fn head_read(&mut self) {
        let Self::Behind(kept) = self else {
            // The codec has found an end of the head that is none.
            *self = Self::Malformed;
            return;
        };
        let mut scanner = ChunkScanner::default();
        *self = if scanner.push(kept).is_ok() { Self::Body(scanner) } else { Self::Malformed };
    }

    /// How much there is of a head that has not come to its end.
    pub(super) fn head_bytes(&self) -> usize {
        if let Self::Head { bytes, .. } = self { *bytes } else { 0 }
    }

    pub(super) fn chunks(&self) -> Chunks {
        match self {
            Self::Head { .. } | Self::Behind(_) => Chunks::Unwatched,
            Self::Body(scanner) if scanner.is_complete() => Chunks::Complete,
            Self::Body(_) => Chunks::Open,
            Self::Malformed => Chunks::Malformed,
        }
    }
}

/// Whether the whole head is here and announces no chunked body.
fn is_plain(begun: &[u8]) -> bool {
    let Some(head) = memchr::memmem::find(begun, HEAD_END).and_then(|end| begun.get(..end)) else {
        return false;
    };
    let announces = |line_end: usize| {
        let name = head.get(line_end + 1..).and_then(|line| line.get(..TRANSFER_ENCODING.len()));
        name.is_some_and(|name| name.eq_ignore_ascii_case(TRANSFER_ENCODING))
    };
    !memchr::memchr_iter(b'\n', head).any(announces)
}

/// What is behind the end of the head, which may have begun in bytes before these.
fn behind_head<'a>(seen: &mut usize, bytes: &'a [u8]) -> Option<&'a [u8]> {
    for (place, byte) in bytes.iter().enumerate() {
        *seen = match HEAD_END.get(*seen) {
            Some(wanted) if wanted == byte => *seen + 1,
            _ => usize::from(*byte == b'\r'),
        };
        if *seen == HEAD_END.len() {
            return bytes.get(place + 1..);
        }
    }
    None
}
