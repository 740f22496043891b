//! What can go wrong in the benchmark itself. A wrong answer of a target is not an error here: it is counted in the
//! figures (`errors`), so that a run shows it beside the throughput.

use std::{io, net::SocketAddr, path::PathBuf, time::Duration};

/// Why a command of the benchmark could not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot {action}: {source}")]
    Io { action: &'static str, source: io::Error },
    #[error("cannot {action} {path}: {source}", path = path.display())]
    File { action: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot connect to {address}: {source}")]
    Connect { address: SocketAddr, source: io::Error },
    #[error("{url:?} is not of the form http://ADDRESS:PORT/PATH with a numeric address")]
    Url { url: String },
    #[error("cannot start {name} ({program}): {source}", program = program.display())]
    Spawn { name: &'static str, program: PathBuf, source: io::Error },
    #[error("{name} ended before it was ready; the end of its stderr:\n{stderr}")]
    Died { name: &'static str, stderr: String },
    #[error("{name} was not ready after {after:?}; the end of its stderr:\n{stderr}")]
    NotReady { name: &'static str, after: Duration, stderr: String },
    #[error("{path} has an unexpected form", path = path.display())]
    ProcFormat { path: PathBuf },
    #[error("process {pid} is gone")]
    ProcessGone { pid: u32 },
    #[error("no doorward binary at {path}: build it, or name it with --doorward", path = path.display())]
    NoDoorward { path: PathBuf },
    #[error("no reference server at {path}: build it, or name it with --server", path = path.display())]
    NoServer { path: PathBuf },
    #[error("no session was begun: status {status}")]
    NoSession { status: u16 },
    #[error("no session was begun: {0}")]
    Handshake(#[source] crate::load::client::ExchangeError),
    #[error("a document's path: {0}")]
    Path(#[source] doorward_reference_server::storage::path::PathError),
    #[error("the database's URL: {0}")]
    Database(#[from] doorward_reference_server::storage::postgres::UrlError),
    #[error("the database: {0}")]
    Open(#[from] doorward_reference_server::storage::location::OpenError),
    #[error("the documents: {0}")]
    Load(#[from] doorward_reference_server::storage::backup::BackupError),
    #[error("a search: {0}")]
    Store(#[from] doorward_reference_server::storage::StoreError),
    #[error("a search: {0}")]
    Search(#[from] doorward_reference_server::storage::query::SearchError),
    #[error("no nginx on PATH or in /usr/sbin: install the Debian package nginx-light")]
    NoNginx,
    #[error("cannot make a key: {0}")]
    Key(#[from] aws_lc_rs::error::Unspecified),
    #[error("cannot sign a token: {0}")]
    Sign(#[from] jsonwebtoken::errors::Error),
    #[error("cannot write JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("pingora: {0}")]
    Pingora(#[from] Box<pingora::Error>),
    #[error("a rustls provider was already installed")]
    Provider,
    #[error("{what} must be at least {least}")]
    TooSmall { what: &'static str, least: usize },
    #[error("stream {number} was refused with status {status}")]
    StreamRefused { number: usize, status: u16 },
    #[error("stream {number}: {source}")]
    Stream { number: usize, source: crate::load::client::ExchangeError },
    #[error("{scenario} at {target} is not answered as expected: status {status}, body {body:?}")]
    Preflight {
        scenario: &'static str,
        target: &'static str,
        /// 0 when there was no answer.
        status: u16,
        body: String,
    },
    #[error("stopped by a signal")]
    Interrupted,
    #[error("{count} answers were not the expected ones; the figures of those rows do not count")]
    WrongAnswers { count: u64 },
}

impl Error {
    /// For `map_err`: an I/O error with what was being done ("bind the listener").
    pub(crate) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }

    /// For `map_err`: an I/O error with what was being done ("write") and to which file.
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}

pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;
