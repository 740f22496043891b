//! Questions to the policy decision point (PDP) and its decisions.
//!
//! `authorize` asks the first question of a call; `dispatch` and `filter` ask further ones (list items, server
//! requests, later secrets and data classes) through the [`Decider`] that travels in the `Permitted`.

use std::{net::IpAddr, sync::Arc};

use doorward_message::{Method, Revision, Value};

use super::Principal;

/// How the message reached us; `context.transport`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Streamable HTTP, over TCP, TLS or a unix socket.
    Http,
    /// Standard input and output.
    Stdio,
}

impl Transport {
    /// The value of `context.transport`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Stdio => "stdio",
        }
    }
}

/// The arguments of a tool call or a prompt.
#[derive(Clone, Copy)]
pub enum Arguments<'a> {
    /// As sent; `None` where the member is absent (the same as an empty object).
    Known(Option<Value<'a>>),
    /// A list is filtered: would *some* arguments be permitted?
    Unknown,
}

/// What the caller wants, in the protocol's terms. Becomes Cedar's action and resource.
#[derive(Clone, Copy)]
pub enum Ask<'a> {
    /// `tools/call`: action `tools/call/<upstream>/<tool>`, resource `Mcp::Tool`.
    CallTool {
        /// Tool name.
        name: &'a str,
        /// Its arguments.
        arguments: Arguments<'a>,
    },
    /// `prompts/get`, resource `Mcp::Prompt`.
    GetPrompt {
        /// Prompt name.
        name: &'a str,
        /// Its arguments.
        arguments: Arguments<'a>,
    },
    /// `resources/read`, `resources/subscribe`, `resources/unsubscribe`, an item of `subscriptions/listen`, an
    /// update notification; resource `Mcp::McpResource` with a canonical URI.
    Resource {
        /// The action.
        method: &'a Method,
        /// Canonical URI.
        uri: &'a str,
    },
    /// A resource template, in a list or as the reference of a completion; resource `Mcp::ResourceTemplate`.
    Template {
        /// The action.
        method: &'a Method,
        /// The template as the server writes it.
        uri_template: &'a str,
    },
    /// `completion/complete` on a prompt; resource `Mcp::Prompt`.
    CompletePrompt {
        /// Prompt name.
        name: &'a str,
    },
    /// `tasks/*`; resource `Mcp::Task`.
    Task {
        /// The action.
        method: &'a Method,
        /// The task's id; `None` for `tasks/list`.
        id: Option<&'a str>,
    },
    /// A server-to-client request, as JSON-RPC or inside an `input_required` result: actions `sampling`,
    /// `elicitation`, `roots`; resource `Mcp::Server`.
    ServerRequest {
        /// `sampling/createMessage`, `elicitation/create` or `roots/list`.
        method: &'a Method,
    },
    /// Any other method (lists, discovery, logging, initialisation, notifications); resource `Mcp::Server`.
    Server {
        /// The action.
        method: &'a Method,
    },
}

/// What `context` holds besides the arguments.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Protocol revision of the message.
    pub revision: Revision,
    /// How it came.
    pub transport: Transport,
    /// The peer's address on HTTP over TCP.
    pub client_address: Option<IpAddr>,
    /// Arrival, in seconds since the Unix epoch.
    pub time_unix_s: i64,
    /// Whether the message belongs to a legacy session.
    pub in_session: bool,
    /// Whether a person has confirmed the call.
    pub approved: bool,
}

/// One question to the PDP.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// Who.
    pub principal: &'a Principal,
    /// The upstream's configured name, which is the id of its `Mcp::Server`.
    pub upstream: &'a str,
    /// What.
    pub ask: Ask<'a>,
    /// Under which circumstances.
    pub facts: &'a Facts,
}

/// The outcome of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// A `permit` matched, no `forbid` did, nothing failed.
    Allow,
    /// Everything else.
    Deny,
}

/// A decision with what determined it. Cheap to clone: cached decisions are shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Allow or deny.
    pub effect: Effect,
    /// Ids of the determining policies (`@id` where given), sorted.
    pub policies: Arc<[Arc<str>]>,
    /// Ids of the policies whose evaluation failed, sorted. Not empty only with [`Effect::Deny`].
    pub errors: Arc<[Arc<str>]>,
    /// `@advice` of the first determining `forbid`, told to the caller.
    pub advice: Option<Arc<str>>,
    /// Why there was no evaluation at all, where that is so.
    pub refusal: Option<super::rejection::Authorization>,
}

impl Decision {
    /// The message needs no question of its own: it answers one that was decided before.
    pub fn settled() -> Self {
        Self { effect: Effect::Allow, policies: Arc::default(), errors: Arc::default(), advice: None, refusal: None }
    }

    /// Whether the question was answered with [`Effect::Allow`].
    pub fn is_allow(&self) -> bool {
        self.effect == Effect::Allow
    }
}

/// A PDP bound to a principal, a transport and one snapshot.
pub trait Decider: Send + Sync {
    /// Decides one question with everything known.
    fn decide(&self, ask: &Ask<'_>) -> Decision;

    /// Whether the item may be shown in a list: it could be called with some arguments.
    fn may_list(&self, ask: &Ask<'_>) -> bool;
}
