//! Keys that sign, tokens in every shape, and an identity provider on loopback that counts what is fetched.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
        RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};

use crate::pipeline::admit::authentication::{keys::KeySetLimits, settings::KeySetSettings};

pub(super) const NOW: u64 = 1_800_000_000;
pub(super) const RESOURCE: &str = "https://mcp.example.com/mcp";

pub(super) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

enum Pair {
    Ec(EcdsaKeyPair, &'static str),
    Ed(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
}

/// A private key with its JWK.
pub(super) struct Signer {
    pub(super) kid: &'static str,
    pub(super) alg: &'static str,
    pair: Pair,
}

impl Signer {
    pub(super) fn new(kid: &'static str, alg: &'static str) -> Self {
        let pair = match alg {
            "ES256" => Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(), "P-256"),
            "ES384" => Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap(), "P-384"),
            "EdDSA" => Pair::Ed(Ed25519KeyPair::generate().unwrap()),
            "RS256" | "PS256" => Pair::Rsa(Box::new(RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap())),
            other => panic!("no signer for {other}"),
        };
        Self { kid, alg, pair }
    }

    pub(super) fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Ec(pair, curve) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({"kty": "EC", "crv": curve, "x": b64(x), "y": b64(y)})
            }
            Pair::Ed(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": b64(pair.public_key().as_ref())})
            }
            Pair::Rsa(pair) => {
                let public = pair.public_key();
                let n = public.modulus().big_endian_without_leading_zero();
                let e = public.exponent().big_endian_without_leading_zero();
                json!({"kty": "RSA", "n": b64(n), "e": b64(e)})
            }
        };
        jwk["kid"] = json!(self.kid);
        jwk["alg"] = json!(self.alg);
        jwk["use"] = json!("sig");
        jwk
    }

    pub(super) fn signature(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ec(pair, _) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let mut out = vec![0; pair.public_modulus_len()];
                let scheme: &dyn aws_lc_rs::signature::RsaEncoding = match self.alg {
                    "PS256" => &RSA_PSS_SHA256,
                    _ => &RSA_PKCS1_SHA256,
                };
                pair.sign(scheme, &random, message, &mut out).unwrap();
                out
            }
        }
    }

    pub(super) fn header(&self) -> Value {
        json!({"alg": self.alg, "kid": self.kid, "typ": "at+jwt"})
    }

    /// Signs texts as they are, so that they may be wrong JSON too.
    pub(super) fn sign_text(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", b64(header), b64(claims));
        let signature = b64(self.signature(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    pub(super) fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    pub(super) fn token(&self, claims: &Value) -> String {
        self.sign(&self.header(), claims)
    }
}

/// The default limits of a key set.
pub(super) fn limits() -> KeySetLimits {
    KeySetLimits::from(&KeySetSettings::default())
}

pub(super) fn key_set(signers: &[&Signer]) -> String {
    let keys: Vec<Value> = signers.iter().map(|signer| signer.jwk()).collect();
    json!({ "keys": keys }).to_string()
}

/// Claims of a good token.
pub(super) fn claims(issuer: &str) -> Value {
    json!({"iss": issuer, "aud": RESOURCE, "sub": "alice", "exp": NOW + 300, "iat": NOW - 1, "client_id": "cli"})
}

/// `claims` with one more or another member.
pub(super) fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

/// `claims` without one member.
pub(super) fn without(mut claims: Value, name: &str) -> Value {
    claims.as_object_mut().unwrap().remove(name);
    claims
}

#[derive(Clone, Default)]
pub(super) struct Page {
    pub(super) status: u16,
    pub(super) body: String,
    pub(super) delay: Duration,
    pub(super) location: Option<String>,
}

#[derive(Default)]
struct State {
    pages: HashMap<String, Page>,
    hits: HashMap<String, usize>,
}

/// An HTTP server on loopback.
pub(super) struct Idp {
    pub(super) issuer: String,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Drop for Idp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Idp {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&shared)));
            }
        });
        Self { issuer, state, task }
    }

    /// With RFC 8414 metadata and these keys.
    pub(super) async fn with_keys(signers: &[&Signer]) -> Self {
        let idp = Self::start().await;
        let metadata = json!({"issuer": idp.issuer, "jwks_uri": format!("{}/jwks", idp.issuer)});
        idp.page("/.well-known/oauth-authorization-server", 200, &metadata.to_string());
        idp.page("/jwks", 200, &key_set(signers));
        idp
    }

    pub(super) fn page(&self, path: &str, status: u16, body: &str) {
        self.put(path, Page { status, body: body.to_owned(), ..Page::default() });
    }

    pub(super) fn put(&self, path: &str, page: Page) {
        self.state.lock().unwrap().pages.insert(path.to_owned(), page);
    }

    pub(super) fn hits(&self, path: &str) -> usize {
        self.state.lock().unwrap().hits.get(path).copied().unwrap_or_default()
    }

    pub(super) fn hits_in_all(&self) -> usize {
        self.state.lock().unwrap().hits.values().sum()
    }
}

async fn answer(mut stream: tokio::net::TcpStream, state: Arc<Mutex<State>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else {
            return;
        };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let page = {
        let mut state = state.lock().unwrap();
        *state.hits.entry(path.clone()).or_default() += 1;
        state.pages.get(&path).cloned()
    };
    let page = page.unwrap_or(Page { status: 404, ..Page::default() });
    tokio::time::sleep(page.delay).await;
    let location = page.location.map(|to| format!("location: {to}\r\n")).unwrap_or_default();
    let text = format!(
        "HTTP/1.1 {} x\r\ncontent-length: {}\r\n{location}connection: close\r\n\r\n{}",
        page.status,
        page.body.len(),
        page.body
    );
    let _ = stream.write_all(text.as_bytes()).await;
}
