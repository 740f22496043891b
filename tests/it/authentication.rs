//! Who calls: tokens of a test issuer and of a real OpenID provider.

use serde_json::json;

use crate::support::{
    door::{Door, Setup},
    oidc::Provider,
    raw::{Patience, Piece, exchange},
    rpc::Client,
    tokens::Issuer,
    upstream::Server,
};

const RESOURCE: &str = "https://mcp.example.com/mcp";

async fn door(server: &Server, issuer: &str, extra: &str, policies: &str) -> Door {
    let yaml = format!(
        "listen: {{ address: 127.0.0.1:0 }}\n\
         authentication:\n  issuers:\n  - issuer: {issuer}\n    claims: {{ groups: /groups }}\n\
         authorization: {{ policies: {{{{folder}}}}/policies }}\n\
         upstreams: {{ upstream: {{ url: {} }} }}\n\
         routes: {{ /mcp: {{ upstream: upstream, resource: {RESOURCE}{extra} }} }}\n\
         observe: {{ audit: {{ file: {{{{folder}}}}/audit.jsonl }} }}\n",
        server.url
    );
    let door = Setup::config(&yaml).file("policies/p.cedar", policies).start().await;
    // The catalogue comes by requests of the door's own.
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    door
}

const ALL: &str = "permit(principal, action, resource);";

#[tokio::test]
async fn without_a_token_every_method_and_body_is_401() {
    let (server, issuer) = (Server::reference().await, Issuer::start(RESOURCE).await);
    let door = door(&server, issuer.url(), "", ALL).await;
    let big = "x".repeat(5 << 20);
    let head = |rest: &str| {
        format!("POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: */*\r\n{rest}\r\n")
    };
    let requests = [
        head("Content-Length: 0\r\n"),
        format!("{}{{", head("Content-Length: 1\r\n")),
        format!("{}{big}", head(&format!("Content-Length: {}\r\n", big.len()))),
        head("Content-Length: 10\r\nExpect: 100-continue\r\n"),
        "GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
        "DELETE /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
    ];
    for request in requests {
        let shown: String = request.chars().take(160).collect();
        let seen = exchange(&door.address(), &[Piece::from(request.clone().into_bytes())], Patience::default()).await;
        let first = seen.first();
        assert_eq!(first.status, 401, "{shown}\n{}", first.text());
        let challenge = first.headers.get("www-authenticate").unwrap_or_default();
        assert!(
            challenge
                .contains("resource_metadata=\"https://mcp.example.com/.well-known/oauth-protected-resource/mcp\""),
            "{challenge}"
        );
        assert!(!challenge.contains("error="), "no error without a token (RFC 6750 3.1): {challenge}");
    }
}

#[tokio::test]
async fn the_metadata_document_is_served_at_both_addresses() {
    let (server, issuer) = (Server::reference().await, Issuer::start(RESOURCE).await);
    let door = door(&server, issuer.url(), "", ALL).await;
    for path in ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"] {
        let document: serde_json::Value =
            reqwest::get(format!("http://{}{path}", door.address())).await.unwrap().json().await.unwrap();
        assert_eq!(document["resource"], RESOURCE);
        assert_eq!(document["authorization_servers"], json!([issuer.url()]));
    }
}

#[tokio::test]
async fn missing_scope_is_403_with_a_challenge_that_lists_it() {
    let (server, issuer) = (Server::reference().await, Issuer::start(RESOURCE).await);
    let door = door(&server, issuer.url(), ", scopes_required: [ \"mcp:use\" ]", ALL).await;
    let refused = Client::modern(&door.url, Some(&issuer.token_of("alice", json!({ "scope": "other" }))))
        .call("echo", json!({ "message": "x" }))
        .await;
    assert_eq!((refused.status, refused.code()), (403, "authn.insufficient_scope"), "{}", refused.body);
    let challenge = refused.headers["www-authenticate"].to_str().unwrap();
    assert!(
        challenge.contains("error=\"insufficient_scope\"") && challenge.contains("scope=\"mcp:use\""),
        "{challenge}"
    );
    let allowed = Client::modern(&door.url, Some(&issuer.token_of("alice", json!({ "scope": "mcp:use" }))))
        .call("echo", json!({ "message": "x" }))
        .await;
    assert_eq!(allowed.status, 200, "{}", allowed.body);
}

#[tokio::test]
async fn one_subject_with_other_groups_never_shares_a_decision() {
    let (server, issuer) = (Server::reference().await, Issuer::start(RESOURCE).await);
    let policies = r#"permit(principal in Mcp::Group::"eng", action in Mcp::Action::"tools/call", resource);"#;
    let door = door(&server, issuer.url(), "", policies).await;
    let eng = issuer.token_of("alice", json!({ "groups": ["eng"] }));
    let ops = issuer.token_of("alice", json!({ "groups": ["ops"] }));
    for _ in 0..3 {
        let allowed = Client::modern(&door.url, Some(&eng)).call("echo", json!({ "message": "x" })).await;
        assert_eq!(allowed.status, 200, "{}", allowed.body);
        let refused = Client::modern(&door.url, Some(&ops)).call("echo", json!({ "message": "x" })).await;
        assert_eq!((refused.status, refused.code()), (403, "authz.denied"), "{}", refused.body);
    }
}

#[tokio::test]
async fn tokens_of_a_real_provider_are_accepted_for_their_audience_only() {
    let server = Server::reference().await;
    let provider = Provider::start("ES256", &[RESOURCE, "https://other.example.com/mcp"]).await;
    let door = door(&server, &provider.issuer, "", ALL).await;
    let allowed =
        Client::modern(&door.url, Some(&provider.token(RESOURCE).await)).call("echo", json!({ "message": "x" })).await;
    assert_eq!(allowed.status, 200, "{}", allowed.body);
    let other = provider.token("https://other.example.com/mcp").await;
    let refused = Client::modern(&door.url, Some(&other)).call("echo", json!({ "message": "x" })).await;
    assert_eq!((refused.status, refused.code()), (401, "authn.audience_mismatch"), "{}", refused.body);
}

#[tokio::test]
async fn a_session_is_its_owners_alone() {
    let (server, issuer) = (Server::reference().await, Issuer::start(RESOURCE).await);
    let door = door(&server, issuer.url(), "", ALL).await;
    let alice = issuer.token("alice");
    let owner = Client::legacy(&door.url, Some(&alice)).await;
    let session = owner.session.clone();
    assert_eq!(owner.call("echo", json!({ "message": "x" })).await.status, 200);
    let bob = Client::modern(&door.url, Some(&issuer.token("bob"))).in_session(session.clone());
    let refused = bob.call("echo", json!({ "message": "x" })).await;
    assert_eq!((refused.status, refused.code()), (404, "session.unknown"), "{}", refused.body);
    let ended = bob.prepared(http::Method::DELETE).send().await.unwrap();
    assert_eq!(ended.status(), 404);
    // The same subject with a fresh token keeps its session.
    let renewed = issuer.token_of("alice", json!({ "jti": "another" }));
    let again =
        Client::modern(&door.url, Some(&renewed)).in_session(session).call("echo", json!({ "message": "x" })).await;
    assert_eq!(again.status, 200, "{}", again.body);
}
