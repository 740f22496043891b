//! Who may call: issuers, audiences, and where authentication may be switched off.

use std::collections::BTreeMap;

use url::Url;

use super::{Check, files, upstreams::is_loopback};
use crate::{
    config::{
        Route, Source,
        settings::{AuthenticationSettings, IssuerSettings, JwksSettings},
        units::{ByteSize, Span},
    },
    server::settings::{ListenAddress, ListenSettings},
};

pub(super) fn check(
    check: &mut Check<'_>,
    settings: &mut AuthenticationSettings,
    routes: &BTreeMap<String, Route>,
    listen: &[ListenSettings],
    source: &Source,
) {
    let local = listen.iter().all(|one| one.address.is_local());
    if Check::is_wrap(source) {
        if source.flags.listen.is_some() && !local {
            check.problem(
                "listen",
                "`wrap` asks for no token, so it listens on loopback addresses and unix sockets only",
                "use `--listen 127.0.0.1:0`, or `serve` with an issuer",
            );
        }
        return;
    }
    match (settings.disabled, settings.issuers.is_empty()) {
        (true, false) => check.problem("authentication.disabled", "there are issuers as well", "keep one of the two"),
        (true, true) if !local => check.problem(
            "authentication",
            "without authentication, only loopback addresses and unix sockets may be listened at",
            "listen at 127.0.0.1, or name an issuer (`--issuer URL`)",
        ),
        (false, true) => check.problem(
            "authentication",
            "there is no issuer, so that nobody could call",
            "name one (`--issuer URL`, or `authentication.issuers`); on loopback `--no-authentication` lets everybody be `Mcp::Workload::\"anonymous\"`",
        ),
        _ => {}
    }
    issuers(check, settings);
    audiences(check, settings, routes, listen);
}

fn issuers(check: &mut Check<'_>, settings: &mut AuthenticationSettings) {
    let several = settings.issuers.len() > 1;
    let names: Vec<String> = settings.issuers.iter().map(|issuer| issuer.issuer.clone()).collect();
    for (index, issuer) in settings.issuers.iter_mut().enumerate() {
        let key = format!("authentication.issuers[{index}]");
        let url = Url::parse(&issuer.issuer);
        let secure =
            url.as_ref().is_ok_and(|url| url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url)));
        let plain = url.as_ref().is_ok_and(|url| url.query().is_none() && url.fragment().is_none());
        if !secure || !plain {
            check.problem(
                &format!("{key}.issuer"),
                format!("`{}` is no issuer", issuer.issuer),
                "write the `https` URL that stands in the token's `iss` (http on loopback only)",
            );
        }
        if several && issuer.prefix.is_empty() {
            check.problem(
                &format!("{key}.prefix"),
                "is missing: with several issuers each needs one",
                "set `prefix`, like `corp:`, so that equal subjects of two issuers stay apart",
            );
        }
        if names.iter().filter(|name| **name == issuer.issuer).count() > 1 {
            check.problem(&format!("{key}.issuer"), "is listed twice", "keep one entry, with both audiences");
        }
        if issuer.algorithms.is_empty() {
            check.problem(
                &format!("{key}.algorithms"),
                "no algorithm is accepted",
                "leave the key out for the default",
            );
        }
        key_set(check, &key, issuer);
        match &mut issuer.jwks {
            Some(JwksSettings::File(file)) => {
                *file = check.base.join(&*file);
                let file = file.clone();
                files::readable(check, &format!("{key}.jwks.file"), &file);
            }
            Some(JwksSettings::Url(url)) => {
                let secure = Url::parse(url)
                    .is_ok_and(|url| url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)));
                if !secure {
                    check.problem(
                        &format!("{key}.jwks.url"),
                        "keys are fetched by https only (http on loopback)",
                        "write an https URL, or `jwks: { file: PATH }`",
                    );
                }
            }
            None => {}
        }
    }
    prefixes(check, settings);
}

fn key_set(check: &mut Check<'_>, key: &str, issuer: &IssuerSettings) {
    let bounds = &issuer.key_set;
    let section = format!("{key}.key_set");
    let (least, most) = (ByteSize(1 << 10), ByteSize(16 << 20));
    check.within(&format!("{section}.document_bytes_max"), &bounds.document_bytes_max, &least, &most);
    check.within(&format!("{section}.keys_max"), &bounds.keys_max, &1, &1_000);
    let (second, hour) = (Span::seconds(1), Span::seconds(3_600));
    check.within(&format!("{section}.fetch_interval_min"), &bounds.fetch_interval_min, &second, &hour);
    let max_age = issuer.staleness.max_age;
    let inner = "key_set.fetch_interval_min";
    check.contains(&format!("{key}.staleness.max_age"), max_age, inner, bounds.fetch_interval_min);
    check.contains(&format!("{key}.staleness.max_stale"), issuer.staleness.max_stale, "max_age", max_age);
}

fn prefixes(check: &mut Check<'_>, settings: &AuthenticationSettings) {
    for (index, issuer) in settings.issuers.iter().enumerate() {
        let clash = settings.issuers.iter().enumerate().any(|(other, second)| {
            other != index && !second.prefix.is_empty() && issuer.prefix.starts_with(&second.prefix)
        });
        if clash {
            check.problem(
                &format!("authentication.issuers[{index}].prefix"),
                format!("`{}` begins with another issuer's prefix", issuer.prefix),
                "choose prefixes of which none begins with another",
            );
        }
    }
}

/// A token is for one resource; the resource must be known before the first one is looked at.
fn audiences(
    check: &mut Check<'_>,
    settings: &AuthenticationSettings,
    routes: &BTreeMap<String, Route>,
    listen: &[ListenSettings],
) {
    let known_after_bind =
        matches!(listen, [one] if matches!(&one.address, ListenAddress::Tcp(at) if at.ip().is_loopback()));
    if known_after_bind {
        return;
    }
    for (index, issuer) in settings.issuers.iter().enumerate() {
        for audience in &issuer.audiences {
            if audience.is_empty() {
                check.problem(
                    &format!("authentication.issuers[{index}].audiences"),
                    "an audience is empty",
                    "write the value of the token's `aud`",
                );
            }
        }
        if issuer.audiences.is_empty()
            && let Some((path, _)) = routes.iter().find(|(_, route)| route.resource.is_none())
        {
            check.problem(
                &format!("authentication.issuers[{index}].audiences"),
                format!("is missing, and the route {path} has no `resource` to take its place"),
                "set `resource` of the route to the address that clients use, or `audiences` (`--audience URI`)",
            );
        }
    }
}
