use jsonwebtoken::{DecodingKey, Validation, decode, jwk::JwkSet};
use serde_json::Value;

use super::*;

async fn get(issuer: &Issuer, path: &str) -> Value {
    let address = issuer.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

#[tokio::test]
async fn token_verifies_with_the_served_key_and_a_forged_one_does_not() {
    let issuer = Issuer::start().await.unwrap();
    let metadata = get(&issuer, "/.well-known/openid-configuration").await;
    assert_eq!(metadata["issuer"], issuer.url.as_str());
    assert_eq!(metadata["jwks_uri"], format!("{}/jwks.json", issuer.url));
    let keys: JwkSet = serde_json::from_value(get(&issuer, "/jwks.json").await).unwrap();
    let key = DecodingKey::from_jwk(keys.find(KEY_ID).unwrap()).unwrap();
    let mut rules = Validation::new(Algorithm::ES256);
    rules.set_audience(&[AUDIENCE]);
    rules.set_issuer(&[&issuer.url]);
    let claims = decode::<Value>(issuer.token(3).unwrap(), &key, &rules).unwrap().claims;
    assert_eq!(claims["sub"], "bench-3");
    assert!(decode::<Value>(issuer.forged_token(3).unwrap(), &key, &rules).is_err());
}
