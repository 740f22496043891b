//! What is told about it: audit records, metrics, traces, the process's own log.
//!
//! In: what the other phases know of a message, as owned values. Out: nothing that changes the message; one exception: in
//! audit mode `strict`, [`Observer::decision`] fails with [`Fault::AuditUnavailable`] where the record is not durable, and
//! the call must not be made.
//!
//! Each message is recorded exactly once as refused ([`Observer::refused`]) or decided ([`Observer::decision`]), and a
//! decided and allowed one once more when it has ended ([`Observer::outcome`]).
//!
//! Invariants: no lock and no system call on the request's thread (mode `strict` excepted); queues are bounded and what
//! finds no room is counted; labels are bounded; no token, secret, argument or result is written anywhere.

pub mod audit;
pub(crate) mod clock;
pub mod logs;
pub mod metrics;
pub mod names;
pub mod otlp;
pub mod random;
pub mod settings;
pub(crate) mod text;
pub mod traces;

#[cfg(test)]
mod tests;

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering, mpsc::Receiver},
};

use audit::{
    ArgumentsDigest, AuditWriter, DecisionRecord, DigestKey, Lifecycle, OpenError, OutcomeRecord, Record,
    RefusalRecord, WriterHandle, WriterOptions,
};
use metrics::{Metric, Metrics, Points, Unit};
pub use otlp::ClientError;
use otlp::Exporter;
use settings::{AuditSettings, ObserveSettings, OtlpSettings};
use traces::{SpanRecord, Tracer};

use crate::model::{DecisionId, Effect, Fault};

/// Why observing cannot start. The process does not start then either: it would run unrecorded.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The audit file.
    #[error(transparent)]
    Audit(#[from] OpenError),
    /// The digest key's file cannot be read.
    #[error("observe.audit.digest_key_file {path} cannot be read: {source}")]
    DigestKeyUnreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The digest key is too short to protect anything.
    #[error("observe.audit.digest_key_file {path} holds less than 16 bytes")]
    DigestKeyTooShort {
        /// The file.
        path: PathBuf,
    },
}

/// The way to everything that observes. Cheap to clone.
#[derive(Clone)]
pub struct Observer {
    inner: Arc<Inner>,
}

struct Inner {
    tracer: Tracer,
    audit: Option<(AuditWriter, DigestKey)>,
    metrics: Arc<Metrics>,
}

/// What must be stopped in the end.
#[derive(Default)]
pub struct ObserverHandle {
    audit: Option<WriterHandle>,
    waiting: Option<(OtlpSettings, Receiver<Box<SpanRecord>>)>,
    exporter: Option<Exporter>,
}

impl ObserverHandle {
    /// Starts the OTLP export, where one is configured. Call it within the control side's tokio runtime.
    ///
    /// # Errors
    /// If the HTTP client cannot be built.
    pub fn start_export(&mut self, observer: &Observer) -> Result<(), ClientError> {
        if let Some((settings, spans)) = self.waiting.take() {
            self.exporter = Some(Exporter::start(&settings, observer.metrics(), spans)?);
        }
        Ok(())
    }

    /// Sends what is left to the collector, for at most the configured time-out, and ends the export.
    pub async fn stop_export(&mut self) {
        if let Some(exporter) = self.exporter.take() {
            exporter.stop().await;
        }
    }

    /// Writes what is still queued and ends the writer. Blocks for that long: call it when no request is under way.
    pub fn stop(self) {
        if let Some(audit) = self.audit {
            audit.stop();
        }
    }
}

