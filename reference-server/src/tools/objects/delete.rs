//! `object_delete`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::view::About;
use crate::objects::{Condition, ObjectKey};
use crate::tools::typed::{destroys, structured, typed_tool};
use crate::tools::{Call, Entry, Outcome};

pub(super) fn entry() -> Entry {
    let description = "Deletes an object. With expected_etag only if that is the current one, where the store can hold \
        that: a directory can, a cloud's store cannot and refuses.";
    Entry::new(typed_tool::<Delete, About>("object_delete", "Delete an object", description, destroys()), delete)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Delete {
    /// Key of the object
    key: String,
    /// Delete only the object with this ETag
    expected_etag: Option<String>,
}

async fn delete(call: Call) -> Outcome {
    let wanted: Delete = call.typed_arguments()?;
    let key = ObjectKey::parse(&wanted.key)?;
    if let Some(etag) = &wanted.expected_etag {
        Condition::etag(etag)?;
    }
    let deleted = call.objects()?.delete(&key, wanted.expected_etag.as_deref()).await?;
    call.announce_object(&key, true);
    structured(&About::from(&deleted))
}
