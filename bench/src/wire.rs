//! HTTP/1.1 message framing for the load driver and the upstream: just enough of RFC 9112 to know where a message ends.
//!
//! In: the bytes received so far. Out: a head, or a body with the length it took, or "not complete yet".
//! It refuses what it does not understand instead of guessing; it is no defence against hostile peers.

/// The most header lines that are read.
const HEADERS_MAX: usize = 64;

/// Why bytes are not an HTTP/1.1 message.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum WireError {
    #[error("malformed head: {0}")]
    Head(#[from] httparse::Error),
    #[error("malformed Content-Length")]
    ContentLength,
    #[error("malformed chunk")]
    Chunk,
}

/// How the end of a body is known (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(usize),
    Chunked,
    /// Neither length nor coding: no body for a request, until close for a response.
    Absent,
}

/// The parts of a head that matter here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Bytes of the head, the empty line included.
    pub(crate) len: usize,
    pub(crate) framing: Framing,
    /// False when the peer said `Connection: close`.
    pub(crate) keep_alive: bool,
}

/// The head of a request; `None` while it is incomplete.
pub(crate) fn request_head(bytes: &[u8]) -> Result<Option<(Verb, Head)>, WireError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(len) = request.parse(bytes)? else {
        return Ok(None);
    };
    let verb = match request.method {
        Some("POST") => Verb::Post,
        Some("GET") => Verb::Get,
        _ => Verb::Other,
    };
    Ok(Some((verb, head(len, request.headers)?)))
}

/// The request methods the upstream tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Post,
    Get,
    Other,
}

/// Status and head of a response; `None` while it is incomplete.
pub(crate) fn response_head(bytes: &[u8]) -> Result<Option<(u16, Head)>, WireError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(len) = response.parse(bytes)? else {
        return Ok(None);
    };
    let status = response.code.unwrap_or_default();
    Ok(Some((status, head(len, response.headers)?)))
}

fn head(len: usize, headers: &[httparse::Header<'_>]) -> Result<Head, WireError> {
    let mut out = Head { len, framing: Framing::Absent, keep_alive: true };
    for header in headers {
        if header.name.eq_ignore_ascii_case("content-length") {
            let length = std::str::from_utf8(header.value)
                .ok()
                .and_then(|v| v.trim().parse().ok())
                .ok_or(WireError::ContentLength)?;
            out.framing = Framing::Length(length);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") && header.value.eq_ignore_ascii_case(b"chunked")
        {
            out.framing = Framing::Chunked;
        } else if header.name.eq_ignore_ascii_case("connection") && header.value.eq_ignore_ascii_case(b"close") {
            out.keep_alive = false;
        }
    }
    Ok(out)
}

/// Decodes a whole chunked body into `out` (cleared first). Returns the bytes of `input` it took, `None` while the
/// last chunk has not come. Trailers are not expected and refused.
pub(crate) fn chunked(input: &[u8], out: &mut Vec<u8>) -> Result<Option<usize>, WireError> {
    out.clear();
    let mut at = 0;
    loop {
        let rest = input.get(at..).unwrap_or_default();
        let (line, size) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete((line, size))) => (line, size),
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(WireError::Chunk),
        };
        let size = usize::try_from(size).map_err(|_| WireError::Chunk)?;
        let end = line.checked_add(size).and_then(|n| n.checked_add(2)).ok_or(WireError::Chunk)?;
        let Some(chunk) = rest.get(line..end) else {
            return Ok(None);
        };
        let (data, line_end) = chunk.split_at_checked(size).unwrap_or_default();
        if line_end != b"\r\n" {
            return Err(WireError::Chunk);
        }
        out.extend_from_slice(data);
        at += end;
        if size == 0 {
            return Ok(Some(at));
        }
    }
}

#[cfg(test)]
mod tests;
