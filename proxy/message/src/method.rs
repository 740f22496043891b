//! Every method and notification of the five revisions, as one table.
//!
//! A row says the wire name, whether it is a request or a notification, in which revisions each side may send it as a
//! JSON-RPC message, in which it may stand inside `inputRequests`, and which parameter names its target. To add a
//! method: add a row. What is in no row is [`Method::Unknown`] and is allowed nowhere.

use crate::Revision;

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the MCP client (downstream) to the server.
    ClientToServer,
    /// From the MCP server (upstream) to the client.
    ServerToClient,
}

/// Whether a method expects an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MethodKind {
    /// Has an id and is answered.
    Request,
    /// Has no id and is not answered.
    Notification,
}

/// The member of `params` that names what a method acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// Nothing in particular.
    None,
    /// `params.name`, of a tool, prompt or skill.
    Name,
    /// `params.uri`, of a resource.
    Uri,
    /// `params.ref`, a prompt or a resource template.
    Ref,
    /// `params.taskId`
    TaskId,
}

impl Target {
    /// The key in `params`.
    #[must_use]
    pub fn key(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Name => Some("name"),
            Self::Uri => Some("uri"),
            Self::Ref => Some("ref"),
            Self::TaskId => Some("taskId"),
        }
    }
}

/// Revisions as bits, oldest lowest.
const NONE: u8 = 0;
const ALL: u8 = 0b1_1111;
const LEGACY: u8 = 0b0_1111;
const MODERN: u8 = 0b1_0000;
const NOV_25: u8 = 0b0_1000;
const NOV_25_ON: u8 = 0b1_1000;
const JUN_25_TO_NOV_25: u8 = 0b0_1100;

struct Row {
    name: &'static str,
    kind: MethodKind,
    client: u8,
    server: u8,
    nested: u8,
    target: Target,
}

macro_rules! methods {
    ($($variant:ident $name:literal $kind:ident $client:ident $server:ident $nested:ident $target:ident;)*) => {
        /// A method or notification. Compared exactly: case, white space and look-alikes make it [`Method::Unknown`].
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum Method {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
            /// Not in the protocol; denied.
            Unknown(Box<str>),
        }

        impl Method {
            /// All known methods, in the order of the table.
            pub const KNOWN: &[Self] = &[$(Self::$variant),*];

            fn known(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }

            fn row(&self) -> Option<&'static Row> {
                match self {
                    $(Self::$variant => Some(&const { Row {
                        name: $name,
                        kind: MethodKind::$kind,
                        client: $client,
                        server: $server,
                        nested: $nested,
                        target: Target::$target,
                    } }),)*
                    Self::Unknown(_) => None,
                }
            }
        }
    };
}

// Variant, wire name, kind, revisions client → server, revisions server → client, revisions in `inputRequests`, target.
methods! {
    Initialize "initialize" Request LEGACY NONE NONE None;
    Ping "ping" Request LEGACY LEGACY NONE None;
    ServerDiscover "server/discover" Request MODERN NONE NONE None;
    ToolsList "tools/list" Request ALL NONE NONE None;
    ToolsCall "tools/call" Request ALL NONE NONE Name;
    ResourcesList "resources/list" Request ALL NONE NONE None;
    ResourcesTemplatesList "resources/templates/list" Request ALL NONE NONE None;
    ResourcesRead "resources/read" Request ALL NONE NONE Uri;
    ResourcesSubscribe "resources/subscribe" Request LEGACY NONE NONE Uri;
    ResourcesUnsubscribe "resources/unsubscribe" Request LEGACY NONE NONE Uri;
    // Names many targets, in `params.notifications`.
    SubscriptionsListen "subscriptions/listen" Request MODERN NONE NONE None;
    PromptsList "prompts/list" Request ALL NONE NONE None;
    PromptsGet "prompts/get" Request ALL NONE NONE Name;
    CompletionComplete "completion/complete" Request ALL NONE NONE Ref;
    LoggingSetLevel "logging/setLevel" Request LEGACY NONE NONE None;
    // Tasks: core in 2025-11-25 (both directions), the extension io.modelcontextprotocol/tasks in 2026-07-28.
    TasksGet "tasks/get" Request NOV_25_ON NOV_25 NONE TaskId;
    TasksCancel "tasks/cancel" Request NOV_25_ON NOV_25 NONE TaskId;
    TasksResult "tasks/result" Request NOV_25 NOV_25 NONE TaskId;
    TasksList "tasks/list" Request NOV_25 NOV_25 NONE None;
    TasksUpdate "tasks/update" Request MODERN NONE NONE TaskId;
    // Skills extension (SEP-2640).
    SkillsList "skills/list" Request MODERN NONE NONE None;
    SkillsGet "skills/get" Request MODERN NONE NONE Uri;
    ResourcesDirectoryRead "resources/directory/read" Request MODERN NONE NONE Uri;
    SamplingCreateMessage "sampling/createMessage" Request NONE LEGACY MODERN None;
    ElicitationCreate "elicitation/create" Request NONE JUN_25_TO_NOV_25 MODERN None;
    RootsList "roots/list" Request NONE LEGACY MODERN None;
    NotificationsInitialized "notifications/initialized" Notification LEGACY NONE NONE None;
    // 2026-07-28: from clients on stdio only, from servers for a listen id only. The transport is the caller's to check.
    NotificationsCancelled "notifications/cancelled" Notification ALL ALL NONE None;
    NotificationsProgress "notifications/progress" Notification LEGACY ALL NONE None;
    NotificationsMessage "notifications/message" Notification NONE ALL NONE None;
    NotificationsResourcesUpdated "notifications/resources/updated" Notification NONE ALL NONE Uri;
    NotificationsResourcesListChanged "notifications/resources/list_changed" Notification NONE ALL NONE None;
    NotificationsToolsListChanged "notifications/tools/list_changed" Notification NONE ALL NONE None;
    NotificationsPromptsListChanged "notifications/prompts/list_changed" Notification NONE ALL NONE None;
    NotificationsSubscriptionsAcknowledged "notifications/subscriptions/acknowledged" Notification NONE MODERN NONE None;
    NotificationsRootsListChanged "notifications/roots/list_changed" Notification LEGACY NONE NONE None;
    NotificationsElicitationComplete "notifications/elicitation/complete" Notification NONE NOV_25 NONE None;
    NotificationsTasksStatus "notifications/tasks/status" Notification NOV_25 NOV_25 NONE TaskId;
    NotificationsTasks "notifications/tasks" Notification NONE MODERN NONE TaskId;
}

