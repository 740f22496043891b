//! Who calls: authentication, session, rate limits.

pub mod authentication;
pub mod session;
