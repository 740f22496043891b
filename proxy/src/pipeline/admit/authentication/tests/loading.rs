//! Keys are loaded, rotated, removed and withheld as they should be (T044, T048, T050, T052).

use std::{path::Path, sync::Arc, time::Duration};

use serde_json::json;
use tokio::time::sleep;
use url::Url;

use super::{
    ISSUER, issuer_of, present, start,
    support::{Idp, Page, Signer, claims, key_set, limits},
};
use crate::{
    model::rejection::Authentication,
    pipeline::admit::authentication::{
        Authenticator, SettingsError,
        fetch::{FetchError, Fetcher, well_known},
        jwks::{KeySource, Origin, Timing},
        keys::{KeySet, KeySetError, KeySetLimits},
        settings::{AuthenticationSettings, IssuerSettings, JwksSettings, SignatureAlgorithm::Es256},
    },
};

const METADATA: &str = "/.well-known/oauth-authorization-server";

fn timing() -> Timing {
    Timing {
        interval_min: Duration::from_millis(200),
        max_age: Duration::from_secs(60),
        max_stale: Duration::from_secs(60),
        backoff_max: Duration::from_millis(400),
    }
}

fn url_source(idp: &Idp, timing: Timing) -> KeySource {
    let url = Url::parse(&format!("{}/jwks", idp.issuer)).unwrap();
    let fetcher = Fetcher::new(&url, None, limits()).unwrap();
    KeySource::start(Origin::Url(fetcher, url), timing).unwrap()
}

async fn find(source: &KeySource, kid: &str) -> Result<(), Authentication> {
    source.key(Some(kid), Es256).await.map(|_| ())
}

#[tokio::test]
async fn keys_are_found_by_discovery_and_the_first_token_waits_for_them() {
    let signer = Signer::new("k1", "ES256");
    let idp = Idp::with_keys(&[&signer]).await;
    let authenticator = start(vec![IssuerSettings::new(&idp.issuer)]);
    let token = signer.token(&claims(&idp.issuer));
    present(&authenticator, &token).await.unwrap();
    present(&authenticator, &token).await.unwrap();
    assert_eq!((idp.hits(METADATA), idp.hits("/jwks")), (1, 1));
    assert_eq!(authenticator.issuers().collect::<Vec<_>>(), [(idp.issuer.as_str(), true)]);
}

#[tokio::test]
async fn openid_configuration_serves_where_the_oauth_document_is_missing() {
    let signer = Signer::new("k1", "ES256");
    let idp = Idp::with_keys(&[&signer]).await;
    let metadata = json!({"issuer": idp.issuer, "jwks_uri": format!("{}/jwks", idp.issuer)});
    idp.page(METADATA, 404, "");
    idp.page("/.well-known/openid-configuration", 200, &metadata.to_string());
    let authenticator = start(vec![IssuerSettings::new(&idp.issuer)]);
    present(&authenticator, &signer.token(&claims(&idp.issuer))).await.unwrap();
}

#[test]
fn issuer_with_a_path_is_looked_up_in_the_order_of_the_specification() {
    let urls = well_known(&Url::parse("https://idp.example.com/tenant1").unwrap());
    let urls: Vec<&str> = urls.iter().map(Url::as_str).collect();
    assert_eq!(
        urls,
        [
            "https://idp.example.com/.well-known/oauth-authorization-server/tenant1",
            "https://idp.example.com/.well-known/openid-configuration/tenant1",
            "https://idp.example.com/tenant1/.well-known/openid-configuration",
        ]
    );
}

