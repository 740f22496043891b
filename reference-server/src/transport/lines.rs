//! Messages as lines of two byte streams, with the batches of revision 2025-03-26, which rmcp's own transport lacks.
//!
//! In: lines. Out: lines; the answers to a batch in one. Refusals: an error line for what is JSON but no message; what is no
//! JSON has no sender that could be answered, and is dropped as rmcp and the other official SDKs do.
//! Invariants: a line is at most [`LINE_BYTES_MAX`] long; a batch is answered once every member is, or was cancelled; the
//! input ends for rmcp only once everything was answered, see [`ending`].

mod ending;
mod pending;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::StreamExt;
use rmcp::RoleServer;
use rmcp::model::{ClientJsonRpcMessage, ClientNotification, RequestId, ServerJsonRpcMessage, ServerResult};
use rmcp::transport::Transport;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_util::bytes::Bytes;
use tokio_util::codec::{AnyDelimiterCodec, FramedRead};

use super::batch::{Batch, BatchError, REVISION, is_batch, refusal};
pub(super) use ending::Ending;
use ending::UnderWay;
use pending::Pending;

/// Longest line, in bytes; the same as rmcp's.
const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A transport over two byte streams.
pub(super) struct Lines<R, W> {
    input: FramedRead<R, AnyDelimiterCodec>,
    output: Arc<tokio::sync::Mutex<W>>,
    /// Members of a batch that were not taken yet, the next one last.
    members: Vec<ClientJsonRpcMessage>,
    state: Arc<Mutex<State>>,
    under_way: Arc<UnderWay>,
    ending: Ending,
}

#[derive(Default)]
struct State {
    /// Whether the client negotiated the revision that has batches.
    batches: bool,
    pending: Pending,
}

impl<R, W> Lines<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    pub(super) fn new(input: R, output: W, ending: Ending) -> Self {
        let lines = AnyDelimiterCodec::new_with_max_length(b"\n".to_vec(), b"\n".to_vec(), LINE_BYTES_MAX);
        Self {
            input: FramedRead::new(input, lines),
            output: Arc::new(tokio::sync::Mutex::new(output)),
            members: vec![],
            state: Arc::default(),
            under_way: Arc::default(),
            ending,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Writes beside rmcp, which waits for messages at the moment and might give up waiting in the middle of a line.
    fn say(&self, line: String) {
        let output = Arc::clone(&self.output);
        tokio::spawn(async move {
            if let Err(error) = write(&output, line.into_bytes()).await {
                tracing::debug!(%error, "a line was not written");
            }
        });
    }

    /// The message of a line, or the first of a batch.
    fn take(&mut self, line: &Bytes) -> Option<ClientJsonRpcMessage> {
        let line = line.trim_ascii();
        if line.is_empty() {
            return None;
        }
        if is_batch(line) {
            if let Err(error) = self.take_batch(line) {
                self.say(error.answer());
            }
            return self.members.pop();
        }
        match serde_json::from_slice(line) {
            Ok(message) => Some(message),
            Err(error) => {
                if let Some(answer) = answer_to(line) {
                    self.say(answer);
                }
                tracing::debug!(%error, "a line is no message");
                None
            }
        }
    }

    fn take_batch(&mut self, line: &[u8]) -> Result<(), BatchError> {
        if !self.state().batches {
            return Err(BatchError::Revision);
        }
        let batch = Batch::read(line)?;
        let mut answers = batch.refusals;
        let mut members = vec![];
        let mut requests = vec![];
        for member in batch.members {
            match serde_json::from_str::<ClientJsonRpcMessage>(member.text) {
                Ok(message) => {
                    if let ClientJsonRpcMessage::Request(request) = &message {
                        requests.push(request.id.clone());
                    }
                    members.push(message);
                }
                Err(_) => answers.extend(member.request.map(|id| refusal(&id, -32600, "not a JSON-RPC message"))),
            }
        }
        let done = self.state().pending.begin(&requests, answers)?;
        self.members = members;
        self.members.reverse();
        if let Some(array) = done {
            self.say(array);
        }
        Ok(())
    }

    /// A cancelled request is never answered, so its batch must not wait for it.
    fn note(&self, message: &ClientJsonRpcMessage) {
        if let ClientJsonRpcMessage::Request(request) = message {
            self.under_way.begin(request.id.clone());
        }
        if let ClientJsonRpcMessage::Notification(notification) = message
            && let ClientNotification::CancelledNotification(cancelled) = &notification.notification
            && let Some(id) = &cancelled.params.request_id
        {
            self.under_way.end(id);
            let done = self.state().pending.forget(id);
            if let Some(array) = done {
                self.say(array);
            }
        }
    }
}

/// The answer to a line that is JSON, but no message; notifications that nobody knows are not answered.
fn answer_to(line: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(line).ok()?;
    let id = value.get("id");
    if id.is_none() && value.get("method").is_some_and(Value::is_string) {
        return None;
    }
    let id = id.filter(|id| id.is_string() || id.is_i64()).cloned().unwrap_or_default();
    Some(refusal(&id, -32600, "Invalid request"))
}

impl<R, W> Transport<RoleServer> for Lines<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = io::Error;

