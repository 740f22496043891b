//! Refused by design: one variant per reason, grouped by the phase that refuses.
//!
//! To add a reason: a variant here; the compiler then asks for its row in [`super::answer`].

use std::sync::Arc;

use doorward_message::ParseError;

/// Why `accept` refused: the request is not what the transport or the protocol allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accept {
    /// The HTTP framing or head is malformed.
    MalformedHttp,
    /// `Host` is missing, repeated or not a valid authority.
    HostInvalid,
    /// `Host` names somebody else (DNS rebinding).
    HostForbidden,
    /// `Origin` is not allowed.
    OriginForbidden,
    /// No route at this path.
    PathUnknown,
    /// The HTTP method is not offered here; the value for `Allow`.
    MethodNotAllowed(&'static str),
    /// `Content-Type` is not `application/json` in UTF-8.
    MediaType,
    /// `Content-Encoding` is not accepted on requests.
    ContentEncoding,
    /// `Accept` excludes JSON or event streams.
    NotAcceptable,
    /// The body is over `body_bytes_max`.
    BodyTooLarge,
    /// The head is over its limits.
    HeadTooLarge,
    /// The request target is over its limit.
    TargetTooLong,
    /// The head or body did not arrive in time.
    Timeout,
    /// An `Expect` other than `100-continue`.
    Expectation,
    /// A mirrored header is missing, repeated, malformed or differs from the body.
    HeaderMismatch,
    /// The protocol revision is not supported or not enabled.
    VersionUnsupported {
        /// What was asked for.
        requested: Box<str>,
        /// What is offered.
        supported: Arc<[&'static str]>,
    },
    /// A required `_meta` member is missing or malformed.
    MetaInvalid,
    /// `_meta` is over its limit.
    MetaTooLarge,
    /// The message is not strict JSON or not JSON-RPC 2.0.
    Message(ParseError),
    /// Batches belong to revision 2025-03-26 only.
    BatchForbidden,
    /// A method that is in no table of the revision.
    MethodUnknown,
    /// A response that answers no pending request of ours.
    ResponseUnexpected,
    /// The id is already under way on this connection.
    IdInUse,
    /// The upstream speaks the other era.
    EraMismatch {
        /// What was asked for.
        requested: Box<str>,
        /// What the upstream offers.
        supported: Arc<[&'static str]>,
    },
}

/// Why `admit` refused to take the caller for who they say they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Authentication {
    /// No `Authorization` header.
    TokenMissing,
    /// More than one credential, another scheme, or not a JWS in compact form.
    TokenMalformed,
    /// The token is over its size limit.
    TokenTooLarge,
    /// The algorithm is not allowed, or not the key's.
    AlgorithmForbidden,
    /// The issuer is not configured.
    IssuerUnknown,
    /// No key with that `kid` in the issuer's set.
    KeyUnknown,
    /// The signature does not verify.
    SignatureInvalid,
    /// `aud` does not hold this resource.
    AudienceMismatch,
    /// `exp` has passed.
    Expired,
    /// `nbf` or `iat` lies in the future.
    NotYetValid,
    /// Not an access token, or not of the configured type.
    TokenType,
    /// A required claim is missing or of the wrong type, or a mapped claim is over its limit.
    ClaimsInvalid,
    /// The keys of the issuer cannot be had.
    Unavailable,
    /// The token lacks a scope the route requires.
    InsufficientScope,
}

/// Why `admit` refused the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Session {
    /// The id is unknown, foreign, altered, expired or of another route: always the same answer.
    Unknown,
    /// A legacy request other than `initialize` without a session id.
    Missing,
    /// The principal, or the process, has too many sessions.
    LimitReached,
}

/// Which limit was exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RateLimited {
    /// When a try is sensible, in whole seconds, at least 1.
    pub retry_after_s: u64,
}

/// Why `authorize` refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Authorization {
    /// No `permit` matched, or a `forbid` did.
    Denied,
    /// A policy could not be evaluated.
    PolicyError,
    /// The resource URI is not canonical.
    UriNotCanonical,
    /// An argument that a policy reads has a value that Cedar cannot hold.
    ArgumentUnrepresentable,
    /// The tool is closed: its schema or a policy about it cannot be typed.
    ToolClosed,
    /// The upstream's catalogue is not known yet, or the tool is not in it.
    CatalogueUnknown,
}

/// Refused by design.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// By `accept`.
    Accept(Accept),
    /// By `admit`: authentication.
    Authentication(Authentication),
    /// By `admit`: session.
    Session(Session),
    /// By `admit`: rate limits.
    RateLimited(RateLimited),
    /// By `authorize`; the advice of the determining policy.
    Authorization(Authorization, Option<Arc<str>>),
}

impl From<ParseError> for Accept {
    /// Two sizes are reasons of their own, because their answer is 413.
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::MetaTooLarge { .. } => Self::MetaTooLarge,
            ParseError::TooLarge { .. } => Self::BodyTooLarge,
            error => Self::Message(error),
        }
    }
}

impl From<Accept> for Rejection {
    fn from(value: Accept) -> Self {
        Self::Accept(value)
    }
}

impl From<Authentication> for Rejection {
    fn from(value: Authentication) -> Self {
        Self::Authentication(value)
    }
}

impl From<Session> for Rejection {
    fn from(value: Session) -> Self {
        Self::Session(value)
    }
}

impl From<RateLimited> for Rejection {
    fn from(value: RateLimited) -> Self {
        Self::RateLimited(value)
    }
}

impl From<Authorization> for Rejection {
    fn from(value: Authorization) -> Self {
        Self::Authorization(value, None)
    }
}