#[tokio::test]
async fn metadata_of_another_issuer_or_with_an_unsafe_address_is_not_used() {
    let idp = Idp::with_keys(&[&Signer::new("k1", "ES256")]).await;
    let base = Url::parse(&idp.issuer).unwrap();
    let fetcher = Fetcher::new(&base, None, limits()).unwrap();
    let good = format!("{}/jwks", idp.issuer);
    for (issuer, jwks_uri) in [
        ("https://evil.example.com", good.as_str()),
        (&format!("{}/", idp.issuer), &good),
        (&idp.issuer, "http://169.254.169.254/jwks"),
        (&idp.issuer, "file:///etc/passwd"),
        (&idp.issuer, "https://u:p@idp.example.com/jwks"),
        (&idp.issuer, "jwks"),
    ] {
        let document = json!({"issuer": issuer, "jwks_uri": jwks_uri}).to_string();
        idp.page(METADATA, 200, &document);
        let found = fetcher.discover(&idp.issuer, &base).await;
        assert!(matches!(found, Err(FetchError::OtherIssuer(_) | FetchError::NoJwksUri(_))), "{document}: {found:?}");
    }
    let twice = format!(r#"{{"issuer":"{0}","jwks_uri":"{good}","jwks_uri":"{good}"}}"#, idp.issuer);
    idp.page(METADATA, 200, &twice);
    let found = fetcher.discover(&idp.issuer, &base).await;
    assert!(found.is_err());
}

#[tokio::test]
async fn redirects_and_oversized_documents_are_refused() {
    let signer = Signer::new("k1", "ES256");
    let idp = Idp::with_keys(&[&signer]).await;
    let url = |path: &str| Url::parse(&format!("{}{path}", idp.issuer)).unwrap();
    let fetcher = Fetcher::new(&url("/"), None, limits()).unwrap();
    idp.put("/moved", Page { status: 302, location: Some("/jwks".to_owned()), ..Page::default() });
    let moved = fetcher.key_set(&url("/moved")).await;
    assert!(matches!(moved, Err(FetchError::Status(_, 302))), "{moved:?}");
    assert_eq!(idp.hits("/jwks"), 0);
    let pad = |length| format!("{}{}", key_set(&[&signer]), " ".repeat(length - key_set(&[&signer]).len()));
    idp.page("/full", 200, &pad(256 << 10));
    assert_eq!(fetcher.key_set(&url("/full")).await.unwrap().len(), 1);
    idp.page("/over", 200, &pad((256 << 10) + 1));
    let over = fetcher.key_set(&url("/over")).await;
    assert!(matches!(over, Err(FetchError::TooLarge(_, _))), "{over:?}");
}

#[test]
fn key_sets_are_read_strictly() {
    let signer = Signer::new("k1", "ES256");
    let many = |count| {
        let keys: Vec<_> = (0..count)
            .map(|index| {
                let mut jwk = signer.jwk();
                jwk["kid"] = json!(format!("k{index}"));
                jwk
            })
            .collect();
        KeySet::parse(json!({ "keys": keys }).to_string().into(), &limits()).map(|set| set.len())
    };
    assert_eq!(many(50).unwrap(), 50);
    assert!(many(51).is_err());
    // A key that is of no use counts.
    let two = json!({"keys": [{"kty": "oct"}, signer.jwk()]}).to_string();
    let of = |keys_max| KeySet::parse(two.clone().into(), &KeySetLimits { keys_max, ..limits() }).map(|set| set.len());
    assert_eq!(of(2).unwrap(), 1);
    assert!(matches!(of(1), Err(KeySetError::TooManyKeys(1))));
    for document in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]}"#, r#"{"keys":[{}]}"#] {
        assert!(KeySet::parse(document.into(), &limits()).is_err(), "{document}");
    }
    let changes = [
        ("use", json!("enc")),
        ("key_ops", json!(["sign"])),
        ("d", json!("AAAA")),
        ("alg", json!("HS256")),
        ("alg", json!("ES384")),
        ("alg", json!(1)),
        ("kid", json!(1)),
        ("crv", json!("P-384")),
        ("crv", json!("secp256k1")),
        ("x", json!("AAAA")),
        ("kty", json!("oct")),
    ];
    for (name, value) in changes {
        let mut jwk = signer.jwk();
        jwk[name] = value;
        assert!(KeySet::parse(json!({"keys": [jwk]}).to_string().into(), &limits()).is_err(), "{jwk}");
    }
    // One key that is not understood does not spoil the others.
    let set = json!({"keys": [{"kty": "AKP", "alg": "ML-DSA-44"}, signer.jwk()]});
    assert_eq!(KeySet::parse(set.to_string().into(), &limits()).unwrap().len(), 1);
}

