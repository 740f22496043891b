//! `object_stat`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::view::About;
use crate::objects::ObjectKey;
use crate::tools::typed::{reads, structured, typed_tool};
use crate::tools::{Call, Entry, Outcome};

pub(super) fn entry() -> Entry {
    let description = "Tells size, media type, ETag, time and encoding of an object.";
    Entry::new(typed_tool::<Stat, About>("object_stat", "Look at an object", description, reads()), stat)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Stat {
    /// Key of the object
    key: String,
}

async fn stat(call: Call) -> Outcome {
    let wanted: Stat = call.typed_arguments()?;
    let key = ObjectKey::parse(&wanted.key)?;
    structured(&About::from(&call.objects()?.stat(&key).await?))
}
