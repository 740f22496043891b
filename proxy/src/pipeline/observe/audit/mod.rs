//! The audit log: who asked for what, what was decided and how it ended, in a file whose records prove each other.
//!
//! In: typed records ([`record`]). Out: one line each, sealed into a hash chain ([`chain`]) in a canonical form
//! ([`canonical`]), written by one thread ([`writer`]) to a file ([`sink`]), and checked by [`verify`].
//!
//! Invariants: a record is one line whatever its content; no line holds a token, a secret, an argument or a result; what
//! is in the file follows without a gap, and what could not be kept is counted in it.

pub mod canonical;
pub mod chain;
pub mod digest;
pub mod record;
pub mod sink;
pub mod verify;
pub mod writer;

#[cfg(test)]
mod tests;

pub use digest::{ArgumentsDigest, DigestKey};
pub use record::{
    Circumstances, DecisionRecord, Direction, Lifecycle, Outcome, OutcomeRecord, Record, RefusalRecord, Target,
    TargetKind,
};
pub use sink::OpenError;
pub use writer::{AuditError, AuditWriter, Mode, WriterHandle, WriterOptions};