#[tokio::test]
async fn flood_of_unknown_kids_causes_one_fetch_per_interval() {
    let signer = Signer::new("k1", "ES256");
    let idp = Idp::with_keys(&[&signer]).await;
    let authenticator = Arc::new(start(vec![IssuerSettings::new(&idp.issuer)]));
    let good = signer.token(&claims(&idp.issuer));
    present(&authenticator, &good).await.unwrap();
    let mut tasks = Vec::new();
    for index in 0..2_000 {
        let header = json!({"alg": "ES256", "kid": format!("evil{index}")});
        let token = signer.sign(&header, &claims(&idp.issuer));
        let authenticator = Arc::clone(&authenticator);
        tasks.push(tokio::spawn(async move { present(&authenticator, &token).await }));
    }
    for task in tasks {
        assert_eq!(task.await.unwrap(), Err(Authentication::KeyUnknown));
    }
    present(&authenticator, &good).await.unwrap();
    assert_eq!(idp.hits("/jwks"), 1, "the first fetch was less than ten seconds ago");
}

#[tokio::test]
async fn waiters_share_one_fetch_and_are_bounded_while_known_keys_do_not_wait() {
    let (one, two) = (Signer::new("k1", "ES256"), Signer::new("k2", "ES256"));
    let idp = Idp::with_keys(&[&one]).await;
    let source = Arc::new(url_source(&idp, timing()));
    find(&source, "k1").await.unwrap();
    sleep(Duration::from_millis(250)).await;
    let delay = Duration::from_millis(600);
    let body = key_set(&[&one, &two]);
    idp.put("/jwks", Page { status: 200, body, delay, ..Page::default() });
    let ask = |count: usize| {
        (0..count)
            .map(|_| {
                let source = Arc::clone(&source);
                tokio::spawn(async move { find(&source, "k2").await })
            })
            .collect::<Vec<_>>()
    };
    let tasks = ask(300);
    sleep(Duration::from_millis(100)).await;
    let begun = std::time::Instant::now();
    find(&source, "k1").await.unwrap();
    assert!(begun.elapsed() < Duration::from_millis(100), "a known key waited");
    let mut found = 0;
    let mut turned_away = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => found += 1,
            Err(Authentication::Unavailable) => turned_away += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((found, turned_away), (256, 44));
    assert_eq!(idp.hits("/jwks"), 2);
}

#[tokio::test]
async fn removed_key_ends_cached_tokens_and_a_kept_one_does_not() {
    let (one, two) = (Signer::new("k1", "ES256"), Signer::new("k2", "ES256"));
    let folder = tempfile::tempdir().unwrap();
    let settings = issuer_of(&folder, ISSUER, &[&one, &two]);
    let path = match &settings.jwks {
        Some(JwksSettings::File(path)) => path.clone(),
        other => panic!("{other:?}"),
    };
    let authenticator = start(vec![settings]);
    let (first, second) = (one.token(&claims(ISSUER)), two.token(&claims(ISSUER)));
    present(&authenticator, &first).await.unwrap();
    let before = present(&authenticator, &second).await.unwrap();
    replace(&path, &key_set(&[&two]));
    sleep(Duration::from_millis(1_100)).await;
    // A token with an unknown key has the file looked at again at once.
    let other = Signer::new("k3", "ES256").token(&claims(ISSUER));
    assert_eq!(present(&authenticator, &other).await, Err(Authentication::KeyUnknown));
    assert_eq!(present(&authenticator, &first).await, Err(Authentication::KeyUnknown));
    let after = present(&authenticator, &second).await.unwrap();
    assert!(Arc::ptr_eq(&before, &after), "the kept key's token was verified again");
    // A broken file changes nothing.
    replace(&path, "{");
    sleep(Duration::from_millis(1_100)).await;
    assert_eq!(present(&authenticator, &other).await, Err(Authentication::KeyUnknown));
    present(&authenticator, &second).await.unwrap();
}

/// As mounted volumes do it: the name moves to a new file.
fn replace(path: &Path, text: &str) {
    let next = path.with_extension("next");
    std::fs::write(&next, text).unwrap();
    std::fs::rename(next, path).unwrap();
}