    fn send(&mut self, item: ServerJsonRpcMessage) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let (output, state, under_way) =
            (Arc::clone(&self.output), Arc::clone(&self.state), Arc::clone(&self.under_way));
        async move {
            if let ServerJsonRpcMessage::Response(response) = &item
                && let ServerResult::InitializeResult(result) = &response.result
            {
                lock(&state).batches = result.protocol_version.as_str() == REVISION;
            }
            let mut line = serde_json::to_vec(&item)?;
            let Some(id) = answered(&item) else { return write(&output, line).await };
            let taken = lock(&state).pending.answer(id, line);
            line = match taken {
                Ok(Some(array)) => array.into_bytes(),
                Ok(None) => {
                    under_way.end(id);
                    return Ok(());
                }
                Err(single) => single,
            };
            let written = write(&output, line).await;
            under_way.end(id);
            written
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            let message = match self.members.pop() {
                Some(member) => Some(member),
                None => match self.next_line().await {
                    Some(line) => line.and_then(|line| self.take(&line)),
                    None => {
                        self.ending.wind_down(&self.under_way).await;
                        return None;
                    }
                },
            };
            if let Some(message) = message {
                self.note(&message);
                return Some(message);
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.output.lock().await.shutdown().await
    }
}

impl<R: AsyncRead + Unpin, W> Lines<R, W> {
    /// `None` at the end or a stop; `Some(None)` for a line that is too long and was dropped.
    async fn next_line(&mut self) -> Option<Option<Bytes>> {
        let next = tokio::select! {
            biased;
            () = self.ending.stop.cancelled() => return None,
            next = self.input.next() => next,
        };
        match next {
            Some(Ok(line)) => Some(Some(line)),
            Some(Err(tokio_util::codec::AnyDelimiterCodecError::MaxChunkLengthExceeded)) => {
                tracing::error!(limit = LINE_BYTES_MAX, "a line was too long and is dropped");
                // The reader takes a pause after an error, which looks like an end.
                let _pause = self.input.next().await;
                Some(None)
            }
            Some(Err(error)) => {
                tracing::error!(%error, "input cannot be read");
                None
            }
            None => None,
        }
    }
}

fn answered(item: &ServerJsonRpcMessage) -> Option<&RequestId> {
    match item {
        ServerJsonRpcMessage::Response(response) => Some(&response.id),
        ServerJsonRpcMessage::Error(error) => error.id.as_ref(),
        _ => None,
    }
}

async fn write<W: AsyncWrite + Unpin>(output: &tokio::sync::Mutex<W>, mut line: Vec<u8>) -> io::Result<()> {
    line.push(b'\n');
    let mut output = output.lock().await;
    output.write_all(&line).await?;
    output.flush().await
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
