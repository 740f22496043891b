//! A stream of the upstream, screened message by message and framed anew.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use doorward_message::sse::{self, Event};

use super::{Screen, Screened};
use crate::{model::Fault, pipeline::dispatch::EventStream};

/// How long the upstream may take to end its stream after the answer.
const AFTER_ANSWER: Duration = Duration::from_secs(1);

/// How a stream ended, for the outcome record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The request was answered; whether with an error.
    Answered {
        /// An error response, or a result with `isError`.
        is_error: bool,
    },
    /// The upstream ended the stream without an answer, which a legacy client may resume.
    Open,
    /// Something broke.
    Fault(Fault),
}

/// A screened stream. Dropping it ends the exchange with the upstream.
pub struct SafeStream {
    events: EventStream,
    screen: Screen,
    ending: Option<Ending>,
    answered_at: Option<Instant>,
    has_ids: bool,
    framed: bool,
}

impl SafeStream {
    pub(super) fn new(events: EventStream, screen: Screen) -> Self {
        Self { events, screen, ending: None, answered_at: None, has_ids: false, framed: true }
    }

    /// The next event in its wire form; `None` at the end, when [`SafeStream::ending`] says how. Cancel safe.
    ///
    /// # Errors
    /// A [`Fault`] where the stream broke before its answer; the caller tells the client in a last event.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        loop {
            let event = match self.answered_at {
                None => self.events.next().await,
                Some(at) => {
                    match tokio::time::timeout(AFTER_ANSWER.saturating_sub(at.elapsed()), self.events.next()).await {
                        Ok(event) => event,
                        Err(_) => Ok(None),
                    }
                }
            };
            match event {
                Ok(Some(event)) => {
                    if let Some(bytes) = self.event(event).await? {
                        return Ok(Some(bytes));
                    }
                }
                Ok(None) => return self.end(),
                Err(_) if self.screen.is_answered() => return Ok(None),
                Err(fault) => return self.broken(fault),
            }
        }
    }

    /// Gives bare messages instead of events, for stdio.
    #[must_use]
    pub fn unframed(mut self) -> Self {
        self.framed = false;
        self
    }

    /// How the stream ended, as far as it has.
    pub fn ending(&self) -> Ending {
        self.ending.unwrap_or(Ending::Open)
    }

    /// The screen, to answer in the stream's name.
    pub fn screen(&self) -> &Screen {
        &self.screen
    }

    /// Waits for the answer alone; what else the stream carries is left out.
    ///
    /// # Errors
    /// A [`Fault`] where there is none.
    pub async fn answer(mut self) -> Result<(Bytes, bool), Fault> {
        while let Some(event) = self.events.next().await? {
            let Some(data) = event.data.filter(|data| !data.is_empty()) else {
                continue;
            };
            if let Screened::Pass { bytes, last: true, is_error } = self.screen.message(data).await? {
                return Ok((bytes, is_error));
            }
        }
        Err(Fault::UpstreamClosed)
    }

    async fn event(&mut self, event: sse::Event) -> Result<Option<Bytes>, Fault> {
        let modern = self.screen.expected().revision.is_modern();
        // Resumption is legacy only: there the ids and the pause before a reconnect belong to the protocol.
        let id = event.id.filter(|_| !modern);
        let retry_ms = event.retry_ms.filter(|_| !modern);
        self.has_ids |= id.is_some();
        let Some(data) = event.data.filter(|data| !data.is_empty()) else {
            let priming = self.framed && (id.is_some() || retry_ms.is_some());
            return Ok(priming.then(|| frame(id, retry_ms, Bytes::new())));
        };
        match self.screen.message(data).await {
            Ok(Screened::Pass { bytes, last, is_error }) => {
                if last {
                    self.ending = Some(Ending::Answered { is_error });
                    self.answered_at = Some(Instant::now());
                }
                Ok(Some(if self.framed { frame(id, retry_ms, bytes) } else { bytes }))
            }
            Ok(Screened::Drop(_)) => Ok(None),
            Err(fault) => self.broken(fault),
        }
    }

    fn end(&mut self) -> Result<Option<Bytes>, Fault> {
        let expected = self.screen.expected();
        let resumable = self.has_ids && !expected.revision.is_modern();
        if expected.id.is_none() || self.screen.is_answered() || resumable {
            return Ok(None);
        }
        self.broken(Fault::UpstreamClosed)
    }

    fn broken(&mut self, fault: Fault) -> Result<Option<Bytes>, Fault> {
        self.ending = Some(Ending::Fault(fault));
        Err(fault)
    }
}

/// One event in its wire form. The id is the upstream's and was read from one line, so it can be written as one.
pub fn frame(id: Option<String>, retry_ms: Option<u64>, data: Bytes) -> Bytes {
    let mut out = BytesMut::with_capacity(data.len() + 64);
    let mut event = Event { id, retry_ms, data: Some(data), ..Event::default() };
    if sse::write_event(&mut out, &event).is_err() {
        event.id = None;
        let _ = sse::write_event(&mut out, &event);
    }
    out.freeze()
}
