//! The section `accept`: what a request may look like before anybody asks who sent it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::{ByteSize, Span};

/// A revision of the Model Context Protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum RevisionName {
    /// The first revision; Streamable HTTP and stdio.
    #[serde(rename = "2024-11-05")]
    V2024_11_05,
    /// The revision with batches.
    #[serde(rename = "2025-03-26")]
    V2025_03_26,
    /// The revision with the version header.
    #[serde(rename = "2025-06-18")]
    V2025_06_18,
    /// The last revision with sessions.
    #[serde(rename = "2025-11-25")]
    V2025_11_25,
    /// The first stateless revision.
    #[serde(rename = "2026-07-28")]
    V2026_07_28,
}

impl RevisionName {
    /// Every revision, oldest first.
    pub const ALL: [Self; 5] =
        [Self::V2024_11_05, Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25, Self::V2026_07_28];

    /// The date that names the revision on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }
}

/// What a request may look like: names, origins, revisions and sizes. At a limit a request passes, one over it is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AcceptSettings {
    /// Host names (with or without port) that a request may be addressed to. Empty: the listener's own address, and
    /// `localhost` on a loopback listener; the hosts of the routes' resource URIs are always added.
    pub hosts: Vec<String>,
    /// Origins of browser pages that may call, like `https://app.example.com`. A request without `Origin` passes; one
    /// whose origin is not listed is refused.
    pub origins: Vec<String>,
    /// Protocol revisions that are offered.
    pub revisions: Vec<RevisionName>,
    /// Largest request body.
    pub body_bytes_max: ByteSize,
    /// Largest message in either direction, whole: a JSON reply or one event of a stream.
    pub message_bytes_max: ByteSize,
    /// Deepest nesting of objects and lists.
    pub depth_max: u16,
    /// Largest HTTP head.
    pub head_bytes_max: ByteSize,
    /// Most header lines of a request. 1 to 256, which is as many as the codec of HTTP/1.1 takes.
    pub header_lines_max: u16,
    /// Longest request target (path and query).
    pub target_bytes_max: ByteSize,
    /// Longest string id of a message.
    pub id_bytes_max: ByteSize,
    /// Longest name of a tool or prompt.
    pub tool_name_bytes_max: ByteSize,
    /// Largest `_meta`.
    pub meta_bytes_max: ByteSize,
    /// Most members of a batch (revision 2025-03-26).
    pub batch_members_max: u16,
    /// Time until the head is complete.
    pub head_timeout: Span,
    /// Longest pause between two parts of a body.
    pub body_idle_timeout: Span,
    /// Time until the body is complete, however it trickles. At least `body_idle_timeout`, at most 24h.
    pub body_timeout: Span,
    /// Most requests of a client on standard input that are under way at a time. 1 to 65536.
    pub stdio_requests_max: u32,
}

impl Default for AcceptSettings {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            origins: Vec::new(),
            revisions: RevisionName::ALL.to_vec(),
            body_bytes_max: ByteSize(4 << 20),
            message_bytes_max: ByteSize(8 << 20),
            depth_max: 64,
            head_bytes_max: ByteSize(32 << 10),
            header_lines_max: 100,
            target_bytes_max: ByteSize(8 << 10),
            id_bytes_max: ByteSize(256),
            tool_name_bytes_max: ByteSize(128),
            meta_bytes_max: ByteSize(64 << 10),
            batch_members_max: 50,
            head_timeout: Span::seconds(10),
            body_idle_timeout: Span::seconds(30),
            body_timeout: Span::seconds(300),
            stdio_requests_max: 256,
        }
    }
}
