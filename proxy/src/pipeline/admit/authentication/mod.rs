//! Decides whether the caller is who they say they are, before the body is read.
//!
//! In: the request's `Authorization` lines, the route as a protected resource, the time. Out: the [`Principal`]. Refused: every
//! variant of [`Authentication`]. What is refused without a look at the signature is checked first, so that it costs little.
//!
//! Invariants: the token comes from the header only; keys come from the configured issuer only; `iss` is compared to the
//! character; a cached token is never good for longer than verification would find it good. The token is never logged, kept or
//! sent on.
//!
//! To accept another kind of credential: a module beside [`bearer`], a variant of `Mode`, a field in
//! [`settings::AuthenticationSettings`].

pub mod bearer;
pub mod claims;
pub mod fetch;
pub mod jwks;
pub mod jws;
pub mod keys;
pub mod metadata;
pub mod principal;
pub mod scopes;
pub mod settings;
pub mod token_cache;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use self::{
    fetch::{FetchError, Fetcher, FetcherError, UrlError, parse_url},
    jwks::{KeySource, Origin, Timing},
    jws::Jws,
    keys::KeySetLimits,
    metadata::ProtectedResource,
    principal::{Mapping, PointerError},
    settings::{AuthenticationSettings, IssuerSettings, JwksSettings, SignatureAlgorithm},
    token_cache::{TokenCache, TokenDigest, Verified},
};
use crate::model::{Principal, rejection::Authentication};

/// How often a key file is looked at for a change.
const FILE_POLL: Duration = Duration::from_secs(5);
/// The longest time between two tries while fetching fails.
const BACKOFF_MAX: Duration = Duration::from_secs(300);

