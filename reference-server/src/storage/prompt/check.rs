//! The limits that hold for each prompt.

use std::collections::BTreeSet;

use super::fill::{Part, parts};
use super::{Argument, Kind, Message, PromptBody};
use crate::directory::FilePath;
use crate::objects::ObjectKey;
use crate::storage::DocumentPath;
use crate::storage::document::{TITLE_BYTES_MAX, line};
use crate::storage::record::RecordName;

/// Longest name of a prompt or argument, in bytes.
pub const NAME_BYTES_MAX: usize = 128;
/// Longest description, in bytes.
const DESCRIPTION_BYTES_MAX: usize = 1024;
/// Most arguments of a prompt.
const ARGUMENTS_MAX: usize = 32;
/// Most values of an enum: what one completion may give (`CompletionInfo::MAX_VALUES`).
const VALUES_MAX: usize = 100;
/// Longest value of an enum, in bytes.
const VALUE_BYTES_MAX: usize = 256;
/// Most messages of a prompt.
const MESSAGES_MAX: usize = 32;
/// Most messages that are resources, each of which may have a megabyte.
const RESOURCES_MAX: usize = 8;
/// Largest prompt, in bytes of JSON.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Which limit a prompt would break.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPrompt {
    /// Not a name.
    #[error("a name has 1 to {NAME_BYTES_MAX} letters and digits of ASCII, '_', '.' and '-'")]
    Name,
    /// The title is empty, too long or holds control characters.
    #[error("a title has 1 to {TITLE_BYTES_MAX} bytes and no control characters")]
    Title,
    /// A description is empty, too long or holds control characters.
    #[error("a description has 1 to {DESCRIPTION_BYTES_MAX} bytes and no control characters")]
    Description,
    /// Too many arguments, or two of one name.
    #[error("a prompt has at most {ARGUMENTS_MAX} arguments, each with a name of its own")]
    Arguments,
    /// Values where none belong, or none where they do.
    #[error(
        "argument {0}: an enum, and nothing else, has 1 to {VALUES_MAX} different values, each of 1 to {VALUE_BYTES_MAX} \
         bytes without control characters"
    )]
    Values(String),
    /// What is completed is no string.
    #[error("argument {0}: only a string is completed from documents")]
    Complete(String),
    /// Too many messages, or none.
    #[error("a prompt has 1 to {MESSAGES_MAX} messages, of which at most {RESOURCES_MAX} are resources")]
    Messages,
    /// A place for an argument that there is not.
    #[error("{{{{{0}}}}} names no argument of the prompt")]
    Place(String),
    /// Not a URI that can be read.
    #[error("{0:?} is no URI of a document (doc://), record (record://), file (file:///) or object (object://)")]
    Resource(String),
    /// A character that not every engine can store.
    #[error("a text holds no NUL character (U+0000)")]
    Nul,
    /// The whole is too large.
    #[error("the prompt has {0} bytes of JSON, more than {BODY_BYTES_MAX}")]
    Size(usize),
}

/// Whether this is a name.
pub(in crate::storage) fn name(text: &str, bytes_max: usize) -> bool {
    (1..=bytes_max).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

impl PromptBody {
    /// Holds the body to the limits.
    ///
    /// # Errors
    /// See [`InvalidPrompt`].
    pub fn check(&self) -> Result<(), InvalidPrompt> {
        if !self.title.as_deref().is_none_or(|title| line(title, TITLE_BYTES_MAX)) {
            return Err(InvalidPrompt::Title);
        }
        described(self.description.as_deref())?;
        let names: BTreeSet<&str> = self.arguments.iter().map(|argument| argument.name.as_str()).collect();
        if names.len() > ARGUMENTS_MAX || names.len() < self.arguments.len() {
            return Err(InvalidPrompt::Arguments);
        }
        self.arguments.iter().try_for_each(Argument::check)?;
        let resources = self.messages.iter().filter(|message| matches!(message, Message::Resource(_))).count();
        if !(1..=MESSAGES_MAX).contains(&self.messages.len()) || resources > RESOURCES_MAX {
            return Err(InvalidPrompt::Messages);
        }
        self.messages.iter().try_for_each(|message| checked(message, &names))?;
        let size = serde_json::to_string(self).map_or(usize::MAX, |json| json.len());
        if size > BODY_BYTES_MAX { Err(InvalidPrompt::Size(size)) } else { Ok(()) }
    }
}

fn described(description: Option<&str>) -> Result<(), InvalidPrompt> {
    match description {
        Some(text) if !line(text, DESCRIPTION_BYTES_MAX) => Err(InvalidPrompt::Description),
        _ => Ok(()),
    }
}

impl Argument {
    fn check(&self) -> Result<(), InvalidPrompt> {
        if !name(&self.name, NAME_BYTES_MAX) {
            return Err(InvalidPrompt::Name);
        }
        described(self.description.as_deref())?;
        let different: BTreeSet<&String> = self.values.iter().collect();
        let values = match self.kind {
            Kind::Enum => {
                (1..=VALUES_MAX).contains(&self.values.len())
                    && different.len() == self.values.len()
                    && self.values.iter().all(|value| line(value, VALUE_BYTES_MAX))
            }
            _ => self.values.is_empty(),
        };
        if !values {
            return Err(InvalidPrompt::Values(self.name.clone()));
        }
        if self.complete.is_some() && self.kind != Kind::String {
            return Err(InvalidPrompt::Complete(self.name.clone()));
        }
        Ok(())
    }
}

fn checked(message: &Message, arguments: &BTreeSet<&str>) -> Result<(), InvalidPrompt> {
    match message {
        Message::Text(message) if message.text.contains('\0') => Err(InvalidPrompt::Nul),
        Message::Text(message) => parts(&message.text).try_for_each(|part| match part {
            Part::Place(name) if !arguments.contains(name) => Err(InvalidPrompt::Place(name.to_owned())),
            _ => Ok(()),
        }),
        Message::Resource(message) => {
            let uri = &message.resource;
            let stored = DocumentPath::from_uri(uri).is_some() || RecordName::from_uri(uri).is_some();
            let kept = FilePath::from_uri(uri).is_some() || ObjectKey::from_uri(uri).is_some();
            if stored || kept { Ok(()) } else { Err(InvalidPrompt::Resource(uri.clone())) }
        }
    }
}
