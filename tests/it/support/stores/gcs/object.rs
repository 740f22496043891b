//! What becomes of one object's requests.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use axum::{
    body::Bytes,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};

use super::{Behind, hex, unhex};

/// What the names of parts begin with.
pub(super) const PARTS: &str = "parts-of-uploads/";

pub(super) fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

pub(super) async fn json_of(request: reqwest::RequestBuilder) -> Value {
    let text = request.send().await.unwrap().error_for_status().unwrap().text().await.unwrap();
    serde_json::from_str(&text).unwrap()
}

/// What an answer of the emulator is in the other API.
async fn passed(result: reqwest::Result<reqwest::Response>, status: StatusCode) -> Result<Value, Response> {
    // The emulator is gone: so is its answer.
    let Ok(response) = result else { return Err(StatusCode::SERVICE_UNAVAILABLE.into_response()) };
    let found = StatusCode::from_u16(response.status().as_u16()).unwrap();
    let text = response.text().await.unwrap_or_default();
    if found.is_success() {
        Ok(serde_json::from_str(&text).unwrap_or_default())
    } else {
        Err((found.max(status), text).into_response())
    }
}

fn about(headers: &HeaderMap) -> Value {
    let metadata: BTreeMap<&str, &str> = headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().strip_prefix("x-goog-meta-")?, value.to_str().unwrap())))
        .collect();
    json!({ "contentType": headers.get("content-type").map(|value| value.to_str().unwrap()), "metadata": metadata })
}

fn told(item: &Value) -> [(&'static str, String); 2] {
    [
        ("etag", format!("\"{}\"", item["etag"].as_str().unwrap_or_default().trim_matches('"'))),
        ("x-goog-generation", item["generation"].as_str().unwrap_or_default().to_owned()),
    ]
}

pub(super) struct Object<'o> {
    pub(super) behind: &'o Behind,
    pub(super) bucket: &'o str,
    /// As it is in the address: escaped.
    pub(super) key: &'o str,
}

