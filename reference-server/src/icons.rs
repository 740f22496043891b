//! Icons, as `data:` URIs: a client that shows them fetches nothing.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::Icon;

/// Strokes of a drawing of 24 by 24 units.
const DOOR: &str = "M6 22V2h12v20M2 22h20M14 12v1";
const PROMPT: &str = "M3 4h18v13H12l-5 4v-4H3zM7 8h10M7 12h6";
const DOCUMENT: &str = "M5 2h9l5 5v15H5zM14 2v5h5M8 12h8M8 16h8";
const RECORD: &str = "M3 4h18v16H3zM3 9h18M3 14h18M9 4v16";

fn icon(strokes: &str) -> Vec<Icon> {
    let svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'><path d='{strokes}' fill='none' stroke='#68a' stroke-width='2'/></svg>"
    );
    let source = format!("data:image/svg+xml;base64,{}", STANDARD.encode(svg));
    vec![Icon::new(source).with_mime_type("image/svg+xml").with_sizes(vec!["any".to_owned()])]
}

/// The server's. Made once, since rmcp asks who the server is at every request.
#[must_use]
pub fn server() -> Vec<Icon> {
    static SERVER: LazyLock<Vec<Icon>> = LazyLock::new(|| icon(DOOR));
    SERVER.clone()
}

/// Of tools that work on prompts, and of stored prompts.
#[must_use]
pub fn prompt() -> Vec<Icon> {
    icon(PROMPT)
}

/// Of tools that work on records.
#[must_use]
pub fn record() -> Vec<Icon> {
    icon(RECORD)
}

/// Of tools that work on documents.
#[must_use]
pub fn document() -> Vec<Icon> {
    icon(DOCUMENT)
}
