//! A local token issuer: real keys, discovery and JWKS over loopback HTTP, and tokens of any shape, hostile ones
//! included. Signs with aws-lc-rs directly, so that nothing is shared with the code that verifies.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use aws_lc_rs::{
    encoding::AsDer,
    hmac,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair},
};
use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// A key pair of the issuer (or of an attacker).
pub(crate) enum Key {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Key {
    pub(crate) fn rsa() -> Self {
        Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    pub(crate) fn p256() -> Self {
        Self::P256(EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub(crate) fn p384() -> Self {
        Self::P384(EcdsaKeyPair::generate(&signature::ECDSA_P384_SHA384_FIXED_SIGNING).unwrap())
    }

    pub(crate) fn ed25519() -> Self {
        Self::Ed25519(Ed25519KeyPair::generate().unwrap())
    }

    /// The public key as a JWK with `kid`, without `alg` (an RSA key serves RS256 and PS256).
    pub(crate) fn jwk(&self, kid: &str) -> Value {
        let point = |bytes: &[u8], curve: &str| {
            let (x, y) = bytes[1..].split_at((bytes.len() - 1) / 2);
            json!({ "kty": "EC", "crv": curve, "x": BASE64URL.encode(x), "y": BASE64URL.encode(y) })
        };
        let mut jwk = match self {
            Self::Rsa(pair) => {
                let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
                json!({
                    "kty": "RSA",
                    "n": BASE64URL.encode(n.big_endian_without_leading_zero()),
                    "e": BASE64URL.encode(e.big_endian_without_leading_zero()),
                })
            }
            Self::P256(pair) => point(pair.public_key().as_ref(), "P-256"),
            Self::P384(pair) => point(pair.public_key().as_ref(), "P-384"),
            Self::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": BASE64URL.encode(pair.public_key().as_ref()) })
            }
        };
        jwk["kid"] = json!(kid);
        jwk["use"] = json!("sig");
        jwk
    }

    /// The public RSA key as PEM (SubjectPublicKeyInfo): what the HS256 confusion signs with.
    pub(crate) fn public_pem(&self, line_end: &str) -> String {
        let Self::Rsa(pair) = self else { panic!("only RSA keys are used as PEM") };
        let der = AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap();
        let text = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
        let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!(
            "-----BEGIN PUBLIC KEY-----{line_end}{}{line_end}-----END PUBLIC KEY-----{line_end}",
            lines.join(line_end)
        )
    }

    fn sign(&self, algorithm: &str, bytes: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let rsa = |pair: &RsaKeyPair, padding| {
            let mut signed = vec![0; pair.public_modulus_len()];
            pair.sign(padding, &random, bytes, &mut signed).unwrap();
            signed
        };
        match self {
            Self::Rsa(pair) if algorithm == "PS256" => rsa(pair, &signature::RSA_PSS_SHA256),
            Self::Rsa(pair) => rsa(pair, &signature::RSA_PKCS1_SHA256),
            Self::P256(pair) | Self::P384(pair) => pair.sign(&random, bytes).unwrap().as_ref().to_vec(),
            Self::Ed25519(pair) => pair.sign(bytes).as_ref().to_vec(),
        }
    }
}

/// How a token is made. Everything left out is what a valid access token has.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Recipe {
    /// The whole token, verbatim; nothing else counts then.
    pub(crate) verbatim: Option<String>,
    /// The header's `alg`.
    pub(crate) alg: Option<String>,
    /// Which key signs: `rsa`, `p256`, `p384`, `ed25519`, `attacker-rsa`, `attacker-p256` (not in the JWKS),
    /// `rsa-public-pem[-crlf|-space|-bare]` (HMAC over the public key's PEM), `none` (empty signature),
    /// `zeros` (a signature of 64 zero bytes).
    pub(crate) key: Option<String>,
    /// The header's `kid`; by default the signing key's.
    pub(crate) kid: Option<String>,
    /// Header members to add or replace.
    pub(crate) header: Map<String, Value>,
    /// Header members to leave out.
    pub(crate) header_drop: Vec<String>,
    /// Claims to add or replace.
    pub(crate) claims: Map<String, Value>,
    /// Claims to leave out.
    pub(crate) claims_drop: Vec<String>,
    /// Claims given in seconds from now, as numbers.
    pub(crate) times_s: BTreeMap<String, i64>,
    /// Claims given in seconds from now, as strings of digits.
    pub(crate) times_text_s: BTreeMap<String, i64>,
    /// The payload's text in place of the claims; `{{issuer}}` in it is the issuer.
    pub(crate) payload: Option<String>,
    /// The header's JSON text in place of the header.
    pub(crate) header_text: Option<String>,
    /// Claims that are lists of so many different strings.
    pub(crate) lists: BTreeMap<String, usize>,
    /// Claims that are strings of so many bytes.
    pub(crate) long: BTreeMap<String, usize>,
    /// Appended to `iss`.
    pub(crate) issuer_suffix: String,
    /// Parts separated by dots, appended to the token.
    pub(crate) suffix: String,
}

/// How the issuer's endpoints answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    #[default]
    Normal,
    /// 500.
    Fail,
    /// Answers after this many milliseconds.
    Slow(u64),
    /// The metadata padded to this many bytes.
    Padded(usize),
    /// 302 to the same document under another path.
    Redirect,
    /// 200 with something that is no JSON.
    Garbage,
}

struct Inner {
    issuer: String,
    keys: Mutex<BTreeMap<String, Key>>,
    attackers: BTreeMap<String, Key>,
    published: Mutex<Vec<String>>,
    mode: Mutex<Mode>,
    discovery_fetches: AtomicUsize,
    jwks_fetches: AtomicUsize,
    jwks_now: AtomicUsize,
    jwks_at_once: AtomicUsize,
    trap_fetches: AtomicUsize,
    token_number: AtomicU64,
}

/// A running issuer.
#[derive(Clone)]
pub(crate) struct Issuer {
    inner: Arc<Inner>,
    audience: String,
}

/// Seconds since 1970.
pub(crate) fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

impl Issuer {
    /// Starts an issuer on a free loopback port, with one key of each kind published under the kind's name.
    pub(crate) async fn start(audience: &str) -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let keys: BTreeMap<String, Key> = [
            ("rsa".to_owned(), Key::rsa()),
            ("p256".to_owned(), Key::p256()),
            ("p384".to_owned(), Key::p384()),
            ("ed25519".to_owned(), Key::ed25519()),
        ]
        .into();
        let attackers = [("attacker-rsa".to_owned(), Key::rsa()), ("attacker-p256".to_owned(), Key::p256())].into();
        let inner = Arc::new(Inner {
            issuer,
            published: Mutex::new(keys.keys().cloned().collect()),
            keys: Mutex::new(keys),
            attackers,
            mode: Mutex::default(),
            discovery_fetches: AtomicUsize::new(0),
            jwks_fetches: AtomicUsize::new(0),
            jwks_now: AtomicUsize::new(0),
            jwks_at_once: AtomicUsize::new(0),
            trap_fetches: AtomicUsize::new(0),
            token_number: AtomicU64::new(0),
        });
        let router = axum::Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/.well-known/oauth-authorization-server", get(discovery))
            .route("/jwks", get(jwks))
            .route("/moved", get(jwks_document))
            .route("/trap", get(trap))
            .with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { inner, audience: audience.to_owned() }
    }

