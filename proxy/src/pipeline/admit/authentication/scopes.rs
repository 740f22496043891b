//! The route's `scopes_required`: the only scope check; everything finer is policy.

use crate::model::{Principal, rejection::Authentication};

/// Whether `principal` holds every one of `required`.
pub fn check(principal: &Principal, required: &[Box<str>]) -> Result<(), Authentication> {
    let held = |scope| principal.scopes.binary_search(scope).is_ok();
    if required.iter().all(held) { Ok(()) } else { Err(Authentication::InsufficientScope) }
}
