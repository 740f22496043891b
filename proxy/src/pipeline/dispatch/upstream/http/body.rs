//! Bodies of upstream answers: one JSON message, or a stream of events; both bounded.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use doorward_message::sse::{Event, Splitter};
use tokio::time::{Instant, timeout_at};

use super::{super::EventSource, Exchange, fault_of};
use crate::model::Fault;

/// Reads a whole body.
///
/// # Errors
/// [`Fault::UpstreamTooLarge`] over `bytes_max`, [`Fault::UpstreamTimeout`] on silence, [`Fault::UpstreamClosed`] where
/// it ends early.
pub(super) async fn read_whole(exchange: &mut Exchange, bytes_max: usize, idle: Duration) -> Result<Bytes, Fault> {
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    exchange.session.set_read_timeout(Some(idle));
    loop {
        let piece = exchange.session.read_response_body().await.map_err(|error| fault_of(&error))?;
        let Some(piece) = piece else { break };
        let length = first.as_ref().map_or(0, Bytes::len) + rest.len() + piece.len();
        if length > bytes_max {
            return Err(Fault::UpstreamTooLarge);
        }
        if first.is_none() && rest.is_empty() {
            // The common answer comes in one piece and is not copied.
            first = Some(piece);
        } else {
            if let Some(first) = first.take() {
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&piece);
        }
    }
    Ok(first.unwrap_or_else(|| rest.freeze()))
}

/// An event stream on an HTTP answer.
pub(super) struct EventBody {
    exchange: Option<Exchange>,
    splitter: Splitter,
    idle: Option<Duration>,
    heard: Instant,
}

impl EventBody {
    /// `idle` is the longest silence; `None`: it may be silent for as long as it is open.
    pub(super) fn new(mut exchange: Exchange, event_bytes_max: usize, idle: Option<Duration>) -> Self {
        // Counted here: who reads looks up in between, which would begin the codec's time anew.
        exchange.session.set_read_timeout(None);
        Self { exchange: Some(exchange), splitter: Splitter::new(event_bytes_max), idle, heard: Instant::now() }
    }
}

#[async_trait::async_trait]
impl EventSource for EventBody {
    async fn next(&mut self) -> Result<Option<Event>, Fault> {
        loop {
            if let Some(event) = self.splitter.pop() {
                return Ok(Some(event));
            }
            let Some(exchange) = self.exchange.as_mut() else {
                return Ok(None);
            };
            let read = exchange.session.read_response_body();
            let piece = match self.idle {
                Some(idle) => timeout_at(self.heard + idle, read).await,
                None => Ok(read.await),
            };
            let Ok(piece) = piece else {
                self.exchange = None;
                return Err(Fault::UpstreamTimeout);
            };
            self.heard = Instant::now();
            match piece {
                Ok(Some(piece)) => self.splitter.push(&piece).map_err(|_| Fault::UpstreamTooLarge)?,
                Ok(None) => {
                    if let Some(exchange) = self.exchange.take() {
                        exchange.release().await;
                    }
                }
                Err(error) => {
                    self.exchange = None;
                    return Err(fault_of(&error));
                }
            }
        }
    }
}
