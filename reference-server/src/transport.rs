//! How messages reach the server: [`http`] (TCP and Unix sockets, with [`sse`] beside it) and [`stdio`].
//!
//! rmcp serves the sessions and streams; batches, the older transport and the guard of its hosts are in front of it.

mod batch;
mod hosts;
pub mod http;
mod lines;
mod patient;
pub mod sse;
pub mod stdio;
