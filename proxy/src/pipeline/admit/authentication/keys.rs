//! An issuer's verification keys, read from a JWK set (RFC 7517).
//!
//! In: the document's bytes. Out: a [`KeySet`]. Each key is bound to the algorithms that its `kty`, `crv` and `alg` allow, so
//! that a token's header can never make one key serve as another kind of key. Keys of a kind that is not supported, private
//! or symmetric keys and keys for encryption are left out; a document that is not strict JSON, or is over its
//! [`KeySetLimits`], is refused whole.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use doorward_message::{Json, Kind, Limits, ParseError, Value};
use jsonwebtoken::{Algorithm, DecodingKey};

use super::settings::{KeySetSettings, SignatureAlgorithm};

/// How large a set may be.
#[derive(Clone, Copy, Debug)]
pub struct KeySetLimits {
    /// The largest JWK set or metadata document, in bytes.
    pub document_bytes_max: usize,
    /// The most keys a set may have.
    pub keys_max: usize,
}

impl From<&KeySetSettings> for KeySetLimits {
    fn from(settings: &KeySetSettings) -> Self {
        Self {
            document_bytes_max: settings.document_bytes_max.bytes(),
            keys_max: usize::try_from(settings.keys_max).unwrap_or(usize::MAX),
        }
    }
}

/// Why a JWK set was refused.
#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    /// Not strict JSON.
    #[error("the JWK set is not strict JSON ({})", .0.code())]
    Json(ParseError),
    /// No `keys` list.
    #[error("the JWK set has no list `keys`")]
    NoKeys,
    /// Over the limit.
    #[error("the JWK set has more than {0} keys")]
    TooManyKeys(usize),
    /// None of the keys can verify a signature.
    #[error("no key of the JWK set is a public signature key of a supported kind")]
    NoUsableKey,
}

/// A public key, with the algorithms it may be used with.
pub struct Key {
    id: Option<Box<str>>,
    algorithms: Box<[SignatureAlgorithm]>,
    material: DecodingKey,
    identity: [u8; 32],
    live: AtomicBool,
}

impl Key {
    /// The algorithm for the cryptography library, if this key may be used with `wanted`.
    pub fn algorithm(&self, wanted: SignatureAlgorithm) -> Option<Algorithm> {
        self.algorithms.contains(&wanted).then_some(match wanted {
            SignatureAlgorithm::Rs256 => Algorithm::RS256,
            SignatureAlgorithm::Rs384 => Algorithm::RS384,
            SignatureAlgorithm::Rs512 => Algorithm::RS512,
            SignatureAlgorithm::Ps256 => Algorithm::PS256,
            SignatureAlgorithm::Ps384 => Algorithm::PS384,
            SignatureAlgorithm::Ps512 => Algorithm::PS512,
            SignatureAlgorithm::Es256 => Algorithm::ES256,
            SignatureAlgorithm::Es384 => Algorithm::ES384,
            SignatureAlgorithm::EdDsa => Algorithm::EdDSA,
        })
    }

    /// The key itself.
    pub fn material(&self) -> &DecodingKey {
        &self.material
    }

    /// Whether the key is still in its issuer's set and the set is not too old. What was verified by a key that is not live
    /// any more must not be served from a cache.
    pub fn is_live(&self) -> bool {
        self.live.load(Ordering::Acquire)
    }
}

/// What became of the search for a key.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// The one key to verify with.
    Found(Arc<Key>),
    /// The key is there, but not for that algorithm.
    OtherAlgorithm,
    /// No key with that id; without an id, not exactly one key for the algorithm.
    Unknown,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .field("algorithms", &self.algorithms)
            .field("live", &self.is_live())
            .finish_non_exhaustive()
    }
}

/// The keys of one issuer as last seen.
#[derive(Debug, Default)]
pub struct KeySet(Vec<Arc<Key>>);

impl KeySet {
    /// Reads a JWK set.
    pub fn parse(document: Bytes, limits: &KeySetLimits) -> Result<Self, KeySetError> {
        let strict = Limits { message_bytes_max: limits.document_bytes_max, depth_max: 16, ..Limits::default() };
        let json = Json::parse(document, &strict).map_err(KeySetError::Json)?;
        let keys = json.root().get("keys").ok_or(KeySetError::NoKeys)?;
        if keys.kind() != Kind::Array {
            return Err(KeySetError::NoKeys);
        }
        let mut set: Vec<Arc<Key>> = Vec::new();
        for (index, jwk) in keys.elements().enumerate() {
            if index >= limits.keys_max {
                return Err(KeySetError::TooManyKeys(limits.keys_max));
            }
            let key = read_key(jwk).map(Arc::new);
            set.extend(key.filter(|key| set.iter().all(|other| other.identity != key.identity)));
        }
        if set.is_empty() {
            return Err(KeySetError::NoUsableKey);
        }
        Ok(Self(set))
    }

