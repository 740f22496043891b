//! Which names this server goes by, against pages that make a browser talk to it under a name of theirs (DNS rebinding).
//!
//! Invariant: a request that names a foreign host, or comes from a page of one, is refused; without an `Origin` it comes
//! from no page.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Loopback names, the address listened on unless it means "any", and what the operator added.
#[derive(Debug, Clone)]
pub(super) struct Hosts(Arc<[String]>);

impl Hosts {
    pub(super) fn new(added: &[String], bound: Option<SocketAddr>) -> Self {
        let mut hosts: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
        if let Some(address) = bound.map(|address| address.ip()).filter(|ip| !ip.is_unspecified() && !ip.is_loopback())
        {
            hosts.push(address.to_string());
        }
        hosts.extend(added.iter().cloned());
        Self(hosts.into())
    }

    pub(super) fn names(&self) -> &[String] {
        &self.0
    }

    /// The origins of pages served by these hosts; any port, unless the host names one.
    pub(super) fn origins(&self) -> Vec<String> {
        self.0.iter().flat_map(|host| origins(host)).collect()
    }

    /// Whether a request with these headers is meant for this server and comes from no foreign page.
    fn admit(&self, headers: &HeaderMap) -> bool {
        let host = single(headers, &header::HOST).is_some_and(|host| self.is_one(host));
        let origin = || {
            let origin = single(headers, &header::ORIGIN)?;
            let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"))?;
            Some(self.is_one(authority))
        };
        host && (!headers.contains_key(header::ORIGIN) || origin() == Some(true))
    }

    /// What a request gets that is not admitted.
    pub(super) fn refusal(&self, headers: &HeaderMap) -> Option<Response> {
        if self.admit(headers) {
            return None;
        }
        tracing::warn!("a foreign Host or Origin was refused");
        Some((StatusCode::FORBIDDEN, "Forbidden: Host or Origin is not allowed").into_response())
    }

    fn is_one(&self, authority: &str) -> bool {
        let Some((name, port)) = split(authority) else {
            return false;
        };
        let mut own = self.0.iter().filter_map(|host| split(host));
        own.any(|(own, only)| own.eq_ignore_ascii_case(name) && (only.is_none() || only == port))
    }
}

/// Refuses what [`Hosts`] does not admit, for the parts of the server that rmcp does not guard itself.
pub(super) async fn guard(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    match hosts.refusal(request.headers()) {
        None => next.run(request).await,
        Some(refusal) => refusal,
    }
}

fn single<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Name and port of `name`, `name:port`, `::1`, `[::1]` or `[::1]:port`.
fn split(authority: &str) -> Option<(&str, Option<u16>)> {
    let (name, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (name, port) = rest.split_once(']')?;
            (name, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
        }
        None if authority.matches(':').count() > 1 => (authority, None),
        None => authority.split_once(':').map_or((authority, None), |(name, port)| (name, Some(port))),
    };
    let port = port.map(str::parse).transpose().ok()?;
    (!name.is_empty()).then_some((name, port))
}

fn origins(host: &str) -> [String; 2] {
    let colons = host.matches(':').count();
    let authority = match colons {
        0 => format!("{host}:*"),
        1 => host.to_owned(),
        _ if host.starts_with('[') && !host.ends_with(']') => host.to_owned(),
        _ if host.starts_with('[') => format!("{host}:*"),
        _ => format!("[{host}]:*"),
    };
    [format!("http://{authority}"), format!("https://{authority}")]
}

#[cfg(test)]
mod tests;
