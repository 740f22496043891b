//! The servers behind the door and the paths that lead to them.

use std::{collections::BTreeMap, path::PathBuf};

use url::{Host, Url};

use super::{Check, files, listen::key_pair};
use crate::{
    config::{Route, Upstream, UpstreamTarget, secret_reference::SecretReference},
    pipeline::dispatch::settings::{CredentialSettings, RouteSettings, UpstreamSettings},
    server::settings::{ListenAddress, ListenSettings},
};

/// Names stand in paths, policies and metric labels.
fn name_is_plain(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
        })
}

pub(super) fn upstreams(
    check: &mut Check<'_>,
    settings: BTreeMap<String, UpstreamSettings>,
) -> BTreeMap<String, Upstream> {
    if settings.is_empty() {
        check.problem(
            "upstreams",
            "there is no upstream",
            "name the MCP server: `--upstream URL`, or a section `upstreams`",
        );
    }
    let mut found = BTreeMap::new();
    for (name, mut upstream) in settings {
        let key = format!("upstreams.{name}");
        if !name_is_plain(&name) {
            check.problem(
                &key,
                format!("`{name}` is no name for an upstream"),
                "use up to 64 of a-z, 0-9, `-` and `_`",
            );
        }
        let target = target(check, &key, &mut upstream);
        tls(check, &key, &mut upstream, target.as_ref());
        if let Some(credential) = &upstream.credential {
            credential_of(
                check,
                &format!("{key}.credential"),
                credential,
                target.as_ref(),
            );
        }
        environment(check, &key, &upstream);
        if let Some(catalogue) = &mut upstream.catalogue {
            *catalogue = check.base.join(&*catalogue);
            let catalogue = catalogue.clone();
            files::readable(check, &format!("{key}.catalogue"), &catalogue);
        }
        // A broken one stays in, so that routes to it are not told to be wrong as well.
        let target = target.unwrap_or_else(|| UpstreamTarget::Unix {
            socket: PathBuf::new(),
            path: String::new(),
        });
        found.insert(
            name.clone(),
            Upstream {
                name,
                target,
                settings: upstream,
            },
        );
    }
    found
}

fn target(
    check: &mut Check<'_>,
    key: &str,
    upstream: &mut UpstreamSettings,
) -> Option<UpstreamTarget> {
    match (&upstream.url, upstream.command.as_slice()) {
        (Some(url), []) => http_target(check, key, url, &upstream.path),
        (None, [program, arguments @ ..]) => {
            let target = UpstreamTarget::Command {
                program: program.clone(),
                arguments: arguments.to_vec(),
            };
            if program.is_empty() {
                check.problem(
                    &format!("{key}.command"),
                    "the program is empty",
                    "name a program, like `[npx, -y, PACKAGE]`",
                );
            }
            if upstream.children_max == 0 {
                check.problem(
                    &format!("{key}.children_max"),
                    "is 0, so that nothing could start",
                    "leave the key out for the default",
                );
            }
            if let Some(cwd) = &mut upstream.cwd {
                *cwd = check.base.join(&*cwd);
                let cwd = cwd.clone();
                if !cwd.is_dir() {
                    check.problem(
                        &format!("{key}.cwd"),
                        format!("{} is no folder", cwd.display()),
                        "name a folder that exists",
                    );
                }
            }
            Some(target)
        }
        (Some(_), _) => {
            check.problem(key, "has `url` and `command`", "keep one of the two");
            None
        }
        (None, []) => {
            check.problem(
                key,
                "has neither `url` nor `command`",
                "say where the server is (`url`) or how it is started (`command`)",
            );
            None
        }
    }
}

