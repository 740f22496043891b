//! What an upstream hands a client to bring back (`requestState` of MCP 2026-07-28), bound to whom it was given.
//!
//! A client sees `base64url(nonce ‖ AES-256-GCM(expiry ‖ the upstream's own text))` under a key that this process made at
//! random. Caller, route and what was asked for are authenticated with it: in other hands, at another place, for another
//! request, altered, or too late, it opens to nothing. The upstream sees its own text again, to the byte.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey},
    rand,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::Principal;

const NONCE_BYTES: usize = 12;
/// How long a client has to bring it back.
const AGE_S_MAX: u64 = 600;

/// The cryptography failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("handles cannot be sealed")]
pub struct HandleError;

/// Seals and opens handles.
pub struct Handles(RandomizedNonceKey);

/// What a handle is bound to.
#[derive(Clone, Copy)]
pub struct Binding<'a> {
    /// Whose it is: issuer, client, kind and id. A refreshed token keeps it.
    pub principal: &'a Principal,
    /// The route's path.
    pub route: &'a str,
    /// The upstream that the route leads to.
    pub upstream: &'a str,
    /// The request's method.
    pub method: &'a str,
    /// What the request is about: the tool, prompt or URI.
    pub target: &'a str,
    /// Its arguments, whatever the order and spelling of their members.
    pub arguments: [u8; 32],
}

impl Binding<'_> {
    fn bytes(&self) -> Vec<u8> {
        let principal = self.principal;
        let issuer = principal.issuer.as_deref();
        let client = principal.client_id.as_deref();
        let mut bytes = vec![u8::from(issuer.is_some()), u8::from(client.is_some())];
        bytes.extend_from_slice(&self.arguments);
        for field in [
            issuer.unwrap_or_default(),
            client.unwrap_or_default(),
            principal.kind.as_str(),
            &*principal.id,
            self.route,
            self.upstream,
            self.method,
            self.target,
        ] {
            bytes.extend_from_slice(&(field.len() as u64).to_le_bytes());
            bytes.extend_from_slice(field.as_bytes());
        }
        bytes
    }
}

impl Handles {
    /// With a new random key.
    ///
    /// # Errors
    /// [`HandleError`].
    pub fn new() -> Result<Self, HandleError> {
        let mut key = [0; 32];
        rand::fill(&mut key).map_err(|_| HandleError)?;
        let handles = RandomizedNonceKey::new(&AES_256_GCM, &key).map_err(|_| HandleError);
        zeroize::Zeroize::zeroize(&mut key);
        handles.map(Self)
    }

    /// Makes a handle of the upstream's JSON text, at `now` (Unix time in seconds).
    ///
    /// # Errors
    /// [`HandleError`].
    pub fn seal(&self, text: &str, binding: Binding<'_>, now: u64) -> Result<String, HandleError> {
        let mut sealed = now.saturating_add(AGE_S_MAX).to_be_bytes().to_vec();
        sealed.extend_from_slice(text.as_bytes());
        let bound = binding.bytes();
        let nonce = self.0.seal_in_place_append_tag(Aad::from(bound), &mut sealed).map_err(|_| HandleError)?;
        let mut handle = nonce.as_ref().to_vec();
        handle.append(&mut sealed);
        Ok(URL_SAFE_NO_PAD.encode(handle))
    }

    /// The upstream's JSON text again, if the handle was made for this binding and is not too old.
    pub fn open(&self, handle: &str, binding: Binding<'_>, now: u64) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(handle).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_BYTES)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let opened = self.0.open_in_place(nonce, Aad::from(binding.bytes()), &mut sealed).ok()?;
        let (expires_at, text) = opened.split_first_chunk()?;
        (now < u64::from_be_bytes(*expires_at)).then(|| String::from_utf8(text.to_vec()).ok())?
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_handle_opens_for_what_it_was_made_for_and_for_nothing_else() {
        let handles = Handles::new().unwrap();
        let principal = Principal::anonymous();
        let binding = Binding {
            principal: &principal,
            route: "/mcp",
            upstream: "files",
            method: "tools/call",
            target: "a",
            arguments: [1; 32],
        };
        let handle = handles.seal("\"s\\u0061\"", binding, 100).unwrap();
        assert_eq!(handles.open(&handle, binding, 699).as_deref(), Some("\"s\\u0061\""));
        assert_eq!(handles.open(&handle, binding, 700), None, "too old");
        assert_eq!(handles.open(&handle, Binding { route: "/other", ..binding }, 100), None);
        assert_eq!(handles.open(&handle, Binding { method: "prompts/get", ..binding }, 100), None);
        assert_eq!(handles.open(&handle, Binding { target: "b", ..binding }, 100), None);
        assert_eq!(handles.open(&handle, Binding { upstream: "mail", ..binding }, 100), None);
        assert_eq!(handles.open(&handle, Binding { arguments: [2; 32], ..binding }, 100), None);
        assert_eq!(Handles::new().unwrap().open(&handle, binding, 100), None, "another process");
        for place in 0..handle.len() {
            let other = if handle.as_bytes().get(place) == Some(&b'A') { "B" } else { "A" };
            let mut altered = handle.clone();
            altered.replace_range(place..=place, other);
            assert_eq!(handles.open(&altered, binding, 100), None, "altered at {place}");
        }
        assert_eq!(handles.open("", binding, 100), None);
        assert_eq!(handles.open("\"s\"", binding, 100), None);
    }
}
