//! The metadata and the challenges of a route.

use serde_json::{Value, json};

use crate::{
    model::{
        Principal, Rejection,
        rejection::Authentication::{self, *},
    },
    pipeline::admit::authentication::{
        metadata::{ProtectedResource, ResourceError},
        scopes,
    },
};

const ALL: [Authentication; 14] = [
    TokenMissing,
    TokenMalformed,
    TokenTooLarge,
    AlgorithmForbidden,
    IssuerUnknown,
    KeyUnknown,
    SignatureInvalid,
    AudienceMismatch,
    Expired,
    NotYetValid,
    TokenType,
    ClaimsInvalid,
    Unavailable,
    InsufficientScope,
];

fn resource(scopes: &[&str]) -> ProtectedResource {
    let scopes: Vec<String> = scopes.iter().map(|&scope| scope.to_owned()).collect();
    let servers = ["https://idp.example.com"];
    ProtectedResource::new("https://mcp.example.com/a/mcp", &servers, &scopes, Some("Files")).unwrap()
}

#[test]
fn metadata_says_what_a_client_needs() {
    let resource = resource(&["files:read", "files:write"]);
    let document: Value = serde_json::from_slice(resource.metadata()).unwrap();
    assert_eq!(
        document,
        json!({
            "resource": "https://mcp.example.com/a/mcp",
            "authorization_servers": ["https://idp.example.com"],
            "scopes_supported": ["files:read", "files:write"],
            "bearer_methods_supported": ["header"],
            "resource_name": "Files",
        })
    );
    assert_eq!(resource.metadata_path(), "/.well-known/oauth-protected-resource/a/mcp");
}

#[test]
fn request_without_a_token_is_challenged_without_an_error() {
    assert_eq!(
        resource(&["a", "b"]).challenge(TokenMissing).unwrap(),
        "Bearer resource_metadata=\"https://mcp.example.com/.well-known/oauth-protected-resource/a/mcp\", scope=\"a b\""
    );
    assert!(!resource(&[]).challenge(TokenMissing).unwrap().contains("scope"));
}

#[test]
fn challenges_name_the_error_and_quote_safely() {
    for reason in ALL {
        let text = Rejection::Authentication(reason).public().text;
        let allowed = |byte: u8| (0x20..=0x7e).contains(&byte) && byte != b'"' && byte != b'\\';
        assert!(text.bytes().all(allowed), "{text}");
        let challenge = resource(&["a"]).challenge(reason);
        match reason {
            Unavailable => assert_eq!(challenge, None),
            TokenMissing => assert!(!challenge.unwrap().contains("error")),
            InsufficientScope => {
                assert!(challenge.unwrap().contains("error=\"insufficient_scope\""));
            }
            _ => assert!(challenge.unwrap().contains("error=\"invalid_token\"")),
        }
    }
}

#[test]
fn resources_and_scopes_that_cannot_be_quoted_are_refused() {
    for uri in ["", "/mcp", "mcp.example.com", "https://h/mcp#x", "https://u@h/mcp", "stdio://x/mcp"] {
        let made = ProtectedResource::new(uri, &[], &[], None);
        assert!(matches!(made, Err(ResourceError::Uri(_))), "{uri}");
    }
    for scope in ["", "a b", "a\"b", "a\\b", "é", "a\r\nb"] {
        let made = ProtectedResource::new("https://h/mcp", &[], &[scope.to_owned()], None);
        assert!(matches!(made, Err(ResourceError::Scope(_))), "{scope}");
    }
    let offline = ["offline_access".to_owned()];
    let made = ProtectedResource::new("https://h/mcp", &[], &offline, None);
    assert_eq!(made.err(), Some(ResourceError::OfflineAccess));
    let odd = ProtectedResource::new("https://h/a\"b c\r\nd", &[], &[], None).unwrap();
    let challenge = odd.challenge(TokenMissing).unwrap();
    assert_eq!(challenge.matches('"').count(), 2, "{challenge}");
    assert!(!challenge.contains(['\r', '\n']), "{challenge}");
}

#[test]
fn every_required_scope_must_be_held() {
    let mut principal = Principal::anonymous();
    principal.scopes = ["a".into(), "b".into(), "c".into()].into();
    let check = |required: &[&str]| {
        let required: Vec<Box<str>> = required.iter().map(|&scope| scope.into()).collect();
        scopes::check(&principal, &required).is_ok()
    };
    assert!(check(&[]));
    assert!(check(&["c", "a"]));
    assert!(!check(&["a", "d"]));
    assert!(!check(&["ab"]));
    assert!(!check(&["A"]));
}
