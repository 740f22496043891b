//! Whom a request may think it talks to. A web page can send a browser to our address under a name of its own (DNS
//! rebinding); it cannot make the browser send another `Host`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{HeaderMap, header, uri::Authority};

/// The names that are ours.
pub(super) struct Hosts {
    loopback_only: bool,
    names: Box<[String]>,
}

impl Hosts {
    /// For a listener's address, with further names from the configuration.
    pub(super) fn new(address: IpAddr, names: &[String]) -> Self {
        let names = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        Self { loopback_only: address.is_loopback(), names }
    }

    /// Whether exactly one `Host` is there, and names us.
    pub(super) fn allow(&self, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return false;
        };
        let Some(authority) = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()) else {
            return false;
        };
        if authority.as_str().contains('@') {
            return false;
        }
        let name = authority.host().to_ascii_lowercase();
        name == "localhost"
            || self.names.contains(&name)
            || literal(&name).is_some_and(|ip| !self.loopback_only || ip.is_loopback())
    }
}

fn literal(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(v6) => v6.parse::<Ipv6Addr>().ok().map(IpAddr::from),
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::from),
    }
}
