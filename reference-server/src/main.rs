//! Arguments → server → transport. Standard output carries the ready line (HTTP) or MCP (stdio); logs go to stderr.

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{ArgGroup, Parser, Subcommand};
use doorward_reference_server::ReferenceServer;
use doorward_reference_server::state::StateError;
use doorward_reference_server::storage::backup::{self, BackupError};
use doorward_reference_server::storage::document::CONTENT_BYTES_MAX;
use doorward_reference_server::storage::location::{Location, Named, OpenError};
use doorward_reference_server::storage::postgres::{Access, UrlError};
use doorward_reference_server::storage::{DocumentStore, Limits, StoreError};
use doorward_reference_server::transport::http::{HttpOptions, Listener};
use doorward_reference_server::transport::stdio::{self, StdioError};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// A reference Model Context Protocol server, for trying out and testing clients and proxies.
///
/// It serves revisions 2024-11-05 to 2026-07-28, and stores documents in a database, or in memory while it runs.
/// Nothing else on this machine is read or written on a caller's behalf. It has no authentication: put a guard in front
/// of it.
#[derive(Debug, Parser)]
#[command(version, subcommand_negates_reqs = true, group = ArgGroup::new("where").required(true).args(["listen", "unix", "stdio"]))]
#[command(after_help = "Exit codes: 0 stopped by a signal or the end of input, 1 could not serve, 2 wrong usage.")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    /// Serve Streamable HTTP on this address; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,

    /// Serve Streamable HTTP on this Unix socket
    #[arg(long, value_name = "PATH")]
    unix: Option<PathBuf>,

    /// Serve MCP on standard input and output
    #[arg(long)]
    stdio: bool,

    /// Path of the HTTP endpoint
    #[arg(long, value_name = "PATH", default_value = "/mcp", value_parser = endpoint_path, conflicts_with = "stdio")]
    path: String,

    /// Accept this name in Host and Origin, beside loopback and the address listened on; may be repeated
    #[arg(long, value_name = "HOST[:PORT]", conflicts_with = "stdio")]
    allowed_host: Vec<String>,

    /// Keep documents in this SQLite file, created if it is not there, or in the PostgreSQL database of this
    /// `postgres://` URL; without it they are gone when the server stops. Give a password by PGPASSWORD or a file:
    /// everybody on this machine sees arguments
    #[arg(long, value_name = "PATH|URL", env = "REFERENCE_SERVER_DATABASE", hide_env_values = true, global = true)]
    #[arg(value_parser = OsStringValueParser::new().map(Named::from))]
    database: Option<Named>,

    /// Read the password of a PostgreSQL database from this file, when the server starts
    #[arg(long, value_name = "PATH", env = "REFERENCE_SERVER_DATABASE_PASSWORD_FILE", global = true)]
    database_password_file: Option<PathBuf>,

    /// Hear of other servers' changes by this `postgres://` URL, which must lead to the database without a pooler between;
    /// `poll`: look for them twice a second instead. Without it, the URL of --database
    #[arg(long, value_name = "URL|poll", env = "REFERENCE_SERVER_DATABASE_EVENTS_URL", hide_env_values = true)]
    #[arg(value_parser = OsStringValueParser::new().map(Named::from))]
    database_events_url: Option<Named>,

    /// Largest content of a document, in bytes
    #[arg(long, value_name = "BYTES", env = "REFERENCE_SERVER_MAX_DOCUMENT_BYTES", default_value_t = CONTENT_BYTES_MAX)]
    max_document_bytes: usize,

    /// What to log on stderr, in the syntax of tracing's EnvFilter
    #[arg(long, value_name = "FILTER", env = "RUST_LOG", default_value = "warn", global = true)]
    log: String,
}

/// What else there is to do than to serve.
#[derive(Debug, Subcommand)]
enum Command {
    /// Write every document of --database with all its versions into a file
    ///
    /// As one moment had them, also while servers write. Either engine can restore the file.
    Backup {
        /// A new file
        file: PathBuf,
    },
    /// Put the documents of a backup into --database, which must be empty
    Restore {
        /// The file of a backup
        file: PathBuf,
    },
}

