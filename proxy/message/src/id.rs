//! Request ids.

use crate::json::{Kind, Value, quote};
use crate::{Limits, ParseError};

/// A request id (also the form of a progress token). `"1"` and `1` are different ids.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Id {
    /// An integer, as the text that came: `-?(0|[1-9][0-9]*)`, never `-0`.
    Number(Box<str>),
    /// A string, decoded.
    String(Box<str>),
}

impl Id {
    /// Reads an id: a string, or an integer without fraction and exponent (MCP: string or integer, never null).
    ///
    /// # Errors
    /// [`ParseError::IdInvalid`], [`ParseError::IdTooLong`] over `id_bytes_max`.
    pub fn read(value: Value<'_>, limits: &Limits) -> Result<Self, ParseError> {
        let limit = limits.id_bytes_max;
        let fits = |text: &str| {
            if text.len() > limit {
                return Err(ParseError::IdTooLong { limit });
            }
            Ok(())
        };
        match value.kind() {
            Kind::String => {
                let text = value.as_str().ok_or(ParseError::IdInvalid)?;
                fits(&text)?;
                Ok(Self::String(text.into()))
            }
            Kind::Number => {
                let text = value.raw_str();
                fits(text)?;
                if text == "-0" || text.contains(['.', 'e', 'E']) {
                    return Err(ParseError::IdInvalid);
                }
                Ok(Self::Number(text.into()))
            }
            _ => Err(ParseError::IdInvalid),
        }
    }

    /// The id of a number that Doorward itself counts.
    #[must_use]
    pub fn number(value: u64) -> Self {
        Self::Number(value.to_string().into())
    }

    /// Its JSON text, to be written into a message. A number's is unchanged; a string's has the same value.
    #[must_use]
    pub fn raw(&self) -> String {
        match self {
            Self::Number(text) => text.to_string(),
            Self::String(text) => quote(text),
        }
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.raw())
    }
}
