//! The tools whose names and answers the official conformance suite prescribes.

mod asking;
mod changes;
mod content;
mod headers;
mod input_required;
mod reporting;
mod schema;
mod tasks;

pub(super) use changes::DYNAMIC_TOOL;

use super::Entry;

/// All of them; the dynamic one is last.
pub(super) fn entries() -> Vec<Entry> {
    let mut entries = content::entries();
    entries.extend(reporting::entries());
    entries.extend(asking::entries());
    entries.extend(input_required::entries());
    entries.extend(headers::entries());
    entries.extend(schema::entries());
    entries.extend(tasks::entries());
    entries.extend(changes::entries());
    entries
}
