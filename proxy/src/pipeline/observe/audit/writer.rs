//! The writer: a thread of its own behind a bounded queue, with group commit.
//!
//! Everything waiting is sealed, written with one call and, in mode `strict`, made durable with one `fdatasync`; then
//! everybody who waited for it goes on. In mode `best_effort` nobody waits: a full queue loses the record, counts it, and
//! a `lost` record in the chain tells how many.
//!
//! The queue's producers wake the thread only in mode `strict`, or after it has been idle: while traffic flows it looks
//! by itself every [`PAUSE`], so that recording costs the request's thread no system call.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{
    chain::{Chain, Mark},
    digest::DigestKey,
    record::{Lifecycle, Record},
    sink::{OpenError, Sink},
};
use crate::pipeline::observe::clock;

/// How often the thread looks into the queue while traffic flows.
const PAUSE: Duration = Duration::from_millis(5);
/// Empty looks after which the thread sleeps until it is woken.
const LOOKS_UNTIL_IDLE: u32 = 20;
/// In mode `best_effort`, written lines are made durable this often.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);
/// Records sealed in one go.
const BATCH_RECORDS_MAX: usize = 1024;

/// When a record counts as kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A decision is durable on disk before the call goes upstream; if it cannot be, the call is refused with
    /// `audit.unavailable`.
    Strict,
    /// Calls never wait for the file. Records that cannot be kept are counted and the chain says how many are missing.
    #[default]
    BestEffort,
}

/// Why a record was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum AuditError {
    /// The queue is full.
    #[error("the audit queue is full")]
    QueueFull,
    /// The sink failed.
    #[error("the audit record could not be written")]
    SinkFailed,
    /// It took too long.
    #[error("the audit record was not durable in time")]
    TimedOut,
    /// The writer has stopped.
    #[error("the audit writer has stopped")]
    Stopped,
}

/// What the writer counts. All of them only grow but `queued`.
#[derive(Debug, Default)]
pub struct AuditCounts {
    /// Records written.
    pub written: AtomicU64,
    /// Records lost because the queue was full.
    pub lost_queue_full: AtomicU64,
    /// Records lost because the sink failed.
    pub lost_sink_failed: AtomicU64,
    /// Writes or syncs that failed.
    pub sink_failures: AtomicU64,
    /// Records in the queue now.
    pub queued: AtomicUsize,
}

type Done = oneshot::Sender<Result<(), AuditError>>;

struct Kept {
    record: Record,
    time_unix_ms: u64,
    done: Option<Done>,
}

enum Task {
    Keep(Box<Kept>),
    Reopen,
    Stop,
}

struct Shared {
    counts: AuditCounts,
    idle: AtomicBool,
    capacity: usize,
    mode: Mode,
    durable_timeout: Duration,
}

/// The way to the writer. Cheap to clone.
#[derive(Clone)]
pub struct AuditWriter {
    queue: SyncSender<Task>,
    shared: Arc<Shared>,
    thread: thread::Thread,
}

/// How to run a writer.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    /// When a record counts as kept.
    pub mode: Mode,
    /// Records that may wait.
    pub queue_records_max: usize,
    /// In mode `strict`: how long a call waits for its record.
    pub durable_timeout: Duration,
    /// The key of argument digests.
    pub digest_key: DigestKey,
}

/// The running writer. Dropping it stops nothing; see [`WriterHandle::stop`].
pub struct WriterHandle {
    writer: AuditWriter,
    thread: thread::JoinHandle<()>,
}

impl WriterHandle {
    /// Writes what is queued and a `stop` record, makes it durable and ends the thread. Blocks for that long.
    pub fn stop(self) {
        // The thread takes from the queue all the time, so room comes; if the thread is gone there is nobody to stop.
        if self.writer.queue.send(Task::Stop).is_ok() {
            self.thread.thread().unpark();
        }
        if self.thread.join().is_err() {
            tracing::error!("the audit writer ended with a panic");
        }
    }
}

