//! Integration tests of Doorward, as one binary: real clients, servers and identity provider around the real proxy.
//!
//! `tests/run` installs what they need and runs them all; `cargo nextest run -p doorward-tests` works afterwards. The
//! binaries under test must have been built (`cargo build --workspace --bins --examples`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that meets the unexpected fails"
)]

mod support;

mod authentication;
mod cache;
mod codes;
mod conformance;
mod corpus;
mod decisions;
mod hostile;
mod layout;
mod life;
mod limits;
mod parts;
mod real_clients;
mod reference_server;
mod storage;
mod telemetry;
mod transports;
