//! The actions that policy speaks of: their ids, the groups they belong to and the kinds of resource they apply to.
//!
//! In: nothing. Out: one static table, the source of the generated Cedar schema, of the question mapping and of
//! `docs/POLICY.md`. An action that is not in the table is never permitted.
//!
//! Groups, so that a least-privilege policy is short:
//!
//! - `connect`: open and keep up a conversation (initialisation, discovery, ping, log level); holds `notify`.
//! - `notify`: notifications that name no item.
//! - `list`: every `…/list`. What a list shows is decided item by item.
//! - `read`: fetch or watch what names a prompt, a resource or a task.
//! - `write`: what may change something: `tools/call` and the changing task methods.
//! - `tools/call`: the parent of one action per tool, `tools/call/<upstream>/<tool>`.
//! - `callback`: what a server may ask of the client (`sampling`, `elicitation`, `roots`).
//!
//! To add a method: one row here, and its line in the table of `docs/POLICY.md`.

/// A kind of Cedar resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResourceKind {
    /// An upstream.
    Server,
    /// A tool.
    Tool,
    /// A prompt.
    Prompt,
    /// An MCP resource.
    McpResource,
    /// An MCP resource template.
    ResourceTemplate,
    /// A task.
    Task,
    /// A secret that is injected into a call.
    Secret,
    /// A class of data that masking detects.
    DataClass,
}

impl ResourceKind {
    /// The Cedar entity type, without namespace.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "Server",
            Self::Tool => "Tool",
            Self::Prompt => "Prompt",
            Self::McpResource => "McpResource",
            Self::ResourceTemplate => "ResourceTemplate",
            Self::Task => "Task",
            Self::Secret => "Secret",
            Self::DataClass => "DataClass",
        }
    }

    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Server,
        Self::Tool,
        Self::Prompt,
        Self::McpResource,
        Self::ResourceTemplate,
        Self::Task,
        Self::Secret,
        Self::DataClass,
    ];
}

/// One action of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action {
    /// The Cedar id; for MCP methods the method's name.
    pub id: &'static str,
    /// Its groups.
    pub groups: &'static [&'static str],
    /// What it applies to.
    pub resources: &'static [ResourceKind],
}

/// The parent action of all tools.
pub const TOOLS_CALL: &str = "tools/call";

/// Action groups and the groups they are in.
pub const GROUPS: &[(&str, &[&str])] = &[
    ("connect", &[]),
    ("notify", &["connect"]),
    ("list", &[]),
    ("read", &[]),
    ("write", &[]),
    ("callback", &[]),
    (TOOLS_CALL, &["write"]),
];

use ResourceKind::{DataClass, McpResource, Prompt, ResourceTemplate, Secret, Server, Task};

const fn action(id: &'static str, groups: &'static [&'static str], resources: &'static [ResourceKind]) -> Action {
    Action { id, groups, resources }
}

/// Every action but those of single tools.
pub const ACTIONS: &[Action] = &[
    action("initialize", &["connect"], &[Server]),
    action("ping", &["connect"], &[Server]),
    action("server/discover", &["connect"], &[Server]),
    action("logging/setLevel", &["connect"], &[Server]),
    action("notifications/initialized", &["notify"], &[Server]),
    action("notifications/cancelled", &["notify"], &[Server]),
    action("notifications/progress", &["notify"], &[Server]),
    action("notifications/message", &["notify"], &[Server]),
    action("notifications/tools/list_changed", &["notify"], &[Server]),
    action("notifications/prompts/list_changed", &["notify"], &[Server]),
    action("notifications/resources/list_changed", &["notify"], &[Server]),
    action("notifications/roots/list_changed", &["notify"], &[Server]),
    action("notifications/subscriptions/acknowledged", &["notify"], &[Server]),
    action("notifications/elicitation/complete", &["notify"], &[Server]),
    action("tools/list", &["list"], &[Server]),
    action("prompts/list", &["list"], &[Server]),
    action("resources/list", &["list"], &[Server]),
    action("resources/templates/list", &["list"], &[Server]),
    action("tasks/list", &["list"], &[Server]),
    action("skills/list", &["list"], &[Server]),
    action("resources/read", &["read"], &[McpResource, ResourceTemplate]),
    action("resources/subscribe", &["read"], &[McpResource]),
    action("resources/unsubscribe", &["read"], &[McpResource]),
    action("subscriptions/listen", &["read"], &[Server, McpResource, Task]),
    action("notifications/resources/updated", &["read"], &[McpResource]),
    action("resources/directory/read", &["read"], &[McpResource]),
    action("skills/get", &["read"], &[McpResource]),
    action("prompts/get", &["read"], &[Prompt]),
    action("completion/complete", &["read"], &[Prompt, ResourceTemplate]),
    action("tasks/get", &["read"], &[Task]),
    action("tasks/result", &["read"], &[Task]),
    action("notifications/tasks", &["read"], &[Task]),
    action("notifications/tasks/status", &["read"], &[Task]),
    action("tasks/cancel", &["write"], &[Task]),
    action("tasks/update", &["write"], &[Task]),
    action("sampling", &["callback"], &[Server]),
    action("elicitation", &["callback"], &[Server]),
    action("roots", &["callback"], &[Server]),
    action("secrets/use", &[], &[Secret]),
    action("data/reveal", &[], &[DataClass]),
];

/// The row of an action, with its place in [`ACTIONS`].
pub fn find(id: &str) -> Option<(usize, &'static Action)> {
    ACTIONS.iter().enumerate().find(|(_, action)| action.id == id)
}

/// The groups of a group or action and the groups of those, without duplicates.
pub fn ancestors(direct: &[&'static str]) -> Vec<&'static str> {
    let mut all: Vec<&'static str> = direct.to_vec();
    let mut next = 0;
    while let Some(group) = all.get(next).copied() {
        next += 1;
        for (name, parents) in GROUPS {
            if *name == group {
                for parent in *parents {
                    if !all.contains(parent) {
                        all.push(parent);
                    }
                }
            }
        }
    }
    all
}

/// The Cedar id of a tool's action and, without the prefix, of its entity.
pub fn tool_action(upstream: &str, tool: &str) -> String {
    let mut id = String::with_capacity(TOOLS_CALL.len() + upstream.len() + tool.len() + 2);
    id.push_str(TOOLS_CALL);
    id.push('/');
    id.push_str(upstream);
    id.push('/');
    id.push_str(tool);
    id
}

/// Whether an action id names a single tool.
pub fn is_tool_action(id: &str) -> bool {
    id.strip_prefix(TOOLS_CALL).is_some_and(|rest| rest.starts_with('/'))
}
