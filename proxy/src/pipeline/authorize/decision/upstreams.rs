//! What the PDP knows of each upstream: its server entity and, once there is a catalogue, its tools with their types.

use std::{collections::HashMap, sync::Arc};

use super::{
    super::{
        actions::{ResourceKind, tool_action},
        argument_types::{RecordType, record_of},
        entities::{self, EntityError, Labels, Placed, ResourceFacts, Types},
        schema::ToolAction,
        validation::{self, Subject},
    },
    compiled::{Compiled, Lineage},
};
use crate::catalogue::{Catalogue, Tool};

/// An upstream.
#[derive(Debug)]
pub(crate) struct UpstreamState {
    pub(crate) name: Box<str>,
    pub(crate) tools: Option<KnownTools>,
}

/// The tools of a catalogue.
#[derive(Debug)]
pub(crate) struct KnownTools {
    pub(crate) catalogue: Arc<Catalogue>,
    by_name: HashMap<Box<str>, ToolState>,
}

/// A tool.
#[derive(Debug)]
pub(crate) struct ToolState {
    /// Unique within the upstream; part of cache keys.
    pub(crate) place: u32,
    pub(crate) action: Lineage,
    pub(crate) resource: Placed,
    /// The types of its arguments, or why it is closed.
    pub(crate) arguments: Result<RecordType, Arc<str>>,
}

/// What all tools are typed against.
#[derive(Clone, Copy)]
pub(crate) struct Typing<'a> {
    pub(crate) subject: Subject<'a>,
    pub(crate) policies: &'a [Compiled],
    pub(crate) labels: &'a Labels,
    pub(crate) tool_groups: &'a [cedar_policy::EntityUid],
}

impl KnownTools {
    pub(crate) fn new(typing: Typing<'_>, upstream: &str, catalogue: Arc<Catalogue>) -> Result<Self, EntityError> {
        let reading: Vec<_> = typing.policies.iter().filter(|policy| validation::reads_arguments(policy)).collect();
        let mut by_name = HashMap::with_capacity(catalogue.tools().len());
        for (place, tool) in (0_u32..).zip(catalogue.tools()) {
            let state = ToolState::new(typing, &reading, upstream, place, tool)?;
            by_name.insert(tool.name.clone(), state);
        }
        Ok(Self { catalogue, by_name })
    }

    pub(crate) fn get(&self, name: &str) -> Option<&ToolState> {
        self.by_name.get(name)
    }

    /// Names and reasons of the closed tools, in name order.
    pub(crate) fn closed(&self) -> Vec<(&str, &Arc<str>)> {
        let mut closed: Vec<_> =
            self.by_name.iter().filter_map(|(name, tool)| Some((&**name, tool.arguments.as_ref().err()?))).collect();
        closed.sort_unstable();
        closed
    }
}

impl ToolState {
    fn new(
        typing: Typing<'_>,
        reading: &[&Compiled],
        upstream: &str,
        place: u32,
        tool: &Tool,
    ) -> Result<Self, EntityError> {
        let types: &Types = typing.subject.types;
        let id = tool_action(upstream, &tool.name);
        let action = Lineage { uid: types.action_uid(&id), ancestors: typing.tool_groups.to_vec() };
        let facts = ResourceFacts::Tool(&tool.name, &tool.claimed);
        let resource = entities::resource(types, typing.labels, upstream, ResourceKind::Tool, &facts)?;
        let arguments = type_of(typing, reading, &id, &action, &resource, tool);
        Ok(Self { place, action, resource, arguments })
    }
}

fn type_of(
    typing: Typing<'_>,
    reading: &[&Compiled],
    id: &str,
    action: &Lineage,
    resource: &Placed,
    tool: &Tool,
) -> Result<RecordType, Arc<str>> {
    let schema =
        tool.input_schema.as_ref().ok_or("its inputSchema is missing, not an object, too large or too deep")?;
    let arguments = record_of(schema).map_err(|error| Arc::from(error.to_string()))?;
    let about: Vec<_> = reading
        .iter()
        .copied()
        .filter(|policy| policy.applies_to_action(action) && policy.applies_to_resource(resource))
        .collect();
    let action = ToolAction { id, arguments: &arguments };
    match validation::for_tool(typing.subject, &about, action) {
        Some(finding) => Err(finding.to_string().into()),
        None => Ok(arguments),
    }
}
