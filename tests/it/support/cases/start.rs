//! Doors that must not start, or must start and refuse: their files as data.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, time::Duration};

use serde::Deserialize;

use super::{
    super::{door::Setup, rpc::Client, upstream::Scripted},
    render::{Values, render_text},
};

/// What must be seen of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StartExpect {
    /// The exit code. Left out: it starts.
    pub(crate) exit: Option<i32>,
    /// Texts on standard error.
    pub(crate) stderr_contains: Vec<String>,
    /// Texts that are not there.
    pub(crate) stderr_absent: Vec<String>,
    /// It starts, and refuses a valid call with this code.
    pub(crate) code: Option<String>,
}

/// A start.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StartCase {
    /// Threat number.
    pub(crate) id: String,
    /// Situation and outcome.
    pub(crate) title: String,
    /// Which variant of the case this is.
    pub(crate) name: String,
    /// CVEs, list items.
    pub(crate) tags: Vec<String>,
    /// File → text (a template), in the door's folder.
    pub(crate) files: BTreeMap<String, String>,
    /// Folders in it that are made as well.
    pub(crate) folders: Vec<String>,
    /// Files in it that nobody may read. The door then runs as a user whom that binds, which `root` is not.
    pub(crate) unreadable: Vec<String>,
    /// YAML of more configuration.
    pub(crate) config: String,
    pub(crate) expect: StartExpect,
}

/// Starts the door, or sees it refuse.
pub(super) async fn run(case: &StartCase) -> Vec<String> {
    let upstream = Scripted::start(super::Era::Modern).await;
    let yaml = format!(
        "listen: {{ address: 127.0.0.1:0 }}\nauthentication: {{ disabled: true }}\n\
         authorization: {{ policies: {{{{folder}}}}/policies }}\n\
         upstreams: {{ test: {{ url: '{}' }} }}\n{}\n",
        upstream.url, case.config
    );
    let mut setup = Setup::config(&yaml);
    for folder in &case.folders {
        fs::create_dir_all(setup.folder().join(folder)).unwrap();
    }
    for (file, text) in &case.files {
        setup = setup.file_bytes(file, &super::render::render(text, &Values::new()));
    }
    if !case.unreadable.is_empty() {
        setup = setup.ordinary_user();
    }
    for file in &case.unreadable {
        let path = setup.folder().join(file);
        fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
    }
    let (stderr, mut failures) = match case.expect.exit {
        Some(code) => {
            let (own, stderr) = setup.refuse().await;
            (stderr, if own == Some(code) { vec![] } else { vec![format!("exit code {own:?}, not {code}")] })
        }
        None => {
            let door = setup.start().await;
            let failures = refuses(&door.url, case.expect.code.as_deref().unwrap_or_default()).await;
            (door.process.stderr.text(), failures)
        }
    };
    if !upstream.calls().is_empty() {
        failures.push("a call went upstream".to_owned());
    }
    let texts =
        |texts: &[String]| -> Vec<String> { texts.iter().map(|text| render_text(text, &Values::new())).collect() };
    for text in texts(&case.expect.stderr_contains).iter().filter(|text| !stderr.contains(*text)) {
        failures.push(format!("standard error lacks {text:?}: {stderr}"));
    }
    for text in texts(&case.expect.stderr_absent).iter().filter(|text| stderr.contains(*text)) {
        failures.push(format!("standard error holds {text:?}: {stderr}"));
    }
    failures
}

async fn refuses(url: &str, code: &str) -> Vec<String> {
    let client = Client::modern(url, None);
    for _ in 0..100 {
        let answer = client.call("echo", serde_json::json!({ "message": "x" })).await;
        if answer.code() == code {
            return vec![];
        }
        if answer.code() != "upstream.catalogue_unknown" {
            return vec![format!("a valid call is not refused with {code}: {} {}", answer.status, answer.body)];
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    vec!["the catalogue stays unknown".to_owned()]
}
