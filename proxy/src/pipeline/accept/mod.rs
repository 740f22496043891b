//! Whether a request is what the transport and the protocol allow.

pub mod settings;