fn http_target(check: &mut Check<'_>, key: &str, text: &str, path: &str) -> Option<UpstreamTarget> {
    let key = format!("{key}.url");
    let hint = "write `http://HOST:PORT/mcp`, `https://HOST/mcp` or `unix:/path/of/socket`";
    if let Some(socket) = text.strip_prefix("unix:") {
        if socket.starts_with('/') && path.starts_with('/') {
            return Some(UpstreamTarget::Unix {
                socket: socket.into(),
                path: path.to_owned(),
            });
        }
        check.problem(
            &key,
            "a unix socket is named by an absolute path, and so is its endpoint",
            hint,
        );
        return None;
    }
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => {
            check.problem(&key, format!("is no URL: {error}"), hint);
            return None;
        }
    };
    if !matches!(url.scheme(), "http" | "https") {
        check.problem(
            &key,
            format!("the scheme `{}` is not supported", url.scheme()),
            hint,
        );
        return None;
    }
    if !url.username().is_empty() || url.password().is_some() {
        check.problem(
            &key,
            "holds a user name or password",
            "use `credential` with a reference to the secret",
        );
        return None;
    }
    if url.fragment().is_some() || url.query().is_some() {
        check.problem(&key, "holds a query or fragment", hint);
        return None;
    }
    Some(UpstreamTarget::Http(url))
}

fn tls(
    check: &mut Check<'_>,
    key: &str,
    upstream: &mut UpstreamSettings,
    target: Option<&UpstreamTarget>,
) {
    let tls = &mut upstream.tls;
    for path in [&mut tls.ca, &mut tls.certificate, &mut tls.key]
        .into_iter()
        .flatten()
    {
        *path = check.base.join(&*path);
    }
    let tls = tls.clone();
    let key = format!("{key}.tls");
    match target {
        Some(UpstreamTarget::Http(url)) if url.scheme() == "https" => {
            if tls.server_name.is_none() && !matches!(url.host(), Some(Host::Domain(_))) {
                check.problem(
                    &key,
                    "there is no name to verify: the URL holds an IP address",
                    "set `server_name` to the name or address in the server's certificate",
                );
            }
        }
        Some(_) if tls != Default::default() => {
            check.problem(
                &key,
                "is set, but the server is not reached by https",
                "write `https://` in `url`, or remove `tls`",
            );
        }
        _ => {}
    }
    if let Some(name) = &tls.server_name
        && rustls::pki_types::ServerName::try_from(name.as_str()).is_err()
    {
        check.problem(
            &format!("{key}.server_name"),
            format!("`{name}` is neither a DNS name nor an IP address"),
            "write the name in the server's certificate",
        );
    }
    if let Some(ca) = &tls.ca {
        files::certificates(check, &format!("{key}.ca"), ca);
    }
    match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(private)) => key_pair(check, &key, certificate, private),
        (None, None) => {}
        _ => check.problem(
            &key,
            "`certificate` and `key` go together",
            "set both, or neither",
        ),
    }
}

fn credential_of(
    check: &mut Check<'_>,
    key: &str,
    credential: &CredentialSettings,
    target: Option<&UpstreamTarget>,
) {
    if credential.header.parse::<http::HeaderName>().is_err() {
        check.problem(
            &format!("{key}.header"),
            format!("`{}` is no header name", credential.header),
            "write one like `Authorization` or `X-Api-Key`",
        );
    }
    if http::HeaderValue::from_str(&credential.prefix).is_err() {
        check.problem(
            &format!("{key}.prefix"),
            "holds a control character",
            "write one like `Bearer `",
        );
    }
    secret(check, &format!("{key}.value"), &credential.value);
    match target {
        Some(UpstreamTarget::Command { .. }) => {
            check.problem(
                key,
                "a command is sent no headers",
                "pass the secret by `environment.secrets`",
            );
        }
        Some(UpstreamTarget::Http(url)) if url.scheme() == "http" && !is_loopback(url) => {
            check.warn(format!(
                "{key}: the credential travels to {} without encryption",
                url.host_str().unwrap_or_default()
            ));
        }
        _ => {}
    }
}

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The secret can be had now, and is not one of the well-known ones.
pub(super) fn secret(check: &mut Check<'_>, key: &str, reference: &SecretReference) {
    if let Err(error) = reference.resolve(&check.base) {
        check.problem(
            key,
            error.to_string(),
            "set it to a generated secret, for example from `openssl rand -base64 32`",
        );
    }
}

