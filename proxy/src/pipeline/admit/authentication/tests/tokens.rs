//! Good tokens are accepted and every malformed, forged or foreign one is refused (T040–T049).

use serde_json::{Value, json};

use super::{
    ISSUER, issuer_of, present, present_at, resource, start,
    support::{NOW, RESOURCE, Signer, b64, claims, with, without},
};
use crate::{
    model::rejection::Authentication::{self, *},
    pipeline::admit::authentication::{
        Authenticator, SettingsError,
        settings::{AuthenticationSettings, IssuerSettings},
    },
};

struct Setup {
    signer: Signer,
    authenticator: Authenticator,
    _folder: tempfile::TempDir,
}

fn setup_for(alg: &'static str) -> Setup {
    let signer = Signer::new("k1", alg);
    let folder = tempfile::tempdir().unwrap();
    let authenticator = start(vec![issuer_of(&folder, ISSUER, &[&signer])]);
    Setup { signer, authenticator, _folder: folder }
}

async fn refused(setup: &Setup, token: &str) -> Authentication {
    present(&setup.authenticator, token).await.expect_err(token)
}

#[tokio::test]
async fn every_default_algorithm_is_accepted() {
    for alg in ["RS256", "PS256", "ES256", "EdDSA"] {
        let setup = setup_for(alg);
        let principal = present(&setup.authenticator, &setup.signer.token(&claims(ISSUER))).await;
        let principal = principal.expect(alg);
        assert_eq!(&*principal.id, "alice");
        assert_eq!(principal.issuer.as_deref(), Some(ISSUER));
        assert_eq!(principal.expires_at, Some(NOW + 300));
    }
}

#[tokio::test]
async fn wrong_claims_are_refused() {
    let setup = setup_for("EdDSA");
    let good = || claims(ISSUER);
    let cases: Vec<(Value, Authentication)> = vec![
        (without(good(), "exp"), ClaimsInvalid),
        (with(good(), "exp", json!("never")), ClaimsInvalid),
        (with(good(), "exp", json!((NOW + 300).to_string())), ClaimsInvalid),
        (with(good(), "exp", json!(1e308)), ClaimsInvalid),
        (with(good(), "exp", json!(-1)), ClaimsInvalid),
        (with(good(), "exp", json!(null)), ClaimsInvalid),
        (with(good(), "exp", json!([NOW + 300])), ClaimsInvalid),
        (with(good(), "exp", json!(NOW - 61)), Expired),
        (with(good(), "exp", json!(NOW - 60)), Expired),
        (with(good(), "nbf", json!("0")), ClaimsInvalid),
        (with(good(), "nbf", json!(NOW + 61)), NotYetValid),
        (with(good(), "iat", json!(NOW + 86_400)), NotYetValid),
        (with(good(), "iat", json!({})), ClaimsInvalid),
        (without(good(), "iss"), ClaimsInvalid),
        (with(good(), "iss", json!(7)), ClaimsInvalid),
        (with(good(), "iss", json!("https://idp.example.com/")), IssuerUnknown),
        (with(good(), "iss", json!("https://IDP.example.com")), IssuerUnknown),
        (with(good(), "iss", json!("https://idp.example.com#")), IssuerUnknown),
        (with(good(), "iss", json!("https://evil.example.com")), IssuerUnknown),
        (without(good(), "aud"), ClaimsInvalid),
        (with(good(), "aud", json!([])), ClaimsInvalid),
        (with(good(), "aud", json!([RESOURCE, 1])), ClaimsInvalid),
        (with(good(), "aud", json!("https://mcp.example.com/other")), AudienceMismatch),
        (with(good(), "aud", json!("https://mcp.example.com/mcp/")), AudienceMismatch),
        (with(good(), "aud", json!("https://mcp.example.com")), AudienceMismatch),
        (without(good(), "sub"), ClaimsInvalid),
        (with(good(), "sub", json!("")), ClaimsInvalid),
        (with(good(), "sub", json!(42)), ClaimsInvalid),
    ];
    for (claims, reason) in cases {
        assert_eq!(refused(&setup, &setup.signer.token(&claims)).await, reason, "{claims}");
    }
}

