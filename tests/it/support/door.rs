//! Doorward itself, started as a person starts it: by its command line.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use super::{
    parts::binary,
    process::{Process, free_port},
};

/// What a door is started with.
pub(crate) struct Setup {
    folder: TempDir,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    admin: Option<String>,
    user: Option<u32>,
}

/// `nobody` of every common system.
const NOBODY: u32 = 65_534;

impl Setup {
    fn new(arguments: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("doorward-test-").tempdir().unwrap();
        let setup = Self { folder, arguments: vec![], environment: vec![], admin: None, user: None };
        setup.arguments(arguments)
    }

    /// `serve` in front of a Streamable HTTP upstream, on a free port.
    pub(crate) fn serve(upstream: &str) -> Self {
        Self::new(&["serve", "--upstream", upstream, "--listen", "127.0.0.1:0"])
    }

    /// `serve -c` with this YAML. `{{folder}}` in it is the door's own folder.
    pub(crate) fn config(yaml: &str) -> Self {
        let setup = Self::new(&["serve"]);
        let file = setup.folder.path().join("doorward.yaml");
        let folder = setup.folder.path().display().to_string();
        fs::write(&file, yaml.replace("{{folder}}", &folder)).unwrap();
        setup.arguments(&["-c", &file.display().to_string()])
    }

    /// `serve` without tokens and with the policy that permits all. `upstream` is YAML of the upstream `test`, `more` of
    /// further sections.
    pub(crate) fn open(upstream: &str, more: &str) -> Self {
        Self::open_at("", upstream, more)
    }

    /// The same with more YAML of the listener, which begins with a comma.
    pub(crate) fn open_at(listen: &str, upstream: &str, more: &str) -> Self {
        Self::config(&format!(
            "listen: {{ address: 127.0.0.1:0{listen} }}\n\
             authentication: {{ disabled: true }}\n\
             authorization: {{ policies: \"bundle:permit-all\" }}\n\
             upstreams: {{ test: {{ {upstream} }} }}\n\
             observe: {{ audit: {{ file: {{{{folder}}}}/audit.jsonl }} }}\n{more}\n"
        ))
    }

    /// `wrap`: stdio to stdio. Close with [`Setup::command`].
    pub(crate) fn wrap() -> Self {
        Self::new(&["wrap"])
    }

    /// `wrap --listen`: offers a child over HTTP. Close with [`Setup::command`].
    pub(crate) fn wrap_listen() -> Self {
        Self::new(&["wrap", "--listen", "127.0.0.1:0"])
    }

    pub(crate) fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    pub(crate) fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A file in the door's folder.
    pub(crate) fn file(self, path: &str, text: &str) -> Self {
        self.file_bytes(path, text.as_bytes())
    }

    /// A file that may be no text.
    pub(crate) fn file_bytes(self, path: &str, bytes: &[u8]) -> Self {
        let file = self.folder.path().join(path);
        fs::create_dir_all(file.parent().expect("a file lies in a folder")).unwrap();
        fs::write(file, bytes).unwrap();
        self
    }

    /// Policies given as text; written to the door's folder.
    pub(crate) fn policies(self, cedar: &str) -> Self {
        let folder = self.folder.path().join("policies");
        self.file("policies/test.cedar", cedar).arguments(&["--policies", &folder.display().to_string()])
    }

    /// A bundle that comes with Doorward.
    pub(crate) fn bundle(self, name: &str) -> Self {
        self.arguments(&["--policies", &format!("bundle:{name}")])
    }

    /// Tokens of this issuer for this audience.
    pub(crate) fn tokens(self, issuer: &str, audience: &str) -> Self {
        self.arguments(&["--issuer", issuer, "--audience", audience])
    }

    pub(crate) fn no_authentication(self) -> Self {
        self.arguments(&["--no-authentication"])
    }

