//! Starting and ending a process: literal arguments, allow-listed environment, a process group of its own.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};

use crate::{
    config::secret_reference::{SecretError, SecretReference},
    pipeline::dispatch::settings::UpstreamSettings,
};

/// How long a process has to end by itself, and then after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(2);
/// Variables that load code into a program: never taken over from our own environment.
const LOADERS: [&str; 12] = [
    "LD_",
    "DYLD_",
    "NODE_OPTIONS",
    "NODE_PATH",
    "PYTHON",
    "PERL5",
    "RUBYOPT",
    "RUBYLIB",
    "BASH_ENV",
    "ENV",
    "JAVA_TOOL_OPTIONS",
    "GCONV_PATH",
];

/// Why a command is not accepted or does not start.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// No program.
    #[error("the command is empty")]
    Empty,
    /// A variable that would load code.
    #[error(
        "the variable {0} loads code into programs and is not passed on; set it in `environment.values` if it is meant"
    )]
    Loader(String),
    /// A secret of the environment.
    #[error("the secret for the variable {name} cannot be had: {source}")]
    Secret {
        /// The variable.
        name: String,
        /// Why.
        source: SecretError,
    },
    /// The system.
    #[error("cannot start {program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
}

/// A checked command.
pub(super) struct Command {
    program: String,
    arguments: Vec<String>,
    cwd: Option<PathBuf>,
    environment: Vec<(OsString, OsString)>,
    secrets: Vec<(String, SecretReference)>,
    base: PathBuf,
}

/// A running process with its pipes.
pub(super) struct Process {
    pub(super) child: Child,
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
    pub(super) stderr: ChildStderr,
}

impl Command {
    pub(super) fn new(
        program: &str,
        arguments: &[String],
        settings: &UpstreamSettings,
        base: &Path,
    ) -> Result<Self, ChildError> {
        if program.is_empty() {
            return Err(ChildError::Empty);
        }
        let environment = &settings.environment;
        if let Some(name) = environment.allow.iter().find(|name| loads_code(name)) {
            return Err(ChildError::Loader(name.clone()));
        }
        let allowed = environment.allow.iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?)));
        let fixed = environment.values.iter().map(|(name, value)| (name.into(), value.into()));
        Ok(Self {
            program: program.to_owned(),
            arguments: arguments.to_vec(),
            cwd: settings.cwd.clone(),
            environment: allowed.chain(fixed).collect(),
            secrets: environment.secrets.iter().map(|(name, reference)| (name.clone(), reference.clone())).collect(),
            base: base.to_owned(),
        })
    }

    pub(super) fn start(&self) -> Result<Process, ChildError> {
        let failed = |source| ChildError::Start { program: self.program.clone(), source };
        let mut command = tokio::process::Command::new(&self.program);
        command.args(&self.arguments).env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        for (name, reference) in &self.secrets {
            let secret =
                reference.resolve(&self.base).map_err(|source| ChildError::Secret { name: name.clone(), source })?;
            command.env(name, secret.expose());
        }
        if let Some(cwd) = &self.cwd {
            command.current_dir(cwd);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        let mut child = command.spawn().map_err(failed)?;
        let missing = || failed(io::Error::other("no pipe"));
        let stdin = child.stdin.take().ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let stderr = child.stderr.take().ok_or_else(missing)?;
        Ok(Process { child, stdin, stdout, stderr })
    }
}

fn loads_code(name: &str) -> bool {
    LOADERS.iter().any(|loader| match loader.strip_suffix('_') {
        Some(_) => name.starts_with(loader),
        None if *loader == "PYTHON" || *loader == "PERL5" => name.starts_with(loader),
        None => name == *loader,
    })
}

/// Ends a process whose standard input is closed: waits, asks, and at last kills; then the rest of its group.
pub(super) async fn end(mut child: Child) {
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    for signal in [None, Some(Signal::TERM), Some(Signal::KILL)] {
        if let (Some(signal), Some(group)) = (signal, group) {
            // Gone already is what is wanted.
            let _ = kill_process_group(group, signal);
        }
        if tokio::time::timeout(PATIENCE, child.wait()).await.is_ok() {
            break;
        }
    }
    if let Some(group) = group {
        // The leader has ended; what it left behind in its group does too.
        let _ = kill_process_group(group, Signal::KILL);
    }
}
