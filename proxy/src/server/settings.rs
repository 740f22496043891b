//! The sections `listen`, `admin` and `drain`: where the process is reached and how it ends.

use std::{borrow::Cow, fmt, net::SocketAddr, path::PathBuf, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::config::units::{ByteSize, Span};

/// Where to listen: `127.0.0.1:8080`, `[::1]:8080` or `unix:/run/doorward.sock`. Port 0 lets the system choose.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// The path of a unix socket.
    Unix(PathBuf),
}

impl ListenAddress {
    /// Whether only processes of this machine can reach it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

/// Text that is no listen address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an address is `IP:PORT`, like `127.0.0.1:8080`, or `unix:/path/of/socket`; host names are not resolved here")]
pub struct ListenAddressError;

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(_) => Err(ListenAddressError),
            None => text.parse().map(Self::Tcp).map_err(|_| ListenAddressError),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl<'de> Deserialize<'de> for ListenAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'_, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for ListenAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for ListenAddress {
    fn schema_name() -> Cow<'static, str> {
        "ListenAddress".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "`IP:PORT`, like `127.0.0.1:8080`, or `unix:/path/of/socket`. Port 0 lets the system choose."
        })
    }
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenSettings {
    /// Address to listen at.
    pub address: ListenAddress,
    /// Certificate and key. Empty: plain HTTP.
    #[serde(default)]
    pub tls: Option<ListenTlsSettings>,
    /// Whether HTTP/2 is offered: by ALPN with TLS, by its connection preface without.
    #[serde(default = "yes")]
    pub http2: bool,
    /// Bounds of each HTTP/2 connection.
    #[serde(default)]
    pub http2_limits: Http2Limits,
    /// Most connections at a time.
    #[serde(default = "connections_max")]
    pub connections_max: u32,
    /// Time that a connection may rest without a request; it is closed then. 1s to 1h.
    #[serde(default = "keepalive_timeout")]
    pub keepalive_timeout: Span,
    /// Time that a client may take to read an answer, or one event of a stream. Then its connection is closed, in HTTP/2
    /// its stream only. 1s to 1h.
    #[serde(default = "write_timeout")]
    pub write_timeout: Span,
}

/// What one HTTP/2 connection may hold. What the client must know of it is announced (RFC 9113 §6.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Http2Limits {
    /// Most streams at a time: requests under way. One more is refused by a reset. 1 to 10000.
    pub streams_max: u32,
    /// Bytes of one request's body that may come before we have read them. More ends the stream. 1KiB to 16MiB.
    pub stream_window: ByteSize,
    /// The same over all requests of the connection. More ends the connection. 128KiB to 1GiB.
    pub connection_window: ByteSize,
    /// Most streams that the client opened and reset before we looked at them. One more ends the connection
    /// (CVE-2023-44487). 1 to 10000.
    pub pending_resets_max: u32,
    /// Most streams, over the life of the connection, that we had to reset for the client's errors, those over
    /// `streams_max` among them. One more ends the connection (CVE-2025-8671). 1 to 100000.
    pub error_resets_max: u32,
}

impl Default for Http2Limits {
    /// The windows are those that Envoy advises at the edge; the resets are the codec's own.
    fn default() -> Self {
        Self {
            streams_max: 100,
            stream_window: ByteSize(64 << 10),
            connection_window: ByteSize(1 << 20),
            pending_resets_max: 20,
            error_resets_max: 1_024,
        }
    }
}

fn yes() -> bool {
    true
}

fn connections_max() -> u32 {
    20_000
}

fn keepalive_timeout() -> Span {
    Span::seconds(60)
}

fn write_timeout() -> Span {
    Span::seconds(30)
}

impl ListenSettings {
    /// A plain listener with the defaults.
    pub fn at(address: ListenAddress) -> Self {
        Self {
            address,
            tls: None,
            http2: yes(),
            http2_limits: Http2Limits::default(),
            connections_max: connections_max(),
            keepalive_timeout: keepalive_timeout(),
            write_timeout: write_timeout(),
        }
    }
}

/// The server side of TLS. Renewed files are picked up without a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ListenTlsSettings {
    /// PEM file of the certificate with its chain.
    pub certificate: Option<PathBuf>,
    /// PEM file of its key.
    pub key: Option<PathBuf>,
}

/// The listener for operators: health, readiness and metrics. Keep it off the network that clients use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdminSettings {
    /// Address and port, like `127.0.0.1:9090`.
    pub address: SocketAddr,
    /// Further host names under which it is asked, like a service's name in a cluster.
    #[serde(default)]
    pub hosts: Vec<String>,
}

/// How the process ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DrainSettings {
    /// Time that calls under way have to finish after SIGTERM.
    pub grace: Span,
}

impl Default for DrainSettings {
    fn default() -> Self {
        Self { grace: Span::seconds(30) }
    }
}
