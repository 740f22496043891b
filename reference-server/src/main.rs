//! Arguments → server → transport. Standard output carries the ready line (HTTP) or MCP (stdio); logs go to stderr.

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgGroup, Parser};
use doorward_reference_server::ReferenceServer;
use doorward_reference_server::identity::{Assertions, DEFAULT_HEADER, KeyError};
use doorward_reference_server::state::StateError;
use doorward_reference_server::storage::document::CONTENT_BYTES_MAX;
use doorward_reference_server::storage::sqlite::{OpenError, SqliteStore};
use doorward_reference_server::storage::{DocumentStore, Limits};
use doorward_reference_server::tasks::TaskLimits;
use doorward_reference_server::transport::http::{HttpOptions, Listener};
use doorward_reference_server::transport::sse;
use doorward_reference_server::transport::stdio::{self, StdioError};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// A reference Model Context Protocol server, for trying out and testing clients and proxies.
///
/// It serves revisions 2024-11-05 to 2026-07-28, and stores documents in a database file, or in memory while it runs.
/// Nothing else on this machine is read or written on a caller's behalf. It has no authentication: put a guard in front
/// of it.
#[derive(Debug, Parser)]
#[command(version, group = ArgGroup::new("where").required(true).args(["listen", "unix", "stdio"]))]
#[command(after_help = "Exit codes: 0 stopped by a signal or the end of input, 1 could not serve, 2 wrong usage.")]
struct Arguments {
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

    /// Serve HTTP+SSE of revision 2024-11-05 as well: GET /sse and POST /messages. Off because it is deprecated since
    /// 2025-03-26, and keeps a connection open for every client
    #[arg(long, conflicts_with = "stdio")]
    legacy_sse: bool,

    /// Keep documents in this SQLite file, created if it is not there; without it they are gone when the server stops
    #[arg(long, value_name = "PATH", env = "REFERENCE_SERVER_DATABASE")]
    database: Option<PathBuf>,

    /// Largest content of a document, in bytes
    #[arg(long, value_name = "BYTES", env = "REFERENCE_SERVER_MAX_DOCUMENT_BYTES", default_value_t = CONTENT_BYTES_MAX)]
    max_document_bytes: usize,

    #[command(flatten)]
    assertion: AssertionArguments,

    #[command(flatten)]
    tasks: TaskArguments,

    /// What to log on stderr, in the syntax of tracing's EnvFilter
    #[arg(long, value_name = "FILTER", env = "RUST_LOG", default_value = "warn")]
    log: String,
}

/// Who owns a task, where a guard in front of the server tells.
#[derive(Debug, clap::Args)]
struct AssertionArguments {
    /// Take the owner of a task from a signed assertion (JWT): this file holds the PEM public key (ES256, EdDSA) or the
    /// shared secret (HS256) to check it with
    #[arg(long, value_name = "PATH", env = "REFERENCE_SERVER_ASSERTION_KEY_FILE", requires = "assertion_audience")]
    #[arg(conflicts_with = "stdio")]
    assertion_key_file: Option<PathBuf>,

    /// What the assertion's `aud` must be
    #[arg(long, value_name = "AUDIENCE", env = "REFERENCE_SERVER_ASSERTION_AUDIENCE", requires = "assertion_key_file")]
    assertion_audience: Option<String>,

    /// Header of the assertion
    #[arg(long, value_name = "NAME", env = "REFERENCE_SERVER_ASSERTION_HEADER", default_value = DEFAULT_HEADER)]
    assertion_header: String,
}

/// How many tasks there may be, and for how long.
#[derive(Debug, clap::Args)]
struct TaskArguments {
    /// Most tasks of one subject or session, running or finished
    #[arg(long, value_name = "NUMBER", default_value_t = TaskLimits::default().per_owner)]
    max_tasks_per_owner: usize,

    /// Most tasks of everybody; those without an owner take half of it at most
    #[arg(long, value_name = "NUMBER", default_value_t = TaskLimits::default().overall)]
    max_tasks: usize,

    /// Seconds after its beginning when a task is ended and forgotten with its result
    #[arg(long, value_name = "SECONDS", default_value_t = TaskLimits::default().ttl.as_secs())]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    task_ttl_seconds: u64,
}

impl AssertionArguments {
    fn read(&self) -> Result<Option<Assertions>, RunError> {
        let (Some(path), Some(audience)) = (&self.assertion_key_file, &self.assertion_audience) else {
            return Ok(None);
        };
        let key = std::fs::read(path).map_err(RunError::AssertionFile)?;
        Ok(Some(Assertions::new(&self.assertion_header, &key, audience)?))
    }
}

impl TaskArguments {
    fn limits(&self) -> TaskLimits {
        let ttl = Duration::from_secs(self.task_ttl_seconds);
        TaskLimits { per_owner: self.max_tasks_per_owner, overall: self.max_tasks, ttl }
    }
}

/// Why the server could not run.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("cannot start: {0}")]
    State(#[from] StateError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("--path is taken by --legacy-sse")]
    Path,
    #[error("cannot read --assertion-key-file: {0}")]
    AssertionFile(#[source] io::Error),
    #[error("cannot check assertions: {0}")]
    Assertion(#[from] KeyError),
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
    let documents: Arc<dyn DocumentStore> = Arc::new(match &arguments.database {
        Some(path) => SqliteStore::open(path, limits).await?,
        None => SqliteStore::in_memory(limits).await?,
    });
    let server = ReferenceServer::with_tasks(Arc::clone(&documents), arguments.tasks.limits())?;
    let served = serve(arguments, server, stop).await;
    // Also when serving failed: a clean end leaves one file.
    documents.close().await;
    served
}

async fn serve(arguments: Arguments, server: ReferenceServer, stop: CancellationToken) -> Result<(), RunError> {
    if arguments.legacy_sse && sse::PATHS.contains(&arguments.path.as_str()) {
        return Err(RunError::Path);
    }
    let assertions = arguments.assertion.read()?;
    let listener = match (arguments.listen, arguments.unix) {
        (Some(address), _) => Listener::tcp(address).await.map_err(RunError::Listen)?,
        (None, Some(path)) => Listener::unix(path).await.map_err(RunError::Listen)?,
        (None, None) => return Ok(stdio::serve(server, stop).await?),
    };
    let url = listener.url(&arguments.path).map_err(RunError::Listen)?;
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening on {url}").and_then(|()| stdout.flush()).map_err(RunError::Serve)?;
    drop(stdout);
    let options = HttpOptions {
        path: arguments.path,
        allowed_hosts: arguments.allowed_host,
        assertions,
        legacy_sse: arguments.legacy_sse,
    };
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
