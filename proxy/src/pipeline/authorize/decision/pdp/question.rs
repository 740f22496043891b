//! Turns a question in the protocol's terms into Cedar's action and resource.

use doorward_message::Method;

use super::Pdp;
use crate::{
    model::{Ask, rejection::Authorization},
    pipeline::authorize::{
        actions::{ACTIONS, ResourceKind},
        argument_types::RecordType,
        decision::compiled::Lineage,
        entities::{Placed, ResourceFacts, UriParts},
    },
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TargetKey {
    pub(super) upstream: u32,
    /// Place in [`ACTIONS`], or of the tool behind them.
    pub(super) action: u32,
    pub(super) kind: ResourceKind,
}

/// What is asked, in Cedar's terms.
pub(super) struct Target<'a> {
    pub(super) key: TargetKey,
    /// Empty for a tool, whose place says it all.
    pub(super) item: &'a str,
    pub(super) action: &'a Lineage,
    pub(super) resource: TargetResource<'a>,
    pub(super) arguments: Option<&'a RecordType>,
}

pub(super) enum TargetResource<'a> {
    Ready(&'a Placed),
    Make(ResourceFacts<'a>),
}

impl Pdp {
    pub(super) fn target<'a>(&'a self, upstream: u32, ask: &Ask<'a>) -> Result<Target<'a>, Authorization> {
        match *ask {
            Ask::CallTool { name, .. } => self.tool_target(upstream, name),
            Ask::GetPrompt { name, .. } => self.method_target(
                upstream,
                Method::PromptsGet.as_str(),
                ResourceKind::Prompt,
                ResourceFacts::Named(name),
            ),
            Ask::CompletePrompt { name } => self.method_target(
                upstream,
                Method::CompletionComplete.as_str(),
                ResourceKind::Prompt,
                ResourceFacts::Named(name),
            ),
            Ask::Resource { method, uri } => {
                let parts = canonical(uri)?;
                self.method_target(upstream, method.as_str(), ResourceKind::McpResource, ResourceFacts::Uri(parts))
            }
            Ask::Template { method, uri_template } => self.method_target(
                upstream,
                method.as_str(),
                ResourceKind::ResourceTemplate,
                ResourceFacts::Uri(template_parts(uri_template)?),
            ),
            Ask::Task { method, id: Some(id) } => {
                self.method_target(upstream, method.as_str(), ResourceKind::Task, ResourceFacts::Task(id))
            }
            Ask::ServerRequest { method } => {
                let action = match method {
                    Method::SamplingCreateMessage => "sampling",
                    Method::ElicitationCreate => "elicitation",
                    Method::RootsList => "roots",
                    _ => return Err(Authorization::Denied),
                };
                self.method_target(upstream, action, ResourceKind::Server, ResourceFacts::Server)
            }
            Ask::Task { method, id: None } | Ask::Server { method } => {
                self.method_target(upstream, method.as_str(), ResourceKind::Server, ResourceFacts::Server)
            }
        }
    }

    fn method_target<'a>(
        &'a self,
        upstream: u32,
        action: &str,
        kind: ResourceKind,
        facts: ResourceFacts<'a>,
    ) -> Result<Target<'a>, Authorization> {
        let place = *self.base.methods.get(action).ok_or(Authorization::Denied)?;
        let row = ACTIONS.get(place as usize).ok_or(Authorization::Denied)?;
        if !row.resources.contains(&kind) {
            return Err(Authorization::Denied);
        }
        Ok(Target {
            key: TargetKey { upstream, action: place, kind },
            item: facts.item().unwrap_or_default(),
            action: self.base.lineages.get(place as usize).ok_or(Authorization::Denied)?,
            resource: TargetResource::Make(facts),
            arguments: None,
        })
    }

    fn tool_target(&self, upstream: u32, name: &str) -> Result<Target<'_>, Authorization> {
        let tools = self.upstreams.get(upstream as usize).and_then(|state| state.tools.as_ref());
        let tool = tools.and_then(|tools| tools.get(name)).ok_or(Authorization::CatalogueUnknown)?;
        let arguments = tool.arguments.as_ref().map_err(|_| Authorization::ToolClosed)?;
        Ok(Target {
            key: TargetKey {
                upstream,
                action: u32::try_from(ACTIONS.len()).unwrap_or(u32::MAX).saturating_add(tool.place),
                kind: ResourceKind::Tool,
            },
            item: "",
            action: &tool.action,
            resource: TargetResource::Ready(&tool.resource),
            arguments: Some(arguments),
        })
    }
}

/// Takes a canonical URI apart; refuses others.
fn canonical(uri: &str) -> Result<UriParts<'_>, Authorization> {
    let canonical = doorward_message::uri::canonical(uri).map_err(|_| Authorization::UriNotCanonical)?;
    let rest = uri.split_once(':').map_or("", |(_, rest)| rest);
    let hierarchy = rest.split_once('?').map_or(rest, |(hierarchy, _)| hierarchy);
    let (host, path) = match hierarchy.strip_prefix("//") {
        Some(hierarchy) => {
            let at = hierarchy.find('/').unwrap_or(hierarchy.len());
            let (authority, path) = hierarchy.split_at_checked(at).unwrap_or((hierarchy, ""));
            (Some(authority), path)
        }
        None => (None, hierarchy),
    };
    Ok(UriParts { uri, scheme: canonical.scheme(), host: host.filter(|host| !host.is_empty()), path: Some(path) })
}

/// A template is text that only the server expands; it is never read itself, so only its fixed beginning is taken apart.
fn template_parts(template: &str) -> Result<UriParts<'_>, Authorization> {
    doorward_message::uri::canonical_template(template).map_err(|_| Authorization::UriNotCanonical)?;
    let fixed = template.split('{').next().unwrap_or_default();
    Ok(UriParts {
        uri: template,
        scheme: fixed.split_once(':').map_or("", |(scheme, _)| scheme),
        host: None,
        path: None,
    })
}
