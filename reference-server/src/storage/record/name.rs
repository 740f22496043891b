//! Names of collections and records, and their URIs.

use std::fmt;

use super::InvalidRecord;
use crate::storage::now;
use crate::storage::prompt::is_name;

/// What the URIs of records begin with.
const PREFIX: &str = "record://";

/// Longest name of a collection and longest id, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 128;

/// Bytes of chance in an id that the server makes.
const CHANCE_BYTES: usize = 10;

/// Whether this is a name: one of a prompt, and nothing that a reader of a URI would resolve.
fn checked(name: &str) -> Result<String, InvalidRecord> {
    let resolved = matches!(name, "." | "..");
    if is_name(name, NAME_BYTES_MAX) && !resolved { Ok(name.to_owned()) } else { Err(InvalidRecord::Name) }
}

/// The name of a collection: 1 to 128 of `A-Za-z0-9_.-`, and neither `.` nor `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CollectionName(String);

impl CollectionName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`InvalidRecord::Name`].
    pub fn parse(name: &str) -> Result<Self, InvalidRecord> {
        checked(name).map(Self)
    }

    /// The text of the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CollectionName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A collection and an id in it, which is written as the collection's name is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordName {
    collection: CollectionName,
    id: String,
}

impl RecordName {
    /// Checks an id.
    ///
    /// # Errors
    /// [`InvalidRecord::Name`].
    pub fn parse(collection: CollectionName, id: &str) -> Result<Self, InvalidRecord> {
        Ok(Self { collection, id: checked(id)? })
    }

    /// A name that nothing has had: the time, so that what is made later has a higher one, and chance.
    ///
    /// # Errors
    /// When the operating system has no random bytes.
    pub fn new(collection: CollectionName) -> Result<Self, getrandom::Error> {
        let mut chance = [0u8; CHANCE_BYTES];
        getrandom::fill(&mut chance)?;
        let chance: String = chance.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { collection, id: format!("{:012x}{chance}", now()) })
    }

    /// The record `collection/id`.
    ///
    /// # Errors
    /// [`InvalidRecord::Name`].
    pub fn of_path(path: &str) -> Result<Self, InvalidRecord> {
        let (collection, id) = path.split_once('/').ok_or(InvalidRecord::Name)?;
        Self::parse(CollectionName::parse(collection)?, id)
    }

    /// The record with this URI; `None` for any other URI. No character of a name is ever escaped.
    #[must_use]
    pub fn from_uri(uri: &str) -> Option<Self> {
        Self::of_path(uri.strip_prefix(PREFIX)?).ok()
    }

    /// Its URI.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("{PREFIX}{self}")
    }

    /// Where it is.
    #[must_use]
    pub fn collection(&self) -> &CollectionName {
        &self.collection
    }

    /// What it is called there.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl fmt::Display for RecordName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.collection, self.id)
    }
}