/// Why authentication cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Nothing to authenticate with.
    #[error("authentication.issuers is empty: name an issuer, or switch authentication off with --no-authentication")]
    NoIssuer,
    /// The same issuer twice.
    #[error("authentication.issuers names `{0}` twice")]
    IssuerTwice(Box<str>),
    /// Principals of two issuers could be mixed up.
    #[error("the prefixes of issuers `{0}` and `{1}` must differ and neither may begin with the other")]
    Prefix(Box<str>, Box<str>),
    /// An address.
    #[error("`{0}` {1}")]
    Url(Box<str>, #[source] UrlError),
    /// A claim mapping.
    #[error("issuer `{0}`: {1}")]
    Pointer(Box<str>, #[source] PointerError),
    /// No algorithm is accepted.
    #[error("issuer `{0}`: algorithms is empty")]
    NoAlgorithm(Box<str>),
    /// The HTTP client.
    #[error("issuer `{0}`: {1}")]
    Client(Box<str>, #[source] FetcherError),
    /// The key file.
    #[error("issuer `{0}`: {1}")]
    Keys(Box<str>, #[source] Box<FetchError>),
}

/// Verifies callers. One per snapshot; its background tasks end when it is dropped.
pub struct Authenticator(Mode);

enum Mode {
    Anonymous(Arc<Principal>),
    Bearer(Box<Bearer>),
}

struct Bearer {
    issuers: Vec<Issuer>,
    cache: TokenCache,
    token_bytes_max: usize,
}

struct Issuer {
    name: Box<str>,
    audiences: Box<[Box<str>]>,
    algorithms: Box<[SignatureAlgorithm]>,
    token_type: Option<Box<str>>,
    leeway_s: u64,
    mapping: Mapping,
    keys: KeySource,
}

impl Authenticator {
    /// Checks the settings and starts to load keys. Must run within a tokio runtime.
    pub fn start(settings: &AuthenticationSettings) -> Result<Self, SettingsError> {
        check_issuers(&settings.issuers)?;
        let issuers = settings
            .issuers
            .iter()
            .map(|issuer| Issuer::start(issuer, settings.groups_max))
            .collect::<Result<_, _>>()?;
        Ok(Self(Mode::Bearer(Box::new(Bearer {
            issuers,
            cache: TokenCache::new(settings.cached_tokens_max),
            token_bytes_max: settings.token_bytes_max.bytes(),
        }))))
    }

    /// Authentication switched off: every caller is [`Principal::anonymous`]. Whether that is allowed on a listener is decided
    /// where listeners are made.
    pub fn anonymous() -> Self {
        Self::fixed(Arc::new(Principal::anonymous()))
    }

    /// Every caller is the one that configuration names.
    pub fn fixed(principal: Arc<Principal>) -> Self {
        Self(Mode::Anonymous(principal))
    }

    /// The caller of a request to `resource`, `now` being Unix time in seconds. `authorization` holds the value of every
    /// `Authorization` line. The route's required scopes are checked here too.
    ///
    /// A token that was seen before costs a hash and a look-up. Waits only for a key that is not known yet.
    pub async fn authenticate<'h>(
        &self,
        authorization: impl Iterator<Item = &'h [u8]>,
        resource: &ProtectedResource,
        now: u64,
    ) -> Result<Arc<Principal>, Authentication> {
        match &self.0 {
            Mode::Anonymous(principal) => Ok(Arc::clone(principal)),
            Mode::Bearer(bearer) => bearer.authenticate(authorization, resource, now).await,
        }
    }

    /// Forgets the tokens that no longer hold at `now`, Unix time in seconds.
    pub fn sweep(&self, now: u64) {
        if let Mode::Bearer(bearer) = &self.0 {
            bearer.cache.sweep(now);
        }
    }

    /// The issuers by name, each with whether its tokens can be verified at the moment; for metadata and readiness.
    pub fn issuers(&self) -> impl Iterator<Item = (&str, bool)> {
        let issuers = match &self.0 {
            Mode::Anonymous(_) => &[],
            Mode::Bearer(bearer) => bearer.issuers.as_slice(),
        };
        issuers.iter().map(|issuer| (&*issuer.name, issuer.keys.is_usable()))
    }
}

impl Bearer {
    async fn authenticate<'h>(
        &self,
        authorization: impl Iterator<Item = &'h [u8]>,
        resource: &ProtectedResource,
        now: u64,
    ) -> Result<Arc<Principal>, Authentication> {
        let token = bearer::extract(authorization, self.token_bytes_max)?;
        let digest = TokenCache::digest(token);
        let verified = match self.cache.get(&digest, now) {
            Some(verified) => verified,
            None => self.verify(token, digest, resource, now).await?,
        };
        let issuer = self.issuers.get(verified.issuer).ok_or(Authentication::IssuerUnknown)?;
        issuer.check_audience(&verified.audiences, resource)?;
        scopes::check(&verified.principal, resource.scopes_required())?;
        Ok(Arc::clone(&verified.principal))
    }

    /// Verifies a token that is not in the cache: the cheap checks first, the signature last.
    async fn verify(
        &self,
        token: &str,
        digest: TokenDigest,
        resource: &ProtectedResource,
        now: u64,
    ) -> Result<Arc<Verified>, Authentication> {
        let jws = Jws::parse(token)?;
        let claims = jws.claims.root();
        let name = claims::issuer(claims)?;
        let mut named = self.issuers.iter().enumerate();
        let (index, issuer) = named.find(|(_, issuer)| issuer.name == name).ok_or(Authentication::IssuerUnknown)?;
        if !issuer.algorithms.contains(&jws.algorithm) {
            return Err(Authentication::AlgorithmForbidden);
        }
        let expires_at = claims::check_dates(claims, now, issuer.leeway_s)?;
        let audiences = claims::audiences(claims)?;
        issuer.check_audience(&audiences, resource)?;
        let wanted = issuer.token_type.as_deref();
        claims::check_token_type(jws.token_type.as_deref(), wanted, claims)?;
        let key = issuer.keys.key(jws.key_id.as_deref(), jws.algorithm).await?;
        if self.cache.is_refused(&digest, &key) {
            return Err(Authentication::SignatureInvalid);
        }
        if let Err(reason) = jws.verify(&key) {
            self.cache.refuse(digest, key);
            return Err(reason);
        }
        let verified = Arc::new(Verified {
            principal: Arc::new(issuer.mapping.principal(claims, expires_at)?),
            audiences,
            issuer: index,
            ends_at: expires_at.saturating_add(issuer.leeway_s),
            key,
        });
        self.cache.insert(digest, Arc::clone(&verified));
        Ok(verified)
    }
}

impl Issuer {
    fn start(settings: &IssuerSettings, values_max: usize) -> Result<Self, SettingsError> {
        let name: Box<str> = settings.issuer.as_str().into();
        if settings.algorithms.is_empty() {
            return Err(SettingsError::NoAlgorithm(name));
        }
        let mapping =
            Mapping::new(settings, values_max).map_err(|error| SettingsError::Pointer(name.clone(), error))?;
        let (origin, timing) = origin(settings)?;
        let keys =
            KeySource::start(origin, timing).map_err(|error| SettingsError::Keys(name.clone(), Box::new(error)))?;
        Ok(Self {
            name,
            audiences: settings.audiences.iter().map(|text| text.as_str().into()).collect(),
            algorithms: settings.algorithms.clone().into(),
            token_type: settings.token_type.as_deref().map(normal_type),
            leeway_s: settings.leeway.0.as_secs(),
            mapping,
            keys,
        })
    }

    /// Whether one of the token's audiences is expected: the configured ones, else the route's resource URI.
    fn check_audience(&self, audiences: &[Box<str>], resource: &ProtectedResource) -> Result<(), Authentication> {
        let expected = |audience: &str| {
            if self.audiences.is_empty() {
                audience == resource.resource()
            } else {
                self.audiences.iter().any(|other| **other == *audience)
            }
        };
        if audiences.iter().any(|audience| expected(audience)) { Ok(()) } else { Err(Authentication::AudienceMismatch) }
    }
}

/// `typ` compares without case, and `application/` may be left out (RFC 7515 §4.1.9).
fn normal_type(text: &str) -> Box<str> {
    let text = text.to_ascii_lowercase();
    text.strip_prefix("application/").unwrap_or(&text).into()
}

fn check_issuers(issuers: &[IssuerSettings]) -> Result<(), SettingsError> {
    if issuers.is_empty() {
        return Err(SettingsError::NoIssuer);
    }
    for (index, one) in issuers.iter().enumerate() {
        for other in issuers.iter().skip(index + 1) {
            let (a, b) = (one.issuer.as_str(), other.issuer.as_str());
            if a == b {
                return Err(SettingsError::IssuerTwice(a.into()));
            }
            if one.prefix.starts_with(&other.prefix) || other.prefix.starts_with(&one.prefix) {
                return Err(SettingsError::Prefix(a.into(), b.into()));
            }
        }
    }
    Ok(())
}

fn origin(settings: &IssuerSettings) -> Result<(Origin, Timing), SettingsError> {
    let name = || Box::from(settings.issuer.as_str());
    let interval_min = settings.key_set.fetch_interval_min.0;
    let limits = KeySetLimits::from(&settings.key_set);
    let mut timing = Timing {
        interval_min,
        // Validation refuses a shorter one.
        max_age: settings.staleness.max_age.0.max(interval_min),
        max_stale: settings.staleness.max_stale.0,
        backoff_max: BACKOFF_MAX.max(interval_min),
    };
    let address =
        |text: &str, allow_query| parse_url(text, allow_query).map_err(|error| SettingsError::Url(text.into(), error));
    let fetcher =
        |url| Fetcher::new(url, settings.ca.as_deref(), limits).map_err(|error| SettingsError::Client(name(), error));
    let origin = match &settings.jwks {
        Some(JwksSettings::File(path)) => {
            timing.interval_min = Duration::from_secs(1);
            timing.max_age = FILE_POLL;
            timing.backoff_max = FILE_POLL;
            Origin::File(path.clone(), limits)
        }
        Some(JwksSettings::Url(text)) => {
            let url = address(text, true)?;
            Origin::Url(fetcher(&url)?, url)
        }
        None => {
            let url = address(&settings.issuer, false)?;
            Origin::Discovery(fetcher(&url)?, name(), url)
        }
    };
    Ok((origin, timing))
}
