//! The byte-exact sender: writes given bytes on a TCP connection and reports what came back. Never an HTTP client
//! library, which would repair the input. Also the small HTTP/1 reader that the scripted upstream shares.

use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

/// Bytes to write after a pause.
#[derive(Clone, Debug, Default)]
pub(crate) struct Piece {
    pub(crate) pause_ms: u64,
    pub(crate) bytes: Vec<u8>,
}

impl From<Vec<u8>> for Piece {
    fn from(bytes: Vec<u8>) -> Self {
        Self { pause_ms: 0, bytes }
    }
}

/// Header lines in order, values as bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lines(pub(crate) Vec<(String, Vec<u8>)>);

impl Lines {
    /// The values of a header, in order, as text.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        let mine = self.0.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        mine.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
    }

    /// The first value of a header.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.all(name).into_iter().next()
    }
}

/// A response as it stood on the wire.
#[derive(Clone, Debug, Default)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Lines,
    /// Without chunk framing.
    pub(crate) body: Vec<u8>,
    /// Whether the framing said that this is all.
    pub(crate) complete: bool,
}

impl Response {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The JSON-RPC message of the answer: the JSON body, or the last event of a stream that has data.
    pub(crate) fn message(&self) -> Option<serde_json::Value> {
        let sse = self.headers.get("content-type").is_some_and(|value| value.starts_with("text/event-stream"));
        if sse { self.events().pop() } else { serde_json::from_slice(&self.body).ok() }
    }

    /// The JSON messages of a stream's events.
    pub(crate) fn events(&self) -> Vec<serde_json::Value> {
        let text = self.text().replace("\r\n", "\n");
        let blocks = text.split("\n\n").map(|block| {
            let data = block.lines().filter_map(|line| line.strip_prefix("data:"));
            data.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
        });
        blocks.filter_map(|data| serde_json::from_str(&data).ok()).collect()
    }
}

/// What happened on one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exchange {
    /// Final responses, in order.
    pub(crate) responses: Vec<Response>,
    /// Interim responses (1xx).
    pub(crate) interim: Vec<u16>,
    /// Whether the peer closed or reset the connection.
    pub(crate) closed: bool,
    /// Every byte that came.
    pub(crate) received: Vec<u8>,
    /// From the first byte written to the first response.
    pub(crate) elapsed: Duration,
}

impl Exchange {
    /// The first final response.
    pub(crate) fn first(&self) -> &Response {
        let shown = String::from_utf8_lossy(&self.received);
        self.responses.first().unwrap_or_else(|| panic!("no response (closed: {}); received: {shown:?}", self.closed))
    }
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For the first complete response.
    pub(crate) response: Duration,
    /// After it, for more responses or the end of the connection.
    pub(crate) linger: Duration,
    /// For so long nothing is read at all.
    pub(crate) unread: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { response: Duration::from_secs(20), linger: Duration::from_millis(60), unread: Duration::ZERO }
    }
}

/// Writes `pieces` to `address` and reads until the connection ends or patience does.
pub(crate) async fn exchange(address: &str, pieces: &[Piece], patience: Patience) -> Exchange {
    let stream = TcpStream::connect(address).await.unwrap_or_else(|error| panic!("{address}: {error}"));
    stream.set_nodelay(true).unwrap();
    exchange_on(stream, pieces, patience).await
}

/// The same on a connection that stands, whatever it is.
pub(crate) async fn exchange_on(
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    pieces: &[Piece],
    patience: Patience,
) -> Exchange {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let pieces = pieces.to_vec();
    let begin = Instant::now();
    let sending = tokio::spawn(async move {
        for piece in pieces {
            tokio::time::sleep(Duration::from_millis(piece.pause_ms)).await;
            // The peer may rightly refuse and close before it has read everything.
            if writer.write_all(&piece.bytes).await.is_err() || writer.flush().await.is_err() {
                break;
            }
        }
        writer
    });
    let mut result = Exchange::default();
    tokio::time::sleep(patience.unread).await;
    let mut deadline = begin + patience.unread + patience.response;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match tokio::time::timeout_at(deadline, reader.read(&mut buffer)).await {
            Err(_) => break,
            Ok(Ok(count)) if count > 0 => {
                result.received.extend_from_slice(&buffer[..count]);
                let had = result.responses.len();
                (result.interim, result.responses) = responses(&result.received, false);
                let complete = result.responses.last().is_some_and(|response| response.complete);
                if complete {
                    if had == 0 || result.elapsed.is_zero() {
                        result.elapsed = begin.elapsed();
                    }
                    deadline = Instant::now() + patience.linger;
                }
            }
            Ok(_) => {
                result.closed = true;
                break;
            }
        }
    }
    (result.interim, result.responses) = responses(&result.received, result.closed);
    sending.abort();
    result
}

