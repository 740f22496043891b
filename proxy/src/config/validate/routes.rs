//! The paths that lead to the servers, and the resource URIs that tokens are for.

use std::collections::BTreeMap;

use url::Url;

use super::{Check, upstreams::is_loopback};
use crate::{
    config::{Route, Upstream},
    pipeline::dispatch::settings::RouteSettings,
    server::settings::{ListenAddress, ListenSettings},
};

pub(super) fn routes(
    check: &mut Check<'_>,
    mut settings: BTreeMap<String, RouteSettings>,
    upstreams: &BTreeMap<String, Upstream>,
    listen: &[ListenSettings],
) -> BTreeMap<String, Route> {
    if settings.is_empty() {
        settings = default_routes(upstreams);
    }
    let mut routes = BTreeMap::new();
    let mut resources: BTreeMap<String, String> = BTreeMap::new();
    for (path, route) in settings {
        let key = format!("routes.{path}");
        path_is_plain(check, &key, &path);
        if !upstreams.contains_key(&route.upstream) {
            let known: Vec<&str> = upstreams.keys().map(String::as_str).collect();
            let message = format!("there is no upstream `{}`; there is {}", route.upstream, known.join(", "));
            check.problem(&format!("{key}.upstream"), message, "name an entry of `upstreams`");
        }
        scopes(check, &key, &route.scopes_required);
        if let Some(resource) = &route.resource {
            resource_is_plain(check, &key, resource, &path);
        }
        let resource = route.resource.or_else(|| default_resource(listen, &path));
        if let Some(resource) = &resource
            && let Some(other) = resources.insert(resource.clone(), path.clone())
        {
            check.problem(
                &format!("{key}.resource"),
                format!("{other} has the same resource URI"),
                "give each route its own: a token for one must not open the other",
            );
        }
        routes.insert(path, Route { upstream: route.upstream, resource, scopes_required: route.scopes_required });
    }
    routes
}

fn path_is_plain(check: &mut Check<'_>, key: &str, path: &str) {
    let plain =
        path.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'/'));
    let segments =
        path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(|part| !matches!(part, "" | "." | "..")));
    if !plain || !segments {
        check.problem(
            key,
            format!("`{path}` is no path of a route"),
            "write a path like `/files/mcp`: letters, digits and `-._~`, no slash at its end",
        );
    } else if path.starts_with("/.well-known/") {
        check.problem(key, "paths under /.well-known/ are Doorward's own", "choose another path");
    }
}

fn resource_is_plain(check: &mut Check<'_>, key: &str, resource: &str, path: &str) {
    let key = format!("{key}.resource");
    let hint = "write the address that clients use, like `https://mcp.example.com/mcp`";
    match Url::parse(resource) {
        Ok(url) if !matches!(url.scheme(), "https" | "http") || url.host().is_none() => {
            check.problem(&key, "is no http or https address", hint);
        }
        Ok(url) if url.fragment().is_some() || url.query().is_some() || !url.username().is_empty() => {
            check.problem(&key, "holds a query, fragment or user name (RFC 8707 §2)", hint);
        }
        Ok(url) if url.scheme() == "http" && !is_loopback(&url) => {
            check.warn(format!("{key}: tokens for {resource} travel without encryption"));
        }
        Ok(url) if url.path().trim_end_matches('/') != path => {
            check.warn(format!(
                "{key}: clients will call {}, this route is {path}; something in front must map one to the other",
                url.path()
            ));
        }
        Ok(_) => {}
        Err(error) => check.problem(&key, format!("is no URI: {error}"), hint),
    }
}

/// Only where clients surely reach us under that name: one loopback listener with a fixed port.
fn default_resource(listen: &[ListenSettings], path: &str) -> Option<String> {
    match listen {
        [one] => match &one.address {
            ListenAddress::Tcp(address) if address.ip().is_loopback() && address.port() != 0 => {
                let scheme = if one.tls.is_some() { "https" } else { "http" };
                Some(format!("{scheme}://{address}{path}"))
            }
            _ => None,
        },
        _ => None,
    }
}

/// `/mcp` for a single upstream, else `/<upstream>/mcp` for each.
fn default_routes(upstreams: &BTreeMap<String, Upstream>) -> BTreeMap<String, RouteSettings> {
    let single = upstreams.len() == 1;
    let route = |name: &String| {
        let path = if single { "/mcp".to_owned() } else { format!("/{name}/mcp") };
        (path, RouteSettings { upstream: name.clone(), resource: None, scopes_required: Vec::new() })
    };
    upstreams.keys().map(route).collect()
}

fn scopes(check: &mut Check<'_>, key: &str, scopes: &[String]) {
    for (index, scope) in scopes.iter().enumerate() {
        // RFC 6749 §3.3: scope-token.
        if scope.is_empty() || !scope.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)) {
            check.problem(
                &format!("{key}.scopes_required[{index}]"),
                format!("`{scope}` is no scope"),
                "write one scope an entry, without spaces and quotes",
            );
        }
    }
}