#[tokio::test]
async fn unreachable_issuer_is_answered_with_unavailable_and_recovers() {
    let signer = Signer::new("k1", "ES256");
    let idp = Idp::with_keys(&[&signer]).await;
    idp.page("/jwks", 500, "");
    let source = url_source(&idp, timing());
    assert_eq!(find(&source, "k1").await, Err(Authentication::Unavailable));
    assert!(!source.is_usable());
    idp.page("/jwks", 200, &key_set(&[&signer]));
    sleep(Duration::from_millis(700)).await;
    find(&source, "k1").await.unwrap();
    assert_eq!(find(&source, "k2").await, Err(Authentication::KeyUnknown));
}

#[tokio::test]
async fn keys_that_are_too_old_are_withheld_and_their_tokens_end() {
    let signer = Signer::new("k1", "ES256");
    let idp = Idp::with_keys(&[&signer]).await;
    let timing = Timing { max_age: Duration::from_millis(300), max_stale: Duration::from_millis(900), ..timing() };
    let source = url_source(&idp, timing);
    let key = source.key(Some("k1"), Es256).await.unwrap();
    idp.page("/jwks", 500, "");
    sleep(Duration::from_millis(500)).await;
    assert!(key.is_live(), "a failed fetch ended the keys early");
    find(&source, "k1").await.unwrap();
    sleep(Duration::from_millis(900)).await;
    assert!(!key.is_live());
    assert_eq!(find(&source, "k1").await, Err(Authentication::Unavailable));
}

#[tokio::test]
async fn rotation_is_seen_after_max_age_without_a_token() {
    let (one, two) = (Signer::new("k1", "ES256"), Signer::new("k2", "ES256"));
    let idp = Idp::with_keys(&[&one]).await;
    let timing = Timing { max_age: Duration::from_millis(300), ..timing() };
    let source = url_source(&idp, timing);
    let key = source.key(Some("k1"), Es256).await.unwrap();
    idp.page("/jwks", 200, &key_set(&[&two]));
    sleep(Duration::from_millis(600)).await;
    assert!(!key.is_live());
    find(&source, "k2").await.unwrap();
}

#[tokio::test]
async fn tokens_that_bring_their_own_key_cause_no_request() {
    let signer = Signer::new("k1", "ES256");
    let idp = Idp::with_keys(&[&signer]).await;
    let authenticator = start(vec![IssuerSettings::new(&idp.issuer)]);
    present(&authenticator, &signer.token(&claims(&idp.issuer))).await.unwrap();
    let trap = Idp::with_keys(&[&signer]).await;
    let evil = Signer::new("k1", "ES256");
    for (name, value) in [
        ("jku", json!(format!("{}/jwks", trap.issuer))),
        ("x5u", json!(format!("{}/cert", trap.issuer))),
        ("jwk", evil.jwk()),
        ("x5c", json!(["MIIB"])),
    ] {
        let mut header = evil.header();
        header[name] = value;
        let answer = present(&authenticator, &evil.sign(&header, &claims(&idp.issuer))).await;
        assert_eq!(answer, Err(Authentication::TokenMalformed), "{name}");
    }
    assert_eq!(trap.hits_in_all(), 0);
    assert_eq!(idp.hits("/jwks"), 1);
}

#[tokio::test]
async fn key_file_that_is_missing_or_wrong_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    for text in [None, Some("{"), Some(r#"{"keys":[]}"#)] {
        if let Some(text) = text {
            std::fs::write(&path, text).unwrap();
        }
        let settings = AuthenticationSettings {
            issuers: vec![IssuerSettings {
                jwks: Some(JwksSettings::File(path.clone())),
                ..IssuerSettings::new(ISSUER)
            }],
            ..AuthenticationSettings::default()
        };
        let error = Authenticator::start(&settings).err().expect("refused");
        assert!(matches!(error, SettingsError::Keys(..)), "{error}");
    }
}

#[tokio::test]
async fn loading_stops_when_the_authenticator_is_dropped() {
    let signer = Signer::new("k1", "ES256");
    let idp = Idp::with_keys(&[&signer]).await;
    let timing = Timing { max_age: Duration::from_millis(50), ..timing() };
    let source = url_source(&idp, timing);
    find(&source, "k1").await.unwrap();
    drop(source);
    sleep(Duration::from_millis(100)).await;
    let hits = idp.hits("/jwks");
    sleep(Duration::from_millis(300)).await;
    assert_eq!(idp.hits("/jwks"), hits);
}
