//! The way of a message: `accept → admit → authorize → dispatch → filter`, with `observe` around it.

pub mod accept;
pub mod admit;
pub mod authorize;
pub mod dispatch;
pub mod filter;
pub mod observe;
