//! The tools on objects. They are listed where the operator gave a store.
//!
//! In: typed arguments. Out: structured results, and links for what is too large for a message.
//! Refusals: [`ObjectError`], with its code.
//! To add a tool: a file with its argument type, its `entry` and its function, and a line in [`entries`].

mod delete;
mod link;
mod list;
mod read;
mod stat;
mod upload;
mod view;
mod write;

use std::time::Duration;

use rmcp::model::CallToolResult;
use serde_json::json;

use super::typed::{TypedError, refusal};
use super::{Call, Entry, ToolError};
use crate::download::{LIFETIME, Links};
use crate::objects::{Condition, ObjectError, ObjectKey, Objects};
use crate::state::Change;

pub(super) fn refused(error: &ObjectError) -> CallToolResult {
    let more = match error {
        ObjectError::Conflict { current: Some(current), .. } => Some(("current_etag", json!(current))),
        _ => None,
    };
    refusal(error.code(), &error.to_string(), more)
}

/// Every tool on objects.
pub(super) fn entries() -> Vec<Entry> {
    vec![read::entry(), write::entry(), list::entry(), stat::entry(), delete::entry(), link::entry(), upload::entry()]
}

/// When a write happens, from what the caller said.
fn condition(expected_etag: Option<&str>, overwrite: bool) -> Result<Condition, ToolError> {
    match (expected_etag, overwrite) {
        (Some(etag), false) => Ok(Condition::etag(etag)?),
        (None, true) => Ok(Condition::Always),
        (None, false) => Ok(Condition::Absent),
        (Some(_), true) => Err(TypedError::OneCondition.into()),
    }
}

impl Call {
    /// The store of objects. Without one these tools are not listed, and not called.
    fn objects(&self) -> Result<&Objects, ToolError> {
        Ok(self.server.shared.objects().ok_or(TypedError::Internal)?)
    }

    /// How long a link works: as long as the caller wants, and at most as long as the operator lets any.
    fn lifetime(&self, expires_in: Option<u64>) -> Result<Duration, ToolError> {
        let longest = self.server.shared.links().map_or(LIFETIME, Links::lifetime);
        match expires_in {
            None => Ok(longest),
            Some(seconds) if seconds >= 1 && seconds <= longest.as_secs() => Ok(Duration::from_secs(seconds)),
            Some(_) => Err(TypedError::Expiry(longest.as_secs()).into()),
        }
    }

    fn announce_object(&self, key: &ObjectKey, list: bool) {
        let shared = &self.server.shared;
        if list {
            shared.announce(Change::Resources);
        }
        shared.announce(Change::Resource(key.uri()));
    }
}