    /// With an admin listener.
    pub(crate) fn admin(mut self) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        self.admin = Some(format!("http://{address}"));
        self.arguments(&["--admin", &address])
    }

    /// Runs it as a user whom the permissions of files bind. Call when the folder has everything.
    pub(crate) fn ordinary_user(mut self) -> Self {
        if rustix::process::geteuid().is_root() {
            give(self.folder.path(), NOBODY);
            self.user = Some(NOBODY);
        }
        self
    }

    /// With an audit file.
    pub(crate) fn audit(self) -> Self {
        let file = self.audit_path().display().to_string();
        self.arguments(&["--audit", &file])
    }

    /// The command that a wrapping door runs.
    pub(crate) fn command(self, command: &[&str]) -> Self {
        self.arguments(&["--"]).arguments(command)
    }

    /// The door's own folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn audit_path(&self) -> PathBuf {
        self.folder.path().join("audit.jsonl")
    }

    fn process(&self) -> Process {
        let mut command = Command::new(self.program());
        command.args(&self.arguments).envs(self.environment.iter().map(|(name, value)| (name, value)));
        // A developer's own configuration must not leak into a test.
        command.env_remove("RUST_LOG").env("XDG_CONFIG_HOME", self.folder.path().join("config"));
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        Process::start("doorward", &mut command)
    }

    /// For another user a copy in the door's folder, because nobody else may look into root's home.
    fn program(&self) -> PathBuf {
        let program = binary("doorward");
        if self.user.is_none() {
            return program;
        }
        let copy = self.folder.path().join("doorward");
        fs::copy(program, &copy).unwrap();
        copy
    }

    /// Starts a door that listens, and waits for its ready line.
    pub(crate) async fn start(self) -> Door {
        let mut process = self.process();
        let line = process.ready(|line| line.starts_with("listening on ")).await;
        let url = line.trim_start_matches("listening on ").to_owned();
        Door { url, process, setup: self }
    }

    /// Starts a door that speaks on its standard streams.
    pub(crate) fn start_stdio(self) -> StdioDoor {
        StdioDoor { process: self.process(), setup: self, read: 0 }
    }

    /// Runs a door that is expected to end by itself: exit code and what it wrote to stderr.
    pub(crate) async fn refuse(self) -> (Option<i32>, String) {
        let mut process = self.process();
        process.close_stdin();
        let code = process.exit_code(Duration::from_secs(30)).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        (code, process.stderr.text())
    }
}

/// Gives a folder and everything in it to a user.
fn give(path: &Path, user: u32) {
    std::os::unix::fs::chown(path, Some(user), Some(user)).unwrap();
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| give(&entry.unwrap().path(), user));
    }
}

/// The audit records of a file, in order.
fn records(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let complete = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    complete
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("audit line: {error}: {line}")))
        .collect()
}

/// A door that listens.
pub(crate) struct Door {
    /// The MCP endpoint, as the ready line names it.
    pub(crate) url: String,
    pub(crate) process: Process,
    setup: Setup,
}

impl Door {
    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        let rest = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        rest.split('/').next().unwrap_or_default().to_owned()
    }

    /// The endpoints of the first `count` ready lines, one for each listener and route.
    pub(crate) async fn urls(&self, count: usize) -> Vec<String> {
        let (mut urls, mut from) = (vec![], 0);
        while urls.len() < count {
            let line = self.process.stdout.wait_line(from, Duration::from_secs(5), |_| true).await;
            let (line, next) = line.unwrap_or_else(|| panic!("ready lines: {urls:?}"));
            from = next;
            urls.extend(line.strip_prefix("listening on ").map(str::to_owned));
        }
        urls
    }

    /// The endpoint whose ready line begins with this scheme.
    pub(crate) async fn url_with(&self, scheme: &str) -> String {
        let begin = format!("listening on {scheme}");
        let line = self.process.stdout.wait_line(0, Duration::from_secs(5), |line| line.starts_with(&begin)).await;
        line.expect("a ready line").0.trim_start_matches("listening on ").to_owned()
    }

    /// The admin listener's address.
    pub(crate) fn admin(&self) -> &str {
        self.setup.admin.as_deref().expect("started with admin()")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.setup.folder()
    }

    pub(crate) fn audit_path(&self) -> PathBuf {
        self.setup.audit_path()
    }

    /// The audit records so far.
    pub(crate) fn audit(&self) -> Vec<Value> {
        records(&self.audit_path())
    }

    /// The audit file's bytes.
    pub(crate) fn audit_text(&self) -> String {
        fs::read_to_string(self.audit_path()).unwrap_or_default()
    }

    /// Waits until the audit file satisfies `wanted`; records leave the request path through a queue.
    pub(crate) async fn wait_audit(&self, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        for _ in 0..200 {
            let records = self.audit();
            if wanted(&records) {
                return records;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("audit: {}", self.audit_text());
    }
}

/// A door on standard streams.
pub(crate) struct StdioDoor {
    pub(crate) process: Process,
    setup: Setup,
    read: usize,
}

impl StdioDoor {
    /// Writes one line.
    pub(crate) async fn send(&mut self, message: &Value) {
        self.process.write(format!("{message}\n").as_bytes()).await;
    }

    /// The next message from the door.
    pub(crate) async fn next(&mut self) -> Value {
        let line = self.process.stdout.wait_line(self.read, Duration::from_secs(30), |_| true).await;
        let (line, offset) = line.unwrap_or_else(|| panic!("no line; stderr: {}", self.process.stderr.text()));
        self.read = offset;
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// Sends a request and waits for the answer with its id; messages in between are dropped.
    pub(crate) async fn request(&mut self, message: &Value) -> Value {
        self.send(message).await;
        loop {
            let answer = self.next().await;
            if answer.get("id") == message.get("id") && answer.get("method").is_none() {
                return answer;
            }
        }
    }

    pub(crate) fn audit(&self) -> Vec<Value> {
        records(&self.setup.audit_path())
    }

    /// The audit file's bytes.
    pub(crate) fn audit_text(&self) -> String {
        fs::read_to_string(self.setup.audit_path()).unwrap_or_default()
    }
}
