//! `document_diff`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use similar::{ChangeTag, TextDiff};

use crate::storage::{DocumentPath, StoreError};
use crate::tools::typed::{TypedError, reads, structured, typed_tool};
use crate::tools::{Call, Entry, Outcome};

/// How long the shortest difference is looked for; a longer but correct one is given afterwards.
const PATIENCE: Duration = Duration::from_millis(500);

const CONTEXT_LINES: usize = 3;

pub(super) fn entry() -> Entry {
    let description = "Compares the contents of two versions of a document, line by line, as a unified diff.";
    Entry::new(typed_tool::<Asked, Difference>("document_diff", "Compare versions", description, reads()), diff)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Where the document is now
    path: String,
    /// The version to compare from; the one before to_version if not given
    from_version: Option<u32>,
    /// The version to compare to; the current one if not given
    to_version: Option<u32>,
}

/// How two versions differ.
#[derive(Serialize, JsonSchema)]
struct Difference {
    /// The version that was compared from
    from_version: u32,
    /// The version that was compared to
    to_version: u32,
    /// Lines that only the later text has
    added: usize,
    /// Lines that only the earlier text has
    removed: usize,
    /// The unified diff; empty when the contents are the same
    diff: String,
}

async fn diff(call: Call) -> Outcome {
    let wanted: Asked = call.typed_arguments()?;
    let path = DocumentPath::parse(&wanted.path)?;
    let documents = &call.server.shared.documents;
    let to = documents.read(&path, wanted.to_version).await?;
    let from_version = match wanted.from_version {
        Some(version) => version,
        None => {
            let before = documents.history(&path, Some(to.version), 1).await?.items.into_iter().next();
            let none = || StoreError::NoVersion { path: path.clone(), version: to.version.saturating_sub(1) };
            before.ok_or_else(none)?.version
        }
    };
    let from = documents.read(&path, Some(from_version)).await?;
    let compared = move || compare((&from.body.content, from.version), (&to.body.content, to.version));
    // Large texts take a while, which other calls must not wait for.
    let difference = tokio::task::spawn_blocking(compared).await.map_err(|_| TypedError::Internal)?;
    structured(&difference)
}

fn compare((from, from_version): (&str, u32), (to, to_version): (&str, u32)) -> Difference {
    let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(from, to);
    let count = |tag| diff.iter_all_changes().filter(|change| change.tag() == tag).count();
    let (earlier, later) = (format!("version {from_version}"), format!("version {to_version}"));
    Difference {
        from_version,
        to_version,
        added: count(ChangeTag::Insert),
        removed: count(ChangeTag::Delete),
        diff: diff.unified_diff().context_radius(CONTEXT_LINES).header(&earlier, &later).to_string(),
    }
}
