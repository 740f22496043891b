//! The byte-exact sender for HTTP/2: frames written by hand (RFC 9113), header fields as literals without indexing (RFC
//! 7541), so that nothing repairs the input. Reads just enough of the answer: status, body, the end.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

use super::raw::{Exchange, Response};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
/// What a peer sends without other settings (RFC 9113 §6.5.2).
const FRAME_BYTES_MAX: usize = 16 << 10;

/// A frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// An integer with a prefix of 7 bits (RFC 7541 §5.1), as string lengths have.
fn length(value: usize) -> Vec<u8> {
    if value < 127 {
        return vec![u8::try_from(value).unwrap()];
    }
    let mut bytes = vec![127];
    let mut rest = value - 127;
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

/// A header field, literal and not indexed.
pub(crate) fn field(name: &str, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name.as_bytes(), value] {
        bytes.extend(length(text.len()));
        bytes.extend_from_slice(text);
    }
    bytes
}

/// One request on a fresh connection: the preface, empty settings, headers, body.
pub(crate) fn request(fields: &[(String, Vec<u8>)], body: &[u8]) -> Vec<u8> {
    let mut bytes = PREFACE.to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    let block: Vec<u8> = fields.iter().flat_map(|(name, value)| field(name, value)).collect();
    bytes.extend(frame(HEADERS, END_HEADERS | if body.is_empty() { END_STREAM } else { 0 }, 1, &block));
    let pieces = body.chunks(FRAME_BYTES_MAX).count();
    for (place, piece) in body.chunks(FRAME_BYTES_MAX).enumerate() {
        bytes.extend(frame(DATA, if place + 1 == pieces { END_STREAM } else { 0 }, 1, piece));
    }
    bytes
}

/// The `:status` at the front of a header block: an index of the static table, or a literal whose digits are plain or
/// in Huffman's code (RFC 7541, appendices A and B).
fn status(mut block: &[u8]) -> u16 {
    // Updates of the dynamic table's size may come first.
    while block.first().is_some_and(|byte| byte & 0xe0 == 0x20) {
        block = &block[1..];
    }
    match block {
        [indexed, ..] if indexed & 0x80 != 0 => {
            [200, 204, 206, 304, 400, 404, 500].get(usize::from(indexed & 0x7f).wrapping_sub(8)).copied().unwrap_or(0)
        }
        [literal, size, rest @ ..] if matches!(literal & 0x0f, 8..=14) => {
            let digits = &rest[..usize::from(size & 0x7f).min(rest.len())];
            let text = if size & 0x80 == 0 { String::from_utf8_lossy(digits).into_owned() } else { huffman(digits) };
            text.parse().unwrap_or(0)
        }
        _ => 0,
    }
}

/// Digits only: 0 to 2 have 5 bits, the others 6.
fn huffman(bytes: &[u8]) -> String {
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let (mut text, mut rest) = (String::new(), bits.as_str());
    while rest.len() >= 5 {
        let digit = |bits: &str, range: std::ops::RangeInclusive<u8>, first: u8| {
            let code = u8::from_str_radix(bits, 2).unwrap();
            range.contains(&code).then(|| char::from(b'0' + first + code - range.start()))
        };
        if let Some(short) = digit(&rest[..5], 0..=2, 0) {
            text.push(short);
            rest = &rest[5..];
        } else if let Some(long) = rest.get(..6).and_then(|bits| digit(bits, 0x19..=0x1f, 3)) {
            text.push(long);
            rest = &rest[6..];
        } else {
            break;
        }
    }
    text
}

/// Writes `bytes` and reads until the stream ends, the connection does, or `patience` is over. A stream that is reset is
/// an answer with the status 0.
pub(crate) async fn exchange(address: &str, bytes: &[u8], patience: Duration) -> Exchange {
    let mut stream = TcpStream::connect(address).await.unwrap_or_else(|error| panic!("{address}: {error}"));
    let begin = Instant::now();
    let mut result = Exchange::default();
    let mut buffer = vec![0; 64 * 1024];
    let mut acknowledged = false;
    if stream.write_all(bytes).await.is_err() {
        result.closed = true;
        return result;
    }
    while !result.responses.last().is_some_and(|response| response.complete) {
        match tokio::time::timeout_at(begin + patience, stream.read(&mut buffer)).await {
            Err(_) => break,
            Ok(Ok(count)) if count > 0 => result.received.extend_from_slice(&buffer[..count]),
            Ok(_) => {
                result.closed = true;
                break;
            }
        }
        result.responses = response(&result.received).into_iter().collect();
        if !acknowledged {
            acknowledged = stream.write_all(&frame(SETTINGS, ACK, 0, &[])).await.is_ok();
        }
    }
    result.elapsed = begin.elapsed();
    result
}

/// The answer on stream 1, as far as its frames are there.
fn response(mut bytes: &[u8]) -> Option<Response> {
    let mut found: Option<Response> = None;
    while let Some(head) = bytes.get(..9) {
        let size = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let Some(payload) = bytes.get(9..9 + size) else { break };
        match head[3] {
            HEADERS => found = Some(Response { status: status(payload), ..Response::default() }),
            DATA => found.get_or_insert_default().body.extend_from_slice(payload),
            RST_STREAM | GOAWAY => found.get_or_insert_default().complete = true,
            _ => {}
        }
        if matches!(head[3], HEADERS | DATA) && head[4] & END_STREAM != 0 {
            found.get_or_insert_default().complete = true;
        }
        bytes = &bytes[9 + size..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_in_each_of_its_forms() {
        assert_eq!(status(&[0x88]), 200);
        assert_eq!(status(&[0x8c, 0x01]), 400);
        assert_eq!(status(b"\x08\x03403"), 403);
        // 4 = 011010, 0 = 00000, 3 = 011001, filled up with ones.
        assert_eq!(status(&[0x48, 0x83, 0b0110_1000, 0b0000_1100, 0b1111_1111]), 403);
    }
}