fn environment(check: &mut Check<'_>, key: &str, upstream: &UpstreamSettings) {
    let environment = &upstream.environment;
    let names = environment
        .allow
        .iter()
        .chain(environment.values.keys())
        .chain(environment.secrets.keys());
    let bad: Vec<&String> = names
        .filter(|name| name.is_empty() || name.contains(['=', '\0']))
        .collect();
    for name in bad {
        check.problem(
            &format!("{key}.environment"),
            format!("`{name}` is no name of a variable"),
            "there are no patterns: list each variable by its name",
        );
    }
    for (name, reference) in &environment.secrets {
        secret(
            check,
            &format!("{key}.environment.secrets.{name}"),
            reference,
        );
        if environment.values.contains_key(name) {
            check.problem(
                &format!("{key}.environment.values.{name}"),
                "is a secret as well",
                "keep one of the two",
            );
        }
    }
}

pub(super) fn routes(
    check: &mut Check<'_>,
    mut settings: BTreeMap<String, RouteSettings>,
    upstreams: &BTreeMap<String, Upstream>,
    listen: &[ListenSettings],
) -> BTreeMap<String, Route> {
    if settings.is_empty() {
        let single = upstreams.len() == 1;
        settings.extend(upstreams.keys().map(|name| {
            let path = if single {
                "/mcp".to_owned()
            } else {
                format!("/{name}/mcp")
            };
            (
                path,
                RouteSettings {
                    upstream: name.clone(),
                    resource: None,
                    scopes_required: Vec::new(),
                },
            )
        }));
    }
    let mut routes = BTreeMap::new();
    let mut resources: BTreeMap<String, String> = BTreeMap::new();
    for (path, route) in settings {
        let key = format!("routes.{path}");
        path_is_plain(check, &key, &path);
        if !upstreams.contains_key(&route.upstream) {
            let known: Vec<&str> = upstreams.keys().map(String::as_str).collect();
            let message = format!(
                "there is no upstream `{}`; there is {}",
                route.upstream,
                known.join(", ")
            );
            check.problem(
                &format!("{key}.upstream"),
                message,
                "name an entry of `upstreams`",
            );
        }
        for (index, scope) in route.scopes_required.iter().enumerate() {
            // RFC 6749 §3.3: scope-token.
            if scope.is_empty()
                || !scope
                    .bytes()
                    .all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
            {
                check.problem(
                    &format!("{key}.scopes_required[{index}]"),
                    format!("`{scope}` is no scope"),
                    "write one scope an entry, without spaces and quotes",
                );
            }
        }
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
        routes.insert(
            path,
            Route {
                upstream: route.upstream,
                resource,
                scopes_required: route.scopes_required,
            },
        );
    }
    routes
}

fn path_is_plain(check: &mut Check<'_>, key: &str, path: &str) {
    let plain = path.bytes().all(|byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'/')
    });
    let segments = path
        .strip_prefix('/')
        .is_some_and(|rest| rest.split('/').all(|part| !matches!(part, "" | "." | "..")));
    if !plain || !segments {
        check.problem(
            key,
            format!("`{path}` is no path of a route"),
            "write a path like `/files/mcp`: letters, digits and `-._~`, no slash at its end",
        );
    } else if path.starts_with("/.well-known/") {
        check.problem(
            key,
            "paths under /.well-known/ are Doorward's own",
            "choose another path",
        );
    }
}

fn resource_is_plain(check: &mut Check<'_>, key: &str, resource: &str, path: &str) {
    let key = format!("{key}.resource");
    let hint = "write the address that clients use, like `https://mcp.example.com/mcp`";
    match Url::parse(resource) {
        Ok(url) if !matches!(url.scheme(), "https" | "http") || url.host().is_none() => {
            check.problem(&key, "is no http or https address", hint);
        }
        Ok(url)
            if url.fragment().is_some() || url.query().is_some() || !url.username().is_empty() =>
        {
            check.problem(
                &key,
                "holds a query, fragment or user name (RFC 8707 §2)",
                hint,
            );
        }
        Ok(url) if url.scheme() == "http" && !is_loopback(&url) => {
            check.warn(format!(
                "{key}: tokens for {resource} travel without encryption"
            ));
        }
        Ok(url) if url.path().trim_end_matches('/') != path => {
            check.warn(format!("{key}: clients will call {}, this route is {path}; something in front must map one to the other", url.path()));
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
