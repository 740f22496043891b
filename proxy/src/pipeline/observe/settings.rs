//! The `observe` section of the configuration.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::audit::Mode;
use crate::config::units::Span;

/// What is told about the traffic, and where.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ObserveSettings {
    /// The audit log. Without it, nothing is recorded.
    pub audit: Option<AuditSettings>,
    /// OpenTelemetry export. Without it, nothing is sent.
    pub otlp: Option<OtlpSettings>,
    /// The process's own log, on standard error.
    pub log: LogSettings,
}

/// The audit log.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditSettings {
    /// The file, `-` for standard output. Created with mode 0600; reopened on SIGHUP.
    pub file: PathBuf,
    /// Whether calls wait until their decision is durable.
    #[serde(default)]
    pub mode: Mode,
    /// Records that may wait for the writer.
    #[serde(default = "queue_records_max")]
    #[schemars(range(min = 16, max = 1_048_576))]
    pub queue_records_max: usize,
    /// In mode `strict`: how long a call waits for its record before it is refused.
    #[serde(default = "durable_timeout")]
    pub durable_timeout: Span,
    /// A file with at least 16 bytes that key the digests of arguments, so that records can be searched for known
    /// arguments across restarts. Without it the key lives as long as the process.
    #[serde(default)]
    pub digest_key_file: Option<PathBuf>,
}

fn queue_records_max() -> usize {
    8_192
}

fn durable_timeout() -> Span {
    Span::seconds(5)
}

impl AuditSettings {
    /// The defaults for a file that a flag names.
    pub fn to_file(file: PathBuf) -> Self {
        Self {
            file,
            mode: Mode::default(),
            queue_records_max: queue_records_max(),
            durable_timeout: durable_timeout(),
            digest_key_file: None,
        }
    }
}

/// OpenTelemetry export over OTLP, HTTP with Protobuf.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OtlpSettings {
    /// The collector's base URL, like `http://127.0.0.1:4318`; `/v1/traces` and `/v1/metrics` are appended.
    pub endpoint: Endpoint,
    /// How often metrics are sent.
    #[serde(default = "interval")]
    pub interval: Span,
    /// How long one export may take.
    #[serde(default = "timeout")]
    pub timeout: Span,
    /// Share of messages that are traced, from 0 to 1.
    #[serde(default = "sampling_ratio")]
    #[schemars(range(min = 0, max = 1))]
    pub sampling_ratio: f64,
    /// Whether a client's `sampled` flag is followed. Only for clients that may decide how much is traced.
    #[serde(default)]
    pub sampled_flag_trusted: bool,
    /// Baggage keys that may travel upstream; all others are dropped.
    #[serde(default)]
    pub baggage_keys: Vec<String>,
}

/// The base URL of a collector: `http` or `https`, with a host, without credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(url::Url);

/// Why an endpoint is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not a URL.
    #[error("is not a URL: {0}")]
    NotAUrl(#[from] url::ParseError),
    /// Another scheme.
    #[error("starts with http:// or https://")]
    Scheme,
    /// A secret in a URL ends up in logs.
    #[error("holds no user name or password")]
    Credentials,
}

impl Endpoint {
    /// The URL of a signal, `traces` or `metrics`.
    pub(super) fn signal(&self, signal: &str) -> String {
        format!("{}/v1/{signal}", self.0.as_str().trim_end_matches('/'))
    }
}

impl std::str::FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let url = url::Url::parse(text)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(EndpointError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointError::Credentials);
        }
        Ok(Self(url))
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Endpoint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl JsonSchema for Endpoint {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Endpoint".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "uri", "pattern": "^https?://" })
    }
}

fn interval() -> Span {
    Span::seconds(15)
}

fn timeout() -> Span {
    Span::seconds(5)
}

fn sampling_ratio() -> f64 {
    0.1
}

/// The process's own log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// One line for people, or one JSON object, for each event.
    pub format: LogFormat,
    /// A level (`error`, `warn`, `info`, `debug`, `trace`) or filter directives (`info,doorward=debug`). The
    /// environment's `DOORWARD_LOG` goes before it.
    pub level: Option<String>,
}

/// The form of the process's own log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people; coloured on a terminal.
    #[default]
    Text,
    /// For machines.
    Json,
}
