//! Claims become exactly the principal that the configuration says (T081).

use serde_json::{Value, json};

use super::{
    ISSUER, issuer_of, present, start,
    support::{Signer, claims, with},
};
use crate::{
    model::{Attribute, Principal, PrincipalKind, rejection::Authentication},
    pipeline::admit::authentication::{
        principal::Pointer,
        settings::{ClaimSettings, IssuerSettings, PrincipalKindSettings},
    },
};

async fn map(claim_settings: Value, claims: Value) -> Result<Principal, Authentication> {
    let signer = Signer::new("k1", "EdDSA");
    let folder = tempfile::tempdir().unwrap();
    let settings = IssuerSettings {
        claims: serde_json::from_value(claim_settings).unwrap(),
        ..issuer_of(&folder, ISSUER, &[&signer])
    };
    let authenticator = start(vec![settings]);
    let principal = present(&authenticator, &signer.token(&claims)).await?;
    Ok((*principal).clone())
}

fn texts(values: &[Box<str>]) -> Vec<&str> {
    values.iter().map(|value| &**value).collect()
}

#[tokio::test]
async fn mapped_claims_reach_the_principal() {
    let mut claims = claims(ISSUER);
    claims["scope"] = json!("read  write read");
    claims["https://example.com/groups"] = json!(["b", "a", "b"]);
    claims["realm_access"] = json!({"roles": ["admin"]});
    claims["email"] = json!("a@example.com");
    claims["level"] = json!(3);
    claims["verified"] = json!(true);
    claims["sites"] = json!(["x", "y"]);
    let principal = map(
        json!({
            "subject": "/email",
            "groups": "/https:~1~1example.com~1groups",
            "roles": "/realm_access/roles",
            "attributes": {
                "level": {"pointer": "/level", "type": "long"},
                "verified": {"pointer": "/verified", "type": "bool"},
                "sites": {"pointer": "/sites", "type": "strings"},
                "first": {"pointer": "/sites/0", "type": "string"},
                "absent": {"pointer": "/absent", "type": "string"},
            },
        }),
        claims,
    )
    .await
    .unwrap();
    assert_eq!(&*principal.id, "a@example.com");
    assert_eq!(principal.client_id.as_deref(), Some("cli"));
    assert_eq!(texts(&principal.scopes), ["read", "write"]);
    assert_eq!(texts(&principal.groups), ["a", "b"]);
    assert_eq!(texts(&principal.roles), ["admin"]);
    assert_eq!(principal.attributes.len(), 4);
    assert_eq!(principal.attributes["level"], Attribute::Long(3));
    assert_eq!(principal.attributes["verified"], Attribute::Bool(true));
    assert_eq!(principal.attributes["first"], Attribute::String("x".into()));
}

#[tokio::test]
async fn mapped_claims_of_the_wrong_type_are_refused() {
    let settings = json!({
        "groups": "/groups",
        "attributes": {
            "level": {"pointer": "/level", "type": "long"},
            "must": {"pointer": "/must", "type": "bool", "required": true},
        },
    });
    let good = || with(claims(ISSUER), "must", json!(true));
    map(settings.clone(), good()).await.unwrap();
    for claims in [
        claims(ISSUER),
        with(good(), "must", json!("true")),
        with(good(), "level", json!("3")),
        with(good(), "level", json!(3.5)),
        with(good(), "level", json!(1e30)),
        with(good(), "groups", json!(["a", 1])),
        with(good(), "groups", json!({"a": true})),
        with(good(), "groups", json!(null)),
        with(good(), "groups", json!([["a"]])),
        with(good(), "scope", json!(7)),
        with(good(), "scope", json!(["a b"])),
        with(good(), "client_id", json!(7)),
    ] {
        let answer = map(settings.clone(), claims.clone()).await;
        assert_eq!(answer, Err(Authentication::ClaimsInvalid), "{claims}");
    }
}

#[tokio::test]
async fn groups_are_bounded() {
    let settings = json!({"groups": "/groups"});
    let groups = |count: usize| {
        let names: Vec<String> = (0..count).map(|index| format!("g{index}")).collect();
        with(claims(ISSUER), "groups", json!(names))
    };
    for (count, accepted) in [(199, true), (200, true), (201, false)] {
        let answer = map(settings.clone(), groups(count)).await;
        assert_eq!(answer.is_ok(), accepted, "{count}");
    }
    let answer = map(settings, groups(10_000)).await;
    assert_eq!(answer, Err(Authentication::TokenTooLarge));
}

#[tokio::test]
async fn same_subject_with_other_groups_is_another_principal_to_decisions() {
    let settings = json!({"groups": "/groups"});
    let of = |group: &str| map(settings.clone(), with(claims(ISSUER), "groups", json!([group])));
    let (a, b) = (of("a").await.unwrap(), of("b").await.unwrap());
    assert_eq!(a.id, b.id);
    assert_ne!(a.digest(), b.digest());
}

#[tokio::test]
async fn kind_of_principal_follows_the_settings() {
    let same = with(claims(ISSUER), "client_id", json!("alice"));
    for (kind, claims, expected) in [
        ("user", claims(ISSUER), PrincipalKind::User),
        ("agent", claims(ISSUER), PrincipalKind::Agent),
        ("workload", claims(ISSUER), PrincipalKind::Workload),
        ("detect", claims(ISSUER), PrincipalKind::User),
        ("detect", same, PrincipalKind::Workload),
    ] {
        let principal = map(json!({"principal_kind": kind}), claims).await.unwrap();
        assert_eq!(principal.kind, expected, "{kind}");
    }
    assert_eq!(ClaimSettings::default().principal_kind, PrincipalKindSettings::User);
}

#[tokio::test]
async fn prefix_marks_subject_groups_and_roles() {
    let signer = Signer::new("k1", "EdDSA");
    let folder = tempfile::tempdir().unwrap();
    let mut settings = issuer_of(&folder, ISSUER, &[&signer]);
    settings.prefix = "okta|".to_owned();
    settings.claims.groups = Some("/groups".to_owned());
    settings.claims.roles = Some("/groups".to_owned());
    let authenticator = start(vec![settings]);
    let token = signer.token(&with(claims(ISSUER), "groups", json!("admins")));
    let principal = present(&authenticator, &token).await.unwrap();
    assert_eq!(&*principal.id, "okta|alice");
    assert_eq!(texts(&principal.groups), ["okta|admins"]);
    assert_eq!(texts(&principal.roles), ["okta|admins"]);
}

#[test]
fn pointers_that_are_none_are_refused() {
    for text in ["", "sub", "groups/0", "/a~", "/a~2", "$.groups"] {
        assert!(Pointer::parse(text).is_err(), "{text}");
    }
}

#[test]
fn unknown_keys_of_the_settings_are_refused() {
    for text in [
        r#"{"issuer":"https://a","issuers":1}"#,
        r#"{"issuer":"https://a","jwks":{"file":"a","url":"b"}}"#,
        r#"{"issuer":"https://a","algorithms":["HS256"]}"#,
        r#"{"issuer":"https://a","algorithms":["none"]}"#,
        r#"{"issuer":"https://a","claims":{"group":"/g"}}"#,
        r#"{"issuer":"https://a","leeway":60}"#,
    ] {
        assert!(serde_json::from_str::<IssuerSettings>(text).is_err(), "{text}");
    }
}
