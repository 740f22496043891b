//! The command line: flags, their groups, and where their values come from.

mod assertions;
mod backup;
mod cache;
mod error;
mod fetch;
mod files;
mod links;
mod logging;
mod own_files;
mod reload;
mod run;
mod serving;
mod tasks;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{ArgGroup, CommandFactory as _, FromArgMatches as _, Parser};
use doorward_reference_server::objects::arguments::ObjectArguments;
use doorward_reference_server::settings::{self, SettingsError};
use doorward_reference_server::storage::document::CONTENT_BYTES_MAX;
use doorward_reference_server::storage::location::{Location, Named};
use doorward_reference_server::storage::postgres::{Access, UrlError};
use doorward_reference_server::transport::sse;
use doorward_reference_server::{download, health};

pub(crate) use logging::Logging;
pub(crate) use run::run;

/// Settings in the working directory.
const DOTENV: &str = ".env";

/// A reference Model Context Protocol server, for trying out and testing clients and proxies.
///
/// It serves revisions 2024-11-05 to 2026-07-28, and stores documents, prompts and records in a database, or in memory while it
/// runs, and files in a directory that you name, and objects in a directory or a cloud's store. Nothing else on this machine is read or written on a caller's behalf. It
/// has no authentication: put a guard in front of it.
#[derive(Debug, Clone, Parser)]
#[command(version, subcommand_negates_reqs = true, group = ArgGroup::new("where").required(true).args(["listen", "unix", "stdio"]))]
#[command(after_help = "Exit codes: 0 stopped by a signal or the end of input, 1 could not serve, 2 wrong usage.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<backup::Command>,

    /// Serve Streamable HTTP on this address; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", env = "REFERENCE_SERVER_LISTEN")]
    listen: Option<SocketAddr>,

    /// Serve Streamable HTTP on this Unix socket
    #[arg(long, value_name = "PATH", env = "REFERENCE_SERVER_UNIX")]
    unix: Option<PathBuf>,

    /// Serve MCP on standard input and output
    #[arg(long, env = "REFERENCE_SERVER_STDIO")]
    stdio: bool,

    /// Path of the HTTP endpoint
    #[arg(long, value_name = "PATH", env = "REFERENCE_SERVER_PATH", default_value = "/mcp", value_parser = endpoint_path, conflicts_with = "stdio")]
    path: String,

    /// Accept this name in Host and Origin, beside loopback and the address listened on; may be repeated, or name several
    /// with commas between
    #[arg(
        long,
        value_name = "HOST[:PORT]",
        env = "REFERENCE_SERVER_ALLOWED_HOST",
        value_delimiter = ',',
        conflicts_with = "stdio"
    )]
    allowed_host: Vec<String>,

    /// Serve HTTP+SSE of revision 2024-11-05 as well: GET /sse and POST /messages. Off because it is deprecated since
    /// 2025-03-26, and keeps a connection open for every client
    #[arg(long, env = "REFERENCE_SERVER_LEGACY_SSE", conflicts_with = "stdio")]
    legacy_sse: bool,

    /// Keep documents, prompts and records in this SQLite file, created if it is not there, or in the PostgreSQL database of this
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

    /// Largest content of a document, in bytes; up to 1 MiB, since a document is read in one message
    #[arg(long, value_name = "BYTES", env = "REFERENCE_SERVER_MAX_DOCUMENT_BYTES", default_value_t = CONTENT_BYTES_MAX,
        value_parser = document_bytes)]
    max_document_bytes: usize,

    #[command(flatten)]
    cache: cache::CacheArguments,

    #[command(flatten)]
    files: files::FileArguments,

    #[command(flatten)]
    links: links::LinkArguments,

    #[command(flatten)]
    fetch: fetch::FetchArguments,

    #[command(flatten)]
    assertion: assertions::AssertionArguments,

    #[command(flatten)]
    tasks: tasks::TaskArguments,

    /// File with settings: keys are the names of flags without their dashes, in TOML. Flags, environment variables and
    /// a .env file in the working directory go before it
    #[arg(long, value_name = "FILE", env = "REFERENCE_SERVER_CONFIG")]
    config: Option<PathBuf>,

    /// For development: when the file of --config or .env changes, take its settings without a restart. What is wrong in
    /// them is told in the log, and the old ones stay; so does what needs a restart
    #[arg(long, env = "REFERENCE_SERVER_WATCH_CONFIG")]
    watch_config: bool,

    /// Tell the OpenTelemetry collector at this address of each request, by OTLP over HTTP; the other OTEL_ variables hold,
    /// too
    #[arg(long, value_name = "URL", env = "OTEL_EXPORTER_OTLP_ENDPOINT", hide_env_values = true)]
    otlp_endpoint: Option<String>,

    /// What to log on stderr, in the syntax of tracing's EnvFilter
    #[arg(
        long,
        value_name = "FILTER",
        env = "RUST_LOG",
        default_value = "warn,rmcp::service=error,settings=info",
        global = true
    )]
    pub(crate) log: String,

    // Last, since its heading holds for what comes behind.
    #[command(flatten)]
    objects: ObjectArguments,
}

