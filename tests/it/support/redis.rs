//! A Redis server of a test's own, from the installed parts.

use std::{path::Path, time::Duration};

use redis::aio::MultiplexedConnection;
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::process::Command;

use super::{
    parts,
    process::{Process, free_port},
    tls::{Ca, Identity},
};

/// The only user's.
pub(crate) const PASSWORD: &str = "hunter2-redis";

const PATIENCE: Duration = Duration::from_secs(20);

/// A running server with nothing in it.
pub(crate) struct Redis {
    folder: TempDir,
    pub(crate) port: u16,
    process: Option<Process>,
    settings: Vec<String>,
    scheme: &'static str,
}

impl Redis {
    /// One that asks for a password, and saves nothing unless told to.
    pub(crate) async fn start() -> Self {
        let mut server = Self {
            folder: tempfile::tempdir().unwrap(),
            port: free_port(),
            process: None,
            settings: vec!["--requirepass".into(), PASSWORD.into()],
            scheme: "redis",
        };
        server.settings.extend(["--port".into(), server.port.to_string()]);
        server.run().await;
        server
    }

    /// One that takes nothing but TLS, with a certificate of this authority.
    pub(crate) async fn start_tls(authority: &Ca) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let identity: Identity = authority.server(&["localhost"]);
        identity.write(folder.path(), "server");
        let port = free_port();
        let file = |name: &str| folder.path().join(name).display().to_string();
        let mut settings: Vec<String> = ["--requirepass", PASSWORD, "--port", "0"].map(str::to_owned).to_vec();
        settings.extend(["--tls-port".into(), port.to_string(), "--tls-auth-clients".into(), "no".into()]);
        settings.extend(["--tls-cert-file".into(), file("server.crt"), "--tls-key-file".into(), file("server.key")]);
        let mut server = Self { folder, port, process: None, settings, scheme: "rediss" };
        server.run().await;
        server
    }

    /// Starts it, or starts it again with what it saved.
    pub(crate) async fn run(&mut self) {
        let mut command = Command::new(parts::redis());
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]).arg(self.folder.path());
        command.args(&self.settings);
        let mut process = Process::start("Redis", &mut command);
        process.ready(|line| line.contains("Ready to accept connections")).await;
        self.process = Some(process);
    }

    fn process(&self) -> &Process {
        self.process.as_ref().expect("Redis runs")
    }

    /// Kills it without a word.
    pub(crate) async fn kill(&mut self) {
        let mut process = self.process.take().expect("Redis runs");
        process.signal(Signal::KILL);
        process.exit_code(PATIENCE).await;
    }

    pub(crate) fn freeze(&self) {
        self.process().signal(Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        self.process().signal(Signal::CONT);
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://:{PASSWORD}@localhost:{}", self.scheme, self.port)
    }

    pub(crate) fn url_without_password(&self) -> String {
        format!("{}://localhost:{}", self.scheme, self.port)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> std::path::PathBuf {
        let path: &Path = self.folder.path();
        std::fs::write(path.join(name), text).unwrap();
        path.join(name)
    }

    /// A connection beside the server's under test.
    pub(crate) async fn client(&self) -> MultiplexedConnection {
        redis::Client::open(self.url()).unwrap().get_multiplexed_async_connection().await.unwrap()
    }

    /// What a command gives.
    pub(crate) async fn ask<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let mut asked = redis::cmd(command[0]);
        for argument in &command[1..] {
            asked.arg(argument);
        }
        asked.query_async(&mut self.client().await).await.unwrap()
    }

    /// The keys of values that are there now.
    pub(crate) async fn kept(&self) -> Vec<String> {
        let keys: Vec<String> = self.ask(&["KEYS", "*"]).await;
        let mut kept = vec![];
        for key in keys {
            let value: Option<Vec<u8>> = self.ask(&["GET", &key]).await;
            if value.is_some_and(|value| value.first() == Some(&b'V')) {
                kept.push(key);
            }
        }
        kept
    }
}
