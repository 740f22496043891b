//! One task: its state, who waits for answers, and the signal to stop.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use rmcp::model::{DetailedTask, InputRequest, InputResponses, JsonObject, Task, TaskPayload, TaskStatus};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::Owner;

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) owner: Owner,
    state: watch::Sender<DetailedTask>,
    /// Questions without an answer yet.
    pending: BTreeMap<String, (InputRequest, oneshot::Sender<Value>)>,
    cancel: CancellationToken,
}

impl Entry {
    pub(super) fn new(id: String, owner: Owner, ttl: Duration, poll_ms: u64, cancel: CancellationToken) -> Self {
        let now = timestamp();
        let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        let task =
            Task::new(id, TaskStatus::Working, now.clone(), now).with_ttl_ms(ttl_ms).with_poll_interval_ms(poll_ms);
        let state = watch::Sender::new(DetailedTask::new(task, TaskPayload::Working));
        Self { owner, state, pending: BTreeMap::new(), cancel }
    }

    pub(super) fn now(&self) -> DetailedTask {
        self.state.borrow().clone()
    }

    pub(super) fn changes(&self) -> watch::Receiver<DetailedTask> {
        self.state.subscribe()
    }

    /// Puts a question; the answer comes through the receiver, which fails when the task is to stop.
    pub(super) fn ask(&mut self, key: String, request: InputRequest) -> oneshot::Receiver<Value> {
        let (sender, answer) = oneshot::channel();
        if !self.cancel.is_cancelled() {
            self.pending.insert(key, (request, sender));
            self.refresh();
        }
        answer
    }

    pub(super) fn answer(&mut self, responses: InputResponses) {
        for (key, value) in responses {
            if let Some((_, waiting)) = self.pending.remove(&key) {
                let _gone = waiting.send(value);
            }
        }
        self.refresh();
    }

    pub(super) fn report(&mut self, message: String) {
        if !self.ended() {
            self.state.send_modify(|state| {
                state.task.status_message = Some(message);
                state.task.last_updated_at = timestamp();
            });
        }
    }

    pub(super) fn cancel(&mut self) {
        if !self.ended() {
            self.cancel.cancel();
            self.pending.clear();
            self.refresh();
        }
    }

    /// Notes the end. What ended stays as it ended.
    pub(super) fn settle(&mut self, payload: TaskPayload) {
        if !self.ended() {
            self.pending.clear();
            self.change(payload);
        }
    }

    pub(super) fn ended(&self) -> bool {
        self.state.borrow().status().is_terminal()
    }

    fn refresh(&mut self) {
        if self.ended() {
            return;
        }
        let requests: BTreeMap<_, _> =
            self.pending.iter().map(|(key, (request, _))| (key.clone(), request.clone())).collect();
        self.change(match requests.is_empty() {
            true => TaskPayload::Working,
            false => TaskPayload::InputRequired { input_requests: requests },
        });
    }

    fn change(&mut self, payload: TaskPayload) {
        self.state.send_modify(|state| {
            let mut task = state.task.clone();
            task.last_updated_at = timestamp();
            *state = DetailedTask::new(task, payload);
        });
    }
}

fn timestamp() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A value that is an object in JSON.
pub(super) fn object(value: &impl Serialize) -> JsonObject {
    match serde_json::to_value(value) {
        Ok(Value::Object(object)) => object,
        _ => JsonObject::new(),
    }
}
