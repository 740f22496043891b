//! The labels of each metric. Every value is bounded: an enumeration, a name that configuration or a catalogue gave
//! ([`NameId`]), a known code, or `_OTHER`.

use super::family::{Labels, NameId, Names};
use crate::pipeline::observe::names::{self, attribute};

/// A label's value.
trait LabelValue {
    fn tell(&self, names: &Names, tell: &mut dyn FnMut(&str));
}

impl LabelValue for &'static str {
    fn tell(&self, _: &Names, tell: &mut dyn FnMut(&str)) {
        tell(self);
    }
}

impl LabelValue for NameId {
    fn tell(&self, names: &Names, tell: &mut dyn FnMut(&str)) {
        tell(&names.text(*self));
    }
}

impl LabelValue for u16 {
    fn tell(&self, _: &Names, tell: &mut dyn FnMut(&str)) {
        tell(itoa::Buffer::new().format(*self));
    }
}

impl<T: LabelValue> LabelValue for Option<T> {
    fn tell(&self, names: &Names, tell: &mut dyn FnMut(&str)) {
        if let Some(value) = self {
            value.tell(names, tell);
        }
    }
}

/// An MCP method as a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MethodLabel(u8);

impl MethodLabel {
    /// The method's label; `_OTHER` for one that no revision knows.
    pub fn of(method: &str) -> Self {
        let index = names::METHODS.binary_search(&method).ok();
        Self(index.and_then(|index| u8::try_from(index).ok()).unwrap_or(u8::MAX))
    }

    /// The label's value.
    pub fn as_str(self) -> &'static str {
        names::METHODS.get(usize::from(self.0)).copied().unwrap_or(names::OTHER)
    }
}

impl LabelValue for MethodLabel {
    fn tell(&self, _: &Names, tell: &mut dyn FnMut(&str)) {
        tell(self.as_str());
    }
}

/// JSON-RPC codes that are shown as they are. The upstream chooses its codes, so others are `_OTHER`.
const RPC_CODES: [i32; 12] =
    [-32700, -32603, -32602, -32601, -32600, -32042, -32022, -32021, -32020, -32002, -32001, -32000];

/// Why an operation failed (`error.type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorType {
    /// A JSON-RPC error code; build with [`ErrorType::rpc`].
    Rpc(Option<RpcCode>),
    /// A tool's result says `isError`.
    Tool,
    /// A refusal or fault of ours; build with [`ErrorType::code`].
    Local(&'static str),
}

/// A JSON-RPC code of the known ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RpcCode(i32);

impl LabelValue for RpcCode {
    fn tell(&self, _: &Names, tell: &mut dyn FnMut(&str)) {
        tell(itoa::Buffer::new().format(self.0));
    }
}

impl ErrorType {
    /// For an error answer of the upstream.
    pub fn rpc(code: i32) -> Self {
        Self::Rpc(RPC_CODES.contains(&code).then_some(RpcCode(code)))
    }

    /// For one of our stable codes (see [`crate::model::answer`]).
    pub fn code(code: &'static str) -> Self {
        Self::Local(Self::name_of_code(code))
    }

    /// The `error.type` of one of our stable codes.
    pub fn name_of_code(code: &'static str) -> &'static str {
        match code {
            "rate_limit.exceeded" | "session.limit_reached" => "429",
            "authn.unavailable" | "audit.unavailable" | "upstream.credential_unavailable" => "dependency_unavailable",
            "authn.insufficient_scope" => "403",
            "accept.header_mismatch" => "-32020",
            "accept.version_unsupported" | "upstream.era_mismatch" => "-32022",
            "accept.method_unknown" => "-32601",
            "upstream.connect" => "upstream_connect",
            "upstream.timeout" => "timeout",
            "downstream.closed" => "cancelled",
            _ if code.starts_with("authn.") => "401",
            _ if code.starts_with("authz.") => "policy_denied",
            _ => code,
        }
    }
}

impl LabelValue for ErrorType {
    fn tell(&self, names: &Names, tell: &mut dyn FnMut(&str)) {
        match self {
            Self::Rpc(Some(code)) => code.tell(names, tell),
            Self::Rpc(None) => tell(names::OTHER),
            Self::Tool => tell("tool_error"),
            Self::Local(name) => tell(name),
        }
    }
}

macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty => $key:expr),* $(,)? })*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl Labels for $name {
            fn each(&self, names: &Names, tell: &mut dyn FnMut(&'static str, &str)) {
                $(self.$field.tell(names, &mut |value| tell($key, value));)*
            }
        }
    )* };
}

labels! {
    /// An MCP operation.
    Operation {
        /// Its method.
        method: MethodLabel => attribute::MCP_METHOD_NAME,
        /// The tool that it is about.
        tool: Option<NameId> => attribute::GEN_AI_TOOL_NAME,
        /// The prompt that it is about.
        prompt: Option<NameId> => attribute::GEN_AI_PROMPT_NAME,
        /// The upstream's configured name.
        upstream: Option<NameId> => attribute::UPSTREAM,
        /// Why it failed.
        error: Option<ErrorType> => attribute::ERROR_TYPE,
        /// Protocol revision.
        revision: Option<&'static str> => attribute::MCP_PROTOCOL_VERSION,
        /// `tcp`, `unix` or `pipe`.
        network: &'static str => attribute::NETWORK_TRANSPORT,
    }
    /// A session.
    SessionLabels {
        /// Protocol revision.
        revision: Option<&'static str> => attribute::MCP_PROTOCOL_VERSION,
        /// `tcp`, `unix` or `pipe`.
        network: &'static str => attribute::NETWORK_TRANSPORT,
    }
    /// One direction.
    DirectionLabels {
        /// `request` or `response`.
        direction: &'static str => "direction",
    }
    /// A decision.
    DecisionLabels {
        /// Who decided, such as `cedar`.
        stage: &'static str => "stage",
        /// `allow`, `deny`, `modify` or `error`.
        decision: &'static str => "decision",
        /// A stable code, or empty.
        reason: &'static str => "reason",
    }
    /// A refusal or fault.
    CodeLabels {
        /// Its stable code.
        code: &'static str => "code",
    }
    /// A kind.
    KindLabels {
        /// Which.
        kind: &'static str => "kind",
    }
    /// A reason.
    ReasonLabels {
        /// Which.
        reason: &'static str => "reason",
    }
    /// A result.
    ResultLabels {
        /// Which.
        result: &'static str => "result",
    }
    /// A masking detector.
    MaskingLabels {
        /// Its configured name.
        detector: NameId => "detector",
        /// `request` or `response`.
        direction: &'static str => "direction",
    }
    /// An upstream.
    UpstreamLabels {
        /// Its configured name.
        upstream: NameId => "upstream",
    }
    /// A change of a catalogue.
    CatalogueLabels {
        /// The upstream's configured name.
        server: NameId => "server",
    }
    /// Lost telemetry.
    TelemetryLabels {
        /// `traces` or `metrics`.
        signal: &'static str => "signal",
        /// `queue_full` or `export_failed`.
        reason: &'static str => "reason",
    }
}
