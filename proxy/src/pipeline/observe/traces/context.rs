//! W3C Trace Context: reads what came, says what goes on.
//!
//! In: `traceparent`, `tracestate` and `baggage` of a message's `_meta` (MCP 2026-07-28, SEP-414) and of the HTTP head. Out:
//! [`Parent`] or nothing; a value that is not valid counts as absent and never changes what happens to the message.
//!
//! The parent is the one in `_meta`, else the one of the HTTP head; where both are valid and differ, the latter becomes a
//! link. `tracestate` goes on with its own `traceparent` only, up to 512 bytes and 32 members; baggage by allow-list only.

/// Bytes of a `tracestate` that are carried on.
const TRACESTATE_BYTES_MAX: usize = 512;
/// Members of a `tracestate` (W3C Trace Context §3.3.1.1).
const TRACESTATE_MEMBERS_MAX: usize = 32;
/// Bytes of a `baggage` that are looked at (W3C Baggage §3.3.2).
const BAGGAGE_BYTES_MAX: usize = 8192;
/// Members of a `baggage` (W3C Baggage §3.3.2).
const BAGGAGE_MEMBERS_MAX: usize = 64;

/// A valid `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// The trace.
    pub trace_id: [u8; 16],
    /// The span that caused this message.
    pub span_id: [u8; 8],
    /// Whether the sender says that it records.
    pub sampled: bool,
}

impl Parent {
    /// Reads a `traceparent` (W3C Trace Context §3.2): version 00 in exactly its length, later ones by their first four
    /// fields; never version ff, upper-case digits, or an id of zeros.
    pub fn parse(text: &str) -> Option<Self> {
        let mut fields = text.splitn(5, '-');
        let version = hex::<1>(fields.next()?)?;
        let trace_id = hex::<16>(fields.next()?)?;
        let span_id = hex::<8>(fields.next()?)?;
        let [flags] = hex::<1>(fields.next()?)?;
        let more = fields.next();
        let valid = match version {
            [0] => more.is_none(),
            [0xff] => false,
            _ => true,
        };
        (valid && trace_id != [0; 16] && span_id != [0; 8]).then_some(Self {
            trace_id,
            span_id,
            sampled: flags & 1 == 1,
        })
    }

    /// Writes it as version 00.
    pub fn write(&self) -> String {
        let mut out = String::with_capacity(55);
        out.push_str("00-");
        super::super::random::push_hex(&mut out, &self.trace_id);
        out.push('-');
        super::super::random::push_hex(&mut out, &self.span_id);
        out.push_str(if self.sampled { "-01" } else { "-00" });
        out
    }
}

/// Lower-case hexadecimal digits of exactly `N` bytes.
fn hex<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let digits = digits.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut out = [0; N];
    for (to, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *to = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(out)
}

/// The `tracestate` as it may be carried on (W3C Trace Context §3.3.1).
pub fn tracestate(text: &str) -> Option<&str> {
    if text.is_empty() || text.len() > TRACESTATE_BYTES_MAX {
        return None;
    }
    let mut members = 0;
    for member in text.split(',') {
        let member = member.trim_matches([' ', '\t']);
        if member.is_empty() {
            continue;
        }
        members += 1;
        let (key, value) = member.split_once('=')?;
        let key_valid = !key.is_empty()
            && key.len() <= 256
            && key.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@'));
        let value_valid = value.len() <= 256 && value.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'=');
        if !key_valid || !value_valid {
            return None;
        }
    }
    (1..=TRACESTATE_MEMBERS_MAX).contains(&members).then_some(text)
}

/// The members of a `baggage` whose keys are allowed; `None` where none is.
pub fn baggage(text: &str, allowed: &[String]) -> Option<String> {
    if allowed.is_empty() || text.len() > BAGGAGE_BYTES_MAX {
        return None;
    }
    let mut out = String::new();
    for (index, member) in text.split(',').enumerate() {
        if index >= BAGGAGE_MEMBERS_MAX {
            return None;
        }
        let member = member.trim_matches([' ', '\t']);
        let Some((key, _)) = member.split_once('=') else {
            continue;
        };
        let printable = member.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if printable && allowed.iter().any(|name| name == key.trim_end()) {
            if !out.is_empty() {
                out.push(',');
            }
            out.push_str(member);
        }
    }
    (!out.is_empty()).then_some(out)
}