impl AuditWriter {
    /// Opens the file, continues its chain and starts the thread. The `start` record is durable when this returns.
    ///
    /// # Errors
    /// If the file cannot be opened, continued or written to.
    pub fn start(path: &Path, options: WriterOptions) -> Result<(Self, WriterHandle), OpenError> {
        let io_error = |source| OpenError::Io { path: path.to_owned(), source };
        let (sink, tail) = Sink::open(path)?;
        let capacity = options.queue_records_max.max(16);
        let (queue, tasks) = sync_channel(capacity);
        let shared = Arc::new(Shared {
            counts: AuditCounts::default(),
            idle: AtomicBool::new(false),
            capacity,
            mode: options.mode,
            durable_timeout: options.durable_timeout,
        });
        let mut worker = Worker {
            chain: Chain::new(tail.predecessor, options.digest_key),
            sink,
            tasks,
            shared: Arc::clone(&shared),
            lines: String::new(),
            waiting: Vec::new(),
            lost_told: 0,
            unsynced_since: None,
        };
        let version = env!("CARGO_PKG_VERSION");
        let start = Lifecycle::Start { version, truncated_bytes: tail.truncated_bytes };
        worker.lifecycle(start).map_err(io_error)?;
        let thread = thread::Builder::new().name("audit".to_owned()).spawn(move || worker.run()).map_err(io_error)?;
        let writer = Self { queue, shared, thread: thread.thread().clone() };
        Ok((writer.clone(), WriterHandle { writer, thread }))
    }

    /// What was counted.
    pub fn counts(&self) -> &AuditCounts {
        &self.shared.counts
    }

    /// How many records may wait.
    pub fn capacity(&self) -> usize {
        self.shared.capacity
    }

    /// When a record counts as kept.
    pub fn mode(&self) -> Mode {
        self.shared.mode
    }

    /// Keeps a record that a call must not go on without. In mode `best_effort` this returns at once.
    ///
    /// # Errors
    /// In mode `strict`, if the record is not durable.
    pub async fn keep_before(&self, record: Record) -> Result<(), AuditError> {
        if self.shared.mode == Mode::BestEffort {
            self.keep(record);
            return Ok(());
        }
        let (done, waiting) = oneshot::channel();
        self.push(record, Some(done), self.shared.capacity)?;
        self.thread.unpark();
        match tokio::time::timeout(self.shared.durable_timeout, waiting).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(AuditError::Stopped),
            Err(_) => Err(AuditError::TimedOut),
        }
    }

    /// Keeps a record without waiting; one that finds no room is counted as lost. Leaves the last quarter of the queue
    /// to [`Self::keep_before`], so that a flood of refusals does not stop decisions.
    pub fn keep(&self, record: Record) {
        let room = match self.shared.mode {
            Mode::Strict => self.shared.capacity - self.shared.capacity / 4,
            Mode::BestEffort => self.shared.capacity,
        };
        if self.push(record, None, room).is_err() {
            self.shared.counts.lost_queue_full.fetch_add(1, Ordering::Relaxed);
        } else if self.shared.idle.load(Ordering::Relaxed) {
            self.thread.unpark();
        }
    }

    /// Opens the file's path anew (log rotation). Blocks while the queue is full.
    pub fn reopen(&self) {
        if self.queue.send(Task::Reopen).is_ok() {
            self.thread.unpark();
        }
    }

    fn push(&self, record: Record, done: Option<Done>, room: usize) -> Result<(), AuditError> {
        let queued = &self.shared.counts.queued;
        if queued.fetch_add(1, Ordering::Relaxed) >= room {
            queued.fetch_sub(1, Ordering::Relaxed);
            return Err(AuditError::QueueFull);
        }
        let kept = Kept { record, time_unix_ms: clock::now_unix_ms(), done };
        self.queue.try_send(Task::Keep(Box::new(kept))).map_err(|error| {
            queued.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => AuditError::QueueFull,
                TrySendError::Disconnected(_) => AuditError::Stopped,
            }
        })
    }
}

struct Worker {
    chain: Chain,
    sink: Sink,
    tasks: Receiver<Task>,
    shared: Arc<Shared>,
    lines: String,
    waiting: Vec<Done>,
    /// Lost records that `lost` records have told of.
    lost_told: u64,
    unsynced_since: Option<Instant>,
}

impl Worker {
    fn run(mut self) {
        let mut empty_looks = 0;
        loop {
            let (taken, stopping) = self.batch();
            if stopping {
                let _ = self.lifecycle(Lifecycle::Stop);
                return;
            }
            self.sync_if_due();
            if taken == BATCH_RECORDS_MAX {
                continue;
            }
            if taken > 0 {
                empty_looks = 0;
            } else {
                empty_looks += 1;
            }
            self.pause(empty_looks);
        }
    }

