//! `doorward config check | schema | reference`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Failure, Outcome, complain, say};
use crate::config::{self, ConfigError, Flags, Mode, Source};

/// Check and describe configuration files.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Tell everything that is wrong with a configuration file, by file, line and key
    Check(Check),
    /// Print the JSON Schema of the configuration file
    Schema,
    /// Print the reference of the configuration file, as Markdown
    Reference,
}

/// Arguments of `config check`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  doorward config check doorward.yaml\n\nExit codes: 0 it holds, 1 it does not, 2 it cannot be read."
)]
pub struct Check {
    /// Configuration file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Config {
    /// Runs it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn run(self) -> Result<Outcome, Failure> {
        match self {
            Self::Check(check) => return check.run(),
            Self::Schema => say(&schema_text()?),
            Self::Reference => say(&config::reference::markdown()),
        }
        Ok(Outcome::Fine)
    }
}

/// The text of `proxy/config.schema.json`.
///
/// # Errors
/// Never in practice: a schema is JSON.
pub fn schema_text() -> Result<String, Failure> {
    let mut text = serde_json::to_string_pretty(&config::schema())?;
    text.push('\n');
    Ok(text)
}

impl Check {
    fn run(self) -> Result<Outcome, Failure> {
        let source = Source { file: Some(self.file.clone()), flags: Flags::default(), mode: Mode::Serve };
        match config::Config::load(&source) {
            Ok(config) => {
                for warning in &config.warnings {
                    complain(&format!("{}: warning: {warning}", self.file.display()));
                }
                let counts = (config.upstreams.len(), config.routes.len());
                say(&format!("{}: fine ({} upstreams, {} routes)\n", self.file.display(), counts.0, counts.1));
                Ok(Outcome::Fine)
            }
            Err(ConfigError::Invalid(problems)) => {
                complain(&problems.to_string());
                Ok(Outcome::DoesNotHold)
            }
            Err(unreadable @ ConfigError::Unreadable { .. }) => Err(unreadable.into()),
        }
    }
}
