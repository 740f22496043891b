//! What the filter counts, without knowing who keeps the figures.

/// Why a message of the upstream was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dropped {
    /// A response under an id that nothing waits for.
    UnmatchedResponse,
    /// A second response to the same request.
    SecondResponse,
    /// A server request where the revision has none, or beyond the client's declared capabilities.
    UnaskedRequest,
    /// A server request that policy does not permit, or that asks for what must not be asked.
    ForbiddenRequest,
    /// A notification that the revision does not know, or that belongs to another request.
    UnaskedNotification,
    /// A notification about something the caller may not see.
    ForbiddenNotification,
    /// The table of waiting server requests is full.
    TableFull,
    /// Not a message at all.
    Malformed,
}

impl Dropped {
    /// Every reason, for metrics and documentation.
    pub const ALL: [Self; 8] = [
        Self::UnmatchedResponse,
        Self::SecondResponse,
        Self::UnaskedRequest,
        Self::ForbiddenRequest,
        Self::UnaskedNotification,
        Self::ForbiddenNotification,
        Self::TableFull,
        Self::Malformed,
    ];

    /// Stable name, a metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnmatchedResponse => "unmatched_response",
            Self::SecondResponse => "second_response",
            Self::UnaskedRequest => "unasked_request",
            Self::ForbiddenRequest => "forbidden_request",
            Self::UnaskedNotification => "unasked_notification",
            Self::ForbiddenNotification => "forbidden_notification",
            Self::TableFull => "table_full",
            Self::Malformed => "malformed",
        }
    }
}

/// Keeps the figures.
pub trait Tally: Send + Sync {
    /// A message of the upstream was dropped.
    fn dropped(&self, reason: Dropped);

    /// Parts of a message were masked.
    fn redacted(&self, detector: &'static str, count: usize);

    /// The upstream says that one of its lists has changed.
    fn list_changed(&self);
}
