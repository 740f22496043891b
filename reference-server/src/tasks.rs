//! Tasks: calls that go on after their first answer (extension `io.modelcontextprotocol/tasks`, SEP-2663).
//!
//! In: an operation and its [`Owner`]. Out: a task that can be looked at, answered, cancelled and, in a session, listed.
//! Refusals: [`TaskError`]; a task of somebody else does not exist.
//! Invariants: an id has 128 random bits, so that nobody finds a task without having been told; the number of tasks is
//! bounded, for each owner and overall; a task and its result are gone after the time to live, finished or not.
//! rmcp's own manager knows no owners, bounds or notifications, which is why it is not used.

mod entry;
mod owner;
pub mod sessions;
mod work;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::{CallToolResult, ClientCapabilities, DetailedTask, InputResponses, Task, TaskPayload};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use entry::Entry;
pub use owner::Owner;
pub(crate) use work::undeclared;
pub use work::{Reporter, Stop, Work};

/// How often a client should look, in milliseconds.
const POLL_MS: u64 = 500;

/// Bytes of an id; 128 bits cannot be guessed.
const ID_BYTES: usize = 16;

/// How many tasks there may be, running or finished, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct TaskLimits {
    /// Tasks of one subject or session.
    pub per_owner: usize,
    /// Tasks of everybody. Those without an owner may take half of it together.
    pub overall: usize,
    /// Whether subjects are asserted. Then all whom nobody vouches for, sessions too, share that half: a session costs
    /// its client nothing.
    pub asserted: bool,
    /// How long a task and its result are kept, from its beginning.
    pub ttl: Duration,
}

impl Default for TaskLimits {
    fn default() -> Self {
        Self { per_owner: 32, overall: 512, asserted: false, ttl: Duration::from_secs(900) }
    }
}

/// Why a task could not be begun or reached.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// No such task, or none of the caller's.
    #[error("no such task")]
    Unknown,
    /// The owner, or the server, has as many as it may.
    #[error("too many tasks; those that ended are forgotten after {} seconds", .0.as_secs())]
    Full(Duration),
    /// The operating system gave no random bytes for an id.
    #[error("no random bytes for a task's id: {0}")]
    Random(getrandom::Error),
}

impl From<TaskError> for ErrorData {
    fn from(error: TaskError) -> Self {
        match error {
            TaskError::Unknown => Self::invalid_params(error.to_string(), None),
            TaskError::Full(_) | TaskError::Random(_) => Self::internal_error(error.to_string(), None),
        }
    }
}

/// Every task of the process. Clones share them.
#[derive(Debug, Clone)]
pub struct Tasks {
    table: Arc<Mutex<BTreeMap<String, Entry>>>,
    limits: TaskLimits,
}

