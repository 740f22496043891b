//! `http_fetch`: off unless the operator switches it on.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::ToolAnnotations;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::typed::{TypedError, structured, typed_tool};
use super::{Call, Entry, Outcome};
use crate::fetch::{BYTES_MAX, FetchError, Fetched};

pub(super) fn entries() -> Vec<Entry> {
    let description = "Fetches an http or https address of the public internet, up to 1 MiB. Private, local and special \
        networks are refused, also behind redirects.";
    let hints = ToolAnnotations::new().read_only(true).destructive(false).idempotent(true).open_world(true);
    let tool = typed_tool::<Fetch, Answer>("http_fetch", "Fetch an address", description, hints);
    vec![Entry::new(tool, fetch)]
}

pub(super) fn refused(error: &FetchError) -> rmcp::model::CallToolResult {
    super::typed::refusal(error.code(), &error.to_string(), None)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Fetch {
    /// The address
    url: String,
    /// Most bytes, 1 to 1048576; that if not given
    length: Option<usize>,
}

/// What is there.
#[derive(Serialize, JsonSchema)]
struct Answer {
    /// Where it was, after redirects
    url: String,
    /// HTTP status
    status: u16,
    /// Media type that the server told
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    /// The body, where it is text in UTF-8
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    /// The body as Base64, where it is no such text
    #[serde(skip_serializing_if = "Option::is_none")]
    content_base64: Option<String>,
    /// Whether there was more
    truncated: bool,
}

async fn fetch(call: Call) -> Outcome {
    let wanted: Fetch = call.typed_arguments()?;
    let length = match wanted.length.unwrap_or(BYTES_MAX) {
        length @ 1..=BYTES_MAX => length,
        _ => return Err(TypedError::Length(BYTES_MAX).into()),
    };
    let fetcher = call.server.shared.fetcher().ok_or(TypedError::Internal)?;
    let Fetched { url, status, media_type, body, truncated } = fetcher.fetch(&wanted.url, length).await?;
    let (content, content_base64) = match text(body, truncated) {
        Ok(text) => (Some(text), None),
        Err(bytes) => (None, Some(STANDARD.encode(bytes))),
    };
    structured(&Answer { url, status, media_type, content, content_base64, truncated })
}

/// The body as text; a character that the limit cut is left out.
fn text(body: Vec<u8>, truncated: bool) -> Result<String, Vec<u8>> {
    String::from_utf8(body).or_else(|error| {
        let cut = truncated && error.utf8_error().error_len().is_none();
        let valid = error.utf8_error().valid_up_to();
        let mut bytes = error.into_bytes();
        if !cut {
            return Err(bytes);
        }
        bytes.truncate(valid);
        String::from_utf8(bytes).map_err(std::string::FromUtf8Error::into_bytes)
    })
}
