//! Where the database is and who we are to it.
//!
//! In: a URL, the environment (`PGPASSWORD` and the like), a file with the password. Out: [`PostgresSettings`].
//! Refusals: [`UrlError`]. Invariant: no part of a URL is shown: neither by `Debug`, nor in an error, nor in the log.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr;

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::storage::location::Named;

/// Parameters that a URL may have.
const PARAMETERS: [&str; 14] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "password",
    "port",
    "ssl-mode",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "ssl-root-cert",
    STATEMENTS,
    "user",
];

/// Instead of a URL for notifications.
const POLL: &str = "poll";

/// 0 switches named prepared statements off.
const STATEMENTS: &str = "statement-cache-capacity";

/// Why a URL cannot be used. It is not shown, since it may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// Not such a URL.
    #[error("the database's URL is not postgres://USER@HOST:PORT/NAME, or one of its parameters has no such value")]
    Url,
    /// A parameter that does nothing. Its name is not shown either: a password with a question mark makes anything one.
    #[error("the database's URL has a parameter that is none of {}", PARAMETERS.join(", "))]
    Parameter,
    /// The file of the password cannot be read.
    #[error("cannot read the file of the database's password: {0}")]
    PasswordFile(#[from] io::Error),
}

/// What there is beside a URL.
#[derive(Debug, Clone, Default)]
pub struct Access<'a> {
    /// Holds the password.
    pub password_file: Option<&'a Path>,
    /// Where notifications come from: another URL, or `poll` for nowhere. The database's own URL where it is `None`.
    pub events: Option<&'a Named>,
}

/// Where notifications come from.
#[derive(Clone)]
pub(super) enum Events {
    /// A connection of one's own.
    From(Box<PgConnectOptions>),
    /// None come.
    Poll,
}

impl fmt::Debug for Events {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if matches!(self, Self::Poll) { "Poll" } else { "From(…)" })
    }
}

/// How a database is reached.
#[derive(Clone)]
pub struct PostgresSettings {
    options: PgConnectOptions,
    events: Events,
    named_statements: bool,
}

impl fmt::Debug for PostgresSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PostgresSettings")
            .field("named_statements", &self.named_statements)
            .finish_non_exhaustive()
    }
}

impl PostgresSettings {
    /// Reads a URL; what it does not say is taken from libpq's variables. The file's password goes before both.
    ///
    /// A server that is not on this machine is held to TLS with a certificate for its name, where nothing says otherwise.
    ///
    /// # Errors
    /// See [`UrlError`].
    pub fn parse(url: &str, access: &Access<'_>) -> Result<Self, UrlError> {
        let (options, named_statements) = options(url, access.password_file)?;
        let events = match access.events {
            None => Events::From(Box::new(options.clone())),
            Some(named) if named.is(POLL) => Events::Poll,
            Some(named) => {
                let url = named.postgres_url().ok_or(UrlError::Url)?;
                Events::From(Box::new(self::options(&url, access.password_file)?.0))
            }
        };
        Ok(Self { options, events, named_statements })
    }

    pub(super) fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    pub(super) fn events(&self) -> &Events {
        &self.events
    }

    pub(super) fn named_statements(&self) -> bool {
        self.named_statements
    }
}

/// What a URL says, and whether it lets statements have names.
fn options(url: &str, password_file: Option<&Path>) -> Result<(PgConnectOptions, bool), UrlError> {
    let parameters = parameters(url)?;
    let value = |wanted: &str| parameters.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
    if !url.contains("://") {
        return Err(UrlError::Url);
    }
    let mut options = PgConnectOptions::from_str(url).map_err(|_| UrlError::Url)?;
    let mode_named = value("sslmode").or(value("ssl-mode")).is_some() || std::env::var_os("PGSSLMODE").is_some();
    if !mode_named && !on_this_machine(&options) {
        options = options.ssl_mode(PgSslMode::VerifyFull);
    }
    if let Some(file) = password_file {
        let password = std::fs::read_to_string(file)?;
        options = options.password(password.trim_end_matches(['\r', '\n']));
    }
    if options.get_application_name().is_none() {
        options = options.application_name(env!("CARGO_PKG_NAME"));
    }
    // PgBouncer refuses parameters of the start that it does not know; no float is ever exchanged.
    let options = options.extra_float_digits(None).disable_statement_logging();
    Ok((options, value(STATEMENTS) != Some("0")))
}

/// The parameters of a URL. Unknown ones would be ignored, and logged with their values.
fn parameters(url: &str) -> Result<Vec<(&str, &str)>, UrlError> {
    let url = url.split('#').next().unwrap_or_default();
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs
        .map(|(name, value)| if PARAMETERS.contains(&name) { Ok((name, value)) } else { Err(UrlError::Parameter) })
        .collect()
}

fn on_this_machine(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let loopback = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    options.get_socket().is_some() || host.starts_with('/') || host == "localhost" || loopback
}

#[cfg(test)]
mod tests;
