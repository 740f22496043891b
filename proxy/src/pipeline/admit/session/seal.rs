//! The session ids that clients see.
//!
//! An id is `base64url(nonce ‖ AES-256-GCM(payload))` under a key that this process made at random and nobody else has. Inside:
//! owner, route, the upstream's own session id, times, and 128 random bits that name the session in the table. An id tells its
//! holder nothing, cannot be altered, and does not outlive the process. Opening fails in one way only, whatever is wrong.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey},
    constant_time::verify_slices_are_equal,
    digest, rand,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::model::{Principal, rejection::Session};

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 12;
/// The longest session id of an upstream that is taken on, in bytes.
pub const UPSTREAM_ID_BYTES_MAX: usize = 512;
/// The longest id that is looked at, in characters; the longest that is ever made is shorter.
const ID_CHARS_MAX: usize = 2_048;
const ROUTE_BYTES_MAX: usize = 512;

/// 128 random bits that name a session.
pub type Handle = [u8; 16];

/// Whose a session is: a digest of issuer, kind and id. Groups, scopes and the like are not in it, so that a refreshed token
/// keeps the session; what its holder may do is decided anew with every message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Owner([u8; 32]);

impl Owner {
    /// The owner that `principal` is.
    pub fn of(principal: &Principal) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        let issuer = principal.issuer.as_deref();
        context.update(&[u8::from(issuer.is_some())]);
        for field in [issuer.unwrap_or_default(), principal.kind.as_str(), &principal.id] {
            context.update(&(field.len() as u64).to_le_bytes());
            context.update(field.as_bytes());
        }
        let mut owner = [0; 32];
        owner.copy_from_slice(context.finish().as_ref());
        Self(owner)
    }
}

/// What an id says of its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The session's name in the table.
    pub handle: Handle,
    /// Whose it is.
    pub owner: Owner,
    /// The route it belongs to.
    pub route: Box<str>,
    /// The upstream's session id, if it gave one.
    pub upstream_id: Option<Box<[u8]>>,
    /// From this second on (Unix time) the id is void.
    pub expires_at: u64,
}

/// Why no session id could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The upstream's session id is over [`UPSTREAM_ID_BYTES_MAX`].
    #[error("the server's session id is too long")]
    UpstreamIdTooLong,
    /// The route's name is too long.
    #[error("the route's name is too long")]
    RouteTooLong,
    /// The cryptography failed.
    #[error("the session id cannot be sealed")]
    Crypto,
}

/// Makes and opens session ids.
pub struct Sealer(RandomizedNonceKey);

impl Sealer {
    /// With a new random key.
    pub fn new() -> Result<Self, SealError> {
        let mut key = [0; 32];
        rand::fill(&mut key).map_err(|_| SealError::Crypto)?;
        let sealer = RandomizedNonceKey::new(&AES_256_GCM, &key).map_err(|_| SealError::Crypto);
        zeroize::Zeroize::zeroize(&mut key);
        sealer.map(Self)
    }

    /// The name of a new session.
    pub fn new_handle() -> Result<Handle, SealError> {
        let mut handle = [0; 16];
        rand::fill(&mut handle).map_err(|_| SealError::Crypto)?;
        Ok(handle)
    }

    /// Makes the id: visible ASCII only.
    pub fn seal(&self, session: &Sealed) -> Result<String, SealError> {
        let mut sealed = encode(session)?;
        let nonce = self.0.seal_in_place_append_tag(Aad::empty(), &mut sealed).map_err(|_| SealError::Crypto)?;
        let mut id = nonce.as_ref().to_vec();
        id.append(&mut sealed);
        Ok(URL_SAFE_NO_PAD.encode(id))
    }

    /// Opens an id that `owner` presented on `route` at `now` (Unix time in seconds).
    pub fn open(&self, id: &[u8], owner: Owner, route: &str, now: u64) -> Result<Sealed, Session> {
        let session = self.decrypt(id).ok_or(Session::Unknown)?;
        let owned = verify_slices_are_equal(&session.owner.0, &owner.0).is_ok();
        if owned && *session.route == *route && now < session.expires_at { Ok(session) } else { Err(Session::Unknown) }
    }

    fn decrypt(&self, id: &[u8]) -> Option<Sealed> {
        if id.len() > ID_CHARS_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(id).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_BYTES)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let payload = self.0.open_in_place(nonce, Aad::empty(), &mut sealed).ok()?;
        decode(payload)
    }
}

fn encode(session: &Sealed) -> Result<Vec<u8>, SealError> {
    let upstream_id = session.upstream_id.as_deref().unwrap_or_default();
    if upstream_id.len() > UPSTREAM_ID_BYTES_MAX {
        return Err(SealError::UpstreamIdTooLong);
    }
    if session.route.len() > ROUTE_BYTES_MAX {
        return Err(SealError::RouteTooLong);
    }
    let route_bytes = u16::try_from(session.route.len()).map_err(|_| SealError::RouteTooLong)?;
    let mut payload = vec![VERSION, u8::from(session.upstream_id.is_some())];
    payload.extend_from_slice(&session.handle);
    payload.extend_from_slice(&session.owner.0);
    payload.extend_from_slice(&session.expires_at.to_be_bytes());
    payload.extend_from_slice(&route_bytes.to_be_bytes());
    payload.extend_from_slice(session.route.as_bytes());
    payload.extend_from_slice(upstream_id);
    Ok(payload)
}

fn decode(payload: &[u8]) -> Option<Sealed> {
    let ([version, has_upstream], rest) = payload.split_first_chunk()?;
    let (handle, rest) = rest.split_first_chunk()?;
    let (owner, rest) = rest.split_first_chunk()?;
    let (expires_at, rest) = rest.split_first_chunk()?;
    let (route_bytes, rest) = rest.split_first_chunk()?;
    let (route, upstream_id) = rest.split_at_checked(u16::from_be_bytes(*route_bytes).into())?;
    if *version != VERSION {
        return None;
    }
    Some(Sealed {
        handle: *handle,
        owner: Owner(*owner),
        route: std::str::from_utf8(route).ok()?.into(),
        upstream_id: (*has_upstream == 1).then(|| upstream_id.into()),
        expires_at: u64::from_be_bytes(*expires_at),
    })
}
