//! The framing of a chunked body does not depend on how the body is cut, and is what a naive reading of RFC 9112 §7.1 says.

use doorward_message::http_chunks::{ChunkScanner, EXTENSION_BYTES_MAX, TRAILER_BYTES_MAX};

/// The first byte says how large the pieces are, the rest is the body and what is behind it.
pub(crate) fn check(data: &[u8]) {
    let Some((&size, body)) = data.split_first() else {
        return;
    };
    let whole = read([body].into_iter());
    let cut = read(body.chunks(usize::from(size) + 1));
    assert_eq!(whole, cut);
    assert_eq!(whole, naive(body).map(|(_, end)| end));
}

/// Where the body ends, if it does.
fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Option<usize> {
    let (mut scanner, mut end) = (ChunkScanner::default(), 0);
    for piece in pieces {
        end += scanner.push(piece).ok()?;
    }
    scanner.is_complete().then_some(end)
}

/// The data of a complete, well-formed body and where it ends; reads the whole at once, line by line.
pub(crate) fn naive(body: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut data, mut at, mut extension_bytes) = (vec![], 0, 0);
    loop {
        let (line, behind) = line(body, at)?;
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let (size, extension) = line.split_at(digits);
        extension_bytes += extension.len();
        let visible = extension.iter().all(|byte| *byte == b'\t' || (0x20..0x7f).contains(byte));
        let begins = extension.is_empty() || extension.starts_with(b";");
        if !(1..=16).contains(&digits) || !begins || !visible || extension_bytes > EXTENSION_BYTES_MAX {
            return None;
        }
        let size = usize::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()?;
        at = behind;
        if size == 0 {
            return Some((data, trailers(body, at)?));
        }
        let end = at.checked_add(size)?;
        data.extend_from_slice(body.get(at..end)?);
        at = end.checked_add(2)?;
        if body.get(end..at)? != b"\r\n" {
            return None;
        }
    }
}

fn trailers(body: &[u8], mut at: usize) -> Option<usize> {
    let mut bytes = 0;
    loop {
        let (line, behind) = line(body, at)?;
        at = behind;
        if line.is_empty() {
            return Some(at);
        }
        bytes += line.len();
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        let field = |byte: &u8| *byte == b'\t' || (*byte >= 0x20 && *byte != 0x7f);
        if bytes > TRAILER_BYTES_MAX || name.is_empty() || !name.iter().all(token) || !value.iter().all(field) {
            return None;
        }
    }
}

/// The line that begins here, and where the next one does.
fn line(body: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = body.get(at..)?;
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let line = &rest[..end];
    (!line.contains(&b'\r') && !line.contains(&b'\n')).then_some((line, at + end + 2))
}
