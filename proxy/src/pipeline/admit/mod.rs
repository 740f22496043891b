//! Who calls: authentication, session, rate limits.

pub mod authentication;
pub mod rate_limit;
pub mod session;
