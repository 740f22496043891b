//! The sections `upstreams` and `routes`: the MCP servers behind the door and the paths that lead to them.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    catalogue::{DESCRIPTION_BYTES_MAX, ITEMS_MAX},
    config::{
        secret_reference::SecretReference,
        units::{ByteSize, Span},
    },
};

/// One MCP server: either `url` or `command`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamSettings {
    /// Endpoint of a Streamable HTTP server: `http://…`, `https://…` or `unix:/path/of/socket`.
    pub url: Option<String>,
    /// Path of the endpoint behind a unix socket.
    pub path: String,
    /// Program and arguments of a stdio server. No shell is involved.
    pub command: Vec<String>,
    /// Working directory of the command. Empty: ours.
    pub cwd: Option<PathBuf>,
    /// What the command sees of the environment.
    pub environment: EnvironmentSettings,
    /// TLS towards an `https` server.
    pub tls: UpstreamTlsSettings,
    /// The credential that goes with every request. The caller's own token never does.
    pub credential: Option<CredentialSettings>,
    /// Time until a connection stands.
    pub connect_timeout: Span,
    /// Time until the first byte of an answer.
    pub first_byte_timeout: Span,
    /// Longest silence within an answer. Subscriptions and streams of server messages may be silent.
    pub idle_timeout: Span,
    /// Time until an answer that is one JSON message is complete, however it trickles; streams of events are bounded by
    /// their silence only. At least `idle_timeout`, at most 24h. Left out: twice `idle_timeout`.
    pub body_timeout: Option<Span>,
    /// Whether HTTP/2 is used.
    pub http2: Http2Mode,
    /// Whether one child process may serve several principals. Only for servers that keep nothing about their caller.
    pub shared: bool,
    /// Most child processes of this command at a time.
    pub children_max: u16,
    /// Time after which a child process without work is stopped.
    pub child_idle_timeout: Span,
    /// Most tools that are known; those beyond it in the server's list are hidden and cannot be called.
    pub tools_max: usize,
    /// Longest description of a tool, prompt or resource; what has a longer one is hidden, and such a tool cannot be called.
    pub description_bytes_max: ByteSize,
    /// Lock file that seeds the catalogue of tools.
    pub catalogue: Option<PathBuf>,
}

impl Default for UpstreamSettings {
    fn default() -> Self {
        Self {
            url: None,
            path: "/mcp".to_owned(),
            command: Vec::new(),
            cwd: None,
            environment: EnvironmentSettings::default(),
            tls: UpstreamTlsSettings::default(),
            credential: None,
            connect_timeout: Span::seconds(2),
            first_byte_timeout: Span::seconds(30),
            idle_timeout: Span::seconds(300),
            body_timeout: None,
            http2: Http2Mode::default(),
            shared: false,
            children_max: 64,
            child_idle_timeout: Span::seconds(600),
            tools_max: ITEMS_MAX,
            description_bytes_max: ByteSize(DESCRIPTION_BYTES_MAX as u64),
            catalogue: None,
        }
    }
}

/// Whether HTTP/2 is spoken with a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Http2Mode {
    /// Where TLS negotiates it.
    #[default]
    Auto,
    /// Never: HTTP/1.1.
    Never,
    /// Always, also without TLS.
    Always,
}

/// What a child process sees of the environment. Everything else is removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EnvironmentSettings {
    /// Names of variables that are passed on as they are.
    pub allow: Vec<String>,
    /// Variables with plain, public values.
    pub values: BTreeMap<String, String>,
    /// Variables whose values are secret.
    pub secrets: BTreeMap<String, SecretReference>,
}

impl Default for EnvironmentSettings {
    fn default() -> Self {
        Self {
            allow: ["HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER"]
                .map(str::to_owned)
                .to_vec(),
            values: BTreeMap::new(),
            secrets: BTreeMap::new(),
        }
    }
}

/// TLS towards an upstream. The server's certificate is always verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamTlsSettings {
    /// PEM file of the certificate authorities that are trusted. Empty: those of the system.
    pub ca: Option<PathBuf>,
    /// PEM file of our client certificate with its chain.
    pub certificate: Option<PathBuf>,
    /// PEM file of the client certificate's key.
    pub key: Option<PathBuf>,
    /// Name that the server's certificate must hold. Empty: the host of the URL.
    pub server_name: Option<String>,
}

/// A credential of ours towards an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialSettings {
    /// Header that carries it.
    #[serde(default = "authorization_header")]
    pub header: String,
    /// Text in front of the value.
    #[serde(default = "bearer_prefix")]
    pub prefix: String,
    /// The value, by reference.
    pub value: SecretReference,
}

fn authorization_header() -> String {
    "Authorization".to_owned()
}

fn bearer_prefix() -> String {
    "Bearer ".to_owned()
}

/// One path of ours and the server behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteSettings {
    /// Name of an entry of `upstreams`.
    pub upstream: String,
    /// Resource URI of this route: the audience of its tokens (RFC 8707) and the address clients use. Empty: the
    /// listener's address with this path, on loopback listeners with a fixed port.
    #[serde(default)]
    pub resource: Option<String>,
    /// Scopes that a token needs for this route.
    #[serde(default)]
    pub scopes_required: Vec<String>,
}
