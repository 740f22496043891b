//! Which store: what the operator named, with the credentials that the environment holds.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::memory::InMemory;
use object_store::signer::Signer;
use object_store::{ClientOptions, ObjectStore, RetryConfig};
use tokio::sync::Semaphore;

use super::local::{ENDING_BYTES_MAX, Local};
use super::logged::printable;
use super::remote::{Kind, Remote};
use super::{Kept, Limits, ObjectKey, Objects, WRITES_MAX, link};
use crate::directory::{self, Directory, Quota};

/// How often a request that may be repeated is, within its time.
const RETRIES_MAX: usize = 2;

/// Longest prefix within a bucket, in bytes: with the longest key within what every store takes (1024).
const PREFIX_BYTES_MAX: usize = 256;

/// What the operator asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where objects are kept; see [`Location::parse`].
    pub location: String,
    /// Address of the store, where it is not the cloud's own.
    pub endpoint: Option<String>,
    /// Whether the store may be talked to without TLS.
    pub allow_http: bool,
    /// What may be stored.
    pub limits: Limits,
    /// Which links are given out.
    pub links: link::Policy,
}

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not a location.
    #[error("--objects: {0}")]
    Location(&'static str),
    /// An address without TLS.
    #[error("the store's address is http://, which sends everything in the clear; --objects-allow-http allows it")]
    Clear,
    /// The directory cannot be served.
    #[error(transparent)]
    Directory(#[from] directory::OpenError),
    /// The settings of the store are not whole.
    #[error("the store of objects cannot be used: {0}")]
    Settings(String),
}

/// Where objects are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A directory of the host.
    Directory(PathBuf),
    /// In memory, until the server stops.
    Memory,
    /// A bucket (or container) of a cloud, and where in it.
    Bucket(Cloud, String, Option<String>),
}

/// Whose store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cloud {
    /// S3, of Amazon or compatible.
    S3,
    /// Azure Blob Storage.
    Azure,
    /// Google Cloud Storage.
    Google,
}

impl Location {
    /// `file:///DIR` or a path, `memory:`, `s3://BUCKET[/PREFIX]`, `az://CONTAINER[/PREFIX]`, `gs://BUCKET[/PREFIX]`.
    ///
    /// # Errors
    /// [`OpenError::Location`].
    pub fn parse(text: &str) -> Result<Self, OpenError> {
        let Some((scheme, rest)) = text.split_once(':') else {
            return Ok(Self::Directory(PathBuf::from(text)));
        };
        let cloud = match scheme {
            "memory" if rest.is_empty() => return Ok(Self::Memory),
            "file" => {
                let path = rest.strip_prefix("//").filter(|path| path.starts_with('/'));
                return path
                    .map(|path| Self::Directory(PathBuf::from(path)))
                    .ok_or(OpenError::Location("a directory is file:/// and its path"));
            }
            "s3" => Cloud::S3,
            "az" => Cloud::Azure,
            "gs" => Cloud::Google,
            _ if Path::new(text).is_absolute() || text.starts_with('.') => {
                return Ok(Self::Directory(PathBuf::from(text)));
            }
            _ => return Err(OpenError::Location("known are a directory, file:///, memory:, s3://, az:// and gs://")),
        };
        let rest = rest.strip_prefix("//").unwrap_or_default().trim_end_matches('/');
        let (bucket, prefix) = rest.split_once('/').map_or((rest, None), |(bucket, prefix)| (bucket, Some(prefix)));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if bucket.is_empty() || !bucket.bytes().all(plain) {
            return Err(OpenError::Location("a bucket is letters, digits and -_."));
        }
        if prefix.is_some_and(|prefix| prefix.len() > PREFIX_BYTES_MAX || ObjectKey::parse(prefix).is_err()) {
            return Err(OpenError::Location("a prefix is written like a key and has at most 256 bytes"));
        }
        Ok(Self::Bucket(cloud, bucket.to_owned(), prefix.map(str::to_owned)))
    }
}

