//! What the tests share: processes, real parts, scripted peers, tokens, byte-exact requests, case files.
#![allow(dead_code, reason = "a kit: not every piece is used by a test at every time")]

pub(crate) mod bridge;
pub(crate) mod cases;
pub(crate) mod clients;
pub(crate) mod conformance;
pub(crate) mod door;
pub(crate) mod h2;
pub(crate) mod oidc;
pub(crate) mod otlp;
pub(crate) mod parts;
pub(crate) mod pgbouncer;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod raw;
pub(crate) mod redis;
pub(crate) mod rpc;
pub(crate) mod small_disk;
pub(crate) mod stdio;
pub(crate) mod stores;
pub(crate) mod tls;
pub(crate) mod tokens;
pub(crate) mod upstream;
pub(crate) mod wire;
