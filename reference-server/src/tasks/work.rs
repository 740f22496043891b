//! What a long-running operation gets: a way to report, to ask and to hear that it should stop. The same operation runs
//! as a task, or within its call when the client knows no tasks.

use std::collections::BTreeMap;

use rmcp::model::{
    ClientCapabilities, DetailedTask, ProgressNotificationParam, ProgressToken, ServerNotification,
    TaskStatusNotification, TaskStatusNotificationParams,
};
use rmcp::service::{Peer, RequestContext};
use rmcp::{ErrorData, RoleServer};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Tasks;
use crate::ask::{Answers, AskError, Question, is_modern};

/// Why an operation ended without a result.
#[derive(Debug)]
pub enum Stop {
    /// It was asked to.
    Cancelled,
    /// It cannot go on.
    Failed(ErrorData),
}

impl From<AskError> for Stop {
    fn from(error: AskError) -> Self {
        Self::Failed(error.into())
    }
}

/// Where reports go: to the client's stream for progress, where there is one, and to its session.
#[derive(Debug, Clone)]
pub struct Reporter {
    peer: Peer<RoleServer>,
    progress: Option<ProgressToken>,
    session: bool,
}

impl Reporter {
    /// To the sender of this request.
    #[must_use]
    pub fn to(context: &RequestContext<RoleServer>) -> Self {
        Self { peer: context.peer.clone(), progress: context.meta.get_progress_token(), session: !is_modern(context) }
    }

    /// Sends every change of a task to the session that began it. A client without a session has no stream for that
    /// (rmcp's `subscriptions/listen` knows no tasks) and looks for itself.
    pub(super) fn announce(&self, mut changes: watch::Receiver<DetailedTask>) {
        if !self.session {
            return;
        }
        let peer = self.peer.clone();
        tokio::spawn(async move {
            while changes.changed().await.is_ok() {
                let state = changes.borrow_and_update().clone();
                let params = TaskStatusNotificationParams::new(state);
                let notification = ServerNotification::TaskStatusNotification(TaskStatusNotification::new(params));
                if peer.send_notification(notification).await.is_err() {
                    return;
                }
            }
        });
    }

    async fn progress(&self, done: f64, total: Option<f64>, message: &str) {
        let Some(token) = self.progress.clone() else {
            return;
        };
        let mut report = ProgressNotificationParam::new(token, done).with_message(message);
        report.total = total;
        if let Err(error) = self.peer.notify_progress(report).await {
            tracing::debug!(%error, "progress not delivered");
        }
    }
}

/// A running operation's side of things.
#[derive(Debug, Clone)]
pub struct Work {
    task: Option<(Tasks, String)>,
    capabilities: ClientCapabilities,
    reporter: Reporter,
    cancel: CancellationToken,
}

impl Work {
    pub(super) fn in_task(
        tasks: Tasks,
        id: String,
        capabilities: ClientCapabilities,
        reporter: Reporter,
        cancel: CancellationToken,
    ) -> Self {
        Self { task: Some((tasks, id)), capabilities, reporter, cancel }
    }

    /// Within the call itself.
    #[must_use]
    pub fn in_call(context: &RequestContext<RoleServer>) -> Self {
        let capabilities = context.client_capabilities().unwrap_or_default();
        Self { task: None, capabilities, reporter: Reporter::to(context), cancel: context.ct.clone() }
    }

    /// Resolves once the operation should stop.
    pub async fn cancelled(&self) {
        self.cancel.cancelled().await;
    }

    /// Tells how far it is: in the task's state, and as progress where the client asked for that and can hear it. The
    /// stream of a stateless call ends with the task's beginning.
    pub async fn report(&self, done: u64, total: u64, what: &str) {
        self.tell(done as f64, Some(total as f64), format!("{done} of {total} {what}")).await;
    }

    /// As [`Work::report`], where nobody knows how much there is.
    pub async fn report_so_far(&self, done: u64, what: &str) {
        self.tell(done as f64, None, format!("{done} {what}")).await;
    }

    async fn tell(&self, done: f64, total: Option<f64>, message: String) {
        if let Some((tasks, id)) = &self.task {
            tasks.with(id, |entry| entry.report(message.clone()));
        }
        if self.task.is_none() || self.reporter.session {
            self.reporter.progress(done, total, &message).await;
        }
    }

    /// Asks the client by the task's state and waits for `tasks/update`.
    ///
    /// # Errors
    /// [`Stop::Cancelled`]; [`Stop::Failed`] where there is no task, the client declared no such capability or gave
    /// an answer of another shape.
    pub async fn ask(&self, questions: BTreeMap<String, Question>) -> Result<Answers, Stop> {
        let Some((tasks, id)) = &self.task else {
            return Err(Stop::Failed(undeclared()));
        };
        if let Some(question) = questions.values().find(|question| !question.allowed_by(&self.capabilities)) {
            return Err(AskError::Undeclared(Box::new(question.required())).into());
        }
        let mut waiting = vec![];
        for (key, question) in questions {
            let answer = tasks.with(id, |entry| entry.ask(key.clone(), question.input_request()));
            waiting.push((key, question, answer.ok_or(Stop::Cancelled)?));
        }
        let mut answers = Answers::new();
        for (key, question, answer) in waiting {
            let value = answer.await.map_err(|_| Stop::Cancelled)?;
            answers.insert(key.clone(), question.read(&key, &value)?);
        }
        Ok(answers)
    }
}

/// The error for a client that does not know tasks and calls a tool that only runs as one.
pub(crate) fn undeclared() -> ErrorData {
    ErrorData::missing_required_client_capability(ClientCapabilities::builder().enable_tasks().build())
}
