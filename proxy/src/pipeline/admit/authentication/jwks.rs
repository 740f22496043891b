//! Keeps one issuer's keys current.
//!
//! One task per issuer owns the loading; requests only read what it published. In: `kid` and `alg` of a token. Out: the key,
//! or `KeyUnknown`, `AlgorithmForbidden`, `Unavailable`.
//!
//! - Keys are loaded at start, again after `max_age`, and once more when a token names an unknown key, but not more often than
//!   [`Timing::interval_min`] whoever asks: loads are single-flight, and askers wait for the one under way, at most
//!   [`WAITERS_MAX`] of them. Tokens with a known key never wait.
//! - A key that left the set, and every key once the set could not be loaded for `max_stale`, is marked: tokens that were
//!   verified by it and are cached stop being valid at once (see [`Key::is_live`]).
//! - A failed load never empties the set before `max_stale`.
//!
//! The task stops when the [`KeySource`] is dropped.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use tokio::{
    sync::{Notify, Semaphore, watch},
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};
use url::Url;

use super::{
    fetch::{FetchError, Fetcher},
    keys::{Key, KeySet, KeySetError, KeySetLimits, Lookup},
    settings::SignatureAlgorithm,
};
use crate::model::rejection::Authentication;

/// How many requests may wait for one load.
pub const WAITERS_MAX: usize = 256;

/// The longest that one request waits for a load.
const WAIT_MAX: Duration = Duration::from_secs(6);

/// When keys are loaded.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// The least time from the end of a load to the beginning of the next.
    pub interval_min: Duration,
    /// The time between two loads without a reason: how soon a rotation is seen.
    pub max_age: Duration,
    /// For how long keys serve after the last successful load.
    pub max_stale: Duration,
    /// The longest time to the next try after a failed load.
    pub backoff_max: Duration,
}

/// Where the keys come from.
#[derive(Debug)]
pub enum Origin {
    /// A JWK set in a file, and how large it may be.
    File(PathBuf, KeySetLimits),
    /// A JWK set at an address.
    Url(Fetcher, Url),
    /// The address is in the issuer's metadata: the issuer identifier to the character, and as a URL.
    Discovery(Fetcher, Box<str>, Url),
}

#[derive(Clone, Copy)]
struct Status {
    /// Whether the last load worked, or older keys are good still.
    usable: bool,
    /// When the next load may begin.
    next_allowed: Instant,
}

struct Shared {
    keys: ArcSwap<KeySet>,
    wanted: Notify,
    status: watch::Sender<Status>,
    waiters: Semaphore,
}

/// An issuer's keys.
pub struct KeySource {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Drop for KeySource {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl KeySource {
    /// Starts to load; must run within a tokio runtime. A file is read before this returns, so that a wrong one is an error of
    /// the configuration; an address that does not answer yet is tried again.
    pub fn start(origin: Origin, timing: Timing) -> Result<Self, FetchError> {
        let mut loader = Loader::new(origin);
        let now = Instant::now();
        let initial = match &loader.origin {
            Origin::File(path, limits) => Some(read_file(path, limits)?),
            Origin::Url(..) | Origin::Discovery(..) => None,
        };
        let (keys, stamp) = initial.unwrap_or_default();
        loader.stamp = stamp;
        let status = Status { usable: !keys.is_empty(), next_allowed: now };
        let shared = Arc::new(Shared {
            keys: ArcSwap::from_pointee(keys),
            wanted: Notify::new(),
            status: watch::Sender::new(status),
            waiters: Semaphore::new(WAITERS_MAX),
        });
        let task = tokio::spawn(run(Arc::clone(&shared), loader, timing));
        Ok(Self { shared, task })
    }

    /// The key for a token with this `kid` and `alg`; waits for a load only if the key is not known and a load may begin.
    pub async fn key(&self, id: Option<&str>, algorithm: SignatureAlgorithm) -> Result<Arc<Key>, Authentication> {
        if let Some(answer) = self.find(id, algorithm) {
            return answer;
        }
        let mut status = self.shared.status.subscribe();
        let seen = *status.borrow_and_update();
        if Instant::now() >= seen.next_allowed {
            let Ok(_waiting) = self.shared.waiters.try_acquire() else {
                return Err(Authentication::Unavailable);
            };
            self.shared.wanted.notify_one();
            if timeout(WAIT_MAX, status.changed()).await.is_err() {
                return Err(Authentication::Unavailable);
            }
        }
        if let Some(answer) = self.find(id, algorithm) {
            return answer;
        }
        let usable = self.shared.status.borrow().usable;
        Err(if usable { Authentication::KeyUnknown } else { Authentication::Unavailable })
    }

    /// Whether tokens of this issuer can be verified at the moment; for the readiness report.
    pub fn is_usable(&self) -> bool {
        self.shared.status.borrow().usable
    }

