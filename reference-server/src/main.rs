//! Arguments → server → transport. Standard output carries the ready line (HTTP) or MCP (stdio); logs go to stderr.

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgGroup, Parser};
use doorward_reference_server::ReferenceServer;
use doorward_reference_server::directory::{self, Directory, Quota, Watch};
use doorward_reference_server::download::{KEY_BYTES, LIFETIME, Links};
use doorward_reference_server::objects;
use doorward_reference_server::objects::arguments::ObjectArguments;
use doorward_reference_server::state::{Shared, StateError};
use doorward_reference_server::storage::document::CONTENT_BYTES_MAX;
use doorward_reference_server::storage::sqlite::{OpenError, SqliteStore};
use doorward_reference_server::storage::{DocumentStore, Limits};
use doorward_reference_server::transport::http::{HttpOptions, Listener};
use doorward_reference_server::transport::stdio::{self, StdioError};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// A reference Model Context Protocol server, for trying out and testing clients and proxies.
///
/// It serves revisions 2024-11-05 to 2026-07-28, and stores documents in a database file, or in memory while it runs,
/// files in a directory that you name, and objects in a directory or a cloud's store. Nothing else on this machine is read or written on a caller's behalf. It has no authentication: put a guard in front
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

    /// Keep documents in this SQLite file, created if it is not there; without it they are gone when the server stops
    #[arg(long, value_name = "PATH", env = "REFERENCE_SERVER_DATABASE")]
    database: Option<PathBuf>,

    /// Largest content of a document, in bytes
    #[arg(long, value_name = "BYTES", env = "REFERENCE_SERVER_MAX_DOCUMENT_BYTES", default_value_t = CONTENT_BYTES_MAX)]
    max_document_bytes: usize,

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

    /// Address that clients reach this server at, for links to what is too large for a message; the address listened on
    /// if not given
    #[arg(long, value_name = "URL", env = "REFERENCE_SERVER_PUBLIC_URL", value_parser = public_url)]
    public_url: Option<String>,

    /// File with the key that signs links, 64 hexadecimal digits; servers with one key know each other's links. Without
    /// it links end with the process
    #[arg(long, value_name = "PATH", env = "REFERENCE_SERVER_LINK_KEY_FILE")]
    link_key_file: Option<PathBuf>,

    /// How long a link works, in seconds
    #[arg(long, value_name = "SECONDS", env = "REFERENCE_SERVER_LINK_SECONDS", default_value_t = LIFETIME.as_secs(),
        value_parser = clap::value_parser!(u64).range(1..=604_800))]
    link_seconds: u64,

    /// What to log on stderr, in the syntax of tracing's EnvFilter
    #[arg(long, value_name = "FILTER", env = "RUST_LOG", default_value = "warn,rmcp::service=error")]
    log: String,

    // Last, since its heading holds for what comes behind.
    #[command(flatten)]
    objects: ObjectArguments,
}

/// Why the server could not run.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("cannot start: {0}")]
    State(#[from] StateError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Directory(#[from] directory::OpenError),
    #[error(transparent)]
    Objects(#[from] objects::OpenError),
    #[error("--link-key-file {0}: {1}")]
    LinkKey(PathBuf, String),
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

fn public_url(url: &str) -> Result<String, &'static str> {
    let authority = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    match authority.map(|authority| authority.trim_end_matches('/')) {
        Some(authority) if !authority.is_empty() && !authority.contains(['?', '#', ' ']) => Ok(url.to_owned()),
        _ => Err("must be http:// or https:// and a host, without query"),
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
    let served = serve(&arguments, Arc::clone(&documents), stop).await;
    // Also when serving failed: a clean end leaves one file.
    documents.close().await;
    served
}

async fn serve(
    arguments: &Arguments,
    documents: Arc<dyn DocumentStore>,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let listener = match (arguments.listen, &arguments.unix) {
        (Some(address), _) => Some(Listener::tcp(address).await.map_err(RunError::Listen)?),
        (None, Some(path)) => Some(Listener::unix(path.clone()).await.map_err(RunError::Listen)?),
        (None, None) => None,
    };
    let mut shared = Shared::new(documents)?;
    if let Some(base) = arguments.public_url.clone().or_else(|| listener.as_ref().and_then(Listener::origin)) {
        shared = shared.with_links(links(arguments, &base)?);
    }
    if let Some(objects) = arguments.objects.open()? {
        shared = shared.with_objects(objects);
    }
    let server = ReferenceServer::new(with_directory(shared, arguments)?);
    let Some(listener) = listener else {
        return Ok(stdio::serve(server, stop).await?);
    };
    let url = listener.url(&arguments.path).map_err(RunError::Listen)?;
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening on {url}").and_then(|()| stdout.flush()).map_err(RunError::Serve)?;
    drop(stdout);
    let options = HttpOptions { path: arguments.path.clone(), allowed_hosts: arguments.allowed_host.clone() };
    listener.serve(&server, &options, stop).await.map_err(RunError::Serve)
}

/// The state, with the directory that the operator named.
fn with_directory(shared: Shared, arguments: &Arguments) -> Result<Arc<Shared>, RunError> {
    let Some(path) = &arguments.files else {
        return Ok(Arc::new(shared));
    };
    let quota = Quota {
        file_bytes: arguments.max_file_bytes,
        total_bytes: arguments.files_quota_bytes,
        files: arguments.files_quota,
    };
    let directory = Directory::open(path, quota)?;
    let watch = Watch::start(&directory);
    let shared = Arc::new(shared.with_directory(directory));
    match watch {
        Ok(watch) => shared.follow(watch),
        Err(error) => tracing::warn!(%error, "the directory is not watched: only changes through this server are told"),
    }
    Ok(shared)
}

fn links(arguments: &Arguments, base: &str) -> Result<Links, RunError> {
    let mut key = [0; KEY_BYTES];
    match &arguments.link_key_file {
        None => getrandom::fill(&mut key).map_err(StateError::Random)?,
        Some(path) => {
            let failed = |reason: String| RunError::LinkKey(path.clone(), reason);
            let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
            let digits = text.trim().as_bytes().chunks(2);
            let whole = text.trim().len() == 2 * KEY_BYTES && text.trim().bytes().all(|byte| byte.is_ascii_hexdigit());
            if !whole {
                return Err(failed(format!("it must hold {} hexadecimal digits", 2 * KEY_BYTES)));
            }
            for (byte, digits) in key.iter_mut().zip(digits) {
                let digits = std::str::from_utf8(digits).unwrap_or_default();
                *byte = u8::from_str_radix(digits, 16).map_err(|error| failed(error.to_string()))?;
            }
        }
    }
    Ok(Links::new(base, &key, Duration::from_secs(arguments.link_seconds)))
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
