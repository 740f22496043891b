//! Google's XML API in front of fake-gcs-server, which has no writes, conditions, metadata and parts in that API. Its
//! JSON API has them: every request is put into that one. Signatures of links are checked here, by what Google documents
//! (<https://cloud.google.com/storage/docs/authentication/canonical-requests>).

mod object;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aws_lc_rs::{
    digest,
    encoding::{AsDer as _, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey},
};
use axum::{
    Router,
    body::Bytes,
    extract::{Query, State},
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use object::{Object, PARTS, encoded, json_of};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// The key of a service account.
pub(super) struct Key(KeyPair);

impl Key {
    pub(super) fn generate() -> Self {
        Self(KeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    /// The file that Google gives out for a service account.
    pub(super) fn account(&self) -> String {
        let der: Pkcs8V1Der<'_> = self.0.as_der().unwrap();
        let encoded = STANDARD.encode(der.as_ref());
        let lines: Vec<&str> = encoded.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
        json!({ "private_key": pem, "private_key_id": "1", "client_email": "tests@example.iam.gserviceaccount.com" })
            .to_string()
    }
}

/// The running front.
pub(super) struct Front {
    pub(super) url: String,
    serving: JoinHandle<()>,
}

impl Drop for Front {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

struct Behind {
    base: String,
    key: Key,
    http: reqwest::Client,
}

impl Front {
    pub(super) async fn start(base: String, key: Key) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let behind = Arc::new(Behind { base, key, http: reqwest::Client::new() });
        let app = Router::new().fallback(answer).with_state(behind).layer(axum::extract::DefaultBodyLimit::disable());
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, serving }
    }
}

type Asked = BTreeMap<String, String>;

async fn answer(
    State(behind): State<Arc<Behind>>,
    method: Method,
    uri: Uri,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Err(refusal) = behind.allowed(&method, &uri, &asked, &headers) {
        return refusal;
    }
    let path = uri.path().trim_start_matches('/');
    let Some((bucket, key)) = path.split_once('/').filter(|(_, key)| !key.is_empty()) else {
        return behind.list(path.trim_end_matches('/'), &asked).await;
    };
    let object = Object { behind: &behind, bucket, key };
    match (method, asked.get("uploadId")) {
        (Method::GET, None) => object.get(&headers, true).await,
        (Method::HEAD, None) => object.get(&headers, false).await,
        (Method::PUT, None) => object.put(&headers, body).await,
        (Method::DELETE, None) => object.delete().await,
        (Method::POST, None) if asked.contains_key("uploads") => object.begin(&headers).await,
        (Method::PUT, Some(id)) => object.part(id, &asked["partNumber"], body).await,
        (Method::POST, Some(id)) => object.complete(id).await,
        (Method::DELETE, Some(id)) => object.abort(id).await,
        other => panic!("{other:?} {uri} is not asked for by the server"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(digits: &str) -> Vec<u8> {
    (0..digits.len() / 2).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap_or(0)).collect()
}

/// Seconds since 1970 of `20260102T030405Z`.
fn seconds(date: &str) -> i64 {
    let part = |from: usize, to: usize| date[from..to].parse::<i64>().unwrap();
    let (year, month, day) = (part(0, 4), part(4, 6), part(6, 8));
    // Days from the civil calendar, with years that begin in March.
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    ((days * 24 + part(9, 11)) * 60 + part(11, 13)) * 60 + part(13, 15)
}

impl Behind {
    /// A bearer token, or a link that is signed and not over.
    fn allowed(&self, method: &Method, uri: &Uri, asked: &Asked, headers: &HeaderMap) -> Result<(), Response> {
        let Some(signature) = asked.get("X-Goog-Signature") else {
            let bearer =
                headers.get("authorization").is_some_and(|value| value.to_str().unwrap().starts_with("Bearer ey"));
            return if bearer { Ok(()) } else { Err(StatusCode::UNAUTHORIZED.into_response()) };
        };
        let mut query: Vec<&str> = uri.query().unwrap().split('&').collect();
        query.retain(|pair| !pair.starts_with("X-Goog-Signature="));
        query.sort_unstable();
        let request = format!(
            "{method}\n{}\n{}\nhost:storage.googleapis.com\n\nhost\nUNSIGNED-PAYLOAD",
            uri.path(),
            query.join("&")
        );
        let date = &asked["X-Goog-Date"];
        let scope = asked["X-Goog-Credential"].split_once('/').unwrap().1.to_owned();
        let hash = hex(digest::digest(&digest::SHA256, request.as_bytes()).as_ref());
        let signed = format!("GOOG4-RSA-SHA256\n{date}\n{scope}\n{hash}");
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.key.0.public_key().as_ref());
        if public.verify(signed.as_bytes(), &unhex(signature)).is_err() {
            return Err((StatusCode::FORBIDDEN, "SignatureDoesNotMatch").into_response());
        }
        let now = std::time::UNIX_EPOCH.elapsed().unwrap();
        let end = seconds(date) + asked["X-Goog-Expires"].parse::<i64>().unwrap();
        if now > Duration::from_secs(u64::try_from(end).unwrap()) {
            return Err((StatusCode::BAD_REQUEST, "ExpiredToken").into_response());
        }
        Ok(())
    }

    async fn list(&self, bucket: &str, asked: &Asked) -> Response {
        let mut query = vec![("prefix", asked.get("prefix").cloned().unwrap_or_default())];
        if let Some(after) = asked.get("start-after") {
            query.push(("startOffset", after.clone()));
        }
        let query =
            query.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&");
        let page: Value = json_of(self.http.get(format!("{}/storage/v1/b/{bucket}/o?{query}", self.base))).await;
        let items = page["items"].as_array().cloned().unwrap_or_default();
        let after = asked.get("start-after").map(String::as_str);
        // The one offset is exclusive, the other inclusive.
        let items = items.iter().filter(|item| item["name"].as_str() != after);
        let contents: String = items
            .filter(|item| !item["name"].as_str().unwrap().starts_with(PARTS))
            .map(|item| {
                let text = |name: &str| item[name].as_str().unwrap().replace('&', "&amp;");
                format!(
                    "<Contents><Key>{}</Key><Size>{}</Size><LastModified>{}</LastModified><ETag>{}</ETag></Contents>",
                    text("name"),
                    text("size"),
                    text("updated"),
                    text("etag")
                )
            })
            .collect();
        format!("<ListBucketResult>{contents}</ListBucketResult>").into_response()
    }
}
