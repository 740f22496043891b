//! The section `masking`: what is hidden in results.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A detector of personal or secret data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DetectorName {
    /// AWS access key ids (`AKIA…` and `ASIA…`).
    AwsAccessKey,
}

impl DetectorName {
    /// The detector's stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AwsAccessKey => "aws_access_key",
        }
    }
}

/// What is replaced in results before the client sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MaskingSettings {
    /// Detectors that run over every result, in this order. Empty: nothing is masked.
    pub detectors: Vec<DetectorName>,
}
