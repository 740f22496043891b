//! Builds a [`Catalogue`] from the pages of list results.

use std::collections::{BTreeMap, BTreeSet};

use doorward_message::{Kind, Value, mirror::ParamTable};

use super::{
    Bounds, Catalogue, Claimed, DropReason, ITEMS_MAX, NAME_BYTES_MAX, SCHEMA_BYTES_MAX, SCHEMA_DEPTH_MAX,
    TITLE_BYTES_MAX, Tool, URI_BYTES_MAX,
};

/// Most dropped items that are remembered by name.
const DROPPED_MAX: usize = 100;
/// Longest remembered name of a dropped item, in characters.
const DROPPED_NAME_CHARS_MAX: usize = 64;

/// Collects pages. A page is the `result` object of a list response.
#[derive(Debug, Default)]
pub struct CatalogueBuilder {
    bounds: Bounds,
    tools: BTreeMap<Box<str>, Tool>,
    prompts: BTreeSet<Box<str>>,
    resources: BTreeSet<Box<str>>,
    templates: BTreeSet<Box<str>>,
    /// Tools seen twice: neither stays.
    repeated: BTreeSet<Box<str>>,
    dropped: Vec<(Box<str>, DropReason)>,
}

impl CatalogueBuilder {
    /// Nothing seen yet, within these bounds.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, ..Self::default() }
    }

    /// Adds a page of `tools/list`.
    pub fn tools_page(&mut self, result: Value<'_>) {
        for item in items(result, "tools") {
            match self.tool(item) {
                Ok(()) => {}
                Err((name, reason)) => self.dropped(&name, reason),
            }
        }
    }

    /// Adds a page of `prompts/list`.
    pub fn prompts_page(&mut self, result: Value<'_>) {
        let (found, dropped) = names(result, "prompts", "name", NAME_BYTES_MAX);
        self.prompts.extend(found);
        self.settle(dropped, |builder| &mut builder.prompts);
    }

    /// Adds a page of `resources/list`.
    pub fn resources_page(&mut self, result: Value<'_>) {
        let (found, dropped) = names(result, "resources", "uri", URI_BYTES_MAX);
        self.resources.extend(found);
        self.settle(dropped, |builder| &mut builder.resources);
    }

    /// Adds a page of `resources/templates/list`.
    pub fn templates_page(&mut self, result: Value<'_>) {
        let (found, dropped) = names(result, "resourceTemplates", "uriTemplate", URI_BYTES_MAX);
        self.templates.extend(found);
        self.settle(dropped, |builder| &mut builder.templates);
    }

    /// Whether the tools are at their limit, so that further pages need not be fetched.
    pub fn tools_are_full(&self) -> bool {
        self.tools.len() >= self.bounds.tools_max
    }

    /// The catalogue.
    pub fn build(self) -> Catalogue {
        let mut catalogue = Catalogue {
            tools: self.tools,
            prompts: self.prompts,
            resources: self.resources,
            templates: self.templates,
            dropped: self.dropped,
            hash: [0; 32],
        };
        catalogue.hash = super::lock::content_hash(&catalogue);
        catalogue
    }

    fn tool(&mut self, item: Value<'_>) -> Result<(), (String, DropReason)> {
        let name = item.get("name").and_then(Value::as_str).ok_or((String::new(), DropReason::NameMissing))?;
        let refused = |reason| (name.to_string(), reason);
        if !is_valid_name(&name, NAME_BYTES_MAX) {
            return Err(refused(DropReason::NameInvalid));
        }
        if self.repeated.contains(&*name) || self.tools.remove(&*name).is_some() {
            self.repeated.insert((&*name).into());
            return Err(refused(DropReason::Duplicate));
        }
        if self.tools_are_full() {
            return Err(refused(DropReason::TooMany));
        }
        if !is_short(item, self.bounds.description_bytes_max) {
            return Err(refused(DropReason::DescriptionTooLong));
        }
        let schema = item.get("inputSchema").filter(|schema| fits(*schema));
        let headers = match schema.map(ParamTable::from_schema) {
            None => ParamTable::default(),
            Some(Ok(table)) => table,
            Some(Err(_)) => return Err(refused(DropReason::HeaderInvalid)),
        };
        let tool = Tool {
            name: (&*name).into(),
            input_schema: schema.and_then(|schema| serde_json::from_slice(schema.raw()).ok()),
            headers,
            claimed: item.get("annotations").map(claimed).unwrap_or_default(),
        };
        self.tools.insert((&*name).into(), tool);
        Ok(())
    }

    fn settle(&mut self, dropped: Vec<(String, DropReason)>, set: impl Fn(&mut Self) -> &mut BTreeSet<Box<str>>) {
        for (name, reason) in dropped {
            self.dropped(&name, reason);
        }
        while set(self).len() > ITEMS_MAX {
            if let Some(name) = set(self).pop_last() {
                self.dropped(&name, DropReason::TooMany);
            }
        }
    }

    fn dropped(&mut self, name: &str, reason: DropReason) {
        if self.dropped.len() < DROPPED_MAX {
            let short: String = name.chars().take(DROPPED_NAME_CHARS_MAX).collect();
            self.dropped.push((short.into(), reason));
        }
    }
}

fn items<'a>(result: Value<'a>, key: &str) -> impl Iterator<Item = Value<'a>> {
    result.get(key).into_iter().flat_map(Value::elements)
}

/// Whether an item's description is within its bound. One that is no text is nothing that a client shows.
pub fn is_short(item: Value<'_>, description_bytes_max: usize) -> bool {
    let description = item.get("description").and_then(Value::as_str);
    description.is_none_or(|text| text.len() <= description_bytes_max)
}

fn is_valid_name(name: &str, bytes_max: usize) -> bool {
    !name.is_empty() && name.len() <= bytes_max && !name.chars().any(char::is_control)
}

type Names = (Vec<Box<str>>, Vec<(String, DropReason)>);

fn names(result: Value<'_>, list: &str, key: &str, bytes_max: usize) -> Names {
    let mut found = Vec::new();
    let mut dropped = Vec::new();
    for item in items(result, list) {
        match item.get(key).and_then(Value::as_str) {
            None => dropped.push((String::new(), DropReason::NameMissing)),
            Some(name) if is_valid_name(&name, bytes_max) => found.push((&*name).into()),
            Some(name) => dropped.push((name.into_owned(), DropReason::NameInvalid)),
        }
    }
    (found, dropped)
}

/// Whether the schema is an object within the limits. The text has passed the strict parser, so that it has no second
/// reading here.
fn fits(schema: Value<'_>) -> bool {
    schema.kind() == Kind::Object && schema.raw().len() <= SCHEMA_BYTES_MAX && is_within_depth(schema, SCHEMA_DEPTH_MAX)
}

fn is_within_depth(value: Value<'_>, depth: usize) -> bool {
    let Some(below) = depth.checked_sub(1) else {
        return false;
    };
    match value.kind() {
        Kind::Object => value.members().all(|(_, member)| is_within_depth(member, below)),
        Kind::Array => value.elements().all(|element| is_within_depth(element, below)),
        _ => true,
    }
}

fn claimed(annotations: Value<'_>) -> Claimed {
    let flag = |name| annotations.get(name).and_then(Value::as_bool);
    let title = annotations.get("title").and_then(Value::as_str);
    Claimed {
        read_only: flag("readOnlyHint"),
        destructive: flag("destructiveHint"),
        idempotent: flag("idempotentHint"),
        open_world: flag("openWorldHint"),
        title: title.filter(|title| title.len() <= TITLE_BYTES_MAX).map(|title| (&*title).into()),
    }
}
