//! A strict look at the framing of a chunked body while it passes: RFC 9112 §7.1, with CRLF and nothing else as line end.
//!
//! A codec that tolerates a bare line feed, or waits for the end of a line that another reader would end earlier, is what
//! smuggling needs. This scanner reads the same bytes beside the codec and refuses what two readers could cut
//! differently. Chunk data is skipped by arithmetic: the work is that of the framing, not of the data.
//!
//! In: the body's bytes, however they are cut. Out: how many of them belong to the body, or the reason. Never: decoding.

#[cfg(test)]
mod tests;

use crate::http_head::is_token_byte;

/// Digits of a chunk size: what 64 bits hold. RFC 9112 §7.1 leaves the bound to the recipient.
const SIZE_DIGITS_MAX: u8 = 16;
/// Bytes of all chunk extensions of a body, with their semicolons. RFC 9112 §7.1.1 asks for a bound of the total.
pub const EXTENSION_BYTES_MAX: usize = 4 << 10;
/// Bytes of the trailer section, without its line ends. The fields themselves are nobody's: they are not passed on.
pub const TRAILER_BYTES_MAX: usize = 8 << 10;

/// Why the framing of a chunked body is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// A chunk size that is no hexadecimal number of 1 to 16 digits.
    #[error("malformed chunk size")]
    Size,
    /// A control character in an extension, or extensions over [`EXTENSION_BYTES_MAX`].
    #[error("malformed or too long chunk extension")]
    Extension,
    /// A carriage return without its line feed, or the other way round, or data beyond the chunk's size.
    #[error("malformed end of a line or chunk")]
    LineEnd,
    /// A trailer field that is none, or trailers over [`TRAILER_BYTES_MAX`].
    #[error("malformed or too long trailers")]
    Trailer,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    Extension,
    SizeLineFeed,
    Data,
    DataReturn,
    DataLineFeed,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLineFeed,
    LastLineFeed,
    Complete,
    Refused(ChunkError),
}

/// Follows one chunked body.
#[derive(Clone, Debug)]
pub struct ChunkScanner {
    state: State,
    /// Data of this chunk that is still to come.
    left: u64,
    digits: u8,
    extension_bytes: usize,
    trailer_bytes: usize,
}

impl Default for ChunkScanner {
    fn default() -> Self {
        Self { state: State::Size, left: 0, digits: 0, extension_bytes: 0, trailer_bytes: 0 }
    }
}

impl ChunkScanner {
    /// Takes the next bytes; tells how many of them belong to the body, which is all of them but behind its end.
    ///
    /// # Errors
    /// [`ChunkError`], and the same one from then on.
    pub fn push(&mut self, bytes: &[u8]) -> Result<usize, ChunkError> {
        let mut rest = bytes;
        while let Some((byte, behind)) = rest.split_first() {
            rest = match self.state {
                State::Complete => break,
                State::Data => self.skip(rest),
                _ => {
                    self.state = match self.next(*byte) {
                        Ok(state) => state,
                        Err(error) => State::Refused(error),
                    };
                    behind
                }
            };
            if let State::Refused(error) = self.state {
                return Err(error);
            }
        }
        Ok(bytes.len() - rest.len())
    }

    /// Whether the body has come to its end.
    pub fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    /// Leaves out the data of a chunk; gives back what is behind it.
    fn skip<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
        self.left = self.left.saturating_sub(here as u64);
        if self.left == 0 {
            self.state = State::DataReturn;
        }
        bytes.get(here..).unwrap_or_default()
    }

    fn next(&mut self, byte: u8) -> Result<State, ChunkError> {
        match self.state {
            State::Size => self.size(byte),
            State::Extension => self.extension(byte),
            State::SizeLineFeed if self.left == 0 => line_feed(byte, State::TrailerStart),
            State::SizeLineFeed => line_feed(byte, State::Data),
            State::DataReturn if byte == b'\r' => Ok(State::DataLineFeed),
            State::DataLineFeed => {
                self.digits = 0;
                line_feed(byte, State::Size)
            }
            State::TrailerStart | State::TrailerName | State::TrailerValue => self.trailer(byte),
            State::TrailerLineFeed => line_feed(byte, State::TrailerStart),
            State::LastLineFeed => line_feed(byte, State::Complete),
            // Handled before a single byte is looked at.
            State::DataReturn | State::Data | State::Complete => Err(ChunkError::LineEnd),
            State::Refused(error) => Err(error),
        }
    }

    fn size(&mut self, byte: u8) -> Result<State, ChunkError> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            b';' if self.digits > 0 => return self.extension(byte),
            b'\r' if self.digits > 0 => return Ok(State::SizeLineFeed),
            _ => return Err(ChunkError::Size),
        };
        self.digits += 1;
        if self.digits > SIZE_DIGITS_MAX {
            return Err(ChunkError::Size);
        }
        self.left = self.left << 4 | u64::from(digit);
        Ok(State::Size)
    }

    fn extension(&mut self, byte: u8) -> Result<State, ChunkError> {
        if byte == b'\r' {
            return Ok(State::SizeLineFeed);
        }
        self.extension_bytes += 1;
        let visible = matches!(byte, b'\t' | 0x20..=0x7e);
        if visible && self.extension_bytes <= EXTENSION_BYTES_MAX {
            Ok(State::Extension)
        } else {
            Err(ChunkError::Extension)
        }
    }

    fn trailer(&mut self, byte: u8) -> Result<State, ChunkError> {
        match (self.state, byte) {
            (State::TrailerStart, b'\r') => return Ok(State::LastLineFeed),
            (State::TrailerValue, b'\r') => return Ok(State::TrailerLineFeed),
            _ => self.trailer_bytes += 1,
        }
        match (self.state, byte) {
            _ if self.trailer_bytes > TRAILER_BYTES_MAX => Err(ChunkError::Trailer),
            (State::TrailerName, b':') => Ok(State::TrailerValue),
            (State::TrailerStart | State::TrailerName, byte) if is_token_byte(byte) => Ok(State::TrailerName),
            (State::TrailerValue, b'\t' | 0x20..=0x7e | 0x80..) => Ok(State::TrailerValue),
            _ => Err(ChunkError::Trailer),
        }
    }
}

fn line_feed(byte: u8, then: State) -> Result<State, ChunkError> {
    if byte == b'\n' { Ok(then) } else { Err(ChunkError::LineEnd) }
}
