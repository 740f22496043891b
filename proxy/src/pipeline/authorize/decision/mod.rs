//! The policy decision point (PDP): Cedar behind slices and a cache.
//!
//! In: an [`Ask`] of a principal under some [`Facts`]. Out: a [`Decision`]. Refuses by itself, before any policy: an
//! unknown method, a resource URI that is not canonical, a tool that is not in the catalogue, a closed tool, and an
//! argument that a policy reads and Cedar cannot hold. Invariants: an evaluation error denies even where Cedar would skip
//! the policy; a cached decision is found only under the digest of the principal's complete entity set; a [`Pdp`] never
//! changes, a reload or a new catalogue makes another one.

mod approximate;
pub(crate) mod compiled;
mod context;
mod needs;
mod pdp;
mod slice;
#[cfg(test)]
mod tests;
mod upstreams;

pub use pdp::{BoundPdp, Build, Pdp, PdpParts};

#[cfg(doc)]
use crate::model::{Ask, Decision, Facts};
