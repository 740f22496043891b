//! Doorward: a security proxy for Model Context Protocol servers. A message passes only when a written policy says so.
//!
//! The modules in reading order; `docs/ARCHITECTURE.md` tells the life of a request.

pub mod model;

pub mod cli;
pub mod config;

pub mod server;
pub mod wire;

pub mod catalogue;
pub mod pipeline;

pub mod admin;