impl Tasks {
    /// No tasks yet.
    #[must_use]
    pub fn new(limits: TaskLimits) -> Self {
        Self { table: Arc::default(), limits }
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> TaskLimits {
        self.limits
    }

    /// The same tasks, with other limits for those that begin from now on.
    #[must_use]
    pub fn with_limits(&self, limits: TaskLimits) -> Self {
        Self { table: Arc::clone(&self.table), limits }
    }

    /// Begins a task. It can be reached from the moment this returns.
    ///
    /// # Errors
    /// [`TaskError::Full`], [`TaskError::Random`].
    pub fn begin<F, R>(
        &self,
        owner: Owner,
        capabilities: ClientCapabilities,
        reporter: Reporter,
        operation: F,
    ) -> Result<Task, TaskError>
    where
        F: FnOnce(Work) -> R,
        R: Future<Output = Result<CallToolResult, Stop>> + Send + 'static,
    {
        let id = new_id()?;
        let cancel = CancellationToken::new();
        let entry = Entry::new(id.clone(), owner, self.limits.ttl, POLL_MS, cancel.clone());
        let task = entry.now().task;
        let changes = entry.changes();
        self.insert(id.clone(), entry)?;
        reporter.announce(changes);
        let work = Work::in_task(self.clone(), id.clone(), capabilities, reporter, cancel);
        self.drive(id, operation(work));
        Ok(task)
    }

    fn insert(&self, id: String, entry: Entry) -> Result<(), TaskError> {
        let mut table = self.table();
        let own = table.values().filter(|other| other.owner == entry.owner).count();
        let own_max = match entry.owner {
            Owner::Anonymous => self.limits.overall / 2,
            Owner::Subject(_) | Owner::Session(_) => self.limits.per_owner,
        };
        let is_full = own >= own_max || self.is_others_half_full(&table, &entry.owner);
        if is_full || table.len() >= self.limits.overall {
            return Err(TaskError::Full(self.limits.ttl));
        }
        table.insert(id, entry);
        Ok(())
    }

    /// Whether a further task of this owner would leave asserted subjects less than half.
    fn is_others_half_full(&self, table: &BTreeMap<String, Entry>, owner: &Owner) -> bool {
        if !self.limits.asserted || owner.is_asserted() {
            return false;
        }
        table.values().filter(|other| !other.owner.is_asserted()).count() >= self.limits.overall / 2
    }

    /// Runs the operation in the background, notes how it ended and forgets it after the time to live.
    fn drive(&self, id: String, operation: impl Future<Output = Result<CallToolResult, Stop>> + Send + 'static) {
        let tasks = self.clone();
        let end = Instant::now() + self.limits.ttl;
        // A task of its own, so that a panic in it is a failed task and no silent one.
        let mut running = tokio::spawn(operation.instrument(Span::current()));
        tokio::spawn(async move {
            let payload = match tokio::time::timeout_at(end, &mut running).await {
                Ok(Ok(Ok(result))) => TaskPayload::Completed { result: entry::object(&result) },
                Ok(Ok(Err(Stop::Cancelled))) => TaskPayload::Cancelled,
                Ok(Ok(Err(Stop::Failed(error)))) => TaskPayload::Failed { error: entry::object(&error) },
                Ok(Err(error)) => {
                    tracing::error!(%error, "a task's operation broke down");
                    failed("the task failed inside the server")
                }
                Err(_) => {
                    running.abort();
                    failed("the task took longer than its time to live")
                }
            };
            tasks.with(&id, |entry| entry.settle(payload));
            tokio::time::sleep_until(end).await;
            tasks.table().remove(&id);
        });
    }

    /// The task as it is.
    ///
    /// # Errors
    /// [`TaskError::Unknown`].
    pub fn get(&self, caller: &Owner, id: &str) -> Result<DetailedTask, TaskError> {
        self.reach(caller, id, |entry| entry.now())
    }

    /// Hands answers to the operation. Keys that nobody asked for are ignored, as the extension says.
    ///
    /// # Errors
    /// [`TaskError::Unknown`].
    pub fn answer(&self, caller: &Owner, id: &str, responses: InputResponses) -> Result<(), TaskError> {
        self.reach(caller, id, |entry| entry.answer(responses))
    }

    /// Asks the operation to stop; whether and when it does shows in its state. Nothing happens to one that has ended.
    ///
    /// # Errors
    /// [`TaskError::Unknown`].
    pub fn cancel(&self, caller: &Owner, id: &str) -> Result<(), TaskError> {
        self.reach(caller, id, |entry| entry.cancel())
    }

    /// The owner's tasks in the order of their beginning. Tasks without an owner are never listed.
    #[must_use]
    pub fn list(&self, caller: &Owner) -> Vec<Task> {
        if *caller == Owner::Anonymous {
            return vec![];
        }
        let table = self.table();
        let own = table.values().filter(|entry| entry.owner == *caller);
        let mut tasks: Vec<Task> = own.map(|entry| entry.now().task).collect();
        tasks.sort_by(|one, other| one.created_at.cmp(&other.created_at));
        tasks
    }

    /// The states of a task from now on.
    ///
    /// # Errors
    /// [`TaskError::Unknown`].
    pub fn watch(&self, caller: &Owner, id: &str) -> Result<watch::Receiver<DetailedTask>, TaskError> {
        self.reach(caller, id, |entry| entry.changes())
    }

    /// How many are not ended.
    #[must_use]
    pub fn running(&self) -> usize {
        self.table().values().filter(|entry| !entry.ended()).count()
    }

    fn reach<T>(&self, caller: &Owner, id: &str, act: impl FnOnce(&mut Entry) -> T) -> Result<T, TaskError> {
        let mut table = self.table();
        let entry = table.get_mut(id).filter(|entry| entry.owner.lets(caller)).ok_or(TaskError::Unknown)?;
        Ok(act(entry))
    }

    /// For the operation itself, which needs no permission. `None` once the task is forgotten.
    fn with<T>(&self, id: &str, act: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        self.table().get_mut(id).map(act)
    }

    /// No code that could panic runs under this lock.
    fn table(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed(message: &'static str) -> TaskPayload {
    TaskPayload::Failed { error: entry::object(&ErrorData::internal_error(message, None)) }
}

fn new_id() -> Result<String, TaskError> {
    let mut bytes = [0u8; ID_BYTES];
    getrandom::fill(&mut bytes).map_err(TaskError::Random)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests;
