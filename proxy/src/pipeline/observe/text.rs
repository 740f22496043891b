//! Text as it is shown to people: untrusted strings without power over the terminal or the viewer.
//!
//! In: any string. Out: one line of it. Control characters (C0, DEL, C1), line and paragraph separators (U+2028,
//! U+2029), bidirectional controls and other invisible format characters become `\uXXXX` (UTF-16 units, lower case), so
//! that a tool's name can neither start a new line nor colour, move or reverse what a reader sees. JSON decodes them back.

use std::fmt::Write as _;

/// Whether a character could change how the text around it is shown.
pub(crate) fn is_unsafe(c: char) -> bool {
    matches!(c,
        '\u{0}'..='\u{1f}'
        | '\u{7f}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

/// Appends `\uXXXX` for each UTF-16 unit of the character.
pub(crate) fn push_escape(out: &mut String, c: char) {
    let mut units = [0; 2];
    for unit in c.encode_utf16(&mut units) {
        // Writing to a string does not fail.
        let _ = write!(out, "\\u{unit:04x}");
    }
}

/// Appends the text with every unsafe character escaped.
pub(crate) fn push_escaped(out: &mut String, text: &str) {
    // Printable ASCII is by far the most common text, and holds no unsafe character.
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        out.push_str(text);
        return;
    }
    for c in text.chars() {
        if is_unsafe(c) {
            push_escape(out, c);
        } else {
            out.push(c);
        }
    }
}

/// At most `chars_max` characters; a longer text ends with an ellipsis.
pub(crate) fn limited(text: &str, chars_max: usize) -> &str {
    if text.len() <= chars_max {
        return text;
    }
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => text.get(..end).unwrap_or_default(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_moves_a_terminal_is_shown_as_escapes() {
        let mut out = String::new();
        push_escaped(&mut out, "a\n\u{1b}[31m\u{9b}\u{2028}\u{202e}\u{feff}\u{e0041}é");
        assert_eq!(out, "a\\u000a\\u001b[31m\\u009b\\u2028\\u202e\\ufeff\\udb40\\udc41é");
    }

    #[test]
    fn text_over_the_limit_is_cut_at_a_character() {
        assert_eq!(limited("ééé", 2), "éé");
        assert_eq!(limited("ab", 2), "ab");
        assert_eq!(limited("é", 1), "é");
    }
}