    fn pause(&mut self, empty_looks: u32) {
        if empty_looks <= LOOKS_UNTIL_IDLE {
            thread::park_timeout(PAUSE);
            return;
        }
        // Idle: producers wake us. The flag is set before the last look, so none is missed for longer than the time-out.
        self.shared.idle.store(true, Ordering::SeqCst);
        if self.shared.counts.queued.load(Ordering::SeqCst) == 0 {
            thread::park_timeout(SYNC_INTERVAL);
        }
        self.shared.idle.store(false, Ordering::SeqCst);
    }

    /// Takes what waits, up to a batch. Tells how much it was and whether to stop.
    fn batch(&mut self) -> (usize, bool) {
        let mark = self.chain.mark();
        self.lines.clear();
        let mut taken = 0;
        let (mut stopping, mut reopening) = (false, false);
        while taken < BATCH_RECORDS_MAX {
            match self.tasks.try_recv() {
                Ok(Task::Keep(kept)) => {
                    self.chain.seal(&kept.record, kept.time_unix_ms, &mut self.lines);
                    self.waiting.extend(kept.done);
                    taken += 1;
                }
                Ok(Task::Reopen) => {
                    reopening = true;
                    break;
                }
                Ok(Task::Stop) => {
                    stopping = true;
                    break;
                }
                Err(_) => break,
            }
        }
        if taken > 0 {
            self.shared.counts.queued.fetch_sub(taken, Ordering::Relaxed);
            self.commit(mark, taken as u64);
        }
        self.tell_lost();
        if reopening {
            self.reopen();
        }
        (taken, stopping)
    }

    /// Writes the sealed lines and lets the waiting go on.
    fn commit(&mut self, mark: Mark, records: u64) {
        let counts = &self.shared.counts;
        let written = self.sink.append(self.lines.as_bytes());
        let result = match written {
            Ok(()) => {
                counts.written.fetch_add(records, Ordering::Relaxed);
                self.unsynced_since.get_or_insert_with(Instant::now);
                if self.waiting.is_empty() { Ok(()) } else { self.sync() }
            }
            Err(error) => {
                // As if they had never been sealed: the file holds none of them.
                self.chain.rewind(mark);
                counts.sink_failures.fetch_add(1, Ordering::Relaxed);
                let told = self.waiting.len() as u64;
                counts.lost_sink_failed.fetch_add(records - told.min(records), Ordering::Relaxed);
                tracing::error!(%error, records, "audit records could not be written");
                Err(AuditError::SinkFailed)
            }
        };
        for done in self.waiting.drain(..) {
            // Whoever waited may have given up.
            let _ = done.send(result);
        }
    }

    fn sync(&mut self) -> Result<(), AuditError> {
        match self.sink.sync() {
            Ok(()) => {
                self.unsynced_since = None;
                Ok(())
            }
            Err(error) => {
                self.shared.counts.sink_failures.fetch_add(1, Ordering::Relaxed);
                tracing::error!(%error, "audit records could not be made durable");
                Err(AuditError::SinkFailed)
            }
        }
    }

    fn sync_if_due(&mut self) {
        if self.unsynced_since.is_some_and(|since| since.elapsed() >= SYNC_INTERVAL) {
            // A failure is counted and tried again after the next write.
            self.unsynced_since = None;
            let _ = self.sync();
        }
    }

    fn tell_lost(&mut self) {
        let counts = &self.shared.counts;
        let lost = counts.lost_queue_full.load(Ordering::Relaxed) + counts.lost_sink_failed.load(Ordering::Relaxed);
        if lost > self.lost_told && self.lifecycle(Lifecycle::Lost { count: lost - self.lost_told }).is_ok() {
            self.lost_told = lost;
        }
    }

    fn reopen(&mut self) {
        let _ = self.sync();
        match self.sink.reopen() {
            Ok(()) => {
                let _ = self.lifecycle(Lifecycle::Reopen);
            }
            Err(error) => {
                self.shared.counts.sink_failures.fetch_add(1, Ordering::Relaxed);
                tracing::error!(%error, "the audit file could not be reopened; the old one stays in use");
            }
        }
    }

    /// Writes one record of the process and makes it durable.
    fn lifecycle(&mut self, event: Lifecycle) -> std::io::Result<()> {
        let mark = self.chain.mark();
        self.lines.clear();
        self.chain.seal(&Record::Lifecycle(event), clock::now_unix_ms(), &mut self.lines);
        if let Err(error) = self.sink.append(self.lines.as_bytes()) {
            self.chain.rewind(mark);
            self.shared.counts.sink_failures.fetch_add(1, Ordering::Relaxed);
            return Err(error);
        }
        self.shared.counts.written.fetch_add(1, Ordering::Relaxed);
        self.sink.sync()
    }
}
