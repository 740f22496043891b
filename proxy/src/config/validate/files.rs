//! Files that must be there before the first call.

use std::path::Path;

use rustls::pki_types::{CertificateDer, pem::PemObject};

use super::Check;
use crate::{
    config::{
        settings::{AuthorizationSettings, ObserveSettings},
        units::ByteSize,
    },
    pipeline::authorize::bundles,
};

pub(super) fn readable(check: &mut Check<'_>, key: &str, path: &Path) {
    if let Err(error) = std::fs::File::open(path)
        .and_then(|file| file.metadata())
        .and_then(|meta| if meta.is_file() { Ok(()) } else { Err(std::io::Error::other("not a file")) })
    {
        check.problem(key, format!("{}: {error}", path.display()), "name a file that this process may read");
    }
}

pub(super) fn certificates(check: &mut Check<'_>, key: &str, path: &Path) {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let problem = match found {
        Ok(list) if !list.is_empty() => return,
        Ok(_) => format!("{} holds no certificate", path.display()),
        Err(error) => format!("{}: {error}", path.display()),
    };
    check.problem(key, problem, "name a PEM file that this process may read");
}

pub(super) fn authorization(check: &mut Check<'_>, settings: &mut Option<AuthorizationSettings>) {
    let Some(settings) = settings else {
        check.warn(
            "authorization: there are no policies, so every call is refused and every list is empty; name a folder by --policies DIR, or --policies bundle:NAME",
        );
        return;
    };
    let (least, most) = (ByteSize(1 << 10), ByteSize(64 << 20));
    check.within("authorization.file_bytes_max", &settings.file_bytes_max, &least, &most);
    check.within("authorization.files_max", &settings.files_max, &1, &100_000);
    match settings.policies.strip_prefix("bundle:") {
        Some(name) => {
            if bundles::find(name).is_none() {
                let known: Vec<String> = bundles::names().into_iter().map(|name| format!("bundle:{name}")).collect();
                check.problem(
                    "authorization.policies",
                    format!("there is no bundle `{name}`; there is {}", known.join(", ")),
                    "name one of them, or a folder of Cedar policies",
                );
            }
            if name == "permit-all" {
                check.warn("authorization.policies: bundle:permit-all permits everything to everybody; it is for trying things out");
            }
        }
        None => {
            let folder = check.base.join(&settings.policies);
            settings.policies = folder.display().to_string();
            if let Err(error) = std::fs::read_dir(&folder) {
                check.problem(
                    "authorization.policies",
                    format!("{}: {error}", folder.display()),
                    "name a folder of Cedar policies, or `bundle:NAME`",
                );
            }
        }
    }
    if let Some(entities) = &mut settings.entities {
        *entities = check.base.join(&*entities);
        let entities = entities.clone();
        readable(check, "authorization.entities", &entities);
    }
}

pub(super) fn observe(check: &mut Check<'_>, settings: &mut ObserveSettings, stdio: bool) {
    let Some(audit) = &mut settings.audit else {
        return;
    };
    if stdio && audit.file == Path::new("-") {
        check.problem("observe.audit.file", "standard output carries the protocol's messages here", "name a file");
    }
    if audit.file != Path::new("-") {
        audit.file = check.base.join(&audit.file);
        let folder = audit.file.parent().unwrap_or(Path::new("/")).to_owned();
        if !folder.is_dir() {
            check.problem(
                "observe.audit.file",
                format!("there is no folder {}", folder.display()),
                "create it; Doorward creates the file only",
            );
        }
    }
    if let Some(file) = &mut audit.digest_key_file {
        *file = check.base.join(&*file);
        let file = file.clone();
        readable(check, "observe.audit.digest_key_file", &file);
    }
}
