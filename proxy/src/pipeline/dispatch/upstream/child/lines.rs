//! Lines of a child: bounded while they are read; what goes to our log is made harmless.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

/// Bytes of a line of standard error that are logged.
const LOGGED_BYTES_MAX: usize = 2048;

/// A line, or why there is none.
pub(crate) enum Line {
    /// Without its line end.
    Whole(Bytes),
    /// Longer than the limit.
    TooLong,
    /// No more.
    End,
}

/// Reads one line of at most `bytes_max`.
pub(crate) async fn read(from: &mut (impl AsyncBufRead + Unpin), bytes_max: usize) -> io::Result<Line> {
    let mut line = BytesMut::new();
    loop {
        let available = from.fill_buf().await?;
        if available.is_empty() {
            return Ok(if line.is_empty() { Line::End } else { Line::Whole(line.freeze()) });
        }
        let end = memchr::memchr(b'\n', available);
        let piece = available.get(..end.unwrap_or(available.len())).unwrap_or_default();
        let too_long = line.len() + piece.len() > bytes_max;
        if !too_long {
            line.extend_from_slice(piece);
        }
        let used = end.map_or(available.len(), |end| end + 1);
        from.consume(used);
        if too_long {
            return Ok(Line::TooLong);
        }
        if end.is_some() {
            if line.ends_with(b"\r") {
                line.truncate(line.len() - 1);
            }
            return Ok(Line::Whole(line.freeze()));
        }
    }
}

/// A line for the log: control characters and what is no UTF-8 are escaped, length is bounded.
pub(crate) fn harmless(line: &[u8]) -> String {
    let cut = line.get(..LOGGED_BYTES_MAX).unwrap_or(line);
    let mut out = String::with_capacity(cut.len());
    for character in String::from_utf8_lossy(cut).chars() {
        if character.is_control() {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    if cut.len() < line.len() {
        out.push('…');
    }
    out
}

/// A message as one line. Its bytes are strict JSON, where a raw line end can only stand between tokens.
pub(crate) fn one_line(message: &Bytes) -> Bytes {
    let mut line = BytesMut::with_capacity(message.len() + 1);
    line.extend_from_slice(message);
    for byte in line.iter_mut() {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    line.extend_from_slice(b"\n");
    line.freeze()
}
