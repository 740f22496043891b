//! What a route tells about itself as an OAuth protected resource: its metadata (RFC 9728) and its challenges
//! (`WWW-Authenticate`, RFC 6750 §3, RFC 9728 §5.1).
//!
//! Everything is made and checked once, at load; nothing of a request gets into any of it.

use bytes::Bytes;
use serde::Serialize;
use url::Url;

use crate::model::{Rejection, rejection::Authentication};

/// The well-known address without a path; a path is appended to it (RFC 9728 §3.1).
pub const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// Why a route's resource description was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResourceError {
    /// The resource URI.
    #[error("the resource `{0}` is not an absolute http or https URL without fragment and user information")]
    Uri(Box<str>),
    /// A scope.
    #[error("the scope `{0}` is empty or has characters that a scope may not have (RFC 6749 §3.3)")]
    Scope(Box<str>),
    /// `offline_access` is between client and authorization server; a resource must not ask for it.
    #[error("the scope `offline_access` is no scope of a resource")]
    OfflineAccess,
}

/// A route as a protected resource.
#[derive(Clone, Debug)]
pub struct ProtectedResource {
    resource: Box<str>,
    scopes_required: Box<[Box<str>]>,
    path: Box<str>,
    document: Bytes,
    parameters: Box<str>,
}

#[derive(Serialize)]
struct Document<'a> {
    resource: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    authorization_servers: &'a [&'a str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    scopes_supported: &'a [Box<str>],
    bearer_methods_supported: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_name: Option<&'a str>,
}

impl ProtectedResource {
    /// Describes the route whose resource URI is `resource`. Tokens must have it as audience (unless the issuer's settings name
    /// others) and must hold every one of `scopes_required`.
    pub fn new(
        resource: &str,
        authorization_servers: &[&str],
        scopes_required: &[String],
        resource_name: Option<&str>,
    ) -> Result<Self, ResourceError> {
        let url = parse_resource(resource)?;
        let scopes_required: Box<[Box<str>]> =
            scopes_required.iter().map(|scope| check_scope(scope)).collect::<Result<_, _>>()?;
        let document = Document {
            resource,
            authorization_servers,
            scopes_supported: &scopes_required,
            bearer_methods_supported: ["header"],
            resource_name,
        };
        let document = serde_json::to_vec(&document).unwrap_or_default();
        let path = format!("{WELL_KNOWN}{}", url.path().trim_end_matches('/'));
        let mut metadata = url;
        metadata.set_path(&path);
        let mut parameters = format!("resource_metadata=\"{metadata}\"");
        if !scopes_required.is_empty() {
            parameters.push_str(&format!(", scope=\"{}\"", scopes_required.join(" ")));
        }
        Ok(Self {
            resource: resource.into(),
            scopes_required,
            path: path.into(),
            document: document.into(),
            parameters: parameters.into(),
        })
    }

    /// The resource URI, which is the audience of this route's tokens.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The scopes that every token must hold.
    pub fn scopes_required(&self) -> &[Box<str>] {
        &self.scopes_required
    }

    /// The path at which the metadata is: the well-known name with the resource's path after it. A process with one route
    /// serves the same document at [`WELL_KNOWN`] too.
    pub fn metadata_path(&self) -> &str {
        &self.path
    }

    /// The metadata document, `application/json`.
    pub fn metadata(&self) -> &Bytes {
        &self.document
    }

    /// The value of `WWW-Authenticate` for a refusal; `None` where a token would not help. A request without any token is told
    /// what is needed but no error (RFC 6750 §3.1).
    pub fn challenge(&self, reason: Authentication) -> Option<String> {
        let error = match reason {
            Authentication::Unavailable => return None,
            Authentication::TokenMissing => return Some(format!("Bearer {}", self.parameters)),
            Authentication::InsufficientScope => "insufficient_scope",
            Authentication::TokenMalformed
            | Authentication::TokenTooLarge
            | Authentication::AlgorithmForbidden
            | Authentication::IssuerUnknown
            | Authentication::KeyUnknown
            | Authentication::SignatureInvalid
            | Authentication::AudienceMismatch
            | Authentication::Expired
            | Authentication::NotYetValid
            | Authentication::TokenType
            | Authentication::ClaimsInvalid => "invalid_token",
        };
        let text = Rejection::Authentication(reason).public().text;
        Some(format!("Bearer error=\"{error}\", error_description=\"{text}\", {}", self.parameters))
    }
}

/// The URL's own text form has no quotes, spaces or control characters, so it is safe between quotes.
fn parse_resource(resource: &str) -> Result<Url, ResourceError> {
    let error = || ResourceError::Uri(resource.into());
    let mut url = Url::parse(resource).map_err(|_| error())?;
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || !plain {
        return Err(error());
    }
    if url.query().is_some_and(str::is_empty) {
        url.set_query(None);
    }
    Ok(url)
}

/// `scope-token = 1*( %x21 / %x23-5B / %x5D-7E )`.
fn check_scope(scope: &str) -> Result<Box<str>, ResourceError> {
    if scope == "offline_access" {
        return Err(ResourceError::OfflineAccess);
    }
    let allowed = |byte: u8| (0x21..=0x7e).contains(&byte) && byte != b'"' && byte != b'\\';
    if scope.is_empty() || !scope.bytes().all(allowed) {
        return Err(ResourceError::Scope(scope.into()));
    }
    Ok(scope.into())
}
