//! Who calls: an issuer on loopback with one ES256 key, and tokens by it or forged in its name.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::error::{Error, Result};

/// The audience of every token.
pub(crate) const AUDIENCE: &str = "https://bench.doorward.example/mcp";
/// The group that every caller is in.
pub(crate) const GROUP: &str = "bench";
const KEY_ID: &str = "bench-1";
/// Validity of a token, seconds: longer than any run.
const LIFETIME_S: u64 = 24 * 3600;

/// An issuer that serves its metadata and keys until it is dropped.
pub(crate) struct Issuer {
    /// `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    key: EncodingKey,
    /// A key that no one trusts.
    forger: EncodingKey,
    server: tokio::task::JoinHandle<()>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    client_id: &'a str,
    scope: &'a str,
    groups: [&'a str; 2],
    iat: u64,
    nbf: u64,
    exp: u64,
    jti: &'a str,
}

impl Issuer {
    /// Makes the keys and starts serving on a free loopback port.
    pub(crate) async fn start() -> Result<Self> {
        let (key, public) = key_pair()?;
        let (forger, _) = key_pair()?;
        let listener =
            TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.map_err(Error::io("bind the issuer"))?;
        let address = listener.local_addr().map_err(Error::io("read the issuer's address"))?;
        let url = format!("http://{address}");
        let documents = Arc::new(Documents::new(&url, &public));
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let documents = Arc::clone(&documents);
                tokio::spawn(async move { documents.answer(stream).await });
            }
        });
        Ok(Self { url, key, forger, server })
    }

    /// A valid token for the subject `bench-<number>`, in the group [`GROUP`].
    pub(crate) fn token(&self, number: usize) -> Result<String> {
        self.sign(&self.key, number)
    }

    /// A token that is right in everything but its signature.
    pub(crate) fn forged_token(&self, number: usize) -> Result<String> {
        self.sign(&self.forger, number)
    }

    fn sign(&self, key: &EncodingKey, number: usize) -> Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(KEY_ID.to_owned());
        let claims = Claims {
            iss: &self.url,
            sub: &format!("bench-{number}"),
            aud: AUDIENCE,
            client_id: "doorward-bench",
            scope: "mcp:tools mcp:resources",
            groups: [GROUP, "staff"],
            iat: now,
            nbf: now,
            exp: now + LIFETIME_S,
            jti: &format!("bench-token-{number}"),
        };
        Ok(jsonwebtoken::encode(&header, &claims, key)?)
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A new private key and its public point (uncompressed, 65 bytes).
fn key_pair() -> Result<(EncodingKey, Vec<u8>)> {
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let der = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new())?;
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, der.as_ref()).map_err(|_| aws_lc_rs::error::Unspecified)?;
    let public = pair.public_key().as_ref().to_vec();
    Ok((EncodingKey::from_ec_der(der.as_ref()), public))
}

/// What the issuer serves.
struct Documents {
    metadata: String,
    keys: String,
}

impl Documents {
    fn new(issuer: &str, public: &[u8]) -> Self {
        let coordinate = |from: usize| URL_SAFE_NO_PAD.encode(public.get(from..from + 32).unwrap_or_default());
        Self {
            metadata: json!({
                "issuer": issuer,
                "jwks_uri": format!("{issuer}/jwks.json"),
                "authorization_endpoint": format!("{issuer}/authorize"),
                "token_endpoint": format!("{issuer}/token"),
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256"],
                "code_challenge_methods_supported": ["S256"]
            })
            .to_string(),
            keys: json!({ "keys": [{
                "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": KEY_ID,
                "x": coordinate(1), "y": coordinate(33)
            }] })
            .to_string(),
        }
    }

    /// Answers one GET and closes.
    async fn answer(&self, mut stream: TcpStream) {
        let mut input = bytes::BytesMut::new();
        while memchr::memmem::find(&input, b"\r\n\r\n").is_none() && input.len() < 16 << 10 {
            if !matches!(stream.read_buf(&mut input).await, Ok(1..)) {
                return;
            }
        }
        let path = input.as_ref().split(|byte: &u8| *byte == b' ').nth(1);
        let (status, body) = match path {
            Some(b"/jwks.json") => ("200 OK", self.keys.as_str()),
            Some(b"/.well-known/openid-configuration" | b"/.well-known/oauth-authorization-server") => {
                ("200 OK", self.metadata.as_str())
            }
            _ => ("404 Not Found", "{}"),
        };
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Cache-Control: max-age=3600\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}

#[cfg(test)]
mod tests;
