//! Documents as results show them.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::storage::{Document, Summary};
use crate::tools::typed::time;

/// What is known about a document, without its content.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct About {
    /// Path of the document
    path: String,
    /// URI of the document as a resource
    uri: String,
    /// Version; an update must name the current one
    version: u32,
    /// Title for people
    title: String,
    /// Media type of the content
    media_type: String,
    /// Bytes of the content
    size: u64,
    /// Tags
    tags: BTreeSet<String>,
    /// When this version was written, RFC 3339
    updated_at: String,
}

/// A document without its content, with its metadata.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Stored {
    #[serde(flatten)]
    about: About,
    /// Whatever the writer keeps with the document
    metadata: Map<String, Value>,
    /// When the document was created, RFC 3339
    created_at: String,
}

impl From<&Summary> for About {
    fn from(summary: &Summary) -> Self {
        Self {
            path: summary.path.to_string(),
            uri: summary.path.uri(),
            version: summary.version,
            title: summary.title.clone(),
            media_type: summary.media_type.clone(),
            size: summary.size,
            tags: summary.tags.clone(),
            updated_at: time(summary.updated_at),
        }
    }
}

impl From<&Document> for Stored {
    fn from(document: &Document) -> Self {
        let body = &document.body;
        let about = About {
            path: document.path.to_string(),
            uri: document.path.uri(),
            version: document.version,
            title: body.title.clone(),
            media_type: body.media_type.clone(),
            size: u64::try_from(body.content.len()).unwrap_or(u64::MAX),
            tags: body.tags.clone(),
            updated_at: time(document.updated_at),
        };
        Self { about, metadata: body.metadata.clone(), created_at: time(document.created_at) }
    }
}
