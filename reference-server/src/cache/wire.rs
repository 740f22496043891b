//! What Redis keeps: JSON with the version of its format and the key that it belongs to.
//!
//! Invariant: what is there is others' data. It is taken for the key that was asked for or not at all, and holds every
//! limit that the store holds.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::{Key, Value};
use crate::storage::prompt::{Prompt, PromptBody, PromptName};
use crate::storage::{Body, Document, Limits, Page};

/// Goes into every key as well, so that servers of different formats share nothing.
pub(super) const FORMAT: u32 = 1;

/// The largest value that goes to Redis, and that is taken from there, in bytes.
pub(super) const BYTES_MAX: usize = 16 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    format: u32,
    value: Kept,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Kept {
    Document(KeptDocument),
    Prompt(KeptPrompt),
    Prompts { after: Option<String>, limit: u32, more: bool, items: Vec<KeptPrompt> },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptDocument {
    path: String,
    version: u32,
    title: String,
    media_type: String,
    content: String,
    metadata: Map<String, serde_json::Value>,
    tags: BTreeSet<String>,
    created_at: i64,
    updated_at: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptPrompt {
    name: String,
    version: u32,
    body: PromptBody,
    created_at: i64,
    updated_at: i64,
}

/// The text for Redis; `None` for what is too large.
pub(super) fn encode(key: &Key, value: &Value) -> Option<Vec<u8>> {
    let value = match (key, value) {
        (Key::Document(_), Value::Document(document)) => Kept::Document(kept_document(document)),
        (Key::Prompt(_), Value::Prompt(prompt)) => Kept::Prompt(kept_prompt(prompt)),
        (Key::Prompts { after, limit }, Value::Prompts(page)) => Kept::Prompts {
            after: after.clone(),
            limit: *limit,
            more: page.more,
            items: page.items.iter().map(kept_prompt).collect(),
        },
        _ => return None,
    };
    let text = serde_json::to_vec(&Wire { format: FORMAT, value }).ok()?;
    (text.len() <= BYTES_MAX).then_some(text)
}

fn kept_document(document: &Document) -> KeptDocument {
    let Document { path, version, body, created_at, updated_at } = document.clone();
    let Body { title, media_type, content, metadata, tags } = body;
    KeptDocument { path: path.to_string(), version, title, media_type, content, metadata, tags, created_at, updated_at }
}

fn kept_prompt(prompt: &Prompt) -> KeptPrompt {
    let Prompt { name, version, body, created_at, updated_at } = prompt.clone();
    KeptPrompt { name: name.to_string(), version, body, created_at, updated_at }
}

/// The value of this key; `None` for anything else.
pub(super) fn decode(key: &Key, text: &[u8]) -> Option<Value> {
    if text.len() > BYTES_MAX {
        return None;
    }
    let Wire { format, value } = serde_json::from_slice(text).ok()?;
    if format != FORMAT {
        return None;
    }
    match (key, value) {
        (Key::Document(path), Kept::Document(kept)) if kept.path == path.as_str() => {
            let KeptDocument { version, title, media_type, content, metadata, tags, created_at, updated_at, .. } = kept;
            let body = Body { title, media_type, content, metadata, tags };
            // What was stored under another limit stays.
            body.check(Limits { content_bytes: usize::MAX }).ok()?;
            let document = Document { path: path.clone(), version, body, created_at, updated_at };
            (version > 0).then(|| Value::Document(Arc::new(document)))
        }
        (Key::Prompt(name), Kept::Prompt(kept)) if kept.name == name.as_str() => {
            Some(Value::Prompt(Arc::new(prompt(kept)?)))
        }
        (Key::Prompts { after, limit }, Kept::Prompts { after: kept_after, limit: kept_limit, more, items }) => {
            let items: Vec<Prompt> = items.into_iter().map(prompt).collect::<Option<_>>()?;
            let names = || items.iter().map(|prompt| prompt.name.as_str());
            let ordered = after.as_deref().into_iter().chain(names()).zip(names().skip(usize::from(after.is_none())));
            let fits = usize::try_from(*limit).is_ok_and(|limit| items.len() <= limit);
            let right = kept_after == *after && kept_limit == *limit && fits && { ordered }.all(|(one, two)| one < two);
            right.then(|| Value::Prompts(Arc::new(Page { items, more })))
        }
        _ => None,
    }
}

fn prompt(kept: KeptPrompt) -> Option<Prompt> {
    let KeptPrompt { name, version, body, created_at, updated_at } = kept;
    let name = PromptName::parse(&name).ok()?;
    body.check().ok()?;
    (version > 0).then_some(Prompt { name, version, body, created_at, updated_at })
}

#[cfg(test)]
mod tests;
