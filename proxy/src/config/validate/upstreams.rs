//! The servers behind the door.

use std::{collections::BTreeMap, path::PathBuf};

use url::{Host, Url};

use super::{Check, files, listen::key_pair};
use crate::{
    config::{Upstream, UpstreamTarget, secret_reference::SecretReference, units::Span},
    pipeline::dispatch::settings::{CredentialSettings, UpstreamSettings},
};

/// Names stand in paths, policies and metric labels.
fn name_is_plain(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'))
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
            credential_of(check, &format!("{key}.credential"), credential, target.as_ref());
        }
        if let Some(body_timeout) = upstream.body_timeout {
            let key = format!("{key}.body_timeout");
            check.contains(&key, body_timeout, "idle_timeout", upstream.idle_timeout);
            check.within(&key, &body_timeout, &Span::seconds(1), &Span::seconds(86_400));
        }
        environment(check, &key, &upstream);
        if let Some(catalogue) = &mut upstream.catalogue {
            *catalogue = check.base.join(&*catalogue);
            let catalogue = catalogue.clone();
            files::readable(check, &format!("{key}.catalogue"), &catalogue);
        }
        // A broken one stays in, so that routes to it are not told to be wrong as well.
        let target = target.unwrap_or_else(|| UpstreamTarget::Unix { socket: PathBuf::new(), path: String::new() });
        found.insert(name.clone(), Upstream { name, target, settings: upstream });
    }
    found
}

fn target(check: &mut Check<'_>, key: &str, upstream: &mut UpstreamSettings) -> Option<UpstreamTarget> {
    match (&upstream.url, upstream.command.as_slice()) {
        (Some(url), []) => http_target(check, key, url, &upstream.path),
        (None, [program, arguments @ ..]) => {
            let target = UpstreamTarget::Command { program: program.clone(), arguments: arguments.to_vec() };
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
            return Some(UpstreamTarget::Unix { socket: socket.into(), path: path.to_owned() });
        }
        check.problem(&key, "a unix socket is named by an absolute path, and so is its endpoint", hint);
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
        check.problem(&key, format!("the scheme `{}` is not supported", url.scheme()), hint);
        return None;
    }
    if !url.username().is_empty() || url.password().is_some() {
        check.problem(&key, "holds a user name or password", "use `credential` with a reference to the secret");
        return None;
    }
    if url.fragment().is_some() || url.query().is_some() {
        check.problem(&key, "holds a query or fragment", hint);
        return None;
    }
    Some(UpstreamTarget::Http(url))
}

fn tls(check: &mut Check<'_>, key: &str, upstream: &mut UpstreamSettings, target: Option<&UpstreamTarget>) {
    let tls = &mut upstream.tls;
    for path in [&mut tls.ca, &mut tls.certificate, &mut tls.key].into_iter().flatten() {
        *path = check.base.join(&*path);
    }
    let tls = tls.clone();
    let key = format!("{key}.tls");
    match target {
        Some(UpstreamTarget::Http(url)) if url.scheme() == "https" => {
            let named = tls.server_name.is_some() || matches!(url.host(), Some(Host::Domain(_)));
            if !named {
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
        _ => check.problem(&key, "`certificate` and `key` go together", "set both, or neither"),
    }
}

fn credential_of(check: &mut Check<'_>, key: &str, credential: &CredentialSettings, target: Option<&UpstreamTarget>) {
    if credential.header.parse::<http::HeaderName>().is_err() {
        check.problem(
            &format!("{key}.header"),
            format!("`{}` is no header name", credential.header),
            "write one like `Authorization` or `X-Api-Key`",
        );
    }
    if http::HeaderValue::from_str(&credential.prefix).is_err() {
        check.problem(&format!("{key}.prefix"), "holds a control character", "write one like `Bearer `");
    }
    secret(check, &format!("{key}.value"), &credential.value);
    match target {
        Some(UpstreamTarget::Command { .. }) => {
            check.problem(key, "a command is sent no headers", "pass the secret by `environment.secrets`");
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
    let names = environment.allow.iter().chain(environment.values.keys()).chain(environment.secrets.keys());
    let bad: Vec<&String> = names.filter(|name| name.is_empty() || name.contains(['=', '\0'])).collect();
    for name in bad {
        check.problem(
            &format!("{key}.environment"),
            format!("`{name}` is no name of a variable"),
            "there are no patterns: list each variable by its name",
        );
    }
    for (name, reference) in &environment.secrets {
        secret(check, &format!("{key}.environment.secrets.{name}"), reference);
        if environment.values.contains_key(name) {
            check.problem(&format!("{key}.environment.values.{name}"), "is a secret as well", "keep one of the two");
        }
    }
}
