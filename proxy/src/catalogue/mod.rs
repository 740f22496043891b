//! What an upstream offers, as last seen: tools with their input schemas, prompts, resources and templates.
//!
//! In: results of `tools/list` and its sisters (pages, in order), or a lock file. Out: an immutable [`Catalogue`] with a
//! content hash that does not depend on order or on the order of keys. Everything is bounded; what does not fit is
//! dropped and named in [`Catalogue::dropped`], so that it is unknown and its calls are refused. Pure data: fetching is
//! the dispatcher's job.

mod builder;
mod lock;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use doorward_message::mirror::ParamTable;

pub use builder::{CatalogueBuilder, is_short};
pub use lock::{LockError, read_lock, write_lock};

/// Most prompts, resources and templates, each, per upstream; and most tools, where configuration does not say otherwise.
pub const ITEMS_MAX: usize = 1_000;
/// Longest description of an item of a list, where configuration does not say otherwise.
pub const DESCRIPTION_BYTES_MAX: usize = 16 * 1024;
/// Longest tool or prompt name.
pub const NAME_BYTES_MAX: usize = 128;
/// Longest URI or URI template.
pub const URI_BYTES_MAX: usize = 8 * 1024;
/// Largest input schema.
pub const SCHEMA_BYTES_MAX: usize = 256 * 1024;
/// Deepest input schema.
pub const SCHEMA_DEPTH_MAX: usize = 32;
/// Longest claimed title.
pub const TITLE_BYTES_MAX: usize = 256;

/// What configuration bounds of one upstream's lists. At a bound an item stays, over it it is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Tools.
    pub tools_max: usize,
    /// The description of an item, decoded.
    pub description_bytes_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { tools_max: ITEMS_MAX, description_bytes_max: DESCRIPTION_BYTES_MAX }
    }
}

/// What a server claims of its tool (MCP `ToolAnnotations`). Hints, never trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claimed {
    /// `readOnlyHint`.
    pub read_only: Option<bool>,
    /// `destructiveHint`.
    pub destructive: Option<bool>,
    /// `idempotentHint`.
    pub idempotent: Option<bool>,
    /// `openWorldHint`.
    pub open_world: Option<bool>,
    /// `title`.
    pub title: Option<Box<str>>,
}

/// A tool as last seen.
#[derive(Clone, Debug)]
pub struct Tool {
    /// Its name.
    pub name: Box<str>,
    /// Its `inputSchema`; `None` where it is missing, not an object, too large or too deep, which closes the tool.
    pub input_schema: Option<serde_json::Value>,
    /// Its annotations.
    pub claimed: Claimed,
    /// The arguments that clients mirror into `Mcp-Param-*` headers (2026-07-28).
    pub headers: ParamTable,
}

/// Why an item is not in the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// No name or URI, or not a string.
    NameMissing,
    /// Name or URI empty, too long or with control characters.
    NameInvalid,
    /// Its `x-mcp-header` annotations are invalid; the specification has such a tool left out (T092).
    HeaderInvalid,
    /// Seen before in the same listing; both are dropped, because it is not known which one a call means.
    Duplicate,
    /// Its description is over [`Bounds::description_bytes_max`].
    DescriptionTooLong,
    /// Over [`Bounds::tools_max`] or [`ITEMS_MAX`].
    TooMany,
}

/// What one upstream offers. Immutable.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    tools: BTreeMap<Box<str>, Tool>,
    prompts: BTreeSet<Box<str>>,
    resources: BTreeSet<Box<str>>,
    templates: BTreeSet<Box<str>>,
    dropped: Vec<(Box<str>, DropReason)>,
    hash: [u8; 32],
}

impl Catalogue {
    /// A tool by its exact name.
    pub fn tool(&self, name: &str) -> Option<&Tool> {
        self.tools.get(name)
    }

    /// All tools in name order.
    pub fn tools(&self) -> impl ExactSizeIterator<Item = &Tool> {
        self.tools.values()
    }

    /// Prompt names in order.
    pub fn prompts(&self) -> impl ExactSizeIterator<Item = &str> {
        self.prompts.iter().map(|name| &**name)
    }

    /// Resource URIs in order, as the server writes them.
    pub fn resources(&self) -> impl ExactSizeIterator<Item = &str> {
        self.resources.iter().map(|uri| &**uri)
    }

    /// URI templates in order, as the server writes them.
    pub fn templates(&self) -> impl ExactSizeIterator<Item = &str> {
        self.templates.iter().map(|template| &**template)
    }

    /// What was left out, by name (shortened) and reason.
    pub fn dropped(&self) -> &[(Box<str>, DropReason)] {
        &self.dropped
    }

    /// SHA-256 of the content; equal for equal content whatever the order of items and keys.
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }
}
