//! Takes a compact JWS apart (RFC 7515 §7.1) and verifies its signature with one given key.
//!
//! In: the token's text. Out: header fields and claims, both by the strict parser: duplicate keys, trailing bytes and the
//! like are refused. Refused too: anything but three parts, `crit`, `b64`, encryption, compression, and headers that bring
//! their own key or say where one is (`jwk`, `jku`, `x5c`, `x5u`): keys come from the configured issuer only.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use doorward_message::{Json, Limits};

use super::{keys::Key, settings::SignatureAlgorithm};
use crate::model::rejection::Authentication;

/// A token's parts, nothing of it verified yet.
pub struct Jws<'t> {
    /// The header's algorithm.
    pub algorithm: SignatureAlgorithm,
    /// The header's key id.
    pub key_id: Option<Box<str>>,
    /// The header's `typ`, in lower case and without `application/`.
    pub token_type: Option<Box<str>>,
    /// The claims, an object.
    pub claims: Json,
    signed: &'t str,
    signature: &'t str,
}

/// Header parameters that are never acted on. A token that carries one wants to be treated in a way we do not offer.
const FORBIDDEN_PARAMETERS: [&str; 10] = ["crit", "b64", "zip", "enc", "epk", "p2c", "jku", "jwk", "x5u", "x5c"];

impl<'t> Jws<'t> {
    /// Takes `token` apart.
    pub fn parse(token: &'t str) -> Result<Self, Authentication> {
        let malformed = Authentication::TokenMalformed;
        let (signed, signature) = token.rsplit_once('.').ok_or(malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(malformed)?;
        if claims.contains('.') || signature.is_empty() {
            return Err(malformed);
        }
        let header = object(header)?;
        let root = header.root();
        if FORBIDDEN_PARAMETERS.iter().any(|name| root.get(name).is_some()) {
            return Err(malformed);
        }
        let text = |name| match root.get(name) {
            None => Ok(None),
            Some(value) => value.as_str().map(Some).ok_or(malformed),
        };
        let algorithm = text("alg")?.ok_or(malformed)?;
        let algorithm = SignatureAlgorithm::from_name(&algorithm).ok_or(Authentication::AlgorithmForbidden)?;
        let token_type = text("typ")?.map(|typ| {
            let typ = typ.to_ascii_lowercase();
            Box::from(typ.strip_prefix("application/").unwrap_or(&typ))
        });
        Ok(Self {
            algorithm,
            key_id: text("kid")?.map(Box::from),
            token_type,
            claims: object(claims)?,
            signed,
            signature,
        })
    }

    /// Whether `key` made the signature, by the header's algorithm, which must be one of the key's.
    pub fn verify(&self, key: &Key) -> Result<(), Authentication> {
        let algorithm = key.algorithm(self.algorithm).ok_or(Authentication::AlgorithmForbidden)?;
        let verified = jsonwebtoken::crypto::verify(self.signature, self.signed.as_bytes(), key.material(), algorithm);
        match verified {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(Authentication::SignatureInvalid),
        }
    }
}

/// Decodes and strictly parses one part, which must be a JSON object.
fn object(part: &str) -> Result<Json, Authentication> {
    let malformed = Authentication::TokenMalformed;
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed)?;
    let limits = Limits { depth_max: 16, ..Limits::default() };
    let json = Json::parse(Bytes::from(bytes), &limits).map_err(|_| malformed)?;
    if json.root().kind() == doorward_message::Kind::Object { Ok(json) } else { Err(malformed) }
}