/// A connection that stays, for one request after the other.
pub(crate) struct Connection {
    address: String,
    stream: Option<TcpStream>,
}

impl Connection {
    /// Connects when there is something to send.
    pub(crate) fn to(address: &str) -> Self {
        Self { address: address.to_owned(), stream: None }
    }

    /// Sends a request and waits for its complete answer; connects anew where the peer has closed.
    pub(crate) async fn ask(&mut self, request: &[u8], patience: Duration) -> Option<Response> {
        let reused = self.stream.is_some();
        match tokio::time::timeout(patience, self.once(request)).await {
            Ok(Some(response)) => Some(response),
            // It may have been closed while it rested.
            Ok(None) if reused => tokio::time::timeout(patience, self.once(request)).await.ok().flatten(),
            _ => None,
        }
    }

    async fn once(&mut self, request: &[u8]) -> Option<Response> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => TcpStream::connect(&self.address).await.ok()?,
        };
        stream.set_nodelay(true).ok()?;
        stream.write_all(request).await.ok()?;
        let (mut received, mut buffer) = (vec![], vec![0; 16 * 1024]);
        loop {
            let count = stream.read(&mut buffer).await.ok()?;
            received.extend_from_slice(&buffer[..count]);
            let response = responses(&received, count == 0).1.into_iter().next();
            match response.filter(|response| response.complete) {
                Some(response) => {
                    let closes = response.headers.get("connection").is_some_and(|value| value == "close");
                    self.stream = (!closes && count > 0).then_some(stream);
                    return Some(response);
                }
                None if count == 0 => return None,
                None => {}
            }
        }
    }
}

/// Splits what came into interim and final responses.
fn responses(mut bytes: &[u8], closed: bool) -> (Vec<u16>, Vec<Response>) {
    let (mut interim, mut finals) = (vec![], vec![]);
    while let Some((head, rest)) = split_head(bytes) {
        let (start, headers) = parse_head(head);
        let status: u16 = start.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        if (100..200).contains(&status) && status != 101 {
            interim.push(status);
            bytes = rest;
            continue;
        }
        let bodyless = matches!(status, 204 | 304);
        let body =
            if bodyless { Body { bytes: vec![], used: 0, complete: true } } else { body(&headers, rest, closed, true) };
        finals.push(Response { status, headers, body: body.bytes, complete: body.complete });
        bytes = &rest[body.used..];
        if !body.complete {
            break;
        }
    }
    (interim, finals)
}

/// A message body taken off the front of some bytes.
pub(crate) struct Body {
    pub(crate) bytes: Vec<u8>,
    pub(crate) used: usize,
    pub(crate) complete: bool,
}

/// Splits off a head with its empty line.
pub(crate) fn split_head(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    Some(bytes.split_at(end))
}

/// The start line and the header lines.
pub(crate) fn parse_head(head: &[u8]) -> (String, Lines) {
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let start = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let headers = lines.filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        Some((String::from_utf8_lossy(&line[..colon]).into_owned(), line[colon + 1..].trim_ascii().to_vec()))
    });
    (start, Lines(headers.collect()))
}

/// The body that `headers` announce, as far as it is there.
pub(crate) fn body(headers: &Lines, bytes: &[u8], closed: bool, response: bool) -> Body {
    if headers.get("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        return chunked(bytes);
    }
    if let Some(length) = headers.get("content-length").and_then(|value| value.parse::<usize>().ok()) {
        let used = length.min(bytes.len());
        return Body { bytes: bytes[..used].to_vec(), used, complete: bytes.len() >= length };
    }
    if response {
        return Body { bytes: bytes.to_vec(), used: bytes.len(), complete: closed };
    }
    Body { bytes: vec![], used: 0, complete: true }
}

fn chunked(bytes: &[u8]) -> Body {
    let mut result = Body { bytes: vec![], used: 0, complete: false };
    loop {
        let rest = &bytes[result.used..];
        let Some(line) = rest.windows(2).position(|window| window == b"\r\n") else {
            return result;
        };
        let size = std::str::from_utf8(&rest[..line]).ok().and_then(|text| text.split(';').next()?.trim().parse_hex());
        let Some(size) = size else { return result };
        let begin = line + 2;
        let Some(chunk) = rest.get(begin..begin + size + 2) else {
            result.bytes.extend_from_slice(rest.get(begin..).unwrap_or_default());
            return result;
        };
        result.bytes.extend_from_slice(&chunk[..size]);
        result.used += begin + size + 2;
        if size == 0 {
            result.complete = true;
            return result;
        }
    }
}

trait ParseHex {
    fn parse_hex(&self) -> Option<usize>;
}

impl ParseHex for str {
    fn parse_hex(&self) -> Option<usize> {
        usize::from_str_radix(self, 16).ok()
    }
}
