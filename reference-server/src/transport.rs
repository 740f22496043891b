//! How messages reach the server: [`http`] (TCP and Unix sockets) and [`stdio`].

pub mod http;
pub mod stdio;
