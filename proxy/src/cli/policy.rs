//! `doorward policy check | test`: the policy author's tools.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Failure, Outcome, complain, say};
use crate::pipeline::authorize::{
    Finding,
    check::{CheckParts, check},
    decision_table,
};

/// Check and test policies
#[derive(Debug, Subcommand)]
pub enum Policy {
    /// Tell whether policies parse and fit the schema
    Check(Check),
    /// Run decision tables: requests and the decisions expected for them
    Test(Test),
}

/// Arguments of `policy check`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  doorward policy check ./policies\n\nExit codes: 0 they hold, 1 they do not, 2 they cannot be read."
)]
pub struct Check {
    /// Folder of Cedar policies, or a ready set by name
    #[arg(value_name = "DIR|bundle:NAME")]
    policies: String,
    /// Groups, roles and further attributes (Cedar entities, JSON)
    #[arg(long, value_name = "FILE")]
    entities: Option<PathBuf>,
}

/// Arguments of `policy test`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  doorward policy test ./policies\n  doorward policy test ./policies --table more.yaml\n\nExit codes: 0 every case holds, 1 one does not, 2 they cannot be read."
)]
pub struct Test {
    /// Folder of Cedar policies, or a ready set by name
    #[arg(value_name = "DIR|bundle:NAME")]
    policies: String,
    /// Groups, roles and further attributes (Cedar entities, JSON)
    #[arg(long, value_name = "FILE")]
    entities: Option<PathBuf>,
    /// Decision table; may be repeated [default: those beside the policies]
    #[arg(long = "table", value_name = "FILE")]
    tables: Vec<PathBuf>,
}

impl Policy {
    /// Runs it.
    ///
    /// # Errors
    /// Files cannot be read.
    pub fn run(self) -> Result<Outcome, Failure> {
        match self {
            Self::Check(check) => check.run(),
            Self::Test(test) => test.run(),
        }
    }
}

impl Check {
    fn run(self) -> Result<Outcome, Failure> {
        let findings = check(&self.policies, self.entities.as_deref(), CheckParts::default())?;
        for finding in &findings {
            complain(&finding.to_string());
        }
        if findings.iter().any(Finding::is_error) {
            return Ok(Outcome::DoesNotHold);
        }
        say(&format!("{}: fine\n", self.policies));
        Ok(Outcome::Fine)
    }
}

impl Test {
    fn run(self) -> Result<Outcome, Failure> {
        let reports = decision_table::run_all(&self.policies, self.entities.as_deref(), &self.tables)?;
        let cases: usize = reports.iter().map(|report| report.cases.len()).sum();
        let mut outcome = Outcome::Fine;
        for report in &reports {
            say(&format!("{report}\n"));
            if !report.holds() {
                outcome = Outcome::DoesNotHold;
            }
        }
        if cases == 0 {
            // A test that tests nothing does not hold.
            complain(&format!(
                "{}: there is no case to run\n  hint: add a decision table, `decisions.yaml`",
                self.policies
            ));
            outcome = Outcome::DoesNotHold;
        }
        Ok(outcome)
    }
}
