//! Flags of the served directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use doorward_reference_server::directory::{Directory, OpenError, Quota, Watch};
use doorward_reference_server::state::Shared;

/// The served directory, and what may be in it.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct FileArguments {
    /// Serve the files of this directory, and let callers write in it
    #[arg(long, value_name = "DIR", env = "REFERENCE_SERVER_FILES")]
    files: Option<PathBuf>,

    /// Largest file that a caller may write, in bytes
    #[arg(long, value_name = "BYTES", env = "REFERENCE_SERVER_MAX_FILE_BYTES", default_value_t = Quota::default().file_bytes)]
    max_file_bytes: u64,

    /// Most bytes of all files in the directory together
    #[arg(long, value_name = "BYTES", env = "REFERENCE_SERVER_FILES_QUOTA_BYTES", default_value_t = Quota::default().total_bytes)]
    files_quota_bytes: u64,

    /// Most files in the directory
    #[arg(long, value_name = "COUNT", env = "REFERENCE_SERVER_FILES_QUOTA", default_value_t = Quota::default().files)]
    files_quota: u64,
}

impl FileArguments {
    /// The served directory as named.
    pub(super) fn directory(&self) -> Option<&Path> {
        self.files.as_deref()
    }

    /// The state, with the directory that the operator named; as a part of `before`, where that is it already.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub(super) fn serve(&self, shared: Shared, before: Option<&Directory>) -> Result<Arc<Shared>, OpenError> {
        let Some(path) = &self.files else {
            return Ok(Arc::new(shared));
        };
        let quota =
            Quota { file_bytes: self.max_file_bytes, total_bytes: self.files_quota_bytes, files: self.files_quota };
        let directory = match before.filter(|before| before.is_at(path)) {
            Some(before) => before.with_quota(quota)?,
            None => Directory::open(path, quota)?,
        };
        let watch = Watch::start(&directory);
        let shared = Arc::new(shared.with_directory(directory));
        match watch {
            Ok(watch) => shared.follow_directory(watch),
            Err(error) => {
                tracing::warn!(%error, "the directory is not watched: only changes through this server are told");
            }
        }
        Ok(shared)
    }
}
