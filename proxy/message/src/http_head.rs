//! A strict second look at the raw bytes of an HTTP/1 head, before anything of the body is read.
//!
//! pingora's codec repairs or tolerates some of what smuggling needs (Content-Length beside Transfer-Encoding, equal
//! repeated lengths, bare line feeds, more and larger header lines). This check refuses all of it, for requests and for
//! upstream responses alike: RFC 9112 §2.2, §3, §5, §6.
//!
//! In: the head's bytes, from the start line to the empty line. Out: nothing, or the reason. HTTP/2 heads have no such
//! bytes; there the codec checks the frames.

/// Bounds of a head.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// All bytes of the head.
    pub head_bytes_max: usize,
    /// Header lines.
    pub header_lines_max: usize,
    /// Bytes of the request target.
    pub target_bytes_max: usize,
}

/// Why a head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// The grammar is violated or the framing is ambiguous.
    #[error("malformed or ambiguous head")]
    Malformed,
    /// Too many lines or bytes.
    #[error("head over its limits")]
    TooLarge,
    /// The request target is too long.
    #[error("request target over its limit")]
    TargetTooLong,
}

/// Checks a request head.
///
/// # Errors
/// [`FramingError`], see its variants.
pub fn check_request(raw: &[u8], limits: &HeadLimits) -> Result<(), FramingError> {
    if raw.len() > limits.head_bytes_max {
        return Err(FramingError::TooLarge);
    }
    let mut lines = Lines { rest: raw };
    let version = request_line(lines.next()?, limits)?;
    let framing = header_lines(&mut lines, limits)?;
    if framing.hosts != 1 {
        return Err(FramingError::Malformed);
    }
    if version == Version::Http10 && framing.chunked {
        return Err(FramingError::Malformed);
    }
    if version == Version::Http10 && raw.starts_with(b"POST ") && framing.lengths == 0 {
        return Err(FramingError::Malformed);
    }
    Ok(())
}

/// Checks an upstream's response head. The same rules but for `Host`.
///
/// # Errors
/// [`FramingError`], see its variants.
pub fn check_response(raw: &[u8], limits: &HeadLimits) -> Result<(), FramingError> {
    if raw.len() > limits.head_bytes_max {
        return Err(FramingError::TooLarge);
    }
    let mut lines = Lines { rest: raw };
    status_line(lines.next()?)?;
    header_lines(&mut lines, limits).map(|_| ())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

/// Lines that end in CRLF; any other CR, LF or NUL is an error.
struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Result<&'a [u8], FramingError> {
        let end = memchr::memchr3(b'\r', b'\n', 0, self.rest).ok_or(FramingError::Malformed)?;
        let (line, ending) = self.rest.split_at_checked(end).ok_or(FramingError::Malformed)?;
        self.rest = ending.strip_prefix(b"\r\n").ok_or(FramingError::Malformed)?;
        Ok(line)
    }
}

fn request_line(line: &[u8], limits: &HeadLimits) -> Result<Version, FramingError> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(FramingError::Malformed);
    };
    if target.len() > limits.target_bytes_max {
        return Err(FramingError::TargetTooLong);
    }
    let visible = |byte: &u8| (0x21..=0x7e).contains(byte);
    if !is_token(method) || target.is_empty() || !target.iter().all(visible) {
        return Err(FramingError::Malformed);
    }
    match version {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        _ => Err(FramingError::Malformed),
    }
}

fn status_line(line: &[u8]) -> Result<(), FramingError> {
    let rest = line.strip_prefix(b"HTTP/1.1 ").or_else(|| line.strip_prefix(b"HTTP/1.0 "));
    let rest = rest.ok_or(FramingError::Malformed)?;
    let (code, reason) = rest.split_at_checked(3).ok_or(FramingError::Malformed)?;
    let valid = matches!(code.first(), Some(b'1'..=b'5')) && code.iter().all(u8::is_ascii_digit);
    if !valid || !matches!(reason.first(), None | Some(b' ')) || !is_field_value(reason) {
        return Err(FramingError::Malformed);
    }
    Ok(())
}

#[derive(Default)]
struct Framing {
    lengths: usize,
    encodings: usize,
    chunked: bool,
    hosts: usize,
}

fn header_lines(lines: &mut Lines<'_>, limits: &HeadLimits) -> Result<Framing, FramingError> {
    let mut framing = Framing::default();
    let mut count = 0;
    loop {
        let line = lines.next()?;
        if line.is_empty() {
            break;
        }
        count += 1;
        if count > limits.header_lines_max {
            return Err(FramingError::TooLarge);
        }
        header_line(line, &mut framing)?;
    }
    let ambiguous = framing.lengths + framing.encodings > 1;
    if ambiguous || !lines.rest.is_empty() {
        return Err(FramingError::Malformed);
    }
    Ok(framing)
}

