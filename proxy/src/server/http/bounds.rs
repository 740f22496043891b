//! What the connections of one listener may take: time, bytes, streams. Read once, when the listener is made.

use std::time::Duration;

use pingora::protocols::http::v2::server::{H2Options, default_h2_options};

use crate::{
    pipeline::accept::settings::AcceptSettings,
    server::settings::{Http2Limits, ListenSettings},
};

/// The bounds.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Until a head is complete.
    pub(super) head: Duration,
    /// Between two pieces of a body.
    pub(super) body_idle: Duration,
    /// From a body's first byte to its last, however it trickles.
    pub(super) body: Duration,
    /// Until the client has taken one write: an answer, or an event of a stream.
    pub(super) write: Duration,
    /// Between requests.
    pub(super) keepalive: Duration,
    /// Of a head, in bytes.
    pub(super) head_bytes_max: u32,
    http2: Http2Limits,
}

impl Bounds {
    /// Those of one listener.
    pub fn new(accept: &AcceptSettings, listen: &ListenSettings) -> Self {
        Self {
            head: accept.head_timeout.0,
            body_idle: accept.body_idle_timeout.0,
            body: accept.body_timeout.0,
            write: listen.write_timeout.0,
            keepalive: listen.keepalive_timeout.0,
            head_bytes_max: u32::try_from(accept.head_bytes_max.bytes()).unwrap_or(u32::MAX),
            http2: listen.http2_limits,
        }
    }

    /// For the codec of HTTP/2.
    pub(super) fn h2_options(&self) -> H2Options {
        let Http2Limits { streams_max, stream_window, connection_window, pending_resets_max, error_resets_max } =
            self.http2;
        let count = |number| usize::try_from(number).unwrap_or(usize::MAX);
        // Validation keeps both far below 2^31, which the codec must not be given.
        let window = |size: crate::config::units::ByteSize| u32::try_from(size.0).unwrap_or(1 << 30).min(1 << 30);
        let mut options = default_h2_options();
        options
            .max_header_list_size(self.head_bytes_max)
            .max_concurrent_streams(streams_max)
            .initial_window_size(window(stream_window))
            .initial_connection_window_size(window(connection_window))
            .max_pending_accept_reset_streams(count(pending_resets_max))
            .max_local_error_reset_streams(Some(count(error_resets_max)));
        options
    }
}
