//! Checks the registered claims of a token (RFC 7519 §4.1, RFC 9068 §4).
//!
//! In: parsed claims, what the issuer's configuration expects, the time. Out: nothing, or the reason. Every claim that is
//! looked at must have its type: a wrong type is a refusal, never an absent claim. `iss`, `sub`, `aud` and `exp` must be there.

use doorward_message::Value;

use crate::model::rejection::Authentication;

/// Seconds since the Unix epoch that a date claim may at most name: the end of the year 9999.
const DATE_MAX: f64 = 253_402_300_799.0;

/// `iss` of a token, to choose the issuer's settings by.
pub fn issuer(claims: Value<'_>) -> Result<Box<str>, Authentication> {
    let value = claims.get("iss").and_then(|value| value.as_str());
    value.map(Box::from).ok_or(Authentication::ClaimsInvalid)
}

/// `exp`, once it and the other dates were checked against `now`, all in seconds since the Unix epoch.
///
/// A token is good while `now < exp + leeway`, and from `nbf - leeway` and `iat - leeway` on.
pub fn check_dates(claims: Value<'_>, now: u64, leeway_s: u64) -> Result<u64, Authentication> {
    let expires_at = date(claims, "exp")?.ok_or(Authentication::ClaimsInvalid)?;
    if now >= expires_at.saturating_add(leeway_s) {
        return Err(Authentication::Expired);
    }
    for name in ["nbf", "iat"] {
        if let Some(from) = date(claims, name)?
            && from > now.saturating_add(leeway_s)
        {
            return Err(Authentication::NotYetValid);
        }
    }
    Ok(expires_at)
}

/// A NumericDate, cut to whole seconds.
fn date(claims: Value<'_>, name: &str) -> Result<Option<u64>, Authentication> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let number = value.as_f64().ok_or(Authentication::ClaimsInvalid)?;
    if !(0.0..=DATE_MAX).contains(&number) {
        return Err(Authentication::ClaimsInvalid);
    }
    // In range: checked just above.
    Ok(Some(number as u64))
}

/// The values of `aud`: a string or a list of strings, at least one.
pub fn audiences(claims: Value<'_>) -> Result<Box<[Box<str>]>, Authentication> {
    let value = claims.get("aud").ok_or(Authentication::ClaimsInvalid)?;
    let values = strings(value).ok_or(Authentication::ClaimsInvalid)?;
    if values.is_empty() {
        return Err(Authentication::ClaimsInvalid);
    }
    Ok(values.into_boxed_slice())
}

/// A list of strings, or one string as a list of one. `None` when it is anything else.
pub fn strings(value: Value<'_>) -> Option<Vec<Box<str>>> {
    if let Some(text) = value.as_str() {
        return Some(vec![Box::from(text)]);
    }
    if value.kind() != doorward_message::Kind::Array {
        return None;
    }
    value.elements().map(|element| element.as_str().map(Box::from)).collect()
}

/// Whether the token says of itself that it is an access token, or at least nothing else.
///
/// With `wanted` configured, the header's `typ` must be exactly that. Without, `typ` is `at+jwt` (RFC 9068), or `JWT` or
/// absent; the latter two are refused when the claims are those of another kind of token: `nonce`, `at_hash` or `c_hash` make
/// an OpenID Connect ID token (Core §2), `events` a security event token (RFC 8417), and a `typ` claim may name an ID, refresh
/// or logout token (Keycloak).
pub fn check_token_type(typ: Option<&str>, wanted: Option<&str>, claims: Value<'_>) -> Result<(), Authentication> {
    if let Some(wanted) = wanted {
        return if typ == Some(wanted) { Ok(()) } else { Err(Authentication::TokenType) };
    }
    match typ {
        Some("at+jwt") => return Ok(()),
        None | Some("jwt") => {}
        Some(_) => return Err(Authentication::TokenType),
    }
    let foreign = ["nonce", "at_hash", "c_hash", "events"];
    if foreign.iter().any(|name| claims.get(name).is_some()) {
        return Err(Authentication::TokenType);
    }
    let kind = claims.get("typ").and_then(|value| value.as_str());
    match kind.as_deref() {
        Some("ID" | "Refresh" | "Offline" | "Logout") => Err(Authentication::TokenType),
        _ => Ok(()),
    }
}
