//! The way of a message: `accept → admit → authorize → dispatch → filter`, with `observe` around it.

pub mod admit;
pub mod authorize;
pub mod observe;