    /// The issuer identifier.
    pub(crate) fn url(&self) -> &str {
        &self.inner.issuer
    }

    /// An address that no token may make anybody fetch (`jku`, `x5u`).
    pub(crate) fn trap_url(&self) -> String {
        format!("{}/trap", self.inner.issuer)
    }

    /// How often the trap was fetched.
    pub(crate) fn trap_fetches(&self) -> usize {
        self.inner.trap_fetches.load(Ordering::SeqCst)
    }

    /// How often the JWKS was fetched.
    pub(crate) fn jwks_fetches(&self) -> usize {
        self.inner.jwks_fetches.load(Ordering::SeqCst)
    }

    /// How many fetches of the JWKS there were at a time, at most.
    pub(crate) fn jwks_at_once(&self) -> usize {
        self.inner.jwks_at_once.load(Ordering::SeqCst)
    }

    /// How often a discovery document was fetched.
    pub(crate) fn discovery_fetches(&self) -> usize {
        self.inner.discovery_fetches.load(Ordering::SeqCst)
    }

    pub(crate) fn set_mode(&self, mode: Mode) {
        *self.inner.mode.lock().unwrap() = mode;
    }

    /// Adds a key under a new name and publishes it.
    pub(crate) fn add_key(&self, kid: &str, key: Key) {
        self.inner.keys.lock().unwrap().insert(kid.to_owned(), key);
        self.inner.published.lock().unwrap().push(kid.to_owned());
    }