impl Command {
    async fn run(&self, documents: &dyn DocumentStore) -> Result<(), BackupError> {
        let (done, counted) = match self {
            Self::Backup { file } => ("backed up", backup::backup(documents, file).await?),
            Self::Restore { file } => ("restored", backup::restore(documents, file).await?),
        };
        let (documents, earlier) = (counted.documents, counted.earlier);
        writeln!(io::stdout(), "{done}: {documents} documents, {earlier} earlier versions")?;
        Ok(())
    }
}

impl Arguments {
    fn location(&self) -> Result<Location, UrlError> {
        let (password_file, events) = (self.database_password_file.as_deref(), self.database_events_url.as_ref());
        Location::of(self.database.as_ref(), &Access { password_file, events })
    }
}

/// Why the server could not run.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("cannot start: {0}")]
    State(#[from] StateError),
    #[error("--database: {0}")]
    Url(#[from] UrlError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error("backup and restore need --database")]
    NoDatabase,
    #[error("interrupted; nothing was done")]
    Interrupted,
    #[error("cannot follow the database's changes: {0}")]
    Follow(#[from] StoreError),
    #[error("cannot listen: {0}")]
    Listen(#[source] io::Error),
    #[error("cannot serve: {0}")]
    Serve(#[source] io::Error),
    #[error(transparent)]
    Stdio(#[from] StdioError),
}

fn endpoint_path(path: &str) -> Result<String, &'static str> {
    let plain = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte));
    if path.starts_with('/') && path.len() > 1 && plain {
        Ok(path.to_owned())
    } else {
        Err("must start with a slash, name something and hold only letters, digits and /-_.~")
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = match EnvFilter::try_new(&arguments.log) {
        Ok(filter) => filter,
        Err(error) => {
            complain(&format!("--log: {error}"));
            return ExitCode::from(2);
        }
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("no runtime: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(run(arguments));
    // A read from standard input cannot be cancelled, so the runtime is not waited for.
    runtime.shutdown_timeout(Duration::from_millis(100));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn complain(message: &str) {
    let _unwritten = writeln!(io::stderr(), "doorward-reference-server: {message}");
}

async fn run(arguments: Arguments) -> Result<(), RunError> {
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone()).map_err(RunError::Serve)?;
    let limits = Limits { content_bytes: arguments.max_document_bytes };
    let location = arguments.location()?;
    if arguments.command.is_some() && matches!(location, Location::Memory) {
        return Err(RunError::NoDatabase);
    }
    let documents = location.open(limits).await?;
    if let Some(command) = &arguments.command {
        let outcome = tokio::select! {
            outcome = command.run(&*documents) => outcome.map_err(RunError::from),
            () = stop.cancelled() => Err(RunError::Interrupted),
        };
        documents.close().await;
        return outcome;
    }
    let server = ReferenceServer::new(Arc::clone(&documents))?;
    let following = documents.feed().await?.map(|feed| {
        let shared = Arc::clone(&server.shared);
        tokio::spawn(async move { shared.follow(feed).await })
    });
    let served = serve(arguments, server, stop).await;
    if let Some(following) = following {
        following.abort();
    }
    // Also when serving failed: a clean end leaves one file.
    documents.close().await;
    served
}

async fn serve(arguments: Arguments, server: ReferenceServer, stop: CancellationToken) -> Result<(), RunError> {
    let listener = match (arguments.listen, arguments.unix) {
        (Some(address), _) => Listener::tcp(address).await.map_err(RunError::Listen)?,
        (None, Some(path)) => Listener::unix(path).await.map_err(RunError::Listen)?,
        (None, None) => return Ok(stdio::serve(server, stop).await?),
    };
    let url = listener.url(&arguments.path).map_err(RunError::Listen)?;
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening on {url}").and_then(|()| stdout.flush()).map_err(RunError::Serve)?;
    drop(stdout);
    let options = HttpOptions { path: arguments.path, allowed_hosts: arguments.allowed_host };
    listener.serve(&server, &options, stop).await.map_err(RunError::Serve)
}

/// Cancels `stop` at the first SIGTERM or SIGINT.
fn stop_on_signal(stop: CancellationToken) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        stop.cancel();
    });
    Ok(())
}
