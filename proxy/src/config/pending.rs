//! Settings of phases that bring their own later; each `pub use` in [`super::settings`] then changes to the phase's.

use std::{borrow::Cow, collections::BTreeMap, fmt, path::PathBuf, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{secret_reference::SecretReference, units::Span};

/// Sessions of legacy clients.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SessionSettings {
    /// Time after which an unused session ends.
    pub idle_timeout: Span,
    /// Longest life of a session.
    pub lifetime_max: Span,
    /// Most sessions of one principal.
    pub per_principal_max: u32,
    /// Most sessions at a time.
    pub sessions_max: u32,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            idle_timeout: Span::seconds(30 * 60),
            lifetime_max: Span::seconds(24 * 60 * 60),
            per_principal_max: 64,
            sessions_max: 100_000,
        }
    }
}

/// One limit of how often something may happen.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimitSettings {
    /// What is counted apart.
    pub per: Vec<RateLimitKey>,
    /// Calls per time, like `60/min`.
    pub limit: Rate,
    /// Calls that may come at once. Empty: as many as `limit`.
    #[serde(default)]
    pub burst: Option<u32>,
}

/// What a rate limit counts apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RateLimitKey {
    /// Each caller.
    Principal,
    /// Each tool.
    Tool,
}

/// A number of calls per time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Calls.
    pub calls: u32,
    /// In this time.
    pub per: Span,
}

/// Text that is no rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a rate is a whole number from 1, a slash and `s`, `min` or `h`, like `60/min`")]
pub struct RateError;

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let (calls, unit) = text.split_once('/').ok_or(RateError)?;
        let calls = calls
            .trim()
            .parse()
            .ok()
            .filter(|calls| *calls > 0)
            .ok_or(RateError)?;
        let per = match unit.trim() {
            "s" => Span::seconds(1),
            "min" => Span::seconds(60),
            "h" => Span::seconds(3600),
            _ => return Err(RateError),
        };
        Ok(Self { calls, per })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.per.0.as_secs() {
            1 => "s",
            60 => "min",
            _ => "h",
        };
        write!(f, "{}/{unit}", self.calls)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'_, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Rate {
    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[1-9][0-9]* ?/ ?(s|min|h)$", "description": "Calls per time, like `60/min`." })
    }
}

/// Which policies decide.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuthorizationSettings {
    /// Folder of Cedar policies, or `bundle:NAME` for a ready one. Empty: everything is refused.
    pub policies: Option<String>,
    /// JSON file of further entities, in Cedar's format.
    pub entities: Option<PathBuf>,
}

/// What is recorded and where it goes.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ObserveSettings {
    /// Audit records.
    pub audit: AuditSettings,
    /// Traces and metrics for an OpenTelemetry collector.
    pub otlp: OtlpSettings,
}

/// Audit records.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuditSettings {
    /// File that records are appended to. Empty: standard error.
    pub file: Option<PathBuf>,
}

/// An OpenTelemetry collector.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OtlpSettings {
    /// Base URL of the collector's OTLP/HTTP receiver. Empty: nothing is sent.
    pub endpoint: Option<String>,
    /// Headers with secret values.
    pub headers: BTreeMap<String, SecretReference>,
}