    /// Takes a key out of the JWKS; it can still sign.
    pub(crate) fn withdraw_key(&self, kid: &str) {
        self.inner.published.lock().unwrap().retain(|own| own != kid);
    }

    /// The JWKS document.
    pub(crate) fn jwks(&self) -> Value {
        self.inner.jwks()
    }

    /// A valid ES256 access token of `subject`.
    pub(crate) fn token(&self, subject: &str) -> String {
        self.token_with(&Recipe {
            claims: [("sub".to_owned(), json!(subject))].into_iter().collect(),
            ..Default::default()
        })
    }

    /// A valid ES256 access token of `subject` with more claims.
    pub(crate) fn token_of(&self, subject: &str, claims: Value) -> String {
        let Value::Object(mut claims) = claims else { panic!("claims are an object") };
        claims.insert("sub".to_owned(), json!(subject));
        self.token_with(&Recipe { claims, ..Default::default() })
    }

    /// A token made by a recipe.
    pub(crate) fn token_with(&self, recipe: &Recipe) -> String {
        if let Some(verbatim) = &recipe.verbatim {
            return verbatim.clone();
        }
        let key = recipe.key.as_deref().unwrap_or("p256");
        let alg = recipe.alg.as_deref().unwrap_or(match key {
            "rsa" | "attacker-rsa" => "RS256",
            "p384" => "ES384",
            "ed25519" => "EdDSA",
            "none" => "none",
            _ if key.starts_with("rsa-public-pem") => "HS256",
            _ => "ES256",
        });
        let header = recipe.header_text.clone().unwrap_or_else(|| self.header(recipe, key, alg));
        let payload = recipe.payload.as_ref().map(|text| text.replace("{{issuer}}", self.url()));
        let payload = payload.unwrap_or_else(|| Value::Object(self.claims(recipe)).to_string());
        let signed = format!("{}.{}", BASE64URL.encode(header), BASE64URL.encode(payload));
        let signature = self.sign(key, alg, signed.as_bytes());
        format!("{signed}.{}{}", BASE64URL.encode(signature), recipe.suffix)
    }

    fn header(&self, recipe: &Recipe, key: &str, alg: &str) -> String {
        let kid = recipe.kid.as_deref().unwrap_or_else(|| {
            let own = key.strip_prefix("attacker-").unwrap_or(key);
            if own.starts_with("rsa") {
                "rsa"
            } else if matches!(own, "none" | "zeros") {
                "p256"
            } else {
                own
            }
        });
        let mut header = json!({ "typ": "at+jwt", "alg": alg, "kid": kid });
        for (name, value) in &recipe.header {
            header[name] = self.filled(value);
        }
        let members = header.as_object_mut().unwrap();
        members.retain(|name, _| !recipe.header_drop.contains(name));
        if recipe.header.get("jwk").is_some_and(|jwk| jwk == "attacker-p256") {
            members.insert("jwk".to_owned(), self.inner.attackers["attacker-p256"].jwk("p256"));
        }
        header.to_string()
    }

    /// `{{trap}}` in a text becomes the trap's address, `{{issuer}}` the issuer's.
    fn filled(&self, value: &Value) -> Value {
        let Some(text) = value.as_str() else {
            return value.clone();
        };
        json!(text.replace("{{trap}}", &self.trap_url()).replace("{{issuer}}", self.url()))
    }

