//! What is wrong with a configuration: file, line, key, a sentence, and the next step.

use std::{fmt, path::PathBuf};

use super::document::Place;

/// Where a setting came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The configuration file.
    File,
    /// A flag of the command line, or the environment variable of the same meaning.
    Flag(&'static str),
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where the setting came from.
    pub origin: Origin,
    /// Its place in the file, if it is written there.
    pub place: Option<Place>,
    /// Its key, dotted; empty for the document itself.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: &'static str,
}

/// Why a configuration was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}\n  hint: check the path and its permissions", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something in it is wrong.
    #[error(transparent)]
    Invalid(Problems),
}

/// Everything that is wrong with one configuration, in the order of the file.
#[derive(Debug)]
pub struct Problems {
    /// The file; none when all settings came from flags.
    pub file: Option<PathBuf>,
    /// At least one.
    pub problems: Vec<Problem>,
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            self.one(problem, f)?;
        }
        Ok(())
    }
}

impl Problems {
    fn one(&self, problem: &Problem, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&problem.origin, &self.file) {
            (Origin::Flag(flag), _) => write!(f, "{flag}: ")?,
            (Origin::File, Some(file)) => {
                write!(f, "{}:", file.display())?;
                if let Some(place) = problem.place {
                    write!(f, "{}:", place.line)?;
                }
                write!(f, " ")?;
            }
            (Origin::File, None) => {}
        }
        if problem.origin == Origin::File && !problem.key.is_empty() {
            write!(f, "{}: ", problem.key)?;
        }
        write!(f, "{}", problem.message)?;
        if !problem.hint.is_empty() {
            write!(f, "\n  hint: {}", problem.hint)?;
        }
        Ok(())
    }
}
