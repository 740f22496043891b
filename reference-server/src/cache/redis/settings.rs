//! Where Redis is and who we are to it.
//!
//! In: a URL, files, `REDISCLI_AUTH`. Out: [`RedisSettings`]. Refusals: [`RedisUrlError`].
//! Invariant: no part of a URL is shown: neither by `Debug`, nor in an error, nor in the log.

use std::fmt;
use std::io;
use std::path::PathBuf;

use redis::{Client, IntoConnectionInfo as _, TlsCertificates};

/// The variable of the password, as of redis-cli.
const PASSWORD: &str = "REDISCLI_AUTH";

/// What every certificate of a PEM file begins with.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

/// Longest prefix of keys.
const PREFIX_MAX: usize = 64;

/// Why Redis cannot be used. The URL is not shown, since it may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum RedisUrlError {
    /// Not such a URL.
    #[error("the URL is not redis://USER@HOST:PORT/NUMBER or rediss:// likewise; it has no parameters")]
    Url,
    /// No prefix, or one of other characters.
    #[error(
        "Redis needs --cache-prefix, 1 to {PREFIX_MAX} letters, digits, '-', '_' and '.': servers of one database have one, \
         of another database another"
    )]
    Prefix,
    /// A file cannot be read.
    #[error("{flag} {path}: {reason}", path = path.display())]
    File {
        /// Whose.
        flag: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// A certificate where nothing is encrypted, or none that can be read.
    #[error("--cache-ca-file must hold PEM certificates, and is for rediss:// only")]
    Certificates,
}

/// What there is beside a URL.
#[derive(Debug, Clone, Default)]
pub struct RedisAccess {
    /// Holds the password.
    pub password_file: Option<PathBuf>,
    /// Holds the authorities that may have signed the server's certificate, instead of the machine's.
    pub ca_file: Option<PathBuf>,
    /// What the names of keys begin with.
    pub prefix: Option<String>,
}

/// How Redis is reached.
#[derive(Clone)]
pub struct RedisSettings {
    client: Client,
    prefix: String,
}

impl fmt::Debug for RedisSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RedisSettings").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl RedisSettings {
    /// Reads a URL and the files.
    ///
    /// # Errors
    /// See [`RedisUrlError`].
    pub fn parse(url: &str, access: &RedisAccess) -> Result<Self, RedisUrlError> {
        let prefix = access.prefix.clone().filter(|prefix| is_prefix(prefix)).ok_or(RedisUrlError::Prefix)?;
        let encrypted = checked(url)?;
        let info = url.into_connection_info().map_err(|_| RedisUrlError::Url)?;
        let mut redis = info.redis_settings().clone();
        if let Some(path) = &access.password_file {
            redis = redis.set_password(read("--cache-password-file", path)?.trim_end_matches(['\r', '\n']));
        } else if redis.password().is_none()
            && let Ok(password) = std::env::var(PASSWORD)
        {
            redis = redis.set_password(password);
        }
        let info = info.set_redis_settings(redis);
        if encrypted {
            // Redis' client takes the process' own, which has to be chosen where several are linked in. There may be one.
            let _chosen = rustls::crypto::aws_lc_rs::default_provider().install_default();
        }
        let client = match (&access.ca_file, encrypted) {
            (Some(path), true) => {
                let pem = read("--cache-ca-file", path)?;
                if !pem.contains(CERTIFICATE) {
                    // The library would take it, and then trust nobody.
                    return Err(RedisUrlError::Certificates);
                }
                let root_cert = Some(pem.into_bytes());
                let certificates = TlsCertificates { client_tls: None, root_cert };
                Client::build_with_tls(info, certificates).map_err(|_| RedisUrlError::Certificates)?
            }
            (Some(_), false) => return Err(RedisUrlError::Certificates),
            (None, _) => Client::open(info).map_err(|_| RedisUrlError::Url)?,
        };
        Ok(Self { client, prefix })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }
}

fn is_prefix(prefix: &str) -> bool {
    (1..=PREFIX_MAX).contains(&prefix.len())
        && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn read(flag: &'static str, path: &PathBuf) -> Result<String, RedisUrlError> {
    std::fs::read_to_string(path).map_err(|reason| RedisUrlError::File { flag, path: path.clone(), reason })
}

/// Whether the connection is encrypted. What the library reads more into a URL than it says is refused, such as a fragment
/// that switches certificates off.
fn checked(url: &str) -> Result<bool, RedisUrlError> {
    let parsed = url::Url::parse(url).map_err(|_| RedisUrlError::Url)?;
    let encrypted = match parsed.scheme() {
        "redis" => false,
        "rediss" => true,
        _ => return Err(RedisUrlError::Url),
    };
    let number = parsed.path().trim_start_matches('/');
    let plain =
        parsed.query().is_none() && parsed.fragment().is_none() && number.bytes().all(|byte| byte.is_ascii_digit());
    if parsed.host_str().is_none_or(str::is_empty) || !plain {
        return Err(RedisUrlError::Url);
    }
    if !encrypted && !is_near(parsed.host()) {
        tracing::warn!("--cache names another machine by redis://: what is kept and the password go there unencrypted");
    }
    Ok(encrypted)
}

fn is_near(host: Option<url::Host<&str>>) -> bool {
    match host {
        // Of a scheme that it does not know, the parser takes an address for a name.
        Some(url::Host::Domain(name)) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests;
