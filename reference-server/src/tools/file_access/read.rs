//! `read_file`.

use super::{Path, path_schema};
use crate::tools::{Call, Entry, Outcome, text, tool};

pub(super) fn entry() -> Entry {
    let description =
        "Reads a file of the built-in virtual tree (in memory, not the host's disk), for example /data/welcome.txt.";
    Entry::new(tool("read_file", description, path_schema()), read)
}

async fn read(call: Call) -> Outcome {
    let Path { path } = call.arguments()?;
    Ok(text(call.server.shared.files.read(&path)?.text))
}
