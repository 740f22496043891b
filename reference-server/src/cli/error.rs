//! Why the server does not run.

use std::io;
use std::path::PathBuf;

use doorward_reference_server::cache::settings::CacheError;
use doorward_reference_server::directory;
use doorward_reference_server::fetch::FetchError;
use doorward_reference_server::identity::KeyError;
use doorward_reference_server::objects;
use doorward_reference_server::state::StateError;
use doorward_reference_server::storage::StoreError;
use doorward_reference_server::storage::backup::BackupError;
use doorward_reference_server::storage::location::OpenError;
use doorward_reference_server::storage::postgres::UrlError;
use doorward_reference_server::telemetry::TelemetryError;
use doorward_reference_server::transport::stdio::StdioError;

/// Why the server could not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("cannot start: {0}")]
    State(#[from] StateError),
    #[error("--database: {0}")]
    Url(#[from] UrlError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error(transparent)]
    Cache(#[from] CacheError),
    #[error(transparent)]
    Directory(#[from] directory::OpenError),
    #[error(transparent)]
    Objects(#[from] objects::OpenError),
    #[error("{flag}: {path} is in {served}, which callers write in; keep it elsewhere",
        path = path.display(), served = served.display())]
    Own { flag: &'static str, path: PathBuf, served: PathBuf },
    #[error("--link-key-file {0}: {1}")]
    LinkKey(PathBuf, String),
    #[error(
        "--public-url is needed: the server listens on every address, and links to files and objects must name one"
    )]
    NoPublicUrl,
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error("backup and restore need --database")]
    NoDatabase,
    #[error("interrupted; nothing was done")]
    Interrupted,
    #[error("cannot follow the database's changes: {0}")]
    Follow(#[from] StoreError),
    #[error("cannot read --assertion-key-file: {0}")]
    AssertionFile(#[source] io::Error),
    #[error("cannot check assertions: {0}")]
    Assertion(#[from] KeyError),
    #[error("--log: {0}")]
    Log(String),
    #[error("cannot watch the settings' files: {0}")]
    Watch(#[source] notify::Error),
    #[error("cannot listen: {0}")]
    Listen(#[source] io::Error),
    #[error("cannot serve: {0}")]
    Serve(#[source] io::Error),
    #[error(transparent)]
    Stdio(#[from] StdioError),
}