    fn find(&self, id: Option<&str>, algorithm: SignatureAlgorithm) -> Option<Result<Arc<Key>, Authentication>> {
        match self.shared.keys.load().find(id, algorithm) {
            Lookup::Found(key) => Some(Ok(key)),
            Lookup::OtherAlgorithm => Some(Err(Authentication::AlgorithmForbidden)),
            Lookup::Unknown => None,
        }
    }
}

impl Shared {
    fn install(&self, mut next: KeySet) {
        let old = self.keys.load_full();
        next.keep_known(&old);
        let next = Arc::new(next);
        self.keys.store(Arc::clone(&next));
        old.retire(&next);
    }
}

/// The issuer's task: loads, publishes, retires.
async fn run(shared: Arc<Shared>, mut loader: Loader, timing: Timing) {
    let mut failures = 0_u32;
    let mut due = Instant::now();
    let mut stale = Instant::now() + timing.max_stale;
    if matches!(loader.origin, Origin::File(..)) {
        due += timing.max_age;
    }
    loop {
        let usable = shared.status.borrow().usable;
        let wake = tokio::select! {
            () = sleep_until(stale), if usable => Wake::Stale,
            () = sleep_until(due) => Wake::Due,
            () = shared.wanted.notified() => Wake::Wanted,
        };
        let started = Instant::now();
        match wake {
            Wake::Stale => {
                tracing::error!(origin = %loader.origin, "the issuer's keys are too old; its tokens are refused");
                shared.install(KeySet::default());
                shared.status.send_modify(|status| status.usable = false);
                loader.stamp = Stamp::default();
                continue;
            }
            Wake::Wanted if started < shared.status.borrow().next_allowed => continue,
            Wake::Wanted | Wake::Due => {}
        }
        let loaded = loader.load(matches!(wake, Wake::Due)).await;
        let fresh = loaded.is_ok();
        match loaded {
            Ok(keys) => {
                if let Some(keys) = keys {
                    tracing::info!(origin = %loader.origin, keys = keys.len(), "keys loaded");
                    shared.install(keys);
                }
                failures = 0;
                due = started + timing.max_age;
                stale = started + timing.max_stale;
            }
            Err(error) => {
                tracing::warn!(origin = %loader.origin, %error, "the issuer's keys could not be loaded");
                let backoff = timing.interval_min.saturating_mul(1 << failures.min(10));
                failures = failures.saturating_add(1);
                due = Instant::now() + backoff.min(timing.backoff_max);
            }
        }
        shared.status.send_modify(|status| {
            status.usable |= fresh;
            // From the end on: whoever asked while a slow load was under way was answered by it.
            status.next_allowed = Instant::now() + timing.interval_min;
        });
    }
}

enum Wake {
    Due,
    Wanted,
    Stale,
}

/// What says whether a file changed: a new inode comes with the symlink swap of mounted volumes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
    inode: u64,
}

struct Loader {
    origin: Origin,
    stamp: Stamp,
    jwks_uri: Option<Url>,
}

impl Loader {
    fn new(origin: Origin) -> Self {
        Self { origin, stamp: Stamp::default(), jwks_uri: None }
    }

    /// The keys, or `None` where they are as before. `rediscover` reads the metadata again too.
    async fn load(&mut self, rediscover: bool) -> Result<Option<KeySet>, FetchError> {
        match &self.origin {
            Origin::File(path, limits) => {
                if stamp(path).is_ok_and(|stamp| stamp == self.stamp) {
                    return Ok(None);
                }
                let (keys, stamp) = read_file(path, limits)?;
                self.stamp = stamp;
                Ok(Some(keys))
            }
            Origin::Url(fetcher, url) => fetcher.key_set(url).await.map(Some),
            Origin::Discovery(fetcher, issuer, base) => {
                let known = self.jwks_uri.take().filter(|_| !rediscover);
                let uri = match known {
                    Some(uri) => uri,
                    None => fetcher.discover(issuer, base).await?,
                };
                let keys = fetcher.key_set(&uri).await?;
                self.jwks_uri = Some(uri);
                Ok(Some(keys))
            }
        }
    }
}

fn stamp(path: &Path) -> std::io::Result<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path)?;
    Ok(Stamp { modified: metadata.modified().ok(), bytes: metadata.len(), inode: metadata.ino() })
}

fn read_file(path: &Path, limits: &KeySetLimits) -> Result<(KeySet, Stamp), FetchError> {
    let name = || Box::from(path.to_string_lossy());
    let failed = |error| FetchError::File(name(), error);
    let stamp = stamp(path).map_err(failed)?;
    if stamp.bytes > limits.document_bytes_max as u64 {
        let error = std::io::Error::new(std::io::ErrorKind::FileTooLarge, "over the size limit");
        return Err(failed(error));
    }
    let document = std::fs::read(path).map_err(failed)?;
    let keys =
        KeySet::parse(document.into(), limits).map_err(|error: KeySetError| FetchError::KeySet(name(), error))?;
    Ok((keys, stamp))
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path, _) => write!(f, "{}", path.display()),
            Self::Url(_, url) => write!(f, "{url}"),
            Self::Discovery(_, issuer, _) => write!(f, "{issuer}"),
        }
    }
}
