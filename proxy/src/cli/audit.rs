//! `doorward audit verify`: whether audit files are complete and unaltered.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Failure, Outcome, say};
use crate::pipeline::observe::audit::verify;

/// Check audit records
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Tell whether audit files are complete and unaltered
    Verify(Verify),
}

/// Arguments of `audit verify`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  doorward audit verify audit.jsonl.1 audit.jsonl\n\nExit codes: 0 they are, 1 they are not, 2 they cannot be read."
)]
pub struct Verify {
    /// Audit files, oldest first
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

impl Audit {
    /// Runs it.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn run(self) -> Result<Outcome, Failure> {
        let Self::Verify(Verify { files }) = self;
        let report = verify::verify_files(&files)?;
        say(&format!("{report}\n"));
        Ok(if report.is_good() { Outcome::Fine } else { Outcome::DoesNotHold })
    }
}
