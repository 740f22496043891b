//! Something broke: not a refusal by design.

/// Who is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The MCP client or its connection.
    Downstream,
    /// The MCP server or its connection.
    Upstream,
    /// A service we need: identity provider, audit sink.
    Dependency,
    /// We.
    Internal,
}

/// A failure with a stable code (see [`super::answer`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Fault {
    /// The client went away before the answer was complete.
    #[error("the client closed the connection")]
    DownstreamClosed,
    /// No connection to the upstream could be made; nothing was sent.
    #[error("no connection to the upstream")]
    UpstreamConnect,
    /// The upstream did not answer in time.
    #[error("the upstream did not answer in time")]
    UpstreamTimeout,
    /// The connection to the upstream ended before the answer was complete.
    #[error("the upstream closed the connection")]
    UpstreamClosed,
    /// What the upstream answered is not valid HTTP, JSON-RPC or MCP.
    #[error("the upstream's answer is not valid")]
    UpstreamInvalid,
    /// A message of the upstream is over `message_bytes_max`.
    #[error("the upstream's answer is too large")]
    UpstreamTooLarge,
    /// The upstream answered with a redirect, or refused our own credential.
    #[error("the upstream refused the request")]
    UpstreamRefused,
    /// The upstream's child process ended.
    #[error("the upstream's process ended")]
    UpstreamExited,
    /// The upstream's credential could not be read.
    #[error("the upstream's credential is not available")]
    CredentialUnavailable,
    /// The audit record could not be made durable.
    #[error("the audit sink is not available")]
    AuditUnavailable,
    /// A bounded queue or table of ours is full.
    #[error("too much is under way")]
    Overloaded,
    /// A defect of ours.
    #[error("internal error")]
    Internal,
}

impl Fault {
    /// Who is at fault.
    pub fn source(self) -> Source {
        match self {
            Self::DownstreamClosed => Source::Downstream,
            Self::UpstreamConnect
            | Self::UpstreamTimeout
            | Self::UpstreamClosed
            | Self::UpstreamInvalid
            | Self::UpstreamTooLarge
            | Self::UpstreamRefused
            | Self::UpstreamExited => Source::Upstream,
            Self::CredentialUnavailable | Self::AuditUnavailable => Source::Dependency,
            Self::Overloaded | Self::Internal => Source::Internal,
        }
    }

    /// Whether the same call may be sent again without a risk of doing it twice: nothing reached the upstream.
    pub fn retry_is_safe(self) -> bool {
        match self {
            Self::UpstreamConnect | Self::CredentialUnavailable | Self::AuditUnavailable | Self::Overloaded => true,
            Self::DownstreamClosed
            | Self::UpstreamTimeout
            | Self::UpstreamClosed
            | Self::UpstreamInvalid
            | Self::UpstreamTooLarge
            | Self::UpstreamRefused
            | Self::UpstreamExited
            | Self::Internal => false,
        }
    }
}
