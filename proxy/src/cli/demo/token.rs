//! The demo's issuer: a throw-away ES256 key, its JWK set (RFC 7517) and one token (RFC 7519) of an hour.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::{
    rand::{SecureRandom, SystemRandom},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// The name in `iss`; nothing is ever fetched from it.
pub(super) const ISSUER: &str = "https://demo.doorward.invalid";
/// The name in `aud`.
pub(super) const AUDIENCE: &str = "urn:doorward:demo";
const KEY_ID: &str = "demo";
const LIFETIME_S: u64 = 3600;

/// A key that lives as long as the demo and is written nowhere.
pub(super) struct Issuer {
    key: EcdsaKeyPair,
}

/// Eight random bytes.
pub(super) fn random() -> Option<u64> {
    let mut bytes = [0; 8];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(u64::from_le_bytes(bytes))
}

impl Issuer {
    /// A new key.
    pub(super) fn new() -> Option<Self> {
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok().map(|key| Self { key })
    }

    /// The public half. The key's octets are an uncompressed point: 4, then x and y of 32 bytes (SEC 1 §2.3.3).
    pub(super) fn jwks(&self) -> Value {
        let point = self.key.public_key().as_ref();
        let coordinate = |range| point.get(range).map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
        json!({ "keys": [{
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": KEY_ID,
            "x": coordinate(1..33), "y": coordinate(33..65),
        }]})
    }

    /// A token for the user `demo`.
    pub(super) fn token(&self) -> Option<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": KEY_ID });
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "demo", "client_id": "doorward-demo", "scope": "mcp",
            "iat": now, "nbf": now, "exp": now + LIFETIME_S, "jti": format!("{:016x}", random()?),
        });
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}
