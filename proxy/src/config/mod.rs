//! YAML → raw settings → validated configuration. Each phase owns the settings of its section; this module composes them.

pub mod units;
