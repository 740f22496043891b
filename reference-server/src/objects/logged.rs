//! What a store's errors say in the log, and what they mean for the caller.

use object_store::Error;

use super::{ObjectError, ObjectKey};

/// Longest text of an error in the log, in bytes.
const LOGGED_BYTES_MAX: usize = 300;

/// What an error means for this key; logs those that the caller is not told about.
pub(super) fn meaning(error: Error, key: Option<&ObjectKey>) -> ObjectError {
    match (error, key) {
        (Error::NotFound { .. }, Some(key)) => ObjectError::NotFound(key.clone()),
        (Error::AlreadyExists { .. }, Some(key)) => ObjectError::Exists(key.clone()),
        (Error::Precondition { .. }, Some(key)) => ObjectError::Conflict { key: key.clone(), current: None },
        (error @ (Error::PermissionDenied { .. } | Error::Unauthenticated { .. }), _) => {
            tracing::error!(error = %printable(&error), "the store of objects refuses this server");
            ObjectError::Refused
        }
        (error, _) => {
            tracing::warn!(error = %printable(&error), "the store of objects failed");
            ObjectError::Unavailable
        }
    }
}

/// The text of an error without what may hold credentials: queries of addresses, and answers of the store, which repeat
/// what was signed. Ends where the first answer begins.
pub(super) fn printable(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    let said = text.split('<').next().unwrap_or_default();
    let mut kept = String::new();
    let mut query = false;
    for character in said.chars() {
        match character {
            '?' => query = true,
            ' ' | '"' | ')' | '\n' => query = false,
            _ => {}
        }
        if !query && !character.is_control() {
            kept.push(character);
        }
    }
    kept.truncate(kept.floor_char_boundary(LOGGED_BYTES_MAX));
    kept
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use super::*;

    #[test]
    fn credentials_in_addresses_and_answers_are_not_printed() {
        let source = "Error performing GET https://a.example/c/k?sv=2023&sig=SECRET in 5ms, answered 403: \
                      <?xml?><StringToSign>ALSO</StringToSign>";
        let error = Error::Generic { store: "S3", source: source.into() };
        let text = printable(&error);
        assert!(text.contains("https://a.example/c/k in 5ms"), "{text}");
        assert!(!text.contains("SECRET") && !text.contains("ALSO"), "{text}");
    }

    #[test]
    fn long_texts_are_cut() {
        let error = Error::Generic { store: "S3", source: "é".repeat(500).into() };
        assert!(printable(&error).len() <= LOGGED_BYTES_MAX);
    }
}