impl Observer {
    /// Opens the audit file and starts its writer.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(settings: &ObserveSettings) -> Result<(Self, ObserverHandle), StartError> {
        let metrics = Arc::new(Metrics::default());
        let mut handle = ObserverHandle::default();
        let audit = match &settings.audit {
            Some(settings) => {
                let digest_key = digest_key(settings)?;
                let options = WriterOptions {
                    mode: settings.mode,
                    queue_records_max: settings.queue_records_max,
                    durable_timeout: settings.durable_timeout.0,
                    digest_key: digest_key.clone(),
                };
                let (writer, running) = AuditWriter::start(&settings.file, options)?;
                handle.audit = Some(running);
                let counted = writer.clone();
                metrics.add_source(move |out| audit_metrics(&counted, out));
                Some((writer, digest_key))
            }
            None => None,
        };
        let tracer = match &settings.otlp {
            Some(settings) => {
                let (tracer, spans) = Tracer::new(settings, Arc::clone(&metrics));
                handle.waiting = Some((settings.clone(), spans));
                tracer
            }
            None => Tracer::disabled(Arc::clone(&metrics)),
        };
        let inner = Inner { tracer, audit, metrics };
        Ok((Self { inner: Arc::new(inner) }, handle))
    }

    /// Counts, but records nothing: for tests and commands without traffic.
    pub fn unrecorded() -> Self {
        let metrics = Arc::<Metrics>::default();
        let tracer = Tracer::disabled(Arc::clone(&metrics));
        Self { inner: Arc::new(Inner { tracer, audit: None, metrics }) }
    }

    /// The tracer.
    pub fn tracer(&self) -> &Tracer {
        &self.inner.tracer
    }

    /// The metrics.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.inner.metrics
    }

    /// A new decision id.
    pub fn decision_id(&self) -> DecisionId {
        random::decision_id()
    }

    /// The digest of a call's arguments, given as their exact JSON text; `None` where nothing is recorded.
    pub fn arguments_digest(&self, arguments: &[u8]) -> Option<ArgumentsDigest> {
        let (_, key) = self.inner.audit.as_ref()?;
        Some(ArgumentsDigest::new(key, arguments))
    }

    /// Records and counts a decision of policy. Nothing may be sent upstream before this has returned.
    ///
    /// # Errors
    /// [`Fault::AuditUnavailable`] in mode `strict`, if the record is not durable.
    pub async fn decision(&self, record: DecisionRecord) -> Result<(), Fault> {
        let metrics = &self.inner.metrics;
        let errors = record.decision.errors.len() as u64;
        if errors > 0 {
            metrics.cedar_errors(errors);
        }
        let allowed = record.decision.effect == Effect::Allow;
        let code = record.code.unwrap_or_default();
        metrics.decision("cedar", if allowed { "allow" } else { "deny" }, code);
        if !allowed {
            metrics.refused(code);
        }
        let Some((writer, _)) = &self.inner.audit else {
            return Ok(());
        };
        if !allowed {
            // Nothing goes upstream: there is nothing that would have to wait.
            writer.keep(Record::Decision(record));
            return Ok(());
        }
        writer.keep_before(Record::Decision(record)).await.map_err(|error| {
            tracing::error!(%error, "a call was refused because it could not be recorded");
            metrics.refused(Fault::AuditUnavailable.public().code);
            Fault::AuditUnavailable
        })
    }

    /// Records how an allowed message ended, and counts its fault where there was one.
    pub fn outcome(&self, record: OutcomeRecord) {
        if let Some(code) = record.outcome.code {
            self.inner.metrics.refused(code);
        }
        self.keep(Record::Outcome(record));
    }

    /// Records and counts a message that was refused before policy was asked.
    pub fn refused(&self, record: RefusalRecord) {
        self.inner.metrics.refused(record.code);
        self.keep(Record::Refusal(record));
    }

    /// Records an event of the process. `start`, `stop`, `reopen` and `lost` are the writer's own.
    pub fn lifecycle(&self, event: Lifecycle) {
        match &event {
            Lifecycle::Snapshot { .. } => self.inner.metrics.reloaded(true),
            Lifecycle::ReloadRefused { .. } => self.inner.metrics.reloaded(false),
            Lifecycle::Start { .. } | Lifecycle::Stop | Lifecycle::Reopen | Lifecycle::Lost { .. } => return,
        }
        self.keep(Record::Lifecycle(event));
    }

    /// Opens the audit file's path anew, after it was moved away (SIGHUP).
    pub fn reopen(&self) {
        if let Some((writer, _)) = &self.inner.audit {
            writer.reopen();
        }
    }

    fn keep(&self, record: Record) {
        if let Some((writer, _)) = &self.inner.audit {
            writer.keep(record);
        }
    }
}

fn digest_key(settings: &AuditSettings) -> Result<DigestKey, StartError> {
    let Some(path) = &settings.digest_key_file else {
        return Ok(DigestKey::ephemeral());
    };
    let secret = std::fs::read(path)
        .map(zeroize::Zeroizing::new)
        .map_err(|source| StartError::DigestKeyUnreadable { path: path.clone(), source })?;
    DigestKey::new(&secret).ok_or_else(|| StartError::DigestKeyTooShort { path: path.clone() })
}

fn audit_metrics(writer: &AuditWriter, out: &mut Vec<Metric>) {
    let counts = writer.counts();
    let load = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
    let reason = |reason: &str| vec![("reason", reason.to_owned())];
    #[expect(clippy::cast_precision_loss, reason = "queues are small")]
    let usage = counts.queued.load(Ordering::Relaxed) as f64 / writer.capacity() as f64;
    let mut add = |name, unit, help, points| out.push(Metric { name, unit, help, points });
    add(
        names::metric::AUDIT_RECORDS,
        Unit::Count("{record}"),
        "Audit records written.",
        Points::Counter(vec![(vec![], load(&counts.written))]),
    );
    add(
        names::metric::AUDIT_DROPPED,
        Unit::Count("{record}"),
        "Audit records that could not be kept.",
        Points::Counter(vec![
            (reason("queue_full"), load(&counts.lost_queue_full)),
            (reason("sink_failed"), load(&counts.lost_sink_failed)),
        ]),
    );
    add(
        names::metric::AUDIT_FAILURES,
        Unit::Count("{failure}"),
        "Writes and syncs of the audit file that failed.",
        Points::Counter(vec![(vec![], load(&counts.sink_failures))]),
    );
    add(
        names::metric::AUDIT_QUEUE_USAGE,
        Unit::Ratio,
        "Share of the audit queue in use.",
        Points::Gauge(vec![(vec![], usage)]),
    );
}
