//! A reference Model Context Protocol server: how a good server behaves, and the proxy's independent test subject.
//!
//! It serves all five protocol revisions, the session-based ones (up to 2025-11-25) and the stateless one
//! (2026-07-28), over Streamable HTTP (TCP or a Unix socket) and stdio, from one set of tools, resources and prompts.
//! It shares no code with the proxy, so that neither can hide the other's mistakes.
//!
//! Reading order: [`server`] is the protocol surface, [`tools`], [`resources`] and [`prompts`] are what it offers,
//! [`storage`] keeps documents, [`cache`] what is read of it often, [`directory`] serves files, [`objects`] keeps large
//! content, [`download`] links to both, [`tasks`] are calls that take
//! long, [`identity`] says whose they are, [`ask`] is how a tool asks the client for input in either era, [`state`] is what lives as
//! long as the process, [`telemetry`] tells of it, [`transport`] carries it.
//!
//! Invariants: nothing on the host is read or written on a caller's behalf but the one database and the directories that the
//! operator named (the files of `read_file` are a built-in tree in memory);
//! no result depends on an earlier request of a stateless client, except through signed request state.
//!
//! To add a tool: one function and one entry in a file of [`tools`].
//!
//! To embed it: `examples/` has a small server for each capability. [`state::Shared`] is what a server works on,
//! [`Offer`] which tools it has, [`transport`] how it is reached; [`storage`], [`directory`] and [`objects`] work without a
//! server, too.

pub mod ask;
pub mod cache;
pub mod cursor;
pub mod directory;
pub mod download;
pub mod fetch;
pub mod files;
pub mod health;
pub mod icons;
pub mod identity;
pub mod objects;
pub mod prompts;
pub mod resources;
pub mod server;
pub mod settings;
pub mod state;
pub mod storage;
pub mod tasks;
pub mod telemetry;
pub mod tools;
pub mod trace;
pub mod transport;

pub use server::{Offer, ReferenceServer};
