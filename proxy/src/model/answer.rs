//! The one place that says how refusals and faults look from outside: stable code, HTTP status, JSON-RPC code and
//! public text. Both matches have no wildcard: a new reason does not compile until it has its row.
//!
//! Public text never says more than the caller may know; the full reason is in the audit record under the decision id.
//! Own JSON-RPC codes lie in -31999…-31000, outside the range that JSON-RPC and MCP reserve (-32768…-32000); where the
//! specification names the case, its code is used (MCP 2026-07-28, basic/index, "Error Codes").

use super::{
    Fault, Rejection,
    rejection::{Accept, Authentication, Authorization, Session},
};

/// JSON-RPC: invalid JSON.
pub const PARSE_ERROR: i32 = -32700;
/// JSON-RPC: not a valid request object.
pub const INVALID_REQUEST: i32 = -32600;
/// JSON-RPC: the method does not exist or is not available.
pub const METHOD_NOT_FOUND: i32 = -32601;
/// JSON-RPC: invalid parameters.
pub const INVALID_PARAMS: i32 = -32602;
/// MCP 2026-07-28: a mirrored header is missing or differs from the body.
pub const HEADER_MISMATCH: i32 = -32020;
/// MCP 2026-07-28: the protocol version is not supported.
pub const UNSUPPORTED_VERSION: i32 = -32022;

/// How a refusal or fault looks from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicAnswer {
    /// Stable code, `phase.reason`.
    pub code: &'static str,
    /// HTTP status.
    pub status: u16,
    /// JSON-RPC error code.
    pub rpc_code: i32,
    /// A sentence that says what to do.
    pub text: &'static str,
}

const fn row(code: &'static str, status: u16, rpc_code: i32, text: &'static str) -> PublicAnswer {
    PublicAnswer { code, status, rpc_code, text }
}

impl Rejection {
    /// The refusal's public form.
    pub fn public(&self) -> PublicAnswer {
        match self {
            Self::Accept(reason) => accept(reason),
            Self::Authentication(reason) => authentication(*reason),
            Self::Session(reason) => session(*reason),
            Self::RateLimited(_) => row(
                "rate_limit.exceeded",
                429,
                -31029,
                "Too many requests. Try again after the time that Retry-After names.",
            ),
            Self::Authorization(reason, _) => authorization(*reason),
        }
    }
}

