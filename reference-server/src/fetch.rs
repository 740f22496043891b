//! Requests to the outside on a caller's behalf, guarded against reaching the inside (server-side request forgery).
//!
//! In: an address. Out: what is there, up to a size. Refusals: [`FetchError`].
//! Invariants: every connection, also after a redirect, goes to an address that was checked, and the one that was checked
//! is the one that is connected to; private, local and special networks, services of clouds for their machines, and the
//! addresses that this machine has at that moment are refused unless the operator allowed them;
//! no proxy, cookie or credential is used; nothing is unpacked.

mod address;

use std::error::Error as StdError;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

pub use address::Network;
use futures_util::StreamExt as _;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Url, header};
use tokio::sync::Semaphore;
use url::Host;

/// Most bytes that are taken.
pub const BYTES_MAX: usize = 1 << 20;

/// From the beginning to the last byte, redirects included.
const TIME: Duration = Duration::from_secs(15);

/// Connecting, name look-up included.
const CONNECT_TIME: Duration = Duration::from_secs(5);

const REDIRECTS_MAX: usize = 5;

const URL_BYTES_MAX: usize = 2_048;

/// Fetches at once, where the operator says nothing else.
pub const FETCHES_MAX: usize = 16;

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Not an address that is fetched.
    #[error("not an address that is fetched: {0}")]
    Address(&'static str),
    /// It leads to where callers must not reach.
    #[error("this address leads to a private, local or special network or to this machine, which is refused")]
    Forbidden,
    /// Too many redirects.
    #[error("more than {REDIRECTS_MAX} redirects")]
    Redirects,
    /// Not there in time.
    #[error("no whole answer within {} s", TIME.as_secs())]
    Timeout,
    /// As many as may be are under way.
    #[error("{0} fetches are under way; try again later")]
    Busy(usize),
    /// Not reached, or broken off.
    #[error("the server could not be reached, or broke off")]
    Unreachable(#[source] reqwest::Error),
    /// The guard could not be set up.
    #[error("cannot fetch: {0}")]
    Setup(#[source] reqwest::Error),
}

impl FetchError {
    /// The stable code of the failure.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Address(_) => "invalid_url",
            Self::Forbidden => "address_forbidden",
            Self::Redirects => "too_many_redirects",
            Self::Timeout => "fetch_timeout",
            Self::Busy(_) => "fetch_busy",
            Self::Unreachable(_) | Self::Setup(_) => "fetch_failed",
        }
    }
}

/// What was fetched.
#[derive(Debug)]
pub struct Fetched {
    /// Where it was, after redirects.
    pub url: String,
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`, where it is text.
    pub media_type: Option<String>,
    /// The body, or its beginning.
    pub body: Vec<u8>,
    /// Whether there was more.
    pub truncated: bool,
}

/// Fetches what is outside.
#[derive(Debug, Clone)]
pub struct Fetcher {
    client: Client,
    guard: Arc<Guard>,
    turns: Arc<Semaphore>,
    fetches_max: usize,
}

/// What may be reached beside the public networks.
#[derive(Debug)]
struct Guard {
    allowed: Vec<Network>,
    /// Whether an address is this machine's.
    is_own: fn(IpAddr) -> bool,
}

/// A refusal of the guard, on its way through the client.
#[derive(Debug, thiserror::Error)]
#[error("forbidden address")]
struct Refused;

impl Fetcher {
    /// A fetcher that reaches the public networks, and those that are allowed.
    ///
    /// # Errors
    /// [`FetchError::Setup`].
    pub fn new(allowed: Vec<Network>) -> Result<Self, FetchError> {
        let guard = Arc::new(Guard { allowed, is_own: address::is_own });
        let hop = Arc::clone(&guard);
        let client = Client::builder()
            .user_agent(concat!("doorward-reference-server/", env!("CARGO_PKG_VERSION")))
            .timeout(TIME)
            .connect_timeout(CONNECT_TIME)
            .no_proxy()
            .referer(false)
            .pool_max_idle_per_host(0)
            .dns_resolver(Resolver(Arc::clone(&guard)))
            .redirect(Policy::custom(move |attempt| hop.follow(attempt)))
            .build()
            .map_err(FetchError::Setup)?;
        Ok(Self { client, guard, turns: Arc::new(Semaphore::new(FETCHES_MAX)), fetches_max: FETCHES_MAX })
    }

    /// The same with another number of fetches at once.
    #[must_use]
    pub fn with_fetches_max(self, fetches_max: usize) -> Self {
        Self { turns: Arc::new(Semaphore::new(fetches_max)), fetches_max, ..self }
    }

    /// What is at this address, up to `bytes_max` bytes.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn fetch(&self, url: &str, bytes_max: usize) -> Result<Fetched, FetchError> {
        if url.len() > URL_BYTES_MAX {
            return Err(FetchError::Address("it is too long"));
        }
        let url = Url::parse(url).map_err(|_| FetchError::Address("it is no URL"))?;
        self.guard.check(&url)?;
        let _turn = self.turns.try_acquire().map_err(|_| FetchError::Busy(self.fetches_max))?;
        let request = self.client.get(url).header(header::ACCEPT_ENCODING, "identity");
        let response = request.send().await.map_err(failure)?;
        let (url, status) = (response.url().to_string(), response.status().as_u16());
        let media_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = media_type.map(str::to_owned);
        let (mut body, mut truncated) = (Vec::new(), false);
        let mut stream = response.bytes_stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(failure)?;
            let room = bytes_max.saturating_sub(body.len());
            body.extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or_default());
            if chunk.len() > room {
                truncated = true;
                break;
            }
        }
        Ok(Fetched { url, status, media_type, body, truncated })
    }
}

fn failure(error: reqwest::Error) -> FetchError {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(found) = cause {
        if found.is::<Refused>() {
            return FetchError::Forbidden;
        }
        cause = found.source();
    }
    if error.is_timeout() {
        return FetchError::Timeout;
    }
    if error.is_redirect() {
        return FetchError::Redirects;
    }
    FetchError::Unreachable(error)
}

impl Guard {
    fn permits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.allowed.iter().any(|network| network.contains(address))
            || (address::is_public(address) && !(self.is_own)(address))
    }

    /// What can be said about an address before its name is looked up.
    fn check(&self, url: &Url) -> Result<(), FetchError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(FetchError::Address("only http and https are"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(FetchError::Address("it holds a user or password"));
        }
        // The client connects to a literal address without asking the resolver.
        let literal = match url.host() {
            None => return Err(FetchError::Address("it has no host")),
            Some(Host::Domain(_)) => return Ok(()),
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
        };
        if self.permits(literal) { Ok(()) } else { Err(FetchError::Forbidden) }
    }

    fn follow(&self, attempt: Attempt<'_>) -> reqwest::redirect::Action {
        if attempt.previous().len() > REDIRECTS_MAX {
            return attempt.error("too many redirects");
        }
        match self.check(attempt.url()) {
            Ok(()) => attempt.follow(),
            Err(_) => attempt.error(Refused),
        }
    }
}

/// Gives the client only addresses that it may connect to.
struct Resolver(Arc<Guard>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = Arc::clone(&self.0);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let permitted: Vec<SocketAddr> =
                found.iter().copied().filter(|address| guard.permits(address.ip())).collect();
            if permitted.is_empty() && !found.is_empty() {
                return Err(Box::new(Refused) as Box<dyn StdError + Send + Sync>);
            }
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests;
