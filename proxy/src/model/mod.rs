//! The values that travel along the pipeline. No I/O happens here.
//!
//! Each value is built in one phase and read by the later ones; what proves that a phase has been passed
//! (`Admitted`, `Permitted`, `SafeReply`) lives in that phase and has a private constructor.

pub mod answer;
pub mod decider;
pub mod decision_id;
pub mod every;
pub mod fault;
pub mod handle;
pub mod principal;
pub mod rejection;
pub mod session;
pub mod tally;

pub use answer::PublicAnswer;
pub use decider::{Arguments, Ask, Decider, Decision, Effect, Facts, Question, Transport};
pub use decision_id::DecisionId;
pub use fault::{Fault, Source};
pub use handle::{Binding, HandleError, Handles};
pub use principal::{Attribute, AttributeType, Principal, PrincipalKind};
pub use rejection::Rejection;
pub use session::{ClientCapabilities, SessionState};
pub use tally::{Dropped, Tally};
