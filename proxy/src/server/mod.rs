//! Listeners, TLS and the life of the process.

pub mod settings;