fn header_line(line: &[u8], framing: &mut Framing) -> Result<(), FramingError> {
    let colon = memchr::memchr(b':', line).ok_or(FramingError::Malformed)?;
    let (name, value) = line.split_at_checked(colon).ok_or(FramingError::Malformed)?;
    let value = value.strip_prefix(b":").unwrap_or(value);
    // A leading space (obs-fold) or one before the colon makes the name no token.
    if !is_token(name) || !is_field_value(value) {
        return Err(FramingError::Malformed);
    }
    let value = value.trim_ascii();
    match name.len() {
        4 if name.eq_ignore_ascii_case(b"host") => framing.hosts += 1,
        14 if name.eq_ignore_ascii_case(b"content-length") => {
            framing.lengths += 1;
            let digits = !value.is_empty() && value.len() <= 18 && value.iter().all(u8::is_ascii_digit);
            if !digits {
                return Err(FramingError::Malformed);
            }
        }
        17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
            framing.encodings += 1;
            framing.chunked = value.eq_ignore_ascii_case(b"chunked");
            if !framing.chunked {
                return Err(FramingError::Malformed);
            }
        }
        _ => {}
    }
    Ok(())
}

/// RFC 9110 §5.6.2.
fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().copied().all(is_token_byte)
}

/// Whether a byte may be part of a token, RFC 9110 §5.6.2.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    const SPECIAL: &[u8] = b"!#$%&'*+-.^_`|~";
    byte.is_ascii_alphanumeric() || SPECIAL.contains(&byte)
}

/// RFC 9110 §5.5: no control characters but tab. Obsolete bytes over 0x7f pass; no header that decides anything takes them.
fn is_field_value(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == b'\t' || (*byte >= 0x20 && *byte != 0x7f))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits { head_bytes_max: 512, header_lines_max: 4, target_bytes_max: 32 };

    fn request(text: &str) -> Result<(), FramingError> {
        check_request(text.as_bytes(), &LIMITS)
    }

    #[test]
    fn plain_request_passes() {
        assert_eq!(request("POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"), Ok(()));
        assert_eq!(request("POST /mcp HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"), Ok(()));
    }

    #[test]
    fn ambiguous_framing_is_refused() {
        for head in [
            "POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 44\r\n\r\n",
            "POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
            "POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n",
            "POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n",
            "POST /mcp HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
            "POST /mcp HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n",
            "POST /mcp HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST /mcp HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST /mcp HTTP/1.0\r\nHost: a\r\n\r\n",
        ] {
            assert_eq!(request(head), Err(FramingError::Malformed), "{head:?}");
        }
    }

    #[test]
    fn malformed_lines_are_refused() {
        for head in [
            "POST /mcp HTTP/1.1\nHost: a\r\n\r\n",
            "POST /mcp HTTP/1.1\r\nHost: a\n\r\n",
            "POST /mcp HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n",
            "POST /mcp HTTP/1.1\r\nHost: a\r\nX: b\0\r\n\r\n",
            "POST /mcp HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
            "POST /mcp HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n",
            "POST /mcp HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
            "POST  /mcp HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST /mcp HTTP/2.0\r\nHost: a\r\n\r\n",
            "POST /mcp HTTP/1.1\r\n\r\n",
            "POST /mcp HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        ] {
            assert_eq!(request(head), Err(FramingError::Malformed), "{head:?}");
        }
    }

    #[test]
    fn limits_hold_at_the_limit_and_one_over() {
        let lines = |n: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: b\r\n".repeat(n - 1));
        assert_eq!(request(&lines(4)), Ok(()));
        assert_eq!(request(&lines(5)), Err(FramingError::TooLarge));
        let target = |n: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(n - 1));
        assert_eq!(request(&target(32)), Ok(()));
        assert_eq!(request(&target(33)), Err(FramingError::TargetTooLong));
        let empty = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n".len();
        let head = |n: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(n - empty));
        assert_eq!(request(&head(512)), Ok(()));
        assert_eq!(request(&head(513)), Err(FramingError::TooLarge));
    }

    #[test]
    fn hostile_responses_are_refused() {
        let check = |text: &str| check_response(text.as_bytes(), &LIMITS);
        assert_eq!(check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"), Ok(()));
        assert_eq!(check("HTTP/1.1 200\r\n\r\n"), Ok(()));
        for head in [
            "HTTP/1.1 99 Odd\r\n\r\n",
            "HTTP/1.1 099 Odd\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
        ] {
            assert_eq!(check(head), Err(FramingError::Malformed), "{head:?}");
        }
    }
}
