//! What may come back out.

pub mod settings;
