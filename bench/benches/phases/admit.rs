//! *admit*: who calls, by a token that was seen before and by one that was not, and a rate limit. Fetching keys is left out:
//! they come from a file.

use std::{
    hint::black_box,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use criterion::Criterion;
use doorward::{
    model::Principal,
    pipeline::admit::{
        authentication::{
            Authenticator,
            metadata::ProtectedResource,
            settings::{AuthenticationSettings, IssuerSettings, JwksSettings},
        },
        rate_limit::{
            RateLimiter, Subject,
            settings::{KeyPart, RateLimitSettings},
        },
    },
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

use crate::now;

const ISSUER: &str = "https://idp.bench.example";
const RESOURCE: &str = "https://mcp.bench.example/mcp";
const KEY_ID: &str = "bench-1";
/// As many tokens as make a cache of one useless.
const TOKENS: usize = 2_048;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("admit");
    let issuer = Issuer::new();
    let resource = ProtectedResource::new(RESOURCE, &[ISSUER], &[], None).expect("the resource is valid");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    // The authenticator starts a task that watches the key file.
    let _within = runtime.enter();
    let lines: Vec<Vec<u8>> =
        (0..TOKENS).map(|number| format!("Bearer {}", issuer.token(number)).into_bytes()).collect();
    let (now_s, keys) = (unix_s(), issuer.key_file());
    let first = lines.first().expect("there are tokens").as_slice();
    for (name, cached_tokens_max, used) in
        [("identify, cached token", 10_000, 1), ("identify, uncached ES256 token", 1, TOKENS)]
    {
        let settings = AuthenticationSettings {
            issuers: vec![IssuerSettings {
                jwks: Some(JwksSettings::File(keys.path().to_owned())),
                ..IssuerSettings::new(ISSUER)
            }],
            cached_tokens_max,
            ..AuthenticationSettings::default()
        };
        let authenticator = Authenticator::start(&settings).expect("the settings are valid");
        now(authenticator.authenticate(std::iter::once(first), &resource, now_s)).expect("the token is valid");
        let mut turn = lines.iter().take(used).cycle();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let line = turn.next().map(Vec::as_slice);
                now(authenticator.authenticate(black_box(line).into_iter(), &resource, now_s)).is_ok()
            });
        });
    }
    let principal = Principal::anonymous();
    let limiter = RateLimiter::new(&[RateLimitSettings {
        per: vec![KeyPart::Principal, KeyPart::Tool],
        limit: "4000000000/s".parse().expect("the rate is valid"),
        burst: None,
    }]);
    let subject = Subject {
        principal: &principal,
        tool: Some("tool_00"),
        upstream: "upstream",
        method: "tools/call",
        client_address: None,
    };
    limiter.check(&subject, Instant::now()).expect("within the limit");
    group.bench_function("rate limit", |bencher| {
        bencher.iter(|| limiter.check(black_box(&subject), Instant::now()).is_ok());
    });
    group.finish();
}

fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set").as_secs()
}

/// An issuer with one ES256 key.
struct Issuer {
    key: EncodingKey,
    jwks: String,
}

impl Issuer {
    fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let document = pair.to_pkcs8v1().expect("the key has a document");
        // An uncompressed point: 0x04, x, y.
        let (x, y) = pair.public_key().as_ref().get(1..).and_then(|point| point.split_at_checked(32)).expect("a point");
        let jwk = json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": KEY_ID,
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        });
        Self { key: EncodingKey::from_ec_der(document.as_ref()), jwks: json!({ "keys": [jwk] }).to_string() }
    }

    fn key_file(&self) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), &self.jwks).expect("the file is written");
        file
    }

    fn token(&self, number: usize) -> String {
        let header = Header { kid: Some(KEY_ID.to_owned()), ..Header::new(Algorithm::ES256) };
        let issued_at = unix_s();
        let claims = json!({
            "iss": ISSUER, "aud": RESOURCE, "sub": format!("user-{number}"), "client_id": "doorward-bench",
            "scope": "mcp", "groups": ["bench", "staff"], "iat": issued_at, "exp": issued_at + 24 * 3600,
        });
        jsonwebtoken::encode(&header, &claims, &self.key).expect("the token is signed")
    }
}
