//! Whose a task is.

use rmcp::RoleServer;
use rmcp::service::RequestContext;

use crate::ask::is_modern;
use crate::identity::Subject;

/// Whose a task is, and who asks for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// The subject of a signed assertion.
    Subject(String),
    /// A session, by a number that no other session of this process has.
    Session(u64),
    /// A request of the stateless era that says nothing about its sender. Whoever knows the task's id reaches it.
    Anonymous,
}

impl Owner {
    /// Who sends this request, which may belong to the session with this number.
    #[must_use]
    pub fn of(context: &RequestContext<RoleServer>, session: u64) -> Self {
        let parts = context.extensions.get::<axum::http::request::Parts>();
        match parts.and_then(|parts| parts.extensions.get::<Subject>()) {
            Some(Subject(subject)) => Self::Subject(subject.clone()),
            None if is_modern(context) => Self::Anonymous,
            None => Self::Session(session),
        }
    }

    /// Whether a guard vouches for it.
    pub(super) fn is_asserted(&self) -> bool {
        matches!(self, Self::Subject(_))
    }

    /// Whether `caller` may reach a task of this owner.
    pub(super) fn lets(&self, caller: &Self) -> bool {
        *self == Self::Anonymous || self == caller
    }
}
