//! Exact decimal reading of JSON numbers, without floats.

/// The integer that `text` (the grammar of RFC 8259 §6) denotes, if it is one and fits 64 bits: `1.0` and `1e2` are
/// integers, `1e400` and `0.5` are not. Linear in the text.
pub(crate) fn exact_i64(text: &str) -> Option<i64> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let significant = || whole.bytes().chain(fraction.bytes());
    if whole.is_empty() || !significant().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    if significant().all(|digit| digit == b'0') {
        return Some(0);
    }
    let exponent: i64 = exponent.map_or(Some(0), |text| text.parse().ok())?;
    // Digits before the decimal point once the exponent is applied.
    let point = i64::try_from(whole.len()).ok()?.checked_add(exponent)?;
    let mut value: i64 = 0;
    let mut position: i64 = 0;
    for digit in significant() {
        let digit = i64::from(digit - b'0');
        if position < point {
            // Built downwards, because i64::MIN has no positive counterpart.
            value = value.checked_mul(10)?.checked_sub(digit)?;
        } else if digit != 0 {
            return None;
        }
        position += 1;
    }
    while position < point {
        value = value.checked_mul(10)?;
        position += 1;
    }
    if negative { Some(value) } else { value.checked_neg() }
}
