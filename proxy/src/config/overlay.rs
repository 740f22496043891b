//! Flags laid over the file. They set the same settings and pass the same checks; only the origin that an error names
//! differs.

use std::{
    collections::HashMap,
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::{
    problem::{Origin, Problem},
    settings::{AdminSettings, AuditSettings, AuthorizationSettings, IssuerSettings, OneOrMany, Settings},
};
use crate::{
    model::{Principal, PrincipalKind},
    pipeline::dispatch::settings::UpstreamSettings,
    server::settings::{ListenAddress, ListenSettings},
};

/// The name of the upstream that `serve --upstream` and `wrap` make: the same in both, so that one policy serves both.
pub const SINGLE_UPSTREAM: &str = "upstream";

/// What was said by flags or environment variables; empty members change nothing.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--upstream URL`.
    pub upstream: Option<String>,
    /// `--listen ADDR`.
    pub listen: Option<ListenAddress>,
    /// `--policies DIR|bundle:NAME`.
    pub policies: Option<String>,
    /// `--entities FILE`.
    pub entities: Option<PathBuf>,
    /// `--issuer URL`.
    pub issuer: Option<String>,
    /// `--audience URI`.
    pub audience: Option<String>,
    /// `--no-authentication`.
    pub no_authentication: bool,
    /// `--admin ADDR`.
    pub admin: Option<SocketAddr>,
    /// `--audit FILE`.
    pub audit: Option<PathBuf>,
}

/// How Doorward is run.
#[derive(Clone, Debug)]
pub enum Mode {
    /// `serve`: over the network, with tokens.
    Serve,
    /// `wrap`: around one command.
    Wrap {
        /// The command and its arguments.
        command: Vec<String>,
        /// Whom policy sees as the caller.
        principal: PrincipalName,
    },
}

/// A principal in Cedar's form, `Mcp::User::"alice"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrincipalName {
    /// The entity type.
    pub kind: PrincipalKind,
    /// The entity id.
    pub id: String,
}

/// Text that names no principal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a principal is `Mcp::User::\"name\"`, `Mcp::Agent::\"name\"` or `Mcp::Workload::\"name\"`, quotes included")]
pub struct PrincipalNameError;

impl std::str::FromStr for PrincipalName {
    type Err = PrincipalNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let kinds = [PrincipalKind::User, PrincipalKind::Agent, PrincipalKind::Workload];
        let (kind, quoted) = kinds
            .into_iter()
            .find_map(|kind| {
                let rest = text.strip_prefix("Mcp::")?.strip_prefix(kind.as_str())?.strip_prefix("::")?;
                Some((kind, rest))
            })
            .ok_or(PrincipalNameError)?;
        let id = quoted
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .filter(|id| !id.is_empty() && !id.contains(['"', '\\']) && !id.chars().any(char::is_control))
            .ok_or(PrincipalNameError)?;
        Ok(Self { kind, id: id.to_owned() })
    }
}

impl PrincipalName {
    /// The principal that decisions are made about.
    pub fn principal(&self) -> Principal {
        Principal::local(self.kind, &self.id)
    }
}

/// Which settings came from which flag, by key.
pub type Origins = HashMap<&'static str, &'static str>;

/// Lays the flags over the settings. Relative paths of flags are looked up from the working directory.
pub fn apply(flags: &Flags, mode: &Mode, settings: &mut Settings, problems: &mut Vec<Problem>) -> Origins {
    let mut origins = Origins::new();
    if let Some(url) = &flags.upstream {
        let upstream = UpstreamSettings { url: Some(url.clone()), ..UpstreamSettings::default() };
        single_upstream(settings, upstream, "--upstream", problems);
        origins.insert("upstreams.upstream", "--upstream");
        origins.insert("upstreams", "--upstream");
    }
    if let Mode::Wrap { command, .. } = mode {
        let upstream = UpstreamSettings { command: command.clone(), ..UpstreamSettings::default() };
        single_upstream(settings, upstream, "COMMAND", problems);
        origins.insert("upstreams.upstream", "COMMAND");
    }
    if let Some(address) = &flags.listen {
        match settings.listen.0.as_mut_slice() {
            [only] => only.address = address.clone(),
            _ => settings.listen = OneOrMany(vec![ListenSettings::at(address.clone())]),
        }
        origins.insert("listen", "--listen");
    }
    authorization(flags, settings, &mut origins, problems);
    authentication(flags, settings, &mut origins);
    if let Some(address) = &flags.admin {
        let hosts = settings.admin.take().map(|admin| admin.hosts).unwrap_or_default();
        settings.admin = Some(AdminSettings { address: *address, hosts });
        origins.insert("admin.address", "--admin");
    }
    if let Some(audit) = &flags.audit {
        let file = if audit.as_os_str() == "-" { audit.clone() } else { absolute(audit) };
        match &mut settings.observe.audit {
            Some(settings) => settings.file = file,
            none => *none = Some(AuditSettings::to_file(file)),
        }
        origins.insert("observe.audit.file", "--audit");
    }
    origins
}

fn authorization(flags: &Flags, settings: &mut Settings, origins: &mut Origins, problems: &mut Vec<Problem>) {
    if let Some(policies) = &flags.policies {
        let bundle = policies.starts_with("bundle:");
        let policies = if bundle { policies.clone() } else { absolute(Path::new(policies)).display().to_string() };
        match &mut settings.authorization {
            Some(settings) => settings.policies = policies,
            none => *none = Some(AuthorizationSettings::new(policies)),
        }
        origins.insert("authorization.policies", "--policies");
    }
    if let Some(entities) = &flags.entities {
        match &mut settings.authorization {
            Some(settings) => settings.entities = Some(absolute(entities)),
            None => problems.push(Problem {
                origin: Origin::Flag("--entities"),
                place: None,
                key: "authorization.entities".to_owned(),
                message: "there are no policies that could read the entities".to_owned(),
                hint: "add `--policies DIR`, or `bundle:NAME`",
            }),
        }
        origins.insert("authorization.entities", "--entities");
    }
}

fn authentication(flags: &Flags, settings: &mut Settings, origins: &mut Origins) {
    if let Some(issuer) = &flags.issuer {
        let mut issuer = IssuerSettings::new(issuer);
        issuer.audiences.extend(flags.audience.clone());
        settings.authentication.issuers = vec![issuer];
        settings.authentication.disabled = false;
        origins.insert("authentication.issuers", "--issuer");
        origins.insert("authentication.issuers[0].audiences", "--audience");
    }
    if flags.no_authentication {
        settings.authentication.issuers.clear();
        settings.authentication.disabled = true;
        origins.insert("authentication", "--no-authentication");
    }
}

fn single_upstream(
    settings: &mut Settings,
    upstream: UpstreamSettings,
    flag: &'static str,
    problems: &mut Vec<Problem>,
) {
    if settings.upstreams.is_empty() {
        settings.upstreams.insert(SINGLE_UPSTREAM.to_owned(), upstream);
    } else {
        problems.push(Problem {
            origin: Origin::Flag(flag),
            place: None,
            key: "upstreams".to_owned(),
            message: "the configuration file names upstreams already".to_owned(),
            hint: "leave one of the two out",
        });
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| env::current_dir().unwrap_or_default().join(path))
}
