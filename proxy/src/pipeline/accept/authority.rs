//! `Host` and `Origin`: is the request meant for us, and does it come from a page that may talk to us?
//!
//! DNS rebinding makes a browser send requests with a foreign name to a loopback address; an exact list of names stops
//! it (MCP 2026-07-28, basic/transports/streamable-http, "Security Warning"). Grammar: RFC 3986 §3.2, RFC 6454 §7.

use crate::model::rejection::Accept;

/// A host name or address with its port, lower case, as compared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Authority {
    host: Box<str>,
    port: Option<u16>,
}

impl Authority {
    /// Reads `host[:port]`. No user information, path or query.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, after) = rest.split_once(']')?;
                address.parse::<std::net::Ipv6Addr>().ok()?;
                (
                    format!("[{}]", address.to_ascii_lowercase()),
                    after.strip_prefix(':').or(after.is_empty().then_some(""))?,
                )
            }
            None => {
                let (host, port) = text.split_once(':').unwrap_or((text, ""));
                if text.contains(':') && port.is_empty() {
                    return None;
                }
                (host.to_ascii_lowercase(), port)
            }
        };
        let name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if host.is_empty() || !(host.starts_with('[') || host.bytes().all(name)) {
            return None;
        }
        let port = match port {
            "" => None,
            digits if digits.len() <= 5 && digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok()?),
            _ => return None,
        };
        Some(Self { host: host.into(), port })
    }

    /// Whether the host is this machine by name or address.
    pub fn is_loopback(&self) -> bool {
        is_loopback_name(&self.host)
    }

    /// The host, lower case; IPv6 in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }
}

fn is_loopback_name(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// An `Origin` with its default port made explicit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: Box<str>,
    host: Box<str>,
    port: u16,
}

impl Origin {
    /// Reads `scheme://host[:port]`; `null` and anything longer is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let default = match scheme.as_str() {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        let authority = Authority::parse(authority)?;
        Some(Self { scheme: scheme.into(), host: authority.host, port: authority.port.unwrap_or(default) })
    }
}

/// Which hosts and origins are served.
#[derive(Clone, Debug, Default)]
pub struct AuthorityRules {
    /// Hosts by name, any port, or with the port where one was configured.
    pub hosts: Vec<Authority>,
    /// Origins beyond the request's own.
    pub origins: Vec<Origin>,
    /// Whether `localhost` and loopback addresses are names of ours.
    pub loopback: bool,
}

impl AuthorityRules {
    /// Checks `Host` (or `:authority`).
    ///
    /// # Errors
    /// [`Accept::HostInvalid`], [`Accept::HostForbidden`].
    pub fn check_host(&self, host: &str) -> Result<Authority, Accept> {
        let authority = Authority::parse(host).ok_or(Accept::HostInvalid)?;
        let listed = self
            .hosts
            .iter()
            .any(|known| known.host == authority.host && (known.port.is_none() || known.port == authority.port));
        if listed || (self.loopback && authority.is_loopback()) { Ok(authority) } else { Err(Accept::HostForbidden) }
    }

    /// Checks `Origin` against the list and the request's own, already checked, authority.
    ///
    /// # Errors
    /// [`Accept::OriginForbidden`].
    pub fn check_origin(&self, origin: &str, own: &Authority) -> Result<(), Accept> {
        let origin = Origin::parse(origin).ok_or(Accept::OriginForbidden)?;
        let default = if &*origin.scheme == "https" { 443 } else { 80 };
        let same = origin.host == own.host && origin.port == own.port.unwrap_or(default);
        let local = self.loopback && is_loopback_name(&origin.host) && own.is_loopback();
        if same || local || self.origins.contains(&origin) { Ok(()) } else { Err(Accept::OriginForbidden) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> AuthorityRules {
        AuthorityRules {
            hosts: vec![Authority::parse("mcp.example.com").unwrap()],
            origins: vec![Origin::parse("https://good.com").unwrap()],
            loopback: true,
        }
    }

    #[test]
    fn hosts_that_are_not_authorities_are_invalid() {
        for host in ["", "a/?x=", "u@h", "a b", "a:", "a:99999", "a:1:2", "[::1", "[::1]x", "a:+1", "é"] {
            assert_eq!(rules().check_host(host), Err(Accept::HostInvalid), "{host}");
        }
    }

    #[test]
    fn foreign_hosts_are_forbidden() {
        for host in ["evil.example:8080", "mcp.example.com.evil.io", "localhost.evil.io", "10.0.0.1"] {
            assert_eq!(rules().check_host(host), Err(Accept::HostForbidden), "{host}");
        }
        for host in ["localhost", "LOCALHOST:1", "127.0.0.1:8080", "[::1]:80", "MCP.example.com:443"] {
            assert!(rules().check_host(host).is_ok(), "{host}");
        }
    }

    #[test]
    fn origins_compare_after_normalisation() {
        let own = Authority::parse("127.0.0.1:8080").unwrap();
        for origin in ["https://evil", "null", "https://good.com.evil.io", "http://good.com", "https://good.com/x", ""]
        {
            assert_eq!(rules().check_origin(origin, &own), Err(Accept::OriginForbidden), "{origin}");
        }
        for origin in ["https://GOOD.com:443", "https://good.com", "http://127.0.0.1:8080", "http://localhost:3000"] {
            assert_eq!(rules().check_origin(origin, &own), Ok(()), "{origin}");
        }
        let public = Authority::parse("mcp.example.com").unwrap();
        assert_eq!(rules().check_origin("http://localhost:3000", &public), Err(Accept::OriginForbidden));
    }
}
