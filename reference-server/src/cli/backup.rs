//! `backup` and `restore`.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Subcommand;
use doorward_reference_server::storage::DocumentStore;
use doorward_reference_server::storage::backup::{self, BackupError, Counted};

/// What else there is to do than to serve.
#[derive(Debug, Clone, Subcommand)]
pub(super) enum Command {
    /// Write every document and prompt of --database with all its versions, and every record, into a file
    ///
    /// As one moment had them, also while servers write. Either engine can restore the file.
    Backup {
        /// A new file
        file: PathBuf,
    },
    /// Put the documents, prompts and records of a backup into --database, which must be empty
    Restore {
        /// The file of a backup
        file: PathBuf,
    },
}

impl Command {
    pub(super) async fn run(&self, documents: &dyn DocumentStore) -> Result<(), BackupError> {
        let (done, counted) = match self {
            Self::Backup { file } => ("backed up", backup::backup(documents, file).await?),
            Self::Restore { file } => ("restored", backup::restore(documents, file).await?),
        };
        let Counted { documents, earlier, prompts, earlier_prompts, records, .. } = counted;
        let documents = format!("{documents} documents, {earlier} earlier versions");
        let prompts = format!("{prompts} prompts, {earlier_prompts} earlier versions");
        writeln!(io::stdout(), "{done}: {documents}; {prompts}; {records} records")?;
        Ok(())
    }
}
