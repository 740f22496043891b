//! What the command line says about objects.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::open::Location;
use super::{Limits, Objects, OpenError, Options, link};

/// Largest object that every store takes in the parts that it is sent in.
const OBJECT_BYTES_MAX: u64 = 64 << 30;

/// The store of objects.
#[derive(Clone, PartialEq, Eq, Args)]
#[command(next_help_heading = "Objects")]
pub struct ObjectArguments {
    /// Keep objects in a directory (file:///DIR or its path), in memory (memory:), or in s3://BUCKET[/PREFIX],
    /// az://CONTAINER[/PREFIX] or gs://BUCKET[/PREFIX], with the credentials of the AWS_*, AZURE_* or GOOGLE_* variables
    #[arg(long, value_name = "URL", env = "REFERENCE_SERVER_OBJECTS", hide_env_values = true)]
    objects: Option<String>,

    /// Address of the store, where it is not the cloud's own
    #[arg(
        long,
        value_name = "URL",
        env = "REFERENCE_SERVER_OBJECTS_ENDPOINT",
        hide_env_values = true,
        requires = "objects"
    )]
    objects_endpoint: Option<String>,

    /// Talk to the store without TLS, for emulators
    #[arg(long, env = "REFERENCE_SERVER_OBJECTS_ALLOW_HTTP", requires = "objects")]
    objects_allow_http: bool,

    /// Largest object, in bytes
    #[arg(long, value_name = "BYTES", env = "REFERENCE_SERVER_MAX_OBJECT_BYTES", default_value_t = Limits::default().object_bytes,
        value_parser = clap::value_parser!(u64).range(1..=OBJECT_BYTES_MAX))]
    max_object_bytes: u64,

    /// Most bytes of all objects in a directory or in memory together
    #[arg(long, value_name = "BYTES", env = "REFERENCE_SERVER_OBJECTS_QUOTA_BYTES", default_value_t = Limits::default().total_bytes)]
    objects_quota_bytes: u64,

    /// Most objects in a directory or in memory
    #[arg(long, value_name = "COUNT", env = "REFERENCE_SERVER_OBJECTS_QUOTA", default_value_t = Limits::default().objects)]
    objects_quota: u64,

    /// How long the store may take for one request, in seconds
    #[arg(long, value_name = "SECONDS", env = "REFERENCE_SERVER_OBJECTS_TIMEOUT_SECONDS",
        default_value_t = Limits::default().timeout.as_secs(), value_parser = clap::value_parser!(u64).range(1..=600))]
    objects_timeout_seconds: u64,

    /// Link to objects at this address, with the key behind it: for objects that everybody may read
    #[arg(long, value_name = "URL", env = "REFERENCE_SERVER_OBJECTS_CDN_URL", requires = "objects", value_parser = cdn_url)]
    objects_cdn_url: Option<String>,

    /// Link to objects through this server, where the store could sign links as well
    #[arg(long, env = "REFERENCE_SERVER_OBJECTS_OWN_LINKS", requires = "objects")]
    objects_own_links: bool,
}

impl std::fmt::Debug for ObjectArguments {
    /// Without addresses, which may hold credentials.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ObjectArguments").field("objects", &self.objects.is_some()).finish_non_exhaustive()
    }
}

impl ObjectArguments {
    /// Whether a store is asked for.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.objects.is_some()
    }

    /// The directory that objects are kept in, where it is one.
    #[must_use]
    pub fn directory(&self) -> Option<PathBuf> {
        match Location::parse(self.objects.as_deref()?) {
            Ok(Location::Directory(path)) => Some(path),
            _ => None,
        }
    }

    /// Whether they are kept by this server itself, in a directory or in memory.
    #[must_use]
    pub fn are_kept_here(&self) -> bool {
        let location = self.objects.as_deref().map(Location::parse);
        matches!(location, Some(Ok(Location::Directory(_) | Location::Memory)))
    }

    /// The store that is asked for.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(&self) -> Result<Option<Objects>, OpenError> {
        let Some(location) = self.objects.clone() else {
            return Ok(None);
        };
        let limits = Limits {
            object_bytes: self.max_object_bytes,
            total_bytes: self.objects_quota_bytes,
            objects: self.objects_quota,
            timeout: Duration::from_secs(self.objects_timeout_seconds),
        };
        let endpoint = self.objects_endpoint.clone();
        let links = link::Policy { cdn: self.objects_cdn_url.clone(), own: self.objects_own_links };
        let options = Options { location, endpoint, allow_http: self.objects_allow_http, limits, links };
        Objects::open(options).map(Some)
    }
}

fn cdn_url(url: &str) -> Result<String, &'static str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.contains(['?', '#', ' ', '@']) => Ok(url.to_owned()),
        _ => Err("must be http:// or https:// and a host, without credentials and query"),
    }
}
