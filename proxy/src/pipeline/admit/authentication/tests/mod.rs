#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "tests"
)]

mod caching;
mod description;
mod loading;
mod mapping;
mod support;
mod tokens;

use std::{path::PathBuf, sync::Arc};

use super::{
    Authenticator,
    metadata::ProtectedResource,
    settings::{AuthenticationSettings, IssuerSettings, JwksSettings},
};
use crate::model::{Principal, rejection::Authentication};
use support::{NOW, RESOURCE, Signer, key_set};

const ISSUER: &str = "https://idp.example.com";

fn resource() -> ProtectedResource {
    ProtectedResource::new(RESOURCE, &[ISSUER], &[], None).unwrap()
}

/// An issuer whose keys are in a file.
fn issuer_of(folder: &tempfile::TempDir, name: &str, signers: &[&Signer]) -> IssuerSettings {
    let path: PathBuf = folder.path().join(format!("{}.json", name.len()));
    std::fs::write(&path, key_set(signers)).unwrap();
    IssuerSettings { jwks: Some(JwksSettings::File(path)), ..IssuerSettings::new(name) }
}

fn start(issuers: Vec<IssuerSettings>) -> Authenticator {
    Authenticator::start(&AuthenticationSettings { issuers, ..AuthenticationSettings::default() }).unwrap()
}

async fn present(authenticator: &Authenticator, token: &str) -> Result<Arc<Principal>, Authentication> {
    present_at(authenticator, token, NOW).await
}

async fn present_at(authenticator: &Authenticator, token: &str, now: u64) -> Result<Arc<Principal>, Authentication> {
    let line = format!("Bearer {token}");
    let lines = std::iter::once(line.as_bytes());
    authenticator.authenticate(lines, &resource(), now).await
}