impl Method {
    /// The method of this name.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        Self::known(name).unwrap_or_else(|| Self::Unknown(name.into()))
    }

    /// The name on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match (self.row(), self) {
            (Some(row), _) => row.name,
            (None, Self::Unknown(name)) => name,
            (None, _) => "",
        }
    }

    /// The name of a known method; `None` for an unknown one. Safe as a metric label.
    #[must_use]
    pub fn known_name(&self) -> Option<&'static str> {
        self.row().map(|row| row.name)
    }

    /// Request or notification; `None` for unknown methods.
    #[must_use]
    pub fn kind(&self) -> Option<MethodKind> {
        self.row().map(|row| row.kind)
    }

    /// Whether this side may send it as a JSON-RPC message under this revision. Extensions count as allowed where their
    /// revision has them; never true for unknown methods.
    #[must_use]
    pub fn allowed(&self, revision: Revision, direction: Direction) -> bool {
        self.row().is_some_and(|row| {
            let revisions = match direction {
                Direction::ClientToServer => row.client,
                Direction::ServerToClient => row.server,
            };
            revisions & bit(revision) != 0
        })
    }

    /// Whether it may be an entry of an `InputRequiredResult`'s `inputRequests` under this revision.
    #[must_use]
    pub fn allowed_in_input_requests(&self, revision: Revision) -> bool {
        self.row().is_some_and(|row| row.nested & bit(revision) != 0)
    }

    /// The parameter that names what it acts on.
    #[must_use]
    pub fn target(&self) -> Target {
        self.row().map_or(Target::None, |row| row.target)
    }

    /// Whether its result is a list of things that policy filters.
    #[must_use]
    pub fn is_list(&self) -> bool {
        matches!(
            self,
            Self::ToolsList
                | Self::PromptsList
                | Self::ResourcesList
                | Self::ResourcesTemplatesList
                | Self::SkillsList
                | Self::TasksList
        )
    }

    /// Whether its result may be `input_required` (2026-07-28, multi round-trip requests).
    #[must_use]
    pub fn may_require_input(&self) -> bool {
        matches!(self, Self::ToolsCall | Self::PromptsGet | Self::ResourcesRead)
    }

    /// The parameter that `Mcp-Name` mirrors (2026-07-28, Streamable HTTP §Standard Headers; tasks: Routing Headers).
    #[must_use]
    pub fn mirrored(&self) -> Target {
        match self {
            Self::ToolsCall | Self::PromptsGet => Target::Name,
            Self::ResourcesRead => Target::Uri,
            Self::TasksGet | Self::TasksUpdate | Self::TasksCancel => Target::TaskId,
            _ => Target::None,
        }
    }
}

impl std::str::FromStr for Method {
    type Err = std::convert::Infallible;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(Self::parse(name))
    }
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

fn bit(revision: Revision) -> u8 {
    match revision {
        Revision::V2024_11_05 => 1,
        Revision::V2025_03_26 => 1 << 1,
        Revision::V2025_06_18 => 1 << 2,
        Revision::V2025_11_25 => 1 << 3,
        Revision::V2026_07_28 => 1 << 4,
    }
}
