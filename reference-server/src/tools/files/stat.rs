//! `file_stat`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::view::About;
use crate::directory::FilePath;
use crate::tools::typed::{reads, structured, typed_tool};
use crate::tools::{Call, Entry, Outcome};

pub(super) fn entry() -> Entry {
    let description = "Tells size, media type, revision and time of a file or folder of the served directory.";
    Entry::new(typed_tool::<Stat, About>("file_stat", "Look at a file", description, reads()), stat)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Stat {
    /// Path from the served directory on
    path: String,
}

async fn stat(call: Call) -> Outcome {
    let wanted: Stat = call.typed_arguments()?;
    let path = FilePath::parse(&wanted.path)?;
    structured(&About::from(&call.directory()?.stat(&path).await?))
}
