//! How messages reach the server: [`http`] (TCP and Unix sockets, with [`sse`] beside it) and [`stdio`].
//!
//! rmcp serves the sessions and streams; batches, the older transport and the guard of its hosts are in front of it.
//! [`generations`] puts one server in the place of another while requests are under way.

mod batch;
mod gather;
pub mod generations;
mod hosts;
pub mod http;
mod lines;
mod linger;
mod patient;
mod signals;
pub mod sse;
pub mod stdio;

pub use signals::until_signal;

/// How long calls may still run once the server stops, or its client has nothing more to say.
pub const GRACE: std::time::Duration = std::time::Duration::from_secs(5);
