//! How messages reach the server: [`http`] (TCP and Unix sockets, with [`sse`] beside it) and [`stdio`].
//!
//! rmcp serves the sessions and streams; the older transport, with a guard of its hosts, is beside it.

mod hosts;
pub mod http;
pub mod sse;
pub mod stdio;
