//! JSON string text: decoding what the parser has checked, and writing.

use std::borrow::Cow;

/// Decodes the inside of a checked JSON string. Bytes in, bytes out: UTF-8 stays UTF-8.
pub(super) fn decode(inner: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr(b'\\', inner) else {
        return Cow::Borrowed(inner);
    };
    let (plain, mut rest) = inner.split_at_checked(first).unwrap_or((inner, &[]));
    let mut out = Vec::with_capacity(inner.len());
    out.extend_from_slice(plain);
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let Some((&escape, tail)) = rest.split_first() else {
            break;
        };
        rest = tail;
        match escape {
            b'b' => out.push(0x08),
            b'f' => out.push(0x0c),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => rest = decode_unicode(rest, &mut out),
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

/// `rest` starts behind `\u`; returns what follows the code point.
fn decode_unicode<'a>(rest: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let (unit, mut rest) = unit(rest);
    let mut code = unit;
    if (0xD800..0xDC00).contains(&unit)
        && let Some(tail) = rest.strip_prefix(b"\\u")
    {
        let (low, tail) = self::unit(tail);
        code = 0x1_0000 + ((unit - 0xD800) << 10) + (low.wrapping_sub(0xDC00) & 0x3FF);
        rest = tail;
    }
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    rest
}

fn unit(rest: &[u8]) -> (u32, &[u8]) {
    let (digits, tail) = rest.split_at_checked(4).unwrap_or((rest, &[]));
    let value = digits.iter().fold(0, |value, digit| value << 4 | char::from(*digit).to_digit(16).unwrap_or(0));
    (value, tail)
}

/// `text` as a JSON string, quotes included: what may be spliced where a value or key stands.
#[must_use]
pub fn quote(text: &str) -> String {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control @ '\0'..='\x1f' => {
                let code = control as usize;
                out.push_str("\\u00");
                out.push(if code >= 16 { '1' } else { '0' });
                out.push(HEX.get(code % 16).copied().unwrap_or('0'));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
