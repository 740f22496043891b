//! Files that must be there before the first call.

use std::path::Path;

use rustls::pki_types::{CertificateDer, pem::PemObject};
use url::Url;

use super::{Check, upstreams::secret};
use crate::config::settings::{AuthorizationSettings, ObserveSettings};

pub(super) fn readable(check: &mut Check<'_>, key: &str, path: &Path) {
    if let Err(error) = std::fs::File::open(path)
        .and_then(|file| file.metadata())
        .and_then(|meta| {
            if meta.is_file() {
                Ok(())
            } else {
                Err(std::io::Error::other("not a file"))
            }
        })
    {
        check.problem(
            key,
            format!("{}: {error}", path.display()),
            "name a file that this process may read",
        );
    }
}

pub(super) fn certificates(check: &mut Check<'_>, key: &str, path: &Path) {
    let found =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let problem = match found {
        Ok(list) if !list.is_empty() => return,
        Ok(_) => format!("{} holds no certificate", path.display()),
        Err(error) => format!("{}: {error}", path.display()),
    };
    check.problem(key, problem, "name a PEM file that this process may read");
}

pub(super) fn authorization(check: &mut Check<'_>, settings: &mut AuthorizationSettings) {
    match &mut settings.policies {
        None => check.warn(
            "authorization.policies: there are no policies, so every call is refused and every list is empty; name a folder by --policies DIR, or bundle:NAME",
        ),
        Some(policies) if policies.starts_with("bundle:") => {
            if policies == "bundle:permit-all" {
                check.warn("authorization.policies: bundle:permit-all permits everything to everybody; it is for trying things out");
            }
        }
        Some(policies) => {
            let folder = check.base.join(&*policies);
            *policies = folder.display().to_string();
            if let Err(error) = std::fs::read_dir(&folder) {
                check.problem("authorization.policies", format!("{}: {error}", folder.display()), "name a folder of Cedar policies, or `bundle:NAME`");
            }
        }
    }
    if let Some(entities) = &mut settings.entities {
        *entities = check.base.join(&*entities);
        let entities = entities.clone();
        readable(check, "authorization.entities", &entities);
    }
}

pub(super) fn observe(check: &mut Check<'_>, settings: &mut ObserveSettings) {
    if let Some(file) = &mut settings.audit.file {
        *file = check.base.join(&*file);
        let folder = file.parent().unwrap_or(Path::new("/")).to_owned();
        if !folder.is_dir() {
            check.problem(
                "observe.audit.file",
                format!("there is no folder {}", folder.display()),
                "create it; Doorward creates the file only",
            );
        }
    }
    if let Some(endpoint) = &settings.otlp.endpoint
        && !Url::parse(endpoint)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some())
    {
        check.problem(
            "observe.otlp.endpoint",
            format!("`{endpoint}` is no http or https URL"),
            "write the collector's base URL, like `http://127.0.0.1:4318`",
        );
    }
    for (name, reference) in &settings.otlp.headers {
        secret(check, &format!("observe.otlp.headers.{name}"), reference);
    }
}
