//! Cursors of paginated lists: the place of the last item that was given out, in a form that callers only hand back.
//!
//! They are neither secret nor signed: a made-up one shows nothing that a list would not show anyway. Who reads a place
//! out of one checks it like any other input.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::storage::DocumentPath;

/// The cursor of a place.
#[must_use]
pub fn of(place: &str) -> String {
    URL_SAFE_NO_PAD.encode(place)
}

/// The place of a cursor; `None` where it is none.
#[must_use]
pub fn place(cursor: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()
}

/// The place of a cursor in a list of versions.
#[must_use]
pub fn version(cursor: &str) -> Option<u32> {
    place(cursor)?.parse().ok()
}

/// The place of a cursor in a list of documents.
#[must_use]
pub fn path(cursor: &str) -> Option<DocumentPath> {
    DocumentPath::parse(&place(cursor)?).ok()
}