impl Arguments {
    /// The command line, with what the files say where it says nothing. Ends the process where that is no command.
    ///
    /// # Errors
    /// See [`SettingsError`].
    pub(crate) fn read() -> Result<(Self, Said), SettingsError> {
        let said = said()?;
        Ok((Self::of(&said).unwrap_or_else(|error| error.exit()), said))
    }

    /// # Errors
    /// When this is no command line.
    fn of(said: &Said) -> Result<Self, clap::Error> {
        let command = settings::decided(Self::command(), &said.0);
        command.try_get_matches_from(&said.0).and_then(|matches| Self::from_arg_matches(&matches))
    }

    /// Whether settings are taken while the server runs.
    pub(crate) fn watches(&self) -> bool {
        self.watch_config && self.command.is_none()
    }

    /// Whether there is what may be too large for a message, and so links.
    fn serves_large(&self) -> bool {
        self.files.directory().is_some() || self.objects.is_given()
    }

    fn location(&self) -> Result<Location, UrlError> {
        let (password_file, events) = (self.database_password_file.as_deref(), self.database_events_url.as_ref());
        Location::of(self.database.as_ref(), &Access { password_file, events })
    }
}

/// A whole command line. It may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Said(Vec<OsString>);

/// What the command line and the files say now.
fn said() -> Result<Said, SettingsError> {
    let said: Vec<OsString> = std::env::args_os().collect();
    let command = settings::decided(Arguments::command(), &said);
    let dotenv = Some(Path::new(DOTENV)).filter(|path| path.exists());
    let file = settings::named(&command, &said);
    settings::layered(&command, &said, dotenv, file.as_deref()).map(Said)
}

fn document_bytes(text: &str) -> Result<usize, String> {
    match text.parse().map_err(|error: std::num::ParseIntError| error.to_string())? {
        bytes @ 1..=CONTENT_BYTES_MAX => Ok(bytes),
        _ => Err(format!("must be from 1 to {CONTENT_BYTES_MAX}; what is larger goes into files or objects")),
    }
}

fn endpoint_path(path: &str) -> Result<String, &'static str> {
    let plain = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte));
    if health::PATHS.contains(&path)
        || path.starts_with(download::ROUTE)
        || path.starts_with("/objects/")
        || sse::PATHS.contains(&path)
    {
        return Err(
            "is taken: /live, /ready, /download/, /objects/, /sse and /messages are served beside the endpoint",
        );
    }
    if path.starts_with('/') && path.len() > 1 && plain {
        Ok(path.to_owned())
    } else {
        Err("must start with a slash, name something and hold only letters, digits and /-_.~")
    }
}

#[cfg(test)]
mod tests;
