//! Fetches an issuer's documents: authorization server metadata and JWK sets.
//!
//! Every address is https, or http on loopback; redirects are not followed; the answer is 200 and within the issuer's
//! [`KeySetLimits`]; connecting takes at most 2 s, the whole at most 5 s. The operator's own addresses are trusted to be
//! what they say; an address that a metadata document names is used only if it is https (or the issuer is on loopback itself).

use std::{path::Path, time::Duration};

use bytes::{Bytes, BytesMut};
use doorward_message::{Json, Limits, ParseError};
use url::{Host, Url};

use super::keys::{KeySet, KeySetError, KeySetLimits};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const TOTAL_TIMEOUT: Duration = Duration::from_secs(5);

/// Why an issuer's keys could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No answer, or not a whole one.
    #[error("`{0}` cannot be fetched: {1}")]
    Transport(Url, #[source] reqwest::Error),
    /// A status other than 200; redirects are among them.
    #[error("`{0}` answers with status {1}")]
    Status(Url, u16),
    /// Over the limit.
    #[error("`{0}` answers with more than {1} bytes")]
    TooLarge(Url, usize),
    /// The metadata is not strict JSON.
    #[error("the metadata at `{0}` is not strict JSON ({code})", code = .1.code())]
    Metadata(Url, ParseError),
    /// The metadata speaks for another issuer.
    #[error("the metadata at `{0}` names another issuer")]
    OtherIssuer(Url),
    /// The metadata has no usable `jwks_uri`.
    #[error("the metadata at `{0}` has no jwks_uri with https")]
    NoJwksUri(Url),
    /// The set was refused.
    #[error("`{0}`: {1}")]
    KeySet(Box<str>, #[source] KeySetError),
    /// The file cannot be read.
    #[error("`{0}` cannot be read: {1}")]
    File(Box<str>, #[source] std::io::Error),
}

/// Why an address was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not an absolute URL.
    #[error("is not an absolute URL")]
    Invalid,
    /// Neither https nor http on loopback.
    #[error("is neither https nor http on loopback")]
    Insecure,
    /// User information, a query or a fragment.
    #[error("has user information, a query or a fragment")]
    Extra,
}

/// Reads an issuer identifier or a JWKS address. An issuer has no query (RFC 8414 §2); `allow_query` is for the latter.
pub fn parse_url(text: &str, allow_query: bool) -> Result<Url, UrlError> {
    let url = Url::parse(text).map_err(|_| UrlError::Invalid)?;
    if url.host().is_none() {
        return Err(UrlError::Invalid);
    }
    if !(url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url)) {
        return Err(UrlError::Insecure);
    }
    let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    if !bare || (!allow_query && url.query().is_some()) {
        return Err(UrlError::Extra);
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// An HTTP client for the addresses of one issuer, `base` being the one that configuration names.
#[derive(Clone, Debug)]
pub struct Fetcher {
    client: reqwest::Client,
    loopback: bool,
    limits: KeySetLimits,
}

/// Why the HTTP client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum FetcherError {
    /// The CA file cannot be read.
    #[error("the CA file cannot be read: {0}")]
    CaFile(#[source] std::io::Error),
    /// The CA file holds no certificate.
    #[error("the CA file holds no PEM certificate")]
    CaEmpty,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Client(#[source] reqwest::Error),
}

impl Fetcher {
    /// Makes the client. `ca` is a PEM file whose certificates replace the system's.
    pub fn new(base: &Url, ca: Option<&Path>, limits: KeySetLimits) -> Result<Self, FetcherError> {
        let loopback = is_loopback(base);
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TOTAL_TIMEOUT)
            .pool_max_idle_per_host(0)
            .user_agent(concat!("doorward/", env!("CARGO_PKG_VERSION")));
        if loopback {
            builder = builder.no_proxy();
        }
        if let Some(path) = ca {
            let pem = std::fs::read(path).map_err(FetcherError::CaFile)?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(FetcherError::Client)?;
            if certificates.is_empty() {
                return Err(FetcherError::CaEmpty);
            }
            builder = builder.tls_certs_only(certificates);
        } else if base.scheme() == "http" {
            // No TLS will happen: do not fail where the system has no certificates.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(FetcherError::Client)?;
        Ok(Self { client, loopback, limits })
    }

    /// The JWK set at `url`.
    pub async fn key_set(&self, url: &Url) -> Result<KeySet, FetchError> {
        let document = self.get(url).await?;
        KeySet::parse(document, &self.limits).map_err(|error| FetchError::KeySet(url.as_str().into(), error))
    }

    /// Finds the address of `issuer`'s JWK set: RFC 8414 (path inserted), then OpenID Connect Discovery (path inserted, then
    /// appended). The document's `issuer` must be `issuer` to the character, else it is not used.
    pub async fn discover(&self, issuer: &str, base: &Url) -> Result<Url, FetchError> {
        let mut last = None;
        for url in well_known(base) {
            match self.metadata(issuer, &url).await {
                Ok(jwks_uri) => return Ok(jwks_uri),
                // Another issuer's metadata at our issuer's address is not a reason to look further.
                Err(error @ (FetchError::OtherIssuer(_) | FetchError::NoJwksUri(_))) => {
                    return Err(error);
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| FetchError::NoJwksUri(base.clone())))
    }

    async fn metadata(&self, issuer: &str, url: &Url) -> Result<Url, FetchError> {
        let document = self.get(url).await?;
        let limits = Limits { message_bytes_max: self.limits.document_bytes_max, ..Limits::default() };
        let json = Json::parse(document, &limits).map_err(|error| FetchError::Metadata(url.clone(), error))?;
        let text = |name| json.root().get(name).and_then(|value| value.as_str());
        if text("issuer").as_deref() != Some(issuer) {
            return Err(FetchError::OtherIssuer(url.clone()));
        }
        text("jwks_uri")
            .and_then(|uri| parse_url(&uri, true).ok())
            .filter(|uri| self.loopback || (uri.scheme() == "https" && !is_loopback(uri)))
            .ok_or_else(|| FetchError::NoJwksUri(url.clone()))
    }

    async fn get(&self, url: &Url) -> Result<Bytes, FetchError> {
        let failed = |error: reqwest::Error| FetchError::Transport(url.clone(), error.without_url());
        let request = self.client.get(url.clone()).header("accept", "application/json");
        let mut response = request.send().await.map_err(failed)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(FetchError::Status(url.clone(), response.status().as_u16()));
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > self.limits.document_bytes_max {
                return Err(FetchError::TooLarge(url.clone(), self.limits.document_bytes_max));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }
}

/// Where an issuer's metadata may be, in the order of MCP 2026-07-28, basic/authorization.
pub fn well_known(issuer: &Url) -> Vec<Url> {
    let path = issuer.path().trim_end_matches('/');
    let at = |path: String| {
        let mut url = issuer.clone();
        url.set_path(&path);
        url
    };
    let mut urls = vec![
        at(format!("/.well-known/oauth-authorization-server{path}")),
        at(format!("/.well-known/openid-configuration{path}")),
    ];
    if !path.is_empty() {
        urls.push(at(format!("{path}/.well-known/openid-configuration")));
    }
    urls
}
