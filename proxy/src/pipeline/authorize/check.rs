//! `doorward policy check`: everything that can be said about a policy set without running it.

use std::{path::Path, sync::Arc};

use super::{
    decision::{Build, Pdp, PdpParts},
    entities::Labels,
    finding::Finding,
    policy_store::{self, StoreError, StoreLimits},
    schema::PrincipalAttributes,
};
use crate::catalogue::Catalogue;

/// What the policies are checked against besides the schema.
#[derive(Clone, Debug, Default)]
pub struct CheckParts {
    /// Mapped principal attributes.
    pub attributes: PrincipalAttributes,
    /// Labels.
    pub labels: Labels,
    /// Upstreams with their catalogues, where known.
    pub upstreams: Vec<(Box<str>, Option<Arc<Catalogue>>)>,
}

/// Checks the policies of a directory or bundle. The set holds where no finding is an error.
///
/// # Errors
/// [`StoreError`]: the files cannot be read.
pub fn check(policies: &str, entities: Option<&Path>, parts: CheckParts) -> Result<Vec<Finding>, StoreError> {
    let parts = PdpParts {
        files: policy_store::read(policies, entities, &StoreLimits::default())?,
        attributes: parts.attributes,
        labels: parts.labels,
        upstreams: parts.upstreams,
    };
    Ok(match Pdp::build(parts) {
        Ok(Build { findings, .. }) => findings,
        Err(findings) => findings.0,
    })
}
