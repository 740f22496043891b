//! What came of a table, printable.

use std::fmt;

use super::case::code;
use crate::model::Decision;

/// A run table.
#[derive(Clone, Debug)]
pub struct TableReport {
    /// Its file.
    pub file: String,
    /// Its cases, in order.
    pub cases: Vec<CaseReport>,
}

/// A run case.
#[derive(Clone, Debug)]
pub struct CaseReport {
    /// Its name.
    pub name: String,
    /// What was decided.
    pub decision: Decision,
    /// What differs from the table; empty where the case holds.
    pub mismatches: Vec<Mismatch>,
}

/// A difference, with what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// Allowed instead of denied, or the other way round.
    Effect,
    /// Other determining policies.
    Policies(Vec<String>),
    /// Other policies failed.
    Errors(Vec<String>),
    /// Another refusal, or one where none was expected.
    Refusal(Option<String>),
    /// Shown instead of hidden, or the other way round.
    Listed(bool),
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Effect => f.write_str("expected the other decision"),
            Self::Policies(ids) => write!(f, "expected determining policies {ids:?}"),
            Self::Errors(ids) => write!(f, "expected failing policies {ids:?}"),
            Self::Refusal(Some(code)) => write!(f, "expected refusal {code}"),
            Self::Refusal(None) => f.write_str("expected a decision of the policies"),
            Self::Listed(true) => f.write_str("expected in lists"),
            Self::Listed(false) => f.write_str("expected hidden from lists"),
        }
    }
}

impl CaseReport {
    /// Whether all is as the table says.
    pub fn holds(&self) -> bool {
        self.mismatches.is_empty()
    }

    fn outcome(&self) -> String {
        let decision = &self.decision;
        let effect = if decision.is_allow() { "allow" } else { "deny" };
        match decision.refusal {
            Some(reason) => format!("{effect} {}", code(reason)),
            None if !decision.errors.is_empty() => {
                format!("{effect} (failed: {})", decision.errors.join(", "))
            }
            None if decision.policies.is_empty() => format!("{effect} (no policy)"),
            None => format!("{effect} {}", decision.policies.join(", ")),
        }
    }
}

impl TableReport {
    /// Whether every case holds.
    pub fn holds(&self) -> bool {
        self.cases.iter().all(CaseReport::holds)
    }

    /// How many cases do not hold.
    pub fn failures(&self) -> usize {
        self.cases.iter().filter(|case| !case.holds()).count()
    }
}

impl fmt::Display for TableReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.cases.iter().map(|case| case.name.chars().count()).max().unwrap_or(0);
        writeln!(f, "{}", self.file)?;
        for case in &self.cases {
            let mark = if case.holds() { "ok  " } else { "FAIL" };
            let line = format!("  {mark}  {:width$}  {}", case.name, case.outcome());
            writeln!(f, "{}", line.trim_end())?;
            for mismatch in &case.mismatches {
                writeln!(f, "        {mismatch}")?;
            }
        }
        write!(f, "  {} cases, {} failed", self.cases.len(), self.failures())
    }
}
