//! What a reload cannot change: settings that are read once, when the process starts.

use serde::Serialize;
use serde_json::Value;

use crate::config::Config;

/// Those settings by key, as they were at the start.
pub(super) struct FromStart(Vec<(&'static str, Value)>);

impl FromStart {
    pub(super) fn of(config: &Config) -> Self {
        let accept = &config.accept;
        Self(vec![
            ("listen", value(&config.listen)),
            ("accept.head_bytes_max", value(&accept.head_bytes_max)),
            ("accept.head_timeout", value(&accept.head_timeout)),
            ("accept.body_idle_timeout", value(&accept.body_idle_timeout)),
            ("accept.body_timeout", value(&accept.body_timeout)),
            ("sessions", value(&config.sessions)),
            ("observe", value(&config.observe)),
            ("admin", value(&config.admin)),
        ])
    }

    /// The keys that are other in `config`.
    pub(super) fn changed(&self, config: &Config) -> Vec<&'static str> {
        let now = Self::of(config);
        self.0.iter().zip(now.0).filter(|(was, is)| was.1 != is.1).map(|(was, _)| was.0).collect()
    }
}

/// Settings come out of YAML, so that all of them can be written again.
fn value(setting: &impl Serialize) -> Value {
    serde_json::to_value(setting).unwrap_or_default()
}
