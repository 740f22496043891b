//! MCP servers behind the door: the real ones, and the scripted one that records every byte.

mod answers;
mod front;
mod scripted;

use std::{ffi::OsStr, time::Duration};

use tokio::process::Command;

pub(crate) use front::Front;
pub(crate) use scripted::{Era, Recorded, Reply, Scripted, Step, response};

use super::{
    parts,
    process::{Process, free_port},
};

/// A real server with its MCP endpoint.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) process: Process,
}

impl Server {
    /// The project's own reference server, on a free port.
    pub(crate) async fn reference() -> Self {
        Self::reference_with(|command| command).await
    }

    /// The same with documents in this database.
    pub(crate) async fn reference_on(database: &OsStr) -> Self {
        Self::reference_with(|command| command.arg("--database").arg(database)).await
    }

    /// The same with more arguments or variables.
    pub(crate) async fn reference_with(more: impl FnOnce(&mut Command) -> &mut Command) -> Self {
        let mut command = Command::new(parts::binary("doorward-reference-server"));
        command.args(["--listen", "127.0.0.1:0"]).env_remove("RUST_LOG").env_remove("REFERENCE_SERVER_DATABASE");
        more(&mut command);
        let mut process = Process::start("reference server", &mut command);
        let line = process.ready(|line| line.starts_with("listening on ")).await;
        Self { url: line.trim_start_matches("listening on ").to_owned(), process }
    }

    /// npm server-everything over Streamable HTTP (legacy era).
    pub(crate) async fn everything() -> Self {
        let port = free_port();
        let mut command = Command::new(parts::node());
        command.arg(parts::npm_file("@modelcontextprotocol/server-everything/dist/index.js"));
        command.arg("streamableHttp").env("PORT", port.to_string());
        let mut process = Process::start("server-everything", &mut command);
        process.ready_port(&format!("127.0.0.1:{port}")).await;
        // Its listener is up before its first line; the short pause keeps its own start-up out of measurements.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Self { url: format!("http://127.0.0.1:{port}/mcp"), process }
    }
}

/// The command line of an npm server on standard streams.
fn npm_stdio(package: &str, arguments: &[&str]) -> Vec<String> {
    let script = parts::npm_file(&format!("@modelcontextprotocol/{package}/dist/index.js"));
    let mut command = vec![parts::node().display().to_string(), script.display().to_string()];
    command.extend(arguments.iter().map(|&argument| argument.to_owned()));
    command
}

/// server-everything as a child.
pub(crate) fn everything_stdio() -> Vec<String> {
    npm_stdio("server-everything", &["stdio"])
}

/// server-filesystem as a child that serves `folder`.
pub(crate) fn filesystem_stdio(folder: &str) -> Vec<String> {
    npm_stdio("server-filesystem", &[folder])
}

/// server-memory as a child. Set `MEMORY_FILE_PATH` in its environment.
pub(crate) fn memory_stdio() -> Vec<String> {
    npm_stdio("server-memory", &[])
}

/// The reference server as a child.
pub(crate) fn reference_stdio() -> Vec<String> {
    vec![parts::binary("doorward-reference-server").display().to_string(), "--stdio".to_owned()]
}
