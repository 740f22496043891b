//! Lists show what the caller could call: each item is asked about with its arguments unknown. What has a description over
//! its bound is left out, whatever the catalogue saw of it before.
//!
//! The order stays, kept items keep their bytes, every page is filtered alike; a page may become empty and still have a
//! `nextCursor`.

use doorward_message::{
    Method, Value,
    splice::{Splice, SpliceError},
};

use crate::{
    catalogue::is_short,
    model::{Arguments, Ask, Decider},
};

/// Adds the removals of a list result to `splice`.
///
/// # Errors
/// [`SpliceError`] where the list is not one.
pub fn filter(
    splice: Splice,
    result: Value<'_>,
    method: &Method,
    decider: &dyn Decider,
    description_bytes_max: usize,
) -> Result<Splice, SpliceError> {
    let (key, identity) = match method {
        Method::ToolsList => ("tools", "name"),
        Method::PromptsList => ("prompts", "name"),
        Method::ResourcesList => ("resources", "uri"),
        Method::ResourcesTemplatesList => ("resourceTemplates", "uriTemplate"),
        Method::SkillsList => ("skills", "uri"),
        Method::TasksList => ("tasks", "taskId"),
        _ => return Ok(splice),
    };
    let Some(items) = result.get(key) else {
        return Ok(splice);
    };
    splice.retain(items, |item| {
        let id = item.get(identity).and_then(|id| id.as_str());
        is_short(item, description_bytes_max) && id.is_some_and(|id| may_list(method, &id, decider))
    })
}

fn may_list(method: &Method, id: &str, decider: &dyn Decider) -> bool {
    let ask = match method {
        Method::ToolsList => Ask::CallTool { name: id, arguments: Arguments::Unknown },
        Method::PromptsList => Ask::GetPrompt { name: id, arguments: Arguments::Unknown },
        Method::ResourcesList => Ask::Resource { method: &Method::ResourcesRead, uri: id },
        Method::ResourcesTemplatesList => Ask::Template { method: &Method::ResourcesRead, uri_template: id },
        Method::SkillsList => Ask::Resource { method: &Method::SkillsGet, uri: id },
        Method::TasksList => Ask::Task { method: &Method::TasksGet, id: Some(id) },
        _ => return false,
    };
    decider.may_list(&ask)
}
