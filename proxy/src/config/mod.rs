//! YAML and flags → [`settings::Settings`] (shape) → [`Config`] (meaning). Each phase owns the settings of its section;
//! this module composes them, and [`validate`] asks what only the whole can answer.
//!
//! In: one [`Source`], which can be loaded again and again. Out: a complete [`Config`], or every problem with file, line,
//! key and next step. A reload builds a whole new `Config` or changes nothing.
//!
//! It never holds a secret: only where one lies ([`secret_reference`]). `${…}` is literal text.
//!
//! To add a key: a field with a doc comment and a default in its phase's `settings.rs`; schema and reference follow.
//! To add a check: a function in [`validate`].

pub mod document;
pub mod overlay;
pub mod problem;
pub mod reference;
pub mod secret_reference;
pub mod settings;
pub mod units;
mod validate;
pub mod watch;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use url::Url;

pub use overlay::{Flags, Mode, PrincipalName, SINGLE_UPSTREAM};
pub use problem::{ConfigError, Problem, Problems};

use crate::model::Principal;
use settings::{
    AcceptSettings, AdminSettings, AuthenticationSettings, AuthorizationSettings, DrainSettings, ListenSettings,
    MaskingSettings, ObserveSettings, RateLimitSettings, SessionSettings, Settings, StreamSettings, UpstreamSettings,
};

/// Where configuration comes from. Loading it again reads the file again and lays the same flags over it.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file, if there is one.
    pub file: Option<PathBuf>,
    /// What was said by flags.
    pub flags: Flags,
    /// How Doorward is run.
    pub mode: Mode,
}

/// A configuration that holds: every name resolves, every file could be read, paths are absolute.
#[derive(Clone, Debug)]
pub struct Config {
    /// At least one listener; unused by `wrap` without `--listen` (see [`Config::stdio`]).
    pub listen: Vec<ListenSettings>,
    /// Whether the client speaks over standard input and output (`wrap` without `--listen`).
    pub stdio: bool,
    /// See [`AcceptSettings`].
    pub accept: AcceptSettings,
    /// See [`AuthenticationSettings`].
    pub authentication: AuthenticationSettings,
    /// Who every caller is where no token is asked for: `anonymous` or `wrap --principal`. `None`: a token is needed.
    pub local_principal: Option<Arc<Principal>>,
    /// See [`SessionSettings`].
    pub sessions: SessionSettings,
    /// See [`RateLimitSettings`].
    pub rate_limits: Vec<RateLimitSettings>,
    /// See [`AuthorizationSettings`]. `None`: there are no policies, and everything is refused.
    pub authorization: Option<AuthorizationSettings>,
    /// At least one, by name.
    pub upstreams: BTreeMap<String, Upstream>,
    /// At least one, by path.
    pub routes: BTreeMap<String, Route>,
    /// See [`MaskingSettings`].
    pub masking: MaskingSettings,
    /// See [`StreamSettings`].
    pub streams: StreamSettings,
    /// See [`ObserveSettings`].
    pub observe: ObserveSettings,
    /// See [`AdminSettings`]. `None`: no such listener.
    pub admin: Option<AdminSettings>,
    /// See [`DrainSettings`].
    pub drain: DrainSettings,
    /// Folder that relative secret files are looked up from: the configuration file's, else the working directory.
    pub base: PathBuf,
    /// What is allowed but probably not meant, for the log.
    pub warnings: Vec<String>,
}

/// One MCP server.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// Its name in policies, metrics and audit records.
    pub name: String,
    /// Where it is.
    pub target: UpstreamTarget,
    /// Everything else.
    pub settings: UpstreamSettings,
}

/// Where an MCP server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamTarget {
    /// Streamable HTTP over TCP; `http` or `https`, with a host.
    Http(Url),
    /// Streamable HTTP over a unix socket.
    Unix {
        /// The socket.
        socket: PathBuf,
        /// The endpoint's path.
        path: String,
    },
    /// A child process over stdio.
    Command {
        /// The program, looked up in `PATH` when it has no slash.
        program: String,
        /// Its arguments.
        arguments: Vec<String>,
    },
}

/// One path of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Name of an entry of [`Config::upstreams`].
    pub upstream: String,
    /// The resource URI. `None` where it depends on the port the system chooses: `http://ADDR:PORT` and the path.
    pub resource: Option<String>,
    /// Scopes that a token needs.
    pub scopes_required: Vec<String>,
}

impl Config {
    /// Reads, overlays and checks. May be called again with the same source.
    ///
    /// # Errors
    /// [`ConfigError`]: the file is unreadable, or everything that is wrong in it.
    pub fn load(source: &Source) -> Result<Self, ConfigError> {
        let text = match &source.file {
            Some(path) => std::fs::read_to_string(path)
                .map_err(|error| ConfigError::Unreadable { path: path.clone(), source: error })?,
            None => String::new(),
        };
        Self::from_text(&text, source)
    }

    /// As [`Config::load`], with the file's text at hand.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_text(text: &str, source: &Source) -> Result<Self, ConfigError> {
        let invalid = |problems| ConfigError::Invalid(Problems { file: source.file.clone(), problems });
        let (settings, places) = document::parse(text).map_err(|problem| invalid(vec![problem]))?;
        validate::validate(settings, &places, source).map_err(invalid)
    }

    /// Every file and folder whose change asks for a reload.
    pub fn watched(&self, source: &Source) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = source.file.iter().cloned().collect();
        if let Some(authorization) = &self.authorization {
            if !authorization.policies.starts_with("bundle:") {
                paths.push(authorization.policies.clone().into());
            }
            paths.extend(authorization.entities.clone());
        }
        for tls in self.listen.iter().filter_map(|listen| listen.tls.as_ref()) {
            paths.extend(tls.certificate.clone());
            paths.extend(tls.key.clone());
        }
        for upstream in self.upstreams.values() {
            let tls = &upstream.settings.tls;
            paths.extend(
                [&tls.ca, &tls.certificate, &tls.key, &upstream.settings.catalogue].into_iter().flatten().cloned(),
            );
            if let Some(credential) = &upstream.settings.credential
                && let secret_reference::SecretReference::File(file) = &credential.value
            {
                paths.push(self.base.join(file));
            }
        }
        paths
    }
}

/// The JSON Schema of the configuration file.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Settings)
}

#[cfg(test)]
mod tests;