impl Objects {
    /// Finds the store. One of a cloud is not asked anything yet.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let limits = options.limits;
        let kept = match Location::parse(&options.location)? {
            Location::Directory(path) => {
                let file_bytes = limits.object_bytes.saturating_add(ENDING_BYTES_MAX);
                let quota = Quota { file_bytes, total_bytes: limits.total_bytes, files: limits.objects };
                Kept::Local(Local(Directory::open(&path, quota)?))
            }
            Location::Memory => Kept::Remote(remote(Arc::new(InMemory::new()), None, Kind::Memory, None, &options)?),
            Location::Bucket(cloud, bucket, prefix) => Kept::Remote(bucket_of(cloud, &bucket, prefix, &options)?),
        };
        Ok(Self { kept, limits, links: options.links, writing: Semaphore::new(WRITES_MAX) })
    }
}

fn remote(
    store: Arc<dyn ObjectStore>,
    signer: Option<Arc<dyn Signer>>,
    kind: Kind,
    prefix: Option<String>,
    options: &Options,
) -> Result<Remote, OpenError> {
    // Never silently the whole bucket.
    let prefix = prefix.map(object_store::path::Path::parse).transpose();
    Ok(Remote {
        store,
        signer,
        kind,
        prefix: prefix.map_err(|_| OpenError::Location("a prefix is written like a key"))?,
        limits: options.limits,
        name: options.location.clone(),
        writes: tokio::sync::Mutex::default(),
    })
}

fn bucket_of(cloud: Cloud, bucket: &str, prefix: Option<String>, options: &Options) -> Result<Remote, OpenError> {
    let failed = |error: object_store::Error| OpenError::Settings(printable(&error));
    let client = ClientOptions::new()
        .with_allow_http(options.allow_http)
        .with_connect_timeout(options.limits.timeout)
        // Each request and each piece of an answer is timed where it is waited for; a large answer may take longer.
        .with_timeout_disabled();
    let retry =
        RetryConfig { max_retries: RETRIES_MAX, retry_timeout: options.limits.timeout, ..RetryConfig::default() };
    match cloud {
        Cloud::S3 => {
            let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
            if let Some(endpoint) = &options.endpoint {
                builder = builder.with_endpoint(endpoint);
            }
            encrypted(builder.get_config_value(&AmazonS3ConfigKey::Endpoint), options)?;
            let store = builder.with_client_options(client).with_retry(retry).build().map_err(failed)?;
            let store = Arc::new(store);
            remote(store.clone(), Some(store), Kind::Quoted, prefix, options)
        }
        Cloud::Azure => {
            let mut builder = MicrosoftAzureBuilder::from_env().with_container_name(bucket);
            if let Some(endpoint) = &options.endpoint {
                builder = builder.with_endpoint(endpoint.clone());
            }
            encrypted(builder.get_config_value(&AzureConfigKey::Endpoint), options)?;
            let emulator = builder.get_config_value(&AzureConfigKey::UseEmulator);
            if emulator.is_some_and(|emulator| emulator != "false") && !options.allow_http {
                return Err(OpenError::Clear);
            }
            let store = builder.with_client_options(client).with_retry(retry).build().map_err(failed)?;
            let store = Arc::new(store);
            remote(store.clone(), Some(store), Kind::Quoted, prefix, options)
        }
        Cloud::Google => {
            let mut builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket);
            if let Some(endpoint) = &options.endpoint {
                builder = builder.with_base_url(endpoint.trim_end_matches('/'));
            }
            encrypted(builder.get_config_value(&GoogleConfigKey::BaseUrl), options)?;
            let store = builder.with_client_options(client).with_retry(retry).build().map_err(failed)?;
            let store = Arc::new(store);
            remote(store.clone(), Some(store), Kind::Generation, prefix, options)
        }
    }
}

/// That nothing is sent in the clear which the operator did not say may be.
fn encrypted(endpoint: Option<String>, options: &Options) -> Result<(), OpenError> {
    let clear = endpoint.is_some_and(|endpoint| !endpoint.to_ascii_lowercase().starts_with("https://"));
    if clear && !options.allow_http { Err(OpenError::Clear) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
