//! `doorward demo`: the reference server behind Doorward on loopback, with sample policies and a ready token.
//!
//! Everything is real: a fresh ES256 key, a JWKS file, a configuration file and two processes, the reference server and
//! `doorward serve` itself, started as a person would start them. Nothing outlives the demo: the folder with the key is
//! removed, and both processes end with it.

mod reference_server;
mod show;
mod token;

use std::{path::Path, process::Stdio};

use clap::Args;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
};

use self::token::Issuer;
use super::{Failure, Outcome, complain, say};
use crate::server::settings::ListenAddress;

/// Try Doorward out: a sample server behind it, sample policies and a ready token
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Example:\n  doorward demo\n\nThen paste one of the printed lines into another terminal. Ctrl-C ends it."
)]
pub struct Demo {
    /// Where to listen: a loopback address; port 0 lets the system choose
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: ListenAddress,
}

/// Why the demo does not run.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The token would be offered to the network.
    #[error("--listen: the demo listens on loopback addresses only\n  hint: use `--listen 127.0.0.1:8080`")]
    NotLoopback,
    /// Neither beside us nor in a source tree.
    #[error(
        "the reference server is not here\n  hint: run the demo in the source tree by `cargo run --release -- demo`, or put `doorward-reference-server` beside `doorward`"
    )]
    NoReferenceServer,
    /// It does not build.
    #[error("the reference server does not build; the compiler says why above")]
    Build,
    /// A process cannot be started.
    #[error("{program} cannot be started: {source}")]
    Start {
        /// Which.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// It ended before it was ready.
    #[error("{0} ended before it was ready")]
    Ended(String),
    /// The throw-away key.
    #[error("a key for the demo's tokens cannot be made")]
    Key,
    /// The folder for the key and the configuration, or a signal.
    #[error("the demo cannot be prepared: {0}")]
    Io(#[from] std::io::Error),
}

impl Demo {
    /// Runs until Ctrl-C.
    ///
    /// # Errors
    /// [`DemoError`].
    pub fn run(self) -> Result<Outcome, Failure> {
        if !matches!(&self.listen, ListenAddress::Tcp(_)) || !self.listen.is_local() {
            return Err(DemoError::NotLoopback.into());
        }
        let server = reference_server::find_or_build()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.serve(&server))?;
        Ok(Outcome::Fine)
    }

    async fn serve(&self, server: &Path) -> Result<(), DemoError> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let folder = Folder::new()?;
        let issuer = Issuer::new().ok_or(DemoError::Key)?;
        let mut reference =
            Running::start(Command::new(server).args(["--listen", "127.0.0.1:0"]), "the reference server").await?;
        let config = folder.path.join("doorward.yaml");
        // JSON is YAML.
        std::fs::write(&config, configuration(&reference.url, &self.listen).to_string())?;
        std::fs::write(folder.path.join("jwks.json"), issuer.jwks().to_string())?;
        let own = std::env::current_exe()?;
        let mut door = Running::start(Command::new(own).arg("serve").arg("-c").arg(&config), "doorward").await?;
        let token = issuer.token().ok_or(DemoError::Key)?;
        say(&show::page(&door.url, &token));
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = door.child.wait() => complain("doorward ended by itself"),
            _ = reference.child.wait() => complain("the reference server ended by itself"),
        }
        door.stop().await;
        reference.stop().await;
        Ok(())
    }
}

fn configuration(upstream: &str, listen: &ListenAddress) -> serde_json::Value {
    json!({
        "listen": { "address": listen.to_string() },
        "authentication": { "issuers": [{
            "issuer": token::ISSUER,
            "audiences": [token::AUDIENCE],
            "jwks": { "file": "jwks.json" },
            "algorithms": ["ES256"],
        }]},
        "authorization": { "policies": "bundle:demo" },
        "upstreams": { "upstream": { "url": upstream } },
        "observe": { "audit": { "file": "audit.jsonl" } },
    })
}

/// A folder that only this user can look into, removed at the end.
struct Folder {
    path: std::path::PathBuf,
}

impl Folder {
    fn new() -> std::io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        let random: u64 = token::random().ok_or_else(|| std::io::Error::other("no randomness"))?;
        let path = std::env::temp_dir().join(format!("doorward-demo-{random:016x}"));
        // Fails where it exists already: nobody else prepared it.
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { path })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing is left to do where it cannot be removed.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// A process that said where it listens.
struct Running {
    child: Child,
    url: String,
    rest: tokio::task::JoinHandle<()>,
}

impl Running {
    /// Starts it and waits for the ready line `listening on URL`.
    async fn start(command: &mut Command, program: &str) -> Result<Self, DemoError> {
        // A group of its own: Ctrl-C reaches only the demo, which then ends both in order.
        command.process_group(0).kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::piped());
        let failed = |source| DemoError::Start { program: program.to_owned(), source };
        let mut child = command.spawn().map_err(failed)?;
        let ended = || DemoError::Ended(program.to_owned());
        let mut lines = BufReader::new(child.stdout.take().ok_or_else(ended)?).lines();
        while let Some(line) = lines.next_line().await? {
            if let Some(url) = line.strip_prefix("listening on ") {
                let url = url.to_owned();
                let rest = tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                return Ok(Self { child, url, rest });
            }
        }
        Err(ended())
    }

    /// SIGTERM; it is killed when it does not end in time.
    async fn stop(mut self) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(id) = id {
            // It may have ended meanwhile.
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
        if tokio::time::timeout(std::time::Duration::from_secs(5), self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
        self.rest.abort();
    }
}