    fn claims(&self, recipe: &Recipe) -> Map<String, Value> {
        let now = now_s();
        let number = self.inner.token_number.fetch_add(1, Ordering::SeqCst);
        let base = json!({
            "iss": format!("{}{}", self.inner.issuer, recipe.issuer_suffix),
            "aud": self.audience,
            "sub": "alice",
            "client_id": "doorward-tests",
            "scope": "mcp",
            "groups": ["staff"],
            "iat": now,
            "exp": now + 600,
            "jti": format!("token-{number}"),
        });
        let mut claims = base.as_object().expect("an object").clone();
        claims.extend(recipe.claims.iter().map(|(name, value)| (name.clone(), self.filled(value))));
        claims.extend(recipe.times_s.iter().map(|(name, offset)| (name.clone(), json!(now + offset))));
        claims
            .extend(recipe.times_text_s.iter().map(|(name, offset)| (name.clone(), json!((now + offset).to_string()))));
        claims.extend(recipe.lists.iter().map(|(name, count)| {
            let values: Vec<String> = (0..*count).map(|number| format!("{name}-{number}")).collect();
            (name.clone(), json!(values))
        }));
        claims.extend(recipe.long.iter().map(|(name, bytes)| (name.clone(), json!("x".repeat(*bytes)))));
        claims.retain(|name, _| !recipe.claims_drop.contains(name));
        claims
    }

    fn sign(&self, key: &str, alg: &str, bytes: &[u8]) -> Vec<u8> {
        let keys = self.inner.keys.lock().unwrap();
        if let Some(variant) = key.strip_prefix("rsa-public-pem") {
            let secret = match variant {
                "-crlf" => keys["rsa"].public_pem("\r\n"),
                "-space" => format!(" {}", keys["rsa"].public_pem("\n")),
                "-bare" => keys["rsa"].public_pem("\n").trim_end().to_owned(),
                _ => keys["rsa"].public_pem("\n"),
            };
            return hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), bytes).as_ref().to_vec();
        }
        match key {
            "none" => vec![],
            "zeros" => vec![0; 64],
            _ => {
                let key = keys.get(key).or_else(|| self.inner.attackers.get(key));
                key.unwrap_or_else(|| panic!("no such key")).sign(alg, bytes)
            }
        }
    }
}

impl Inner {
    fn jwks(&self) -> Value {
        let keys = self.keys.lock().unwrap();
        let published = self.published.lock().unwrap();
        let keys: Vec<Value> = published.iter().filter_map(|kid| Some(keys.get(kid)?.jwk(kid))).collect();
        json!({ "keys": keys })
    }

    async fn answer(&self, document: Value) -> Response {
        let mode = *self.mode.lock().unwrap();
        match mode {
            Mode::Fail => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            Mode::Redirect => {
                return (StatusCode::FOUND, [(header::LOCATION, "/moved")]).into_response();
            }
            Mode::Garbage => return "no JSON".into_response(),
            Mode::Slow(delay_ms) => tokio::time::sleep(Duration::from_millis(delay_ms)).await,
            Mode::Normal | Mode::Padded(_) => {}
        }
        axum::Json(document).into_response()
    }
}

async fn discovery(State(inner): State<Arc<Inner>>) -> Response {
    inner.discovery_fetches.fetch_add(1, Ordering::SeqCst);
    let issuer = &inner.issuer;
    let document = json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/jwks"),
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "code_challenge_methods_supported": ["S256"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
    });
    let mode = *inner.mode.lock().unwrap();
    if let Mode::Padded(bytes) = mode {
        return format!("{:bytes$}", document.to_string()).into_response();
    }
    inner.answer(document).await
}

async fn jwks(State(inner): State<Arc<Inner>>) -> Response {
    inner.jwks_fetches.fetch_add(1, Ordering::SeqCst);
    let now = inner.jwks_now.fetch_add(1, Ordering::SeqCst) + 1;
    inner.jwks_at_once.fetch_max(now, Ordering::SeqCst);
    let document = inner.jwks();
    let answer = inner.answer(document).await;
    inner.jwks_now.fetch_sub(1, Ordering::SeqCst);
    answer
}

async fn jwks_document(State(inner): State<Arc<Inner>>) -> Response {
    axum::Json(inner.jwks()).into_response()
}

async fn trap(State(inner): State<Arc<Inner>>) -> StatusCode {
    inner.trap_fetches.fetch_add(1, Ordering::SeqCst);
    StatusCode::NOT_FOUND
}