#[tokio::test]
async fn edges_of_the_leeway_are_accepted() {
    let setup = setup_for("EdDSA");
    for claims in [
        with(claims(ISSUER), "exp", json!(NOW - 59)),
        with(claims(ISSUER), "nbf", json!(NOW + 60)),
        with(claims(ISSUER), "iat", json!(NOW + 60)),
        with(claims(ISSUER), "exp", json!(NOW as f64 + 0.5)),
        with(claims(ISSUER), "aud", json!(["https://other.example.com", RESOURCE])),
    ] {
        let token = setup.signer.token(&claims);
        let answer = present(&setup.authenticator, &token).await;
        assert!(answer.is_ok(), "{claims}: {answer:?}");
    }
}

#[tokio::test]
async fn wrong_headers_are_refused() {
    let setup = setup_for("ES256");
    let cases = [
        (json!({"alg": "none", "kid": "k1"}), AlgorithmForbidden),
        (json!({"alg": "HS256", "kid": "k1"}), AlgorithmForbidden),
        (json!({"alg": "es256", "kid": "k1"}), AlgorithmForbidden),
        (json!({"alg": "ES384", "kid": "k1"}), AlgorithmForbidden),
        (json!({"alg": "RS256", "kid": "k1"}), AlgorithmForbidden),
        (json!({"alg": "EdDSA", "kid": "k1"}), AlgorithmForbidden),
        (json!({"kid": "k1"}), TokenMalformed),
        (json!({"alg": 7, "kid": "k1"}), TokenMalformed),
        (json!({"alg": ["ES256"], "kid": "k1"}), TokenMalformed),
        (json!({"alg": "ES256", "kid": 1}), TokenMalformed),
        (json!({"alg": "ES256", "kid": "k2"}), KeyUnknown),
        (json!({"alg": "ES256", "kid": ""}), KeyUnknown),
        (json!({"alg": "ES256", "kid": "k1", "crit": ["exp"]}), TokenMalformed),
        (json!({"alg": "ES256", "kid": "k1", "crit": []}), TokenMalformed),
        (json!({"alg": "ES256", "kid": "k1", "b64": false}), TokenMalformed),
        (json!({"alg": "ES256", "kid": "k1", "zip": "DEF"}), TokenMalformed),
        (json!({"alg": "ES256", "kid": "k1", "enc": "A128GCM"}), TokenMalformed),
        (json!({"alg": "ES256", "kid": "k1", "jku": "https://evil/jwks"}), TokenMalformed),
        (json!({"alg": "ES256", "kid": "k1", "x5u": "https://evil/c"}), TokenMalformed),
        (json!({"alg": "ES256", "kid": "k1", "x5c": ["AA=="]}), TokenMalformed),
        (json!({"alg": "ES256", "kid": "k1", "jwk": setup.signer.jwk()}), TokenMalformed),
        (json!({"alg": "ES256", "kid": "k1", "typ": "logout+jwt"}), TokenType),
        (json!({"alg": "ES256", "kid": "k1", "typ": "oauth-id-jag+jwt"}), TokenType),
        (json!({"alg": "ES256", "kid": "k1", "typ": 1}), TokenMalformed),
    ];
    for (header, reason) in cases {
        let token = setup.signer.sign(&header, &claims(ISSUER));
        assert_eq!(refused(&setup, &token).await, reason, "{header}");
    }
}

