//! Who calls: authentication, session, rate limits.
