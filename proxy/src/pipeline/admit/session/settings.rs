//! The `sessions` section of the configuration.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::Span;

/// How many legacy sessions there may be, and for how long.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SessionSettings {
    /// Sessions in all.
    pub sessions_max: usize,
    /// Sessions of one principal.
    pub sessions_per_principal_max: usize,
    /// A session that was not used for this long ends.
    pub idle_max: Span,
    /// A session ends this long after it began.
    pub age_max: Span,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            sessions_max: 10_000,
            sessions_per_principal_max: 100,
            idle_max: Span::seconds(30 * 60),
            age_max: Span::seconds(24 * 60 * 60),
        }
    }
}