#[tokio::test]
async fn json_that_two_parsers_could_read_differently_is_refused() {
    let setup = setup_for("EdDSA");
    let header = setup.signer.header().to_string();
    let good = claims(ISSUER).to_string();
    let twice = |text: &str, member: &str| format!("{{{member},{}", &text[1..]);
    let cases = [
        (twice(&header, r#""alg":"none""#), good.clone()),
        (twice(&header, r#""\u0061lg":"EdDSA""#), good.clone()),
        (header.clone(), twice(&good, r#""sub":"root""#)),
        (header.clone(), twice(&good, r#""exp":9999999999"#)),
        (header.clone(), twice(&good, r#""a":{"b":1,"b":2}"#)),
        (header.clone(), format!("{good}{good}")),
        (header.clone(), format!("{good} x")),
        (header.clone(), format!("\u{feff}{good}")),
        (header.clone(), format!("[{good}]")),
        (header.clone(), "null".to_owned()),
        (header.clone(), String::new()),
        (format!("[{header}]"), good.clone()),
        (header.clone(), twice(&good, &format!(r#""deep":{}{}"#, "[".repeat(40), "]".repeat(40)))),
    ];
    for (header, claims) in cases {
        let token = setup.signer.sign_text(&header, &claims);
        assert_eq!(refused(&setup, &token).await, TokenMalformed, "{header} {claims}");
    }
}

#[tokio::test]
async fn what_is_no_compact_jws_is_refused() {
    let setup = setup_for("ES256");
    let good = setup.signer.token(&claims(ISSUER));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    let cases = [
        "x".to_owned(),
        "sk-abcdefghijklmnop".to_owned(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        signed.to_owned(),
        format!("{signed}."),
        format!("{good}."),
        format!(".{good}"),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        format!("{good}.{header}.{payload}"),
        ["YQ"; 10].join("."),
        format!("{header}=.{payload}.{signature}"),
        format!("{}.{payload}.{signature}", b64("not json")),
        format!("{}.{payload}.{signature}", b64(b"\xff\xfe{}")),
    ];
    for token in cases {
        assert_eq!(refused(&setup, &token).await, TokenMalformed, "{token}");
    }
    // The signature part is no base64 of a signature.
    for broken in ["=", "+", "AA", "~", "AAAA===="] {
        let token = format!("{signed}.{broken}");
        assert_eq!(refused(&setup, &token).await, SignatureInvalid, "{token}");
    }
}

#[tokio::test]
async fn forged_signatures_are_refused() {
    let setup = setup_for("ES256");
    let good = setup.signer.token(&claims(ISSUER));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let other = Signer::new("k1", "ES256").token(&claims(ISSUER));
    let payload = b64(with(claims(ISSUER), "sub", json!("root")).to_string());
    let header = signed.split_once('.').unwrap().0;
    let zeroes = format!("{signed}.{}", b64([0; 64]));
    // The last character carries unused bits: another text for the same bytes must not pass.
    let last = if signature.ends_with('A') { "B" } else { "A" };
    let changed = format!("{signed}.{}{last}", &signature[..signature.len() - 1]);
    for token in [
        other,
        format!("{header}.{payload}.{signature}"),
        zeroes,
        format!("{signed}.{}", b64([0xff; 64])),
        format!("{signed}.{}", b64([0; 96])),
        format!("{signed}.{signature}{signature}"),
        changed,
    ] {
        assert_eq!(refused(&setup, &token).await, SignatureInvalid, "{token}");
        // Remembered, and refused again for the same reason.
        assert_eq!(refused(&setup, &token).await, SignatureInvalid, "{token}");
    }
    present(&setup.authenticator, &good).await.unwrap();
}

#[tokio::test]
async fn public_rsa_key_never_serves_as_hmac_secret() {
    let setup = setup_for("RS256");
    let jwk = setup.signer.jwk();
    let secrets = [jwk["n"].as_str().unwrap().as_bytes().to_vec(), jwk.to_string().into_bytes()];
    for secret in secrets {
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &secret);
        let header = json!({"alg": "HS256", "kid": "k1"}).to_string();
        let signed = format!("{}.{}", b64(header), b64(claims(ISSUER).to_string()));
        let tag = aws_lc_rs::hmac::sign(&key, signed.as_bytes());
        let token = format!("{signed}.{}", b64(tag));
        assert_eq!(refused(&setup, &token).await, AlgorithmForbidden);
    }
}

#[tokio::test]
async fn rsa_key_bound_to_one_algorithm_refuses_the_other() {
    let setup = setup_for("RS256");
    let header = json!({"alg": "PS256", "kid": "k1"});
    let token = setup.signer.sign(&header, &claims(ISSUER));
    assert_eq!(refused(&setup, &token).await, AlgorithmForbidden);
}

#[tokio::test]
async fn algorithm_that_the_issuer_may_not_use_is_refused() {
    let signer = Signer::new("k1", "ES384");
    let folder = tempfile::tempdir().unwrap();
    let settings = issuer_of(&folder, ISSUER, &[&signer]);
    let authenticator = start(vec![settings]);
    let answer = present(&authenticator, &signer.token(&claims(ISSUER))).await;
    assert_eq!(answer, Err(AlgorithmForbidden));
}

#[tokio::test]
async fn missing_kid_is_accepted_only_when_one_key_fits() {
    let (one, two) = (Signer::new("k1", "ES256"), Signer::new("k2", "ES256"));
    let folder = tempfile::tempdir().unwrap();
    let single = start(vec![issuer_of(&folder, ISSUER, &[&one])]);
    let token = one.sign(&json!({"alg": "ES256"}), &claims(ISSUER));
    present(&single, &token).await.unwrap();
    let double = start(vec![issuer_of(&folder, ISSUER, &[&one, &two])]);
    assert_eq!(present(&double, &token).await, Err(KeyUnknown));
}

#[tokio::test]
async fn token_signed_by_another_issuers_key_is_refused() {
    let (ours, theirs) = (Signer::new("k1", "ES256"), Signer::new("k1", "ES256"));
    let only_theirs = Signer::new("k9", "ES256");
    let folder = tempfile::tempdir().unwrap();
    let mut a = issuer_of(&folder, ISSUER, &[&ours]);
    let mut b = issuer_of(&folder, "https://b.example.com", &[&theirs, &only_theirs]);
    a.prefix = "a|".to_owned();
    b.prefix = "b|".to_owned();
    let authenticator = start(vec![a, b]);
    let good = present(&authenticator, &ours.token(&claims(ISSUER))).await.unwrap();
    assert_eq!(&*good.id, "a|alice");
    let forged = present(&authenticator, &theirs.token(&claims(ISSUER))).await;
    assert_eq!(forged, Err(SignatureInvalid));
    let forged = present(&authenticator, &only_theirs.token(&claims(ISSUER))).await;
    assert_eq!(forged, Err(KeyUnknown));
}

#[tokio::test]
async fn id_tokens_are_refused() {
    let setup = setup_for("EdDSA");
    for typ in [json!({"alg": "EdDSA", "typ": "JWT"}), json!({"alg": "EdDSA"})] {
        present(&setup.authenticator, &setup.signer.sign(&typ, &claims(ISSUER))).await.unwrap();
        for (name, value) in [("nonce", "n"), ("at_hash", "h"), ("typ", "ID"), ("typ", "Refresh")] {
            let claims = with(claims(ISSUER), name, json!(value));
            assert_eq!(refused(&setup, &setup.signer.sign(&typ, &claims)).await, TokenType);
        }
    }
}

#[tokio::test]
async fn configured_token_type_is_required() {
    let signer = Signer::new("k1", "EdDSA");
    let folder = tempfile::tempdir().unwrap();
    let mut settings = issuer_of(&folder, ISSUER, &[&signer]);
    settings.token_type = Some("at+jwt".to_owned());
    let authenticator = start(vec![settings]);
    for (typ, accepted) in
        [(json!("at+jwt"), true), (json!("AT+JWT"), true), (json!("application/at+jwt"), true), (json!("JWT"), false)]
    {
        let token = signer.sign(&json!({"alg": "EdDSA", "typ": typ}), &claims(ISSUER));
        assert_eq!(present(&authenticator, &token).await.is_ok(), accepted, "{typ}");
    }
    let token = signer.sign(&json!({"alg": "EdDSA"}), &claims(ISSUER));
    assert_eq!(present(&authenticator, &token).await, Err(TokenType));
}

#[tokio::test]
async fn authorization_lines_are_read_strictly() {
    let setup = setup_for("EdDSA");
    let token = setup.signer.token(&claims(ISSUER));
    let long = format!("Bearer {}", "a".repeat(16 * 1024 + 1));
    let longest = format!("Bearer {}", "a".repeat(16 * 1024));
    let line = |scheme: &str| format!("{scheme} {token}").into_bytes();
    let cases: Vec<(Vec<Vec<u8>>, Option<Authentication>)> = vec![
        (vec![line("Bearer")], None),
        (vec![line("bearer")], None),
        (vec![line("BEARER ")], None),
        (vec![], Some(TokenMissing)),
        (vec![line("Bearer"), line("Bearer")], Some(TokenMalformed)),
        (vec![line("Bearer"), b"Basic eDp5".to_vec()], Some(TokenMalformed)),
        (vec![line("Basic")], Some(TokenMalformed)),
        (vec![line("Bearer Bearer")], Some(TokenMalformed)),
        (vec![line("Bearer\t")], Some(TokenMalformed)),
        (vec![line("")], Some(TokenMalformed)),
        (vec![b"Bearer".to_vec()], Some(TokenMalformed)),
        (vec![b"Bearer ".to_vec()], Some(TokenMalformed)),
        (vec![b"Bearer ====".to_vec()], Some(TokenMalformed)),
        (vec![b"".to_vec()], Some(TokenMalformed)),
        (vec![b"Bearer \xff".to_vec()], Some(TokenMalformed)),
        (vec![[line("Bearer"), b", x".to_vec()].concat()], Some(TokenMalformed)),
        (vec![[line("Bearer"), b"\0".to_vec()].concat()], Some(TokenMalformed)),
        (vec![long.into_bytes()], Some(TokenTooLarge)),
        (vec![longest.into_bytes()], Some(TokenMalformed)),
    ];
    for (lines, reason) in cases {
        let shown = format!("{:?}", lines.iter().map(|l| String::from_utf8_lossy(l)).collect::<Vec<_>>());
        let lines = lines.iter().map(Vec::as_slice);
        let answer = setup.authenticator.authenticate(lines, &resource(), NOW).await;
        assert_eq!(answer.err(), reason, "{shown}");
    }
}

#[tokio::test]
async fn anonymous_mode_looks_at_nothing() {
    let answer = Authenticator::anonymous().authenticate(std::iter::empty(), &resource(), NOW).await;
    assert_eq!(&*answer.unwrap().id, "anonymous");
}

#[tokio::test]
async fn clock_that_moves_on_ends_a_cached_token() {
    let setup = setup_for("EdDSA");
    let token = setup.signer.token(&claims(ISSUER));
    for (now, accepted) in [(NOW, true), (NOW + 359, true), (NOW + 360, false), (NOW + 86_400, false)] {
        assert_eq!(present_at(&setup.authenticator, &token, now).await.is_ok(), accepted, "{now}");
    }
}

#[test]
fn settings_that_mix_principals_are_refused() {
    let two = |a: &str, b: &str| {
        let mut issuers = vec![IssuerSettings::new("https://a"), IssuerSettings::new("https://b")];
        issuers[0].prefix = a.to_owned();
        issuers[1].prefix = b.to_owned();
        let settings = AuthenticationSettings { issuers, ..AuthenticationSettings::default() };
        Authenticator::start(&settings).err().unwrap()
    };
    for (a, b) in [("", ""), ("", "b|"), ("a|", "a|"), ("a", "ab")] {
        assert!(matches!(two(a, b), SettingsError::Prefix(..)), "{a} {b}");
    }
    let none = Authenticator::start(&AuthenticationSettings::default()).err().unwrap();
    assert!(matches!(none, SettingsError::NoIssuer));
}

#[tokio::test]
async fn insecure_or_odd_addresses_are_refused() {
    for issuer in [
        "http://idp.example.com",
        "ftp://idp.example.com",
        "file:///etc/passwd",
        "idp.example.com",
        "https://u:p@idp.example.com",
        "https://idp.example.com/#x",
        "https://idp.example.com/?x",
        "",
    ] {
        let settings =
            AuthenticationSettings { issuers: vec![IssuerSettings::new(issuer)], ..AuthenticationSettings::default() };
        let error = Authenticator::start(&settings).err().expect(issuer);
        assert!(matches!(error, SettingsError::Url(..)), "{issuer}: {error}");
    }
}