#[expect(clippy::too_many_lines, reason = "a table: one row per reason")]
fn accept(reason: &Accept) -> PublicAnswer {
    match reason {
        Accept::MalformedHttp => row(
            "accept.malformed_http",
            400,
            INVALID_REQUEST,
            "The HTTP request is malformed or ambiguous. Send one Content-Length or one chunked body, and plain header lines.",
        ),
        Accept::HostInvalid => row(
            "accept.host_invalid",
            400,
            INVALID_REQUEST,
            "The Host header is missing, repeated or not a valid authority.",
        ),
        Accept::HostForbidden => row(
            "accept.host_forbidden",
            403,
            -31001,
            "This host name is not served here. Add it to accept.hosts if it should be.",
        ),
        Accept::OriginForbidden => row(
            "accept.origin_forbidden",
            403,
            -31002,
            "This Origin is not allowed. Add it to accept.origins if it should be.",
        ),
        Accept::PathUnknown => {
            row("accept.path_unknown", 404, INVALID_REQUEST, "No MCP endpoint is served at this path.")
        }
        Accept::MethodNotAllowed(_) => row(
            "accept.method_not_allowed",
            405,
            INVALID_REQUEST,
            "This HTTP method is not offered here. The Allow header names those that are.",
        ),
        Accept::MediaType => row(
            "accept.media_type",
            415,
            INVALID_REQUEST,
            "Send the message as Content-Type: application/json in UTF-8.",
        ),
        Accept::ContentEncoding => {
            row("accept.content_encoding", 415, INVALID_REQUEST, "Send the message without Content-Encoding.")
        }
        Accept::NotAcceptable => row(
            "accept.not_acceptable",
            406,
            INVALID_REQUEST,
            "Accept must list application/json and text/event-stream (for GET: text/event-stream).",
        ),
        Accept::BodyTooLarge => {
            row("accept.body_too_large", 413, INVALID_REQUEST, "The message is over the size limit.")
        }
        Accept::HeadTooLarge => {
            row("accept.head_too_large", 431, INVALID_REQUEST, "The request's header lines are over their limits.")
        }
        Accept::TargetTooLong => {
            row("accept.target_too_long", 414, INVALID_REQUEST, "The request target is over the limit.")
        }
        Accept::Timeout => row("accept.timeout", 408, INVALID_REQUEST, "The request did not arrive in time."),
        Accept::Expectation => {
            row("accept.expectation", 417, INVALID_REQUEST, "The only Expect that is met is 100-continue.")
        }
        Accept::HeaderMismatch => row(
            "accept.header_mismatch",
            400,
            HEADER_MISMATCH,
            "A mirrored MCP header is missing, repeated, malformed or differs from the body.",
        ),
        Accept::VersionUnsupported { .. } => row(
            "accept.version_unsupported",
            400,
            UNSUPPORTED_VERSION,
            "This protocol version is not supported. data.supported lists those that are.",
        ),
        Accept::MetaInvalid => {
            row("accept.meta_invalid", 400, INVALID_PARAMS, "A required member of _meta is missing or malformed.")
        }
        Accept::MetaTooLarge => row("accept.meta_too_large", 413, INVALID_PARAMS, "_meta is over its size limit."),
        Accept::Message(error) => row(
            error.code(),
            400,
            error.json_rpc_code(),
            "The message is not strict JSON-RPC 2.0. data.code names the rule it breaks.",
        ),
        Accept::BatchForbidden => row(
            "accept.batch_forbidden",
            400,
            INVALID_REQUEST,
            "Batches exist in protocol revision 2025-03-26 only. Send one message per request.",
        ),
        Accept::MethodUnknown => {
            row("accept.method_unknown", 404, METHOD_NOT_FOUND, "This method does not exist in this protocol revision.")
        }
        Accept::ResponseUnexpected => row(
            "accept.response_unexpected",
            400,
            INVALID_REQUEST,
            "This response answers no request that is under way.",
        ),
        Accept::IdInUse => {
            row("accept.id_in_use", 400, INVALID_REQUEST, "A request with this id is under way. Choose another id.")
        }
        Accept::EraMismatch { .. } => row(
            "upstream.era_mismatch",
            400,
            UNSUPPORTED_VERSION,
            "The server behind this route does not speak this protocol version. data.supported lists those it does.",
        ),
    }
}

fn authentication(reason: Authentication) -> PublicAnswer {
    let refused = |code, text| row(code, 401, -31010, text);
    match reason {
        Authentication::TokenMissing => {
            refused("authn.token_missing", "A bearer token is needed. WWW-Authenticate names where to get one.")
        }
        Authentication::TokenMalformed => {
            refused("authn.token_malformed", "Send exactly one Authorization header with one bearer token.")
        }
        Authentication::TokenTooLarge => refused("authn.token_too_large", "The bearer token is over the size limit."),
        Authentication::AlgorithmForbidden => {
            refused("authn.algorithm_forbidden", "The token's signature algorithm is not accepted.")
        }
        Authentication::IssuerUnknown => refused("authn.issuer_unknown", "The token's issuer is not trusted here."),
        Authentication::KeyUnknown => {
            refused("authn.key_unknown", "The token's key is not among its issuer's keys. Get a new token.")
        }
        Authentication::SignatureInvalid => {
            refused("authn.signature_invalid", "The token's signature does not verify.")
        }
        Authentication::AudienceMismatch => refused(
            "authn.audience_mismatch",
            "The token was issued for another resource. Ask for one with this resource as audience.",
        ),
        Authentication::Expired => refused("authn.expired", "The token has expired. Get a new one."),
        Authentication::NotYetValid => refused("authn.not_yet_valid", "The token is not valid yet. Check the clocks."),
        Authentication::TokenType => refused(
            "authn.token_type",
            "This is not an access token of the accepted type. Send an access token, not an ID token.",
        ),
        Authentication::ClaimsInvalid => {
            refused("authn.claims_invalid", "A required claim of the token is missing or malformed.")
        }
        Authentication::Unavailable => {
            row("authn.unavailable", 503, -31011, "Tokens cannot be verified at the moment. Try again.")
        }
        Authentication::InsufficientScope => row(
            "authn.insufficient_scope",
            403,
            -31012,
            "The token lacks a scope. WWW-Authenticate lists those that are needed.",
        ),
    }
}

