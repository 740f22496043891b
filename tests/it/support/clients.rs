//! Real MCP clients as processes: the official Python, Rust and TypeScript SDKs, FastMCP, the npm inspector.

use std::{process::Stdio, time::Duration};

use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, process::Command};

use super::{
    parts,
    process::{Finished, run_command},
};

const TIMEOUT: Duration = Duration::from_secs(60);

/// How a client reaches its server.
#[derive(Clone, Debug)]
pub(crate) enum Target<'a> {
    Http {
        url: &'a str,
        token: Option<&'a str>,
    },
    Stdio(&'a [String]),
    /// HTTP+SSE of revision 2024-11-05; the official Python SDK and the inspector have it.
    Sse(&'a str),
}

/// Which protocol era a Python client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Modern where the server can, else legacy.
    Auto,
    Legacy,
}

/// What a Python client saw: the negotiated revision and one `{"ok": …}` or `{"error": …}` per step.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) protocol: String,
    pub(crate) steps: Vec<Value>,
}

impl Seen {
    pub(crate) fn ok(&self, step: usize) -> &Value {
        self.steps[step].get("ok").unwrap_or_else(|| panic!("step {step} failed: {}", self.steps[step]))
    }

    pub(crate) fn error(&self, step: usize) -> &Value {
        self.steps[step].get("error").unwrap_or_else(|| panic!("step {step} succeeded: {}", self.steps[step]))
    }
}

/// The official Python SDK's client.
pub(crate) async fn python_sdk(target: &Target<'_>, mode: Mode, steps: Value) -> Seen {
    python("python/mcp_client.py", target, mode, steps).await
}

/// FastMCP's client.
pub(crate) async fn fastmcp(target: &Target<'_>, mode: Mode, steps: Value) -> Seen {
    python("python/fastmcp_client.py", target, mode, steps).await
}

/// The official Rust SDK's client. [`Mode::Auto`] speaks the modern era and nothing else.
pub(crate) async fn rust_sdk(target: &Target<'_>, mode: Mode, steps: Value) -> Seen {
    driven("rmcp-client", Command::new(env!("CARGO_BIN_EXE_rmcp-client")), target, mode, steps).await
}

/// The official TypeScript SDK's client.
pub(crate) async fn typescript_sdk(target: &Target<'_>, mode: Mode, steps: Value) -> Seen {
    let mut command = Command::new(parts::node());
    command.arg(parts::script("npm/client.mjs")).env("DOORWARD_TEST_NPM", parts::npm());
    driven("npm/client.mjs", command, target, mode, steps).await
}

async fn python(script: &str, target: &Target<'_>, mode: Mode, steps: Value) -> Seen {
    let mut command = Command::new(parts::python());
    command.arg(parts::script(script));
    driven(script, command, target, mode, steps).await
}

async fn driven(name: &str, mut command: Command, target: &Target<'_>, mode: Mode, steps: Value) -> Seen {
    command.args(["--mode", if mode == Mode::Auto { "auto" } else { "legacy" }]);
    match target {
        Target::Http { url, token } => {
            command.args(["--url", url]);
            if let Some(token) = token {
                command.args(["--token", token]);
            }
        }
        Target::Sse(url) => {
            command.args(["--sse", url]);
        }
        Target::Stdio(line) => {
            command.arg("--stdio").arg(json!(line).to_string());
        }
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().expect("stdin is piped");
    stdin.write_all(steps.to_string().as_bytes()).await.unwrap();
    drop(stdin);
    let output = tokio::time::timeout(TIMEOUT, child.wait_with_output()).await.expect("the client ends").unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let seen: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{name}: {error}\n{stderr}"));
    Seen {
        protocol: seen["protocol"].as_str().unwrap_or_default().to_owned(),
        steps: seen["steps"].as_array().cloned().unwrap_or_default(),
    }
}

/// The npm inspector in CLI mode; `arguments` are its own, such as `--method tools/list`. The parsed answer if it
/// succeeded, with everything it printed.
pub(crate) async fn inspector(target: &Target<'_>, arguments: &[&str]) -> (Option<Value>, Finished) {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(parts::node());
    command.arg(parts::npm().join("node_modules/.bin/mcp-inspector")).arg("--cli");
    match target {
        Target::Http { url, token } => {
            command.args([url, "--transport", "http"]);
            if let Some(token) = token {
                command.args(["--header", &format!("Authorization: Bearer {token}")]);
            }
        }
        Target::Sse(url) => {
            command.args([url, "--transport", "sse"]);
        }
        Target::Stdio(line) => {
            command.args(*line);
        }
    }
    // It keeps a catalogue of servers in the home folder.
    command.args(arguments).env("HOME", home.path());
    let finished = run_command(&mut command, TIMEOUT).await;
    (serde_json::from_str(&finished.stdout).ok(), finished)
}

/// Steps for the Python clients.
pub(crate) fn call(tool: &str, arguments: Value) -> Value {
    json!(["call", tool, arguments])
}
