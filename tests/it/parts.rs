//! The kit itself: what the other tests rely on is tried here, without Doorward.

use serde_json::json;

use crate::support::{
    cases,
    clients::{self, Mode, Target},
    conformance, oidc,
    raw::{Patience, exchange},
    rpc::{self, Client},
    tokens::{self, Issuer, Recipe},
    upstream::{self, Era, Reply, Scripted, Server, Step},
};

#[test]
fn case_files_are_well_formed() {
    let names = cases::names();
    assert!(!names.is_empty());
    for name in names {
        assert!(cases::read_file(&name) > 0, "{name}");
    }
}

#[tokio::test]
async fn python_clients_reach_a_real_server_over_http_and_stdio() {
    let server = Server::everything().await;
    let command = upstream::everything_stdio();
    let steps = json!([["list"], clients::call("echo", json!({ "message": "hi" }))]);
    for target in [Target::Http { url: &server.url, token: None }, Target::Stdio(&command)] {
        for seen in [
            clients::python_sdk(&target, Mode::Auto, steps.clone()).await,
            clients::fastmcp(&target, Mode::Legacy, steps.clone()).await,
        ] {
            assert_eq!(seen.protocol, rpc::LEGACY);
            assert!(seen.ok(0).as_array().unwrap().contains(&json!("echo")));
            assert_eq!(seen.ok(1)["content"][0]["text"], "Echo: hi");
        }
    }
}

#[tokio::test]
async fn inspector_calls_a_tool_of_a_real_server() {
    let server = Server::everything().await;
    let target = Target::Http { url: &server.url, token: None };
    let arguments = ["--method", "tools/call", "--tool-name", "echo", "--tool-arg", "message=hi"];
    let (answer, finished) = clients::inspector(&target, &arguments).await;
    let answer = answer.unwrap_or_else(|| panic!("{} {}", finished.stdout, finished.stderr));
    assert_eq!(answer["content"][0]["text"], "Echo: hi");
}

#[tokio::test]
async fn identity_provider_issues_a_token_for_the_resource() {
    let provider = oidc::Provider::start("ES256", &[cases::RESOURCE]).await;
    let token = provider.token(cases::RESOURCE).await;
    let claims = jsonwebtoken::dangerous::insecure_decode::<serde_json::Value>(&token).unwrap().claims;
    assert_eq!(claims["aud"], cases::RESOURCE);
    assert_eq!(claims["iss"], provider.issuer);
}

/// The local issuer's tokens verify with a JWT library of other people, with every key and algorithm.
#[tokio::test]
async fn local_tokens_verify_with_their_published_keys() {
    let issuer = Issuer::start(cases::RESOURCE).await;
    let keys: jsonwebtoken::jwk::JwkSet =
        reqwest::get(format!("{}/jwks", issuer.url())).await.unwrap().json().await.unwrap();
    let verified = |recipe: &Recipe| {
        let token = issuer.token_with(recipe);
        let header = jsonwebtoken::decode_header(&token).unwrap();
        let key = jsonwebtoken::DecodingKey::from_jwk(keys.find(&header.kid.unwrap()).unwrap()).unwrap();
        let mut validation = jsonwebtoken::Validation::new(header.alg);
        validation.set_audience(&[cases::RESOURCE]);
        jsonwebtoken::decode::<serde_json::Value>(&token, &key, &validation).is_ok()
    };
    for (key, alg) in [("rsa", "RS256"), ("rsa", "PS256"), ("p256", "ES256"), ("p384", "ES384"), ("ed25519", "EdDSA")] {
        let recipe = Recipe { key: Some(key.to_owned()), alg: Some(alg.to_owned()), ..Recipe::default() };
        assert!(verified(&recipe), "{alg}");
    }
    let forged = Recipe { key: Some("attacker-p256".to_owned()), ..Recipe::default() };
    assert!(!verified(&forged));
    assert_eq!(issuer.jwks_fetches(), 1);
    issuer.set_mode(tokens::Mode::Fail);
    assert_eq!(reqwest::get(format!("{}/jwks", issuer.url())).await.unwrap().status(), 500);
    issuer.withdraw_key("rsa");
    assert!(!issuer.jwks().to_string().contains("\"rsa\""));
}

#[tokio::test]
async fn scripted_upstream_serves_both_eras_and_records_every_byte() {
    for (era, client) in [(Era::Modern, None), (Era::Legacy, Some(()))] {
        let upstream = Scripted::start(era).await;
        let client = match client {
            None => Client::modern(&upstream.url, None),
            Some(()) => Client::legacy(&upstream.url, None).await,
        };
        assert!(client.request("tools/list", json!({})).await.names().contains(&"echo".to_owned()));
        let answer = client.call("echo", json!({ "message": "needle" })).await;
        assert_eq!(answer.result()["content"][0]["text"], r#"{"message":"needle"}"#);
        assert!(upstream.saw(b"needle"));
        assert_eq!(upstream.calls().len(), 1);
        upstream.script([Reply { on: None, steps: vec![Step::Close], times: 1 }]);
        let gone = client.prepared(http::Method::POST).body("{\"method\":\"x\",\"id\":1}").send().await;
        assert!(gone.is_err());
    }
}

#[tokio::test]
async fn raw_sender_reports_status_body_and_close() {
    let upstream = Scripted::start(Era::Modern).await;
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwi";
    let rest = "ki\r\n0\r\n\r\n";
    let pause = Step::Pause(std::time::Duration::from_millis(30));
    let steps = vec![Step::Send(chunked.into()), pause, Step::Send(rest.into()), Step::Close];
    upstream.script([Reply { on: None, steps, times: 1 }]);
    let pieces = [b"POST /mcp HTTP/1.1\r\nContent-Le".to_vec().into(), b"ngth: 2\r\n\r\n{}".to_vec().into()];
    let seen = exchange(&upstream.address, &pieces, Patience::default()).await;
    assert_eq!((seen.first().status, seen.first().text().as_str()), (200, "wiki"));
    assert!(seen.first().complete && seen.closed);
    assert_eq!(upstream.requests()[0].body, b"{}");
}

#[tokio::test]
async fn conformance_suite_gives_equal_results_for_the_same_server() {
    let server = Server::everything().await;
    let first = conformance::scenario(&server.url, "tools-list").await;
    assert!(first.passes("tools-list"), "{first:?}");
    assert_eq!(conformance::difference(&first, &conformance::scenario(&server.url, "tools-list").await), None);
    let other = conformance::scenario(&server.url, "tools-call-image").await;
    assert!(!other.passes("tools-call-image"));
    assert!(conformance::difference(&first, &other).is_some());
}
