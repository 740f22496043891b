//! Where the reference server's settings come from, and what it says of its health.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;

use super::done;
use crate::support::{
    parts,
    process::{Process, run_command},
    rpc::Client,
    upstream::Server,
};

#[tokio::test]
async fn flags_go_before_variables_before_dotenv_before_the_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("server.toml"), "max-document-bytes = 10\nfiles = 'shared'\n").unwrap();
    std::fs::create_dir(folder.path().join("shared")).unwrap();
    let limit = async |dotenv: &str, variable: Option<&str>, flag: Option<&str>| -> usize {
        std::fs::write(folder.path().join(".env"), dotenv).unwrap();
        let server = Server::reference_with(|command| {
            command.current_dir(folder.path()).args(["--config", "server.toml"]);
            if let Some(bytes) = variable {
                command.env("REFERENCE_SERVER_MAX_DOCUMENT_BYTES", bytes);
            }
            if let Some(bytes) = flag {
                command.args(["--max-document-bytes", bytes]);
            }
            command
        })
        .await;
        let client = Client::modern(&server.url, None);
        done(&client, "file_list", json!({})).await;
        let mut taken = 0;
        for bytes in [10, 20, 30, 40] {
            let answer =
                client.call("document_create", json!({ "path": format!("{bytes}"), "content": "x".repeat(bytes) }));
            if answer.await.result()["isError"] != true {
                taken = bytes;
            }
        }
        taken
    };
    let dotenv = "REFERENCE_SERVER_MAX_DOCUMENT_BYTES=20\nOTHER=1\n";
    assert_eq!(limit("", None, None).await, 10);
    assert_eq!(limit(dotenv, None, None).await, 20);
    assert_eq!(limit(dotenv, Some("30"), None).await, 30);
    assert_eq!(limit(dotenv, Some("30"), Some("40")).await, 40);
}

#[tokio::test]
async fn a_wrong_file_stops_the_server_and_says_where() {
    let folder = tempfile::tempdir().unwrap();
    for (text, told) in [
        ("max-document-bytes = 'many'", "server.toml: line 1: max-document-bytes: invalid digit found in string"),
        ("max-document-bytes = 1048577", "server.toml: line 1: max-document-bytes: must be from 1 to 1048576;"),
        ("max-documents = 1", "server.toml: line 1: unknown key max-documents;"),
        ("listen = ", "server.toml: TOML parse error"),
    ] {
        std::fs::write(folder.path().join("server.toml"), text).unwrap();
        let mut command = Command::new(parts::binary("doorward-reference-server"));
        command.current_dir(folder.path()).args(["--config", "server.toml", "--stdio"]);
        let ended = run_command(&mut command, Duration::from_secs(20)).await;
        assert_eq!(ended.code, Some(2), "{text}: {}", ended.stderr);
        assert!(ended.stderr.contains(told), "{text}: {}", ended.stderr);
    }
}

pub(super) async fn ready(server: &Server) -> (u16, Value) {
    let url = server.url.replace("/mcp", "/ready");
    let answer = reqwest::get(url).await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn readiness_tells_the_dependency_that_fails() {
    let folder = tempfile::tempdir().unwrap();
    let shared = folder.path().join("shared");
    std::fs::create_dir(&shared).unwrap();
    let server = Server::reference_with(|command| command.arg("--files").arg(&shared)).await;
    let live = reqwest::get(server.url.replace("/mcp", "/live")).await.unwrap();
    assert_eq!((live.status().as_u16(), live.text().await.unwrap().as_str()), (200, "ok\n"));
    assert_eq!(ready(&server).await, (200, json!({ "ready": true, "documents": "ok", "directory": "ok" })));
    std::fs::rename(&shared, folder.path().join("elsewhere")).unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let (status, report) = ready(&server).await;
    assert_eq!((status, &report["directory"]), (503, &json!("unavailable")));
    std::fs::rename(folder.path().join("elsewhere"), &shared).unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(ready(&server).await.0, 200);
}

#[tokio::test]
async fn the_endpoint_cannot_take_a_path_that_is_served() {
    for path in ["/live", "/ready", "/download/x", "/sse"] {
        let mut command = Command::new(parts::binary("doorward-reference-server"));
        command.args(["--listen", "127.0.0.1:0", "--path", path]);
        let ended = run_command(&mut command, Duration::from_secs(20)).await;
        assert_eq!(ended.code, Some(2), "{path}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn links_name_an_address_that_clients_can_use() {
    let folder = tempfile::tempdir().unwrap();
    for everywhere in ["0.0.0.0:0", "[::]:0"] {
        for more in [vec!["--files", folder.path().to_str().unwrap()], vec!["--objects", "memory:"]] {
            let mut command = Command::new(parts::binary("doorward-reference-server"));
            command.args(["--listen", everywhere]).args(&more).env_remove("REFERENCE_SERVER_PUBLIC_URL");
            let ended = run_command(&mut command, Duration::from_secs(20)).await;
            assert_eq!(ended.code, Some(1), "{everywhere} {more:?}: {}", ended.stderr);
            assert!(ended.stderr.contains("--public-url"), "{}", ended.stderr);
        }
    }
    // With it, or without anything that links lead to, it starts.
    let public = ["--files", folder.path().to_str().unwrap(), "--public-url", "https://mcp.example.com"];
    for more in [&public[..], &[]] {
        let mut command = Command::new(parts::binary("doorward-reference-server"));
        command.args(["--listen", "0.0.0.0:0"]).args(more).env_remove("REFERENCE_SERVER_PUBLIC_URL");
        let mut process = Process::start("reference server", &mut command);
        process.ready(|line| line.starts_with("listening on ")).await;
    }
}

/// A server set up by variables and flags alone.
fn own(variables: &[(&str, &str)], flags: &[&str]) -> Command {
    let mut command = Command::new(parts::binary("doorward-reference-server"));
    command.args(flags).envs(variables.iter().copied());
    command
}

#[tokio::test]
async fn a_server_is_set_up_by_variables_alone() {
    let listen = ("REFERENCE_SERVER_LISTEN", "127.0.0.1:0");
    let path = ("REFERENCE_SERVER_PATH", "/own");
    // A switch that is off is not said.
    for variables in [&[listen, path][..], &[listen, path, ("REFERENCE_SERVER_STDIO", "false")]] {
        let mut process = Process::start("reference server", &mut own(variables, &[]));
        process.ready(|line| line.starts_with("listening on ") && line.ends_with("/own")).await;
    }
    // A flag goes before the variables that it excludes.
    let legacy = ("REFERENCE_SERVER_LEGACY_SSE", "true");
    for (variables, flags) in
        [(&[listen, path, legacy][..], &["--stdio"][..]), (&[("REFERENCE_SERVER_STDIO", "true")], &[])]
    {
        let ended = run_command(&mut own(variables, flags), Duration::from_secs(20)).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{variables:?}: {}", ended.stderr);
    }
    // Two variables that exclude each other are no order of preference.
    let both = [("REFERENCE_SERVER_STDIO", "true"), listen];
    let ended = run_command(&mut own(&both, &[]), Duration::from_secs(20)).await;
    assert!(ended.code == Some(2) && ended.stderr.contains("cannot be used with"), "{}", ended.stderr);
}