    /// The key for a token with this `kid` and `alg`.
    pub fn find(&self, id: Option<&str>, algorithm: SignatureAlgorithm) -> Lookup {
        let mut of_id = self.0.iter().filter(|key| id.is_none() || key.id.as_deref() == id);
        let mut candidates = of_id.clone().filter(|key| key.algorithms.contains(&algorithm));
        match (candidates.next(), candidates.next()) {
            (Some(key), None) => Lookup::Found(Arc::clone(key)),
            (None, _) if id.is_some() && of_id.next().is_some() => Lookup::OtherAlgorithm,
            _ => Lookup::Unknown,
        }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes over the live keys of `old` that are here too, so that what they verified stays valid.
    pub fn keep_known(&mut self, old: &Self) {
        for key in &mut self.0 {
            let known = old.0.iter().find(|other| other.identity == key.identity);
            if let Some(known) = known.filter(|known| known.is_live()) {
                *key = Arc::clone(known);
            }
        }
    }

    /// Ends every key that `next` does not hold.
    pub fn retire(&self, next: &Self) {
        for key in &self.0 {
            if !next.0.iter().any(|kept| Arc::ptr_eq(kept, key)) {
                key.live.store(false, Ordering::Release);
            }
        }
    }
}

/// A public signature key of a supported kind, or `None`.
fn read_key(jwk: Value<'_>) -> Option<Key> {
    let text = |name| jwk.get(name).map(|value| value.as_str());
    let purpose = text("use");
    if purpose.is_some_and(|purpose| purpose.as_deref() != Some("sig")) {
        return None;
    }
    if let Some(operations) = jwk.get("key_ops")
        && !operations.elements().any(|operation| operation.as_str().as_deref() == Some("verify"))
    {
        return None;
    }
    // A set that carries a private key is a mistake; the key is as good as public and must not be relied on.
    if jwk.get("d").is_some() {
        return None;
    }
    let id = match text("kid") {
        None => None,
        Some(id) => Some(Box::from(id?)),
    };
    let (kinds, material, parts) = read_material(jwk)?;
    let algorithms: Box<[_]> = match text("alg") {
        None => kinds.into(),
        Some(name) => {
            let named = SignatureAlgorithm::from_name(&name?)?;
            kinds.iter().copied().filter(|kind| *kind == named).collect()
        }
    };
    if algorithms.is_empty() {
        return None;
    }
    let identity = identity(id.as_deref(), &algorithms, &parts);
    Some(Key { id, algorithms, material, identity, live: AtomicBool::new(true) })
}

type Material = (&'static [SignatureAlgorithm], DecodingKey, Vec<Vec<u8>>);

/// The key itself and what its type and curve can be used for. Lengths are checked here: RSA moduli have 2048 to 8192 bits.
fn read_material(jwk: Value<'_>) -> Option<Material> {
    use SignatureAlgorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
    let text = |name| jwk.get(name).and_then(|value| value.as_str());
    let bytes = |name| URL_SAFE_NO_PAD.decode(text(name)?.as_bytes()).ok();
    let (kind, curve) = (text("kty")?, text("crv"));
    match (kind.as_ref(), curve.as_deref()) {
        ("RSA", None) => {
            let (n, e) = (bytes("n")?, bytes("e")?);
            if !(256..=1024).contains(&n.len()) || e.is_empty() {
                return None;
            }
            let key = DecodingKey::from_rsa_raw_components(&n, &e);
            Some((&[Rs256, Rs384, Rs512, Ps256, Ps384, Ps512], key, vec![n, e]))
        }
        ("EC", Some(curve @ ("P-256" | "P-384"))) => {
            let (algorithms, length): (&[_], _) = match curve {
                "P-256" => (&[Es256], 32),
                _ => (&[Es384], 48),
            };
            let (x, y) = (bytes("x")?, bytes("y")?);
            if x.len() != length || y.len() != length {
                return None;
            }
            let key = DecodingKey::from_ec_components(&text("x")?, &text("y")?).ok()?;
            Some((algorithms, key, vec![x, y]))
        }
        ("OKP", Some("Ed25519")) => {
            let x = bytes("x").filter(|x| x.len() == 32)?;
            let key = DecodingKey::from_ed_components(&text("x")?).ok()?;
            Some((&[EdDsa], key, vec![x]))
        }
        _ => None,
    }
}

/// What makes a key the same key in the next document: its id, its algorithms, its numbers.
fn identity(id: Option<&str>, algorithms: &[SignatureAlgorithm], parts: &[Vec<u8>]) -> [u8; 32] {
    let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    hash.update(format!("{id:?}{algorithms:?}").as_bytes());
    for part in parts {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let mut identity = [0; 32];
    identity.copy_from_slice(hash.finish().as_ref());
    identity
}
