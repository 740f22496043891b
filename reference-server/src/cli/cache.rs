//! Flags of the cache.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use doorward_reference_server::cache::settings::{Access, CacheError, CacheSettings};
use doorward_reference_server::cache::{Bounds, Cache};
use doorward_reference_server::storage::location::{Location, Named};

/// What is kept of the documents and prompts that are read.
#[derive(Debug, Clone, PartialEq, clap::Args)]
pub(super) struct CacheArguments {
    /// Keep documents and prompts that are read in memory (`memory:`), or in the Redis of this `redis://` or `rediss://` URL,
    /// too, for all servers of one database; `none`: read them from the database each time. Give a password by
    /// REDISCLI_AUTH or a file: everybody on this machine sees arguments
    #[arg(long, value_name = "memory:|none|URL", env = "REFERENCE_SERVER_CACHE", hide_env_values = true)]
    #[arg(value_parser = OsStringValueParser::new().map(Named::from))]
    cache: Option<Named>,

    /// Most memory that is taken for it, in bytes
    #[arg(long, value_name = "BYTES", env = "REFERENCE_SERVER_CACHE_BYTES", default_value_t = 64 << 20,
        value_parser = clap::value_parser!(u64).range(65_536..=68_719_476_736))]
    cache_bytes: u64,

    /// How long a value is kept at most, in seconds
    #[arg(long, value_name = "SECONDS", env = "REFERENCE_SERVER_CACHE_SECONDS", default_value_t = 60,
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    cache_seconds: u64,

    /// What the names of keys in Redis begin with: one for the servers of one database, another one for those of another
    #[arg(long, value_name = "NAME", env = "REFERENCE_SERVER_CACHE_PREFIX")]
    cache_prefix: Option<String>,

    /// Read the password of Redis from this file, when the server starts
    #[arg(long, value_name = "PATH", env = "REFERENCE_SERVER_CACHE_PASSWORD_FILE")]
    cache_password_file: Option<PathBuf>,

    /// Trust the authorities of this PEM file for a `rediss://` URL, instead of the machine's
    #[arg(long, value_name = "PATH", env = "REFERENCE_SERVER_CACHE_CA_FILE")]
    cache_ca_file: Option<PathBuf>,
}

impl CacheArguments {
    pub(super) fn password_file(&self) -> Option<&PathBuf> {
        self.cache_password_file.as_ref()
    }

    pub(super) fn ca_file(&self) -> Option<&PathBuf> {
        self.cache_ca_file.as_ref()
    }

    /// Which cache.
    ///
    /// # Errors
    /// See [`CacheError`].
    pub(super) fn settings(&self, location: &Location) -> Result<CacheSettings, CacheError> {
        let access = Access {
            password_file: self.cache_password_file.clone(),
            ca_file: self.cache_ca_file.clone(),
            prefix: self.cache_prefix.clone(),
        };
        let named = self.cache.clone().unwrap_or_else(|| Named::from(OsStr::new("memory:")));
        CacheSettings::of(&named, &access, matches!(location, Location::Memory))
    }

    /// The cache; `None` where there is to be none.
    ///
    /// # Errors
    /// See [`CacheError`].
    pub(super) fn open(&self, settings: CacheSettings) -> Result<Option<Arc<dyn Cache>>, CacheError> {
        settings.open(Bounds { bytes: self.cache_bytes, lifetime: Duration::from_secs(self.cache_seconds) })
    }
}
