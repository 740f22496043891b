//! What is measured: which requests go to which target, and what a right answer is.

use super::policies::tools_permitted;
use crate::mcp::{Ask, CALL_MARKER, Expectation, Request, tool_name};

/// Body of a plain call, bytes.
const BODY_BYTES: usize = 1024;
/// Body of a large call, bytes.
const BODY_BYTES_LARGE: usize = 64 * 1024;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// A permitted `tools/call` of 1 KiB.
    Call,
    /// The same with a body of 64 KiB.
    CallLarge,
    /// `tools/list`, filtered by a proxy that has policies.
    List,
    /// A call that policy denies.
    Denied,
    /// A call with a well-formed token whose signature is wrong, another token each time.
    ForgedToken,
    /// A call with a token that is none.
    MalformedToken,
}

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Direct,
    Nginx,
    PassThrough,
    Doorward,
}

impl Target {
    pub(crate) const ALL: [Self; 4] = [Self::Direct, Self::Nginx, Self::PassThrough, Self::Doorward];

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Nginx => "nginx",
            Self::PassThrough => "pass-through",
            Self::Doorward => "doorward",
        }
    }
}

/// The tokens of a run.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub(crate) valid: String,
    /// Sent in turn.
    pub(crate) forged: Vec<String>,
}

impl Scenario {
    pub(crate) const ALL: [Self; 6] =
        [Self::Call, Self::CallLarge, Self::List, Self::Denied, Self::ForgedToken, Self::MalformedToken];

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Call => "tools/call 1 KiB",
            Self::CallLarge => "tools/call 64 KiB",
            Self::List => "tools/list",
            Self::Denied => "denied call",
            Self::ForgedToken => "forged token",
            Self::MalformedToken => "malformed token",
        }
    }

    /// Refusals are asked of Doorward only: the others refuse nothing.
    pub(crate) fn applies_to(self, target: Target) -> bool {
        match self {
            Self::Call | Self::CallLarge | Self::List => true,
            Self::Denied | Self::ForgedToken | Self::MalformedToken => target == Target::Doorward,
        }
    }

    /// The requests to send in turn; `host` for the `Host` header. All targets get the same bytes.
    pub(crate) fn requests(self, host: &str, tokens: &Tokens, tools: usize) -> Vec<Request> {
        let call = |tool: usize, body_bytes| Ask::Call { tool: tool_name(tool), body_bytes };
        let ask = match self {
            Self::Call | Self::ForgedToken | Self::MalformedToken => call(0, BODY_BYTES),
            Self::CallLarge => call(0, BODY_BYTES_LARGE),
            Self::Denied => call(tools.saturating_sub(1), BODY_BYTES),
            Self::List => Ask::ListTools,
        };
        let one = |token: &str| Request::new(host, "/mcp", Some(token), &ask);
        match self {
            Self::ForgedToken => tokens.forged.iter().map(|token| one(token)).collect(),
            Self::MalformedToken => vec![one("not-a-token")],
            _ => vec![one(&tokens.valid)],
        }
    }

    /// What a right answer of `target` is.
    pub(crate) fn expectation(self, target: Target, tools: usize, policies: usize) -> Expectation {
        let ok = |marker: &str, absent: &str| Expectation {
            status: 200,
            marker: marker.into(),
            absent: absent.into(),
            id_echoed: true,
        };
        let quoted = |tool: usize| format!("\"{}\"", tool_name(tool));
        let last = tools.saturating_sub(1);
        match self {
            Self::Call | Self::CallLarge => ok(CALL_MARKER, ""),
            Self::List if target == Target::Doorward => {
                let permitted = tools_permitted(tools, policies);
                ok(&quoted(permitted.saturating_sub(1)), &quoted(last))
            }
            Self::List => ok(&quoted(last), ""),
            Self::Denied => Expectation { status: 403, ..ok("authz.", CALL_MARKER) },
            Self::ForgedToken | Self::MalformedToken => {
                Expectation { status: 401, id_echoed: false, ..ok("", CALL_MARKER) }
            }
        }
    }
}
