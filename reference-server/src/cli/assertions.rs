//! Flags of assertions.

use std::path::PathBuf;

use doorward_reference_server::identity::{Assertions, DEFAULT_HEADER};

use super::error::RunError;

/// Who owns a task, where a guard in front of the server tells.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct AssertionArguments {
    /// Take the owner of a task from a signed assertion (JWT): this file holds the PEM public key (ES256, EdDSA) or the
    /// shared secret (HS256) to check it with
    #[arg(long, value_name = "PATH", env = "REFERENCE_SERVER_ASSERTION_KEY_FILE", requires = "assertion_audience")]
    #[arg(conflicts_with = "stdio")]
    assertion_key_file: Option<PathBuf>,

    /// What the assertion's `aud` must be
    #[arg(long, value_name = "AUDIENCE", env = "REFERENCE_SERVER_ASSERTION_AUDIENCE", requires = "assertion_key_file")]
    assertion_audience: Option<String>,

    /// Header of the assertion
    #[arg(long, value_name = "NAME", env = "REFERENCE_SERVER_ASSERTION_HEADER", default_value = DEFAULT_HEADER)]
    assertion_header: String,
}

impl AssertionArguments {
    pub(super) fn key_file(&self) -> Option<&PathBuf> {
        self.assertion_key_file.as_ref()
    }

    /// Whether subjects are asserted.
    pub(super) fn is_given(&self) -> bool {
        self.assertion_key_file.is_some()
    }

    pub(super) fn read(&self) -> Result<Option<Assertions>, RunError> {
        let (Some(path), Some(audience)) = (&self.assertion_key_file, &self.assertion_audience) else {
            return Ok(None);
        };
        let key = std::fs::read(path).map_err(RunError::AssertionFile)?;
        Ok(Some(Assertions::new(&self.assertion_header, &key, audience)?))
    }
}