fn session(reason: Session) -> PublicAnswer {
    match reason {
        Session::Unknown => {
            row("session.unknown", 404, -31020, "This session does not exist or has ended. Initialize a new one.")
        }
        Session::Missing => {
            row("session.missing", 400, -31021, "This request needs the Mcp-Session-Id that initialize returned.")
        }
        Session::LimitReached => {
            row("session.limit_reached", 429, -31022, "Too many sessions are open. Close one, or try again later.")
        }
    }
}

fn authorization(reason: Authorization) -> PublicAnswer {
    match reason {
        Authorization::Denied => {
            row("authz.denied", 403, -31003, "Policy does not permit this. Ask the operator, naming the decision id.")
        }
        Authorization::PolicyError => row(
            "authz.policy_error",
            403,
            -31004,
            "A policy could not be evaluated, so this is refused. Tell the operator the decision id.",
        ),
        Authorization::UriNotCanonical => row(
            "authz.uri_not_canonical",
            403,
            -31005,
            "The resource URI is not in canonical form. Send it without dot segments, escapes of plain characters or doubled slashes.",
        ),
        Authorization::ArgumentUnrepresentable => row(
            "authz.argument_unrepresentable",
            403,
            -31006,
            "An argument that policy reads has a value that policy cannot hold (fraction, null, mixed list or beyond 64 bits).",
        ),
        Authorization::ToolClosed => row(
            "authz.tool_closed",
            403,
            -31007,
            "This tool is closed: its schema or a policy about it cannot be typed. Tell the operator.",
        ),
        Authorization::CatalogueUnknown => row(
            "upstream.catalogue_unknown",
            503,
            -31050,
            "The server's tools are not known yet, or this tool is not among them. List the tools and try again.",
        ),
    }
}

impl Fault {
    /// The fault's public form.
    pub fn public(self) -> PublicAnswer {
        match self {
            Self::DownstreamClosed => row("downstream.closed", 499, -31060, "The client closed the connection."),
            Self::UpstreamConnect => {
                row("upstream.connect", 502, -31051, "The server cannot be reached. Nothing was sent; try again.")
            }
            Self::UpstreamTimeout => row(
                "upstream.timeout",
                504,
                -31052,
                "The server did not answer in time. The call may have taken effect.",
            ),
            Self::UpstreamClosed => row(
                "upstream.closed",
                502,
                -31053,
                "The server closed the connection before its answer was complete. The call may have taken effect.",
            ),
            Self::UpstreamInvalid => {
                row("upstream.invalid", 502, -31054, "The server's answer is not valid and was withheld.")
            }
            Self::UpstreamTooLarge => {
                row("upstream.too_large", 502, -31055, "The server's answer is over the size limit and was withheld.")
            }
            Self::UpstreamRefused => {
                row("upstream.refused", 502, -31056, "The server refused the request. Tell the operator.")
            }
            Self::UpstreamExited => {
                row("upstream.exited", 502, -31057, "The server's process ended. The call may have taken effect.")
            }
            Self::CredentialUnavailable => row(
                "upstream.credential_unavailable",
                503,
                -31058,
                "The credential for the server is not available. Nothing was sent; try again.",
            ),
            Self::AuditUnavailable => {
                row("audit.unavailable", 503, -31070, "The call could not be recorded, so it was not made. Try again.")
            }
            Self::Overloaded => row("overloaded", 503, -31071, "Too much is under way. Try again later."),
            Self::Internal => {
                row("internal", 500, -31073, "Something went wrong here. Tell the operator the decision id.")
            }
        }
    }
}
