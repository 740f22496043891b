//! Decides whether a call may go on: policy enforcement (PEP), decision (PDP: Cedar) and information (PIP).

pub mod actions;
pub mod argument_types;
pub mod bundles;
pub mod check;
pub mod decision;
pub mod decision_table;
pub mod enforcement;
mod entities;
pub mod finding;
pub mod policy_store;
pub mod schema;
pub mod settings;
mod validation;

pub use decision::{BoundPdp, Build, Pdp, PdpParts};
pub use entities::{EntityError, Labels};
pub use finding::{Finding, FindingKind, Findings, Severity};
pub use settings::AuthorizationSettings;
