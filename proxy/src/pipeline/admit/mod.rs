//! Who calls: authentication, session, rate limits.

pub mod admission;
pub mod authentication;
pub mod rate_limit;
pub mod session;

use std::sync::Arc;

use http::{HeaderMap, header};

pub use self::admission::{Admitted, admit};
use super::{
    context::unix_s,
    snapshot::{Route, Snapshot},
};
use crate::model::{Principal, rejection::Authentication};

/// Who calls. Before the body is read, whatever the method.
///
/// # Errors
/// [`Authentication`]: terminal; nothing goes on as somebody else.
pub async fn identify(
    snapshot: &Snapshot,
    route: &Route,
    headers: &HeaderMap,
) -> Result<Arc<Principal>, Authentication> {
    let lines = headers.get_all(header::AUTHORIZATION).iter().map(http::HeaderValue::as_bytes);
    let now = u64::try_from(unix_s()).unwrap_or_default();
    snapshot.base.authenticator.authenticate(lines, &route.resource, now).await
}
