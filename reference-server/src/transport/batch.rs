//! JSON-RPC batches, which a server of revision 2025-03-26 must take and no other revision has: several messages in an array,
//! and their answers in one. rmcp knows nothing of them.
//!
//! In: an array. Out: its members in order, those that are no message already answered. Refusals: [`BatchError`].
//! Invariant: no id is in a batch twice, so that every answer belongs to one member.

pub(super) mod http;

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// The only revision with batches.
pub(crate) const REVISION: &str = "2025-03-26";

/// Members of a batch.
const MEMBERS_MAX: usize = 50;

/// Why a batch is refused as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BatchError {
    #[error("batches belong to revision {REVISION} alone")]
    Revision,
    #[error("the batch is not valid JSON")]
    Malformed,
    #[error("the batch is empty")]
    Empty,
    #[error("the batch has more than {MEMBERS_MAX} members")]
    Long,
    #[error("an id is in the batch twice, or is under way already")]
    Repeated,
}

impl BatchError {
    /// The answer to the whole batch.
    pub(super) fn answer(self) -> String {
        let code = if self == Self::Malformed { -32700 } else { -32600 };
        refusal(&Value::Null, code, &self.to_string())
    }
}

/// A member that is a message.
#[derive(Debug)]
pub(super) struct Member<'a> {
    pub(super) text: &'a str,
    /// The id in JSON, of a request.
    pub(super) request: Option<Value>,
}

/// The members of a batch.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    pub(super) members: Vec<Member<'a>>,
    /// Answers to the members that are no message, or must not be in a batch.
    pub(super) refusals: Vec<String>,
}

/// Whether these bytes can only be a batch.
pub(super) fn is_batch(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().first() == Some(&b'[')
}

#[derive(Deserialize)]
struct Head {
    id: Option<Value>,
    method: Option<String>,
}

impl<'a> Batch<'a> {
    /// Reads an array of messages.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, BatchError> {
        let Members { texts, more } = serde_json::from_slice(bytes).map_err(|_| BatchError::Malformed)?;
        if more {
            return Err(BatchError::Long);
        }
        if texts.is_empty() {
            return Err(BatchError::Empty);
        }
        let mut batch = Self { members: vec![], refusals: vec![] };
        let mut ids = BTreeSet::new();
        for text in texts {
            if let Some(id) = batch.add(text.get())
                && !ids.insert(id.to_string())
            {
                return Err(BatchError::Repeated);
            }
        }
        Ok(batch)
    }

    /// Takes a member; its id if it is a request.
    fn add(&mut self, text: &'a str) -> Option<Value> {
        let head: Option<Head> = serde_json::from_str(text).ok();
        match head {
            Some(Head { id: Some(id), method: Some(method) }) if id.is_string() || id.is_i64() => {
                if method == "initialize" {
                    self.refusals.push(refusal(&id, -32600, "initialize must not be in a batch"));
                } else {
                    self.members.push(Member { text, request: Some(id.clone()) });
                }
                Some(id)
            }
            // A notification, or the answer to a request of ours.
            Some(Head { id: None, method: Some(_) } | Head { id: Some(_), method: None }) => {
                self.members.push(Member { text, request: None });
                None
            }
            _ => {
                self.refusals.push(refusal(&Value::Null, -32600, "not a JSON-RPC message"));
                None
            }
        }
    }
}

/// An error answer in JSON.
pub(super) fn refusal(id: &Value, code: i32, message: &str) -> String {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}).to_string()
}

/// The first members, and whether there are more than a batch may have.
struct Members<'a> {
    texts: Vec<&'a RawValue>,
    more: bool,
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bounded;
        impl<'de> Visitor<'de> for Bounded {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an array of messages")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut members = Members { texts: vec![], more: false };
                while members.texts.len() < MEMBERS_MAX {
                    match items.next_element()? {
                        Some(text) => members.texts.push(text),
                        None => return Ok(members),
                    }
                }
                while items.next_element::<IgnoredAny>()?.is_some() {
                    members.more = true;
                }
                Ok(members)
            }
        }
        deserializer.deserialize_seq(Bounded)
    }
}

#[cfg(test)]
mod tests;
