//! Finds the bearer token of a request (RFC 6750 §2.1).
//!
//! In: the values of all `Authorization` header lines. Out: the token's bytes. Refused: no line, more than one line,
//! another scheme, a value outside the `b64token` grammar, a token over the size limit. Tokens in the query string or the body
//! are never looked for.

use crate::model::rejection::Authentication;

/// The one bearer token of a request, at most `bytes_max` long.
pub fn extract<'h>(mut lines: impl Iterator<Item = &'h [u8]>, bytes_max: usize) -> Result<&'h str, Authentication> {
    let line = lines.next().ok_or(Authentication::TokenMissing)?;
    if lines.next().is_some() {
        return Err(Authentication::TokenMalformed);
    }
    let line = std::str::from_utf8(line).map_err(|_| Authentication::TokenMalformed)?;
    let line = line.trim_matches([' ', '\t']);
    let (scheme, token) = line.split_once(' ').ok_or(Authentication::TokenMalformed)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Authentication::TokenMalformed);
    }
    let token = token.trim_start_matches(' ');
    if token.len() > bytes_max {
        return Err(Authentication::TokenTooLarge);
    }
    if !is_b64token(token) {
        return Err(Authentication::TokenMalformed);
    }
    Ok(token)
}

/// `b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
fn is_b64token(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    !body.is_empty() && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte))
}
