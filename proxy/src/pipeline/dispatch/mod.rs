//! The call goes to its server, once, with our own credential.

pub mod settings;
