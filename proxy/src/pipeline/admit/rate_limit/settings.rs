//! The `rate_limits` section of the configuration.

use std::{borrow::Cow, fmt, num::NonZeroU32, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One limit. A message must be within every limit that applies to it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimitSettings {
    /// What is counted apart. Empty: all messages together.
    #[serde(default)]
    pub per: Vec<KeyPart>,
    /// How many messages per time in the long run, like `60/min`.
    pub limit: Rate,
    /// How many messages may come at once. Left out: as many as the limit's number.
    #[serde(default)]
    pub burst: Option<NonZeroU32>,
}

/// What messages are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyPart {
    /// Who calls: issuer, kind and id. A new token of the same caller counts on.
    Principal,
    /// The tool. The limit then applies to calls of tools only.
    Tool,
    /// The upstream.
    Upstream,
    /// The method.
    Method,
    /// The address of the connection's other end, never one that a header names; of IPv6 the first 64 bits.
    ClientAddress,
}

/// A number of messages per time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many messages.
    pub count: NonZeroU32,
    /// The unit of time.
    pub per: TimeUnit,
}

/// A unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    /// `s`
    Second,
    /// `min`
    Minute,
    /// `h`
    Hour,
    /// `day`
    Day,
}

impl TimeUnit {
    fn as_str(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "min",
            Self::Hour => "h",
            Self::Day => "day",
        }
    }

    fn nanos(self) -> u64 {
        let seconds: u64 = match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        };
        seconds * 1_000_000_000
    }
}

impl Rate {
    /// Nanoseconds from one message to the next; a rate that does not divide is rounded towards the stricter side.
    pub fn interval_ns(self) -> u64 {
        self.per.nanos().div_ceil(u64::from(self.count.get()))
    }
}

/// A rate could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is a whole number from 1 on, `/` and one of s, min, h, day, like `60/min`")]
pub struct RateError;

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let (count, unit) = text.split_once('/').ok_or(RateError)?;
        let (count, unit) = (count.trim_end(), unit.trim_start());
        if !count.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(RateError);
        }
        let count = count.parse().map_err(|_| RateError)?;
        let per = match unit {
            "s" => TimeUnit::Second,
            "min" => TimeUnit::Minute,
            "h" => TimeUnit::Hour,
            "day" => TimeUnit::Day,
            _ => return Err(RateError),
        };
        Ok(Self { count, per })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.per.as_str())
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
        json_schema!({
            "type": "string",
            "pattern": "^[0-9]+ ?/ ?(s|min|h|day)$",
            "description": "A number of messages per time, like `60/min`.",
        })
    }
}
