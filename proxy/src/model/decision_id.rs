//! The id that ties an answer, its audit records and its log lines together.

use std::fmt;

/// A byte's two lower-case hexadecimal digits.
pub fn hex_digits(byte: u8) -> [char; 2] {
    let digit = |nibble: u8| char::from(if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble });
    [digit(byte >> 4), digit(byte & 15)]
}

/// 128 random bits, shown as 32 hexadecimal digits. It is a correlation id, never an authorisation.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DecisionId([u8; 16]);

impl DecisionId {
    /// From random bytes; the caller draws them from the process's generator.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = String::with_capacity(2 * self.0.len());
        self.0.iter().for_each(|byte| digits.extend(hex_digits(*byte)));
        f.write_str(&digits)
    }
}

impl fmt::Debug for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
