//! Is this a well-formed request to us, and is its body one strict message of a protocol revision we offer?
//!
//! In: an HTTP head and its body, or a line on stdio. Out: [`Head`], [`Accepted`]. Refuses with [`crate::model::rejection::Accept`].
//! Invariants: one strict parse; headers are a checked copy of the body and decide nothing; what is refused here never
//! reaches an upstream. It does not know who calls. To add a check: a function here, called in `head.rs` (before the
//! body) or `message.rs` (after).

pub mod authority;
pub mod head;
pub mod message;
pub mod settings;

pub use self::{
    head::{Head, HeadRules, RawHead, Verb},
    message::{Accepted, Batch, Body, MessageRules},
};
