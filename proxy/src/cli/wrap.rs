//! `doorward wrap`: around one local server, over stdio.

use std::path::PathBuf;

use clap::Args;

use super::{Failure, Outcome, flags::CommonFlags};
use crate::{
    config::{Config, Mode, PrincipalName, Source},
    model::PrincipalKind,
};

const EXAMPLES: &str = "Examples:
  doorward wrap --policies ./policies -- npx -y @modelcontextprotocol/server-everything
  doorward wrap --policies bundle:permit-all --listen 127.0.0.1:8080 -- ./my-server --stdio

Put the whole line into the MCP client's configuration in the place of the server's command.";

/// Stand around one local MCP server, over standard input and output
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Wrap {
    #[command(flatten)]
    common: CommonFlags,
    /// Who the caller is, as policy sees it [default: Mcp::User::"<login name>"]
    #[arg(long, value_name = "ENTITY", env = "DOORWARD_PRINCIPAL", help_heading = "Authentication")]
    principal: Option<PrincipalName>,
    /// The server's program and arguments; no shell is involved
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Why there is nobody to decide about.
#[derive(Debug, thiserror::Error)]
#[error("--principal: the login name is not known\n  hint: say who calls, `--principal 'Mcp::User::\"name\"'`")]
pub struct LoginUnknown;

impl Wrap {
    /// Where its configuration comes from.
    ///
    /// # Errors
    /// [`LoginUnknown`].
    pub fn source(&self) -> Result<Source, LoginUnknown> {
        let principal = match &self.principal {
            Some(principal) => principal.clone(),
            None => PrincipalName { kind: PrincipalKind::User, id: login_name().ok_or(LoginUnknown)? },
        };
        let mut flags = self.common.flags();
        if flags.policies.is_none() && self.common.config.is_none() {
            flags.policies =
                default_policies().filter(|folder| folder.is_dir()).map(|folder| folder.display().to_string());
        }
        let mode = Mode::Wrap { command: self.command.clone(), principal };
        Ok(Source { file: self.common.config.clone(), flags, mode })
    }

    /// Serves until the client goes away or a signal ends it.
    ///
    /// # Errors
    /// The configuration does not hold, or the server cannot start.
    pub fn run(self) -> Result<Outcome, Failure> {
        let source = self.source()?;
        let config = Config::load(&source)?;
        super::serve_until_signal(config, &source)
    }
}

/// `USER`, else `LOGNAME`, else the user database.
fn login_name() -> Option<String> {
    ["USER", "LOGNAME"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|name| !name.is_empty() && !name.contains(['"', '\\']) && !name.chars().any(char::is_control))
        .or_else(login_name_of_database)
}

/// The name of our user id in `/etc/passwd`, for services that are started without `USER`.
fn login_name_of_database() -> Option<String> {
    let id = rustix::process::getuid().as_raw().to_string();
    let text = std::fs::read_to_string("/etc/passwd").ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id).then(|| name.to_owned())
    })
}

/// `$XDG_CONFIG_HOME/doorward/policies`, else `~/.config/doorward/policies`.
fn default_policies() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder =
        set("XDG_CONFIG_HOME").filter(|path| path.is_absolute()).or_else(|| Some(set("HOME")?.join(".config")))?;
    Some(folder.join("doorward/policies"))
}
