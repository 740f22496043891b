#![allow(clippy::unwrap_used, reason = "tests")]

use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};

use super::*;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn assertions() -> Assertions {
    Assertions::new(DEFAULT_HEADER, SECRET, "reference").unwrap()
}

fn signed(claims: &Value, key: &[u8]) -> String {
    encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(key)).unwrap()
}

fn claims() -> Value {
    json!({"sub": "alice", "aud": "reference", "exp": get_current_timestamp() + 60})
}

fn read(tokens: &[&str]) -> Result<Option<Subject>, AssertionError> {
    let mut headers = HeaderMap::new();
    for token in tokens {
        headers.append(DEFAULT_HEADER, token.parse().unwrap());
    }
    assertions().subject(&headers)
}

#[test]
fn subject_of_a_valid_assertion_is_known() {
    assert_eq!(read(&[&signed(&claims(), SECRET)]).unwrap(), Some(Subject("alice".to_owned())));
}

#[test]
fn request_without_the_header_is_nobodys() {
    assert_eq!(read(&[]).unwrap(), None);
}

#[test]
fn assertion_by_another_key_is_refused() {
    assert!(matches!(
        read(&[&signed(&claims(), b"another secret of thirty-two bytes")]),
        Err(AssertionError::Invalid(_))
    ));
}

#[test]
fn assertion_that_lacks_something_or_is_for_others_is_refused() {
    for (key, value) in [
        ("aud", json!("another")),
        ("aud", Value::Null),
        ("exp", json!(get_current_timestamp() - 31)),
        ("exp", Value::Null),
        ("nbf", json!(get_current_timestamp() + 60)),
        ("sub", Value::Null),
        ("sub", json!("")),
        ("sub", json!("a".repeat(256))),
    ] {
        let mut claims = claims();
        let members = claims.as_object_mut().unwrap();
        members.insert(key.to_owned(), value.clone());
        members.retain(|_, value| !value.is_null());
        assert!(read(&[&signed(&claims, SECRET)]).is_err(), "{key}: {value}");
    }
}

#[test]
fn unsigned_assertion_is_refused() {
    // {"alg":"none","typ":"JWT"}
    let token = signed(&claims(), SECRET);
    let payload = token.split('.').nth(1).unwrap();
    assert!(read(&[&format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.")]).is_err());
}

#[test]
fn repeated_header_is_refused() {
    let token = signed(&claims(), SECRET);
    assert!(matches!(read(&[&token, &token]), Err(AssertionError::Repeated)));
}

#[test]
fn oversized_header_is_refused_before_it_is_read() {
    assert!(matches!(read(&[&"a".repeat(ASSERTION_BYTES_MAX + 1)]), Err(AssertionError::Malformed)));
}

#[test]
fn weak_keys_and_an_empty_audience_are_refused() {
    assert!(matches!(Assertions::new("a", b"short", "reference"), Err(KeyError::Secret)));
    assert!(matches!(Assertions::new("a", SECRET, ""), Err(KeyError::Audience)));
    assert!(matches!(Assertions::new("a b", SECRET, "reference"), Err(KeyError::Header(_))));
    let private = b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
    assert!(matches!(Assertions::new("a", private, "reference"), Err(KeyError::Public)));
}

#[test]
fn assertion_signed_with_a_private_key_is_known_by_the_public_one() {
    // The key pair of RFC 8037, appendix A.
    let private = b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
    let public = b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
    let assertions = Assertions::new("a", public, "reference").unwrap();
    let token = |algorithm, key: EncodingKey| encode(&Header::new(algorithm), &claims(), &key).unwrap();
    let read =
        |token: String| assertions.subject(&HeaderMap::from_iter([("a".parse().unwrap(), token.parse().unwrap())]));
    let signed = token(Algorithm::EdDSA, EncodingKey::from_ed_pem(private).unwrap());
    assert_eq!(read(signed.clone()).unwrap(), Some(Subject("alice".to_owned())));
    assert!(read(format!("{signed}A")).is_err());
    assert!(read(token(Algorithm::HS256, EncodingKey::from_secret(SECRET))).is_err());
}

#[test]
fn public_keys_of_both_kinds_are_told_apart() {
    let edwards = b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
    let assertions = Assertions::new("a", edwards, "reference").unwrap();
    assert_eq!(assertions.validation.algorithms, [Algorithm::EdDSA]);
    let curve = b"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9\nq9UU8I5mEovUf86QZ7kOBIjJwqnzD1omageEHWwHdBO6B+dFabmdT9POxg==\n-----END PUBLIC KEY-----\n";
    let assertions = Assertions::new("a", curve, "reference").unwrap();
    assert_eq!(assertions.validation.algorithms, [Algorithm::ES256]);
    // Bytes that look like a public key must not serve as a shared secret.
    let header = Header::new(Algorithm::HS256);
    let forged = encode(&header, &claims(), &EncodingKey::from_secret(curve)).unwrap();
    let headers = HeaderMap::from_iter([("a".parse().unwrap(), forged.parse().unwrap())]);
    assert!(assertions.subject(&headers).is_err());
}

#[test]
fn key_in_another_form_is_no_secret() {
    let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
    let armoured = format!("---- BEGIN SSH2 PUBLIC KEY ----\n{}\n", "A".repeat(40));
    let long = "x".repeat(40);
    for text in [
        format!("# the guard's key\n{pem}"),
        format!("\u{feff}{pem}"),
        format!("Bag Attributes\n    friendlyName: guard\n{pem}"),
        format!("\n {{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"{long}\"}}"),
        format!("\u{feff}{{\"keys\":\"{long}\"}}"),
        format!("ssh-ed25519 {long} guard"),
        format!("ecdsa-sha2-nistp256 {long} guard"),
        armoured,
        format!("{long}\0"),
        format!("{long}\u{e9}"),
        format!("{long}\t{long}"),
    ] {
        assert!(matches!(Assertions::new("a", text.as_bytes(), "reference"), Err(KeyError::Form)), "{text}");
    }
    let der = [&[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00][..], &[0xd7; 32]].concat();
    assert!(matches!(Assertions::new("a", &der, "reference"), Err(KeyError::Form)));
    assert!(Assertions::new("a", format!(" {long} {long}\r\n").as_bytes(), "reference").is_ok());
}