impl Object<'_> {
    fn url(&self, key: &str) -> String {
        format!("{}/storage/v1/b/{}/o/{}", self.behind.base, self.bucket, key.replace('/', "%2F"))
    }

    async fn insert(&self, key: &str, about: &Value, generation: Option<&str>, body: &[u8]) -> Result<Value, Response> {
        let condition = generation.map(|it| format!("&ifGenerationMatch={it}")).unwrap_or_default();
        let url = format!("{}/upload/storage/v1/b/{}/o?uploadType=multipart{condition}", self.behind.base, self.bucket);
        let mut about = about.clone();
        about["name"] = json!(percent_decoded(key));
        let kind = about["contentType"].as_str().unwrap_or("application/octet-stream").to_owned();
        let head =
            format!("--cut\r\ncontent-type: application/json\r\n\r\n{about}\r\n--cut\r\ncontent-type: {kind}\r\n\r\n");
        let whole = [head.as_bytes(), body, b"\r\n--cut--\r\n"].concat();
        let request = self.behind.http.post(url).header("content-type", "multipart/related; boundary=cut").body(whole);
        passed(request.send().await, StatusCode::BAD_REQUEST).await
    }

    pub(super) async fn put(&self, headers: &HeaderMap, body: Bytes) -> Response {
        let generation = headers.get("x-goog-if-generation-match").map(|value| value.to_str().unwrap());
        match self.insert(self.key, &about(headers), generation, &body).await {
            Ok(item) => told(&item).into_response(),
            Err(refusal) => refusal,
        }
    }

    pub(super) async fn get(&self, headers: &HeaderMap, body: bool) -> Response {
        let found = passed(self.behind.http.get(self.url(self.key)).send().await, StatusCode::BAD_REQUEST).await;
        let item = match found {
            Ok(item) => item,
            Err(refusal) => return refusal,
        };
        let mut request = self.behind.http.get(format!("{}?alt=media", self.url(self.key)));
        if let Some(range) = headers.get("range") {
            request = request.header("range", range.to_str().unwrap());
        }
        let Ok(media) = request.send().await else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
        let mut response = Response::builder().status(media.status().as_u16());
        for (name, value) in told(&item) {
            response = response.header(name, value);
        }
        for name in ["content-range", "last-modified"] {
            if let Some(value) = media.headers().get(name) {
                response = response.header(name, value.to_str().unwrap());
            }
        }
        response = response.header("content-type", item["contentType"].as_str().unwrap_or_default());
        for (name, value) in item["metadata"].as_object().into_iter().flatten() {
            response = response.header(format!("x-goog-meta-{name}"), value.as_str().unwrap());
        }
        let Ok(bytes) = media.bytes().await else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
        response = response.header("content-length", bytes.len());
        response.body(if body { bytes.into() } else { axum::body::Body::empty() }).unwrap()
    }

    pub(super) async fn delete(&self) -> Response {
        match passed(self.behind.http.delete(self.url(self.key)).send().await, StatusCode::BAD_REQUEST).await {
            Ok(_) => StatusCode::NO_CONTENT.into_response(),
            Err(refusal) => refusal,
        }
    }

    /// The upload is an object beside its parts, which holds what the whole will have for metadata.
    pub(super) async fn begin(&self, headers: &HeaderMap) -> Response {
        let id = hex(digest::digest(&digest::SHA256, self.key.as_bytes()).as_ref());
        match self.insert(&format!("{PARTS}{id}/about"), &about(headers), None, b"").await {
            Ok(_) => {
                let whole = format!("<Bucket>{}</Bucket><Key>{}</Key><UploadId>{id}</UploadId>", self.bucket, self.key);
                format!("<InitiateMultipartUploadResult>{whole}</InitiateMultipartUploadResult>").into_response()
            }
            Err(refusal) => refusal,
        }
    }

    pub(super) async fn part(&self, id: &str, number: &str, body: Bytes) -> Response {
        match self.insert(&format!("{PARTS}{id}/{number:0>5}"), &json!({}), None, &body).await {
            Ok(item) => told(&item).into_response(),
            Err(refusal) => refusal,
        }
    }

    async fn parts(&self, id: &str) -> Vec<String> {
        let url =
            format!("{}/storage/v1/b/{}/o?prefix={}", self.behind.base, self.bucket, encoded(&format!("{PARTS}{id}/")));
        let page = json_of(self.behind.http.get(url)).await;
        page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    }

    pub(super) async fn complete(&self, id: &str) -> Response {
        let parts = self.parts(id).await;
        let about = json_of(self.behind.http.get(self.url(&format!("{PARTS}{id}/about")))).await;
        let mut whole = Vec::new();
        for part in parts.iter().filter(|part| !part.ends_with("/about")) {
            let media = self.behind.http.get(format!("{}?alt=media", self.url(part))).send().await.unwrap();
            whole.extend_from_slice(&media.bytes().await.unwrap());
        }
        let about = json!({ "contentType": about["contentType"], "metadata": about["metadata"] });
        match self.insert(self.key, &about, None, &whole).await {
            Ok(item) => {
                self.abort(id).await;
                let [etag, generation] = told(&item);
                let body =
                    format!("<CompleteMultipartUploadResult><ETag>{}</ETag></CompleteMultipartUploadResult>", etag.1);
                ([generation], body).into_response()
            }
            Err(refusal) => refusal,
        }
    }

    pub(super) async fn abort(&self, id: &str) -> Response {
        for part in self.parts(id).await {
            self.behind.http.delete(self.url(&part)).send().await.unwrap();
        }
        StatusCode::NO_CONTENT.into_response()
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        if let (b'%', [high, low, behind @ ..]) = (first, more) {
            bytes.push(unhex(str::from_utf8(&[*high, *low]).unwrap())[0]);
            rest = behind;
        } else {
            bytes.push(*first);
            rest = more;
        }
    }
    String::from_utf8(bytes).unwrap()
}
