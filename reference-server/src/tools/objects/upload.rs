//! `object_upload_link`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::condition;
use super::view::end;
use crate::objects::link::Sending;
use crate::objects::{ObjectError, ObjectKey, media_type};
use crate::tools::typed::{structured, typed_tool, writes};
use crate::tools::{Call, Entry, Outcome};

pub(super) fn entry() -> Entry {
    let description = "Gives an address that an object can be sent to with HTTP PUT, for what is too large for a message. \
        Whoever knows it can store this one object until it ends. Without overwrite or expected_etag nothing may be \
        at the key; a cloud's store holds either condition up to 16 MiB and refuses more.";
    Entry::new(
        typed_tool::<Wanted, Link>("object_upload_link", "Link for sending an object", description, writes()),
        link,
    )
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Key of the object: segments with single slashes between them
    key: String,
    /// Media type that the Content-Type of the PUT must have; any if not given
    media_type: Option<String>,
    /// Most bytes that are taken; as many as the server takes of any object if not given
    max_bytes: Option<u64>,
    /// ETag of the object that is replaced; without it nothing may be at this key
    expected_etag: Option<String>,
    /// Replace whatever is at this key
    #[serde(default)]
    overwrite: bool,
    /// How long it works, in seconds; as long as the server lets any link work if not given
    expires_in: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
struct Link {
    /// Address for PUT
    url: String,
    /// When it ends, RFC 3339
    expires_at: String,
    /// Most bytes that are taken
    max_bytes: u64,
}

async fn link(call: Call) -> Outcome {
    let wanted: Wanted = call.typed_arguments()?;
    let key = ObjectKey::parse(&wanted.key)?;
    let media_type = wanted.media_type.as_deref().map(media_type).transpose()?;
    let condition = condition(wanted.expected_etag.as_deref(), wanted.overwrite)?;
    let lifetime = call.lifetime(wanted.expires_in)?;
    let allowed = call.objects()?.limits().object_bytes;
    let bytes_max = wanted.max_bytes.unwrap_or(allowed).min(allowed);
    let links = call.server.shared.links().ok_or(ObjectError::NoLinks)?;
    let link = Sending { key, media_type, condition, bytes_max }.link(links, lifetime);
    structured(&Link { url: link.url, expires_at: end(link.expires_at), max_bytes: bytes_max })
}
