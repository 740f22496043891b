//! Decision tables: requests with the decisions that policies must give, for `doorward policy test`.
//!
//! In: a YAML table and the policy files. Out: a [`TableReport`] that prints as a table. A table brings its own world
//! (upstreams with tools, labels, principals), so that a test needs no server. Unknown keys are errors.

mod case;
mod report;
#[cfg(test)]
mod tests;
mod world;

use std::path::{Path, PathBuf};

pub use report::{CaseReport, Mismatch, TableReport};
use world::Table;

use super::{
    bundles,
    finding::Findings,
    policy_store::{self, PolicyFiles, StoreError, StoreLimits},
};

/// Why a table could not be run.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The policies cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The policies are invalid in the table's world.
    #[error("{0}")]
    Policies(Findings),
    /// The table is not valid YAML of this form.
    #[error("{file}: {message}")]
    Table {
        /// The table.
        file: String,
        /// What is wrong, with line and column.
        message: String,
    },
    /// A case names something that the table does not have, or is ambiguous.
    #[error("{file}: case {case:?}: {problem}")]
    Case {
        /// The table.
        file: String,
        /// The case's name.
        case: String,
        /// What is wrong.
        problem: CaseProblem,
    },
    /// There is no table beside the policies.
    #[error("{place}: there is no decision table (*.yaml) beside the policies; name one")]
    None {
        /// Where they were looked for.
        place: String,
    },
}

/// What is wrong with a case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaseProblem {
    /// No principal of that name.
    #[error("there is no principal {0:?} in the table")]
    Principal(String),
    /// No upstream of that name, or none named where there are several.
    #[error("name one of the table's upstreams")]
    Upstream,
    /// Not exactly one thing is asked for.
    #[error("ask for one of tool, prompt, resource, template, task or action")]
    Ask,
    /// The arguments are not strict JSON.
    #[error("the arguments are not valid: {0}")]
    Arguments(String),
    /// A context value is not of its form.
    #[error("context.{0} is not valid")]
    Context(&'static str),
}

/// Runs decision tables. `policies` as in the configuration; without `tables`, those beside the policies (`*.yaml`) or of
/// the bundle.
///
/// # Errors
/// See [`TableError`]. A case that does not hold is no error but part of the report.
pub fn run_all(policies: &str, entities: Option<&Path>, tables: &[PathBuf]) -> Result<Vec<TableReport>, TableError> {
    let limits = StoreLimits::default();
    let files = policy_store::read(policies, entities, &limits)?;
    let mut texts = Vec::new();
    if !tables.is_empty() {
        for path in tables {
            texts.push(policy_store::read_file(path, &limits)?);
        }
    } else if let Some(name) = policies.strip_prefix("bundle:") {
        if let Some(bundle) = bundles::find(name) {
            let (file, text) = bundle.decisions;
            texts.push(policy_store::SourceFile { name: format!("{policies}/{file}").into(), text: text.to_owned() });
        }
    } else {
        for path in policy_store::paths_with(Path::new(policies), "yaml", &limits)? {
            texts.push(policy_store::read_file(&path, &limits)?);
        }
    }
    if texts.is_empty() {
        return Err(TableError::None { place: policies.to_owned() });
    }
    texts.iter().map(|text| run(&text.text, &text.name, &files)).collect()
}

/// Runs one table.
///
/// # Errors
/// See [`TableError`].
pub fn run(table: &str, file: &str, policies: &PolicyFiles) -> Result<TableReport, TableError> {
    let parsed: Table = serde_saphyr::from_str(table)
        .map_err(|error| TableError::Table { file: file.to_owned(), message: error.to_string() })?;
    let world = world::World::build(&parsed, policies).map_err(|error| match error {
        world::WorldError::Policies(findings) => TableError::Policies(findings),
        world::WorldError::Upstream(name) => TableError::Table {
            file: file.to_owned(),
            message: format!("upstream {name:?} has a list that is not valid JSON for a catalogue"),
        },
    })?;
    let mut cases = Vec::with_capacity(parsed.cases.len());
    for case in &parsed.cases {
        let report = case::run(&world, case).map_err(|problem| TableError::Case {
            file: file.to_owned(),
            case: case.name.clone(),
            problem,
        })?;
        cases.push(report);
    }
    Ok(TableReport { file: file.to_owned(), cases })
}
