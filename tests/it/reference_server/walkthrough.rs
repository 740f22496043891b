//! `docs/REFERENCE_SERVER.md` as a new user follows it: its blocks of commands and rules, in order, through a real Doorward,
//! with the answers that their comments promise. In the place of `cargo build` are the programs beside this test, in the
//! place of ports free ones; all else is typed as it is printed.

mod page;

use std::{collections::BTreeMap, fs, os::unix::fs::symlink, path::Path, time::Duration};

use page::{Block, Command, blocks};
use tempfile::TempDir;

use crate::support::{
    parts,
    process::{Process, free_port},
};

/// What stands in the page before each block that is not tried.
const UNTRIED: [&str; 4] = [
    "needs the stores of clouds",
    "needs the address that a call gave",
    "needs a database server",
    "needs a database server and Redis",
];

/// Ports that servers of the page listen on.
const PORTS: [&str; 2] = ["127.0.0.1:9000", "127.0.0.1:8080"];

const PATIENCE: Duration = Duration::from_secs(60);

/// A shell that is typed into.
struct Terminal {
    process: Process,
    read: usize,
}

impl Terminal {
    fn open(folder: &Path) -> Self {
        let path = format!("{}:{}", folder.join("target/release").display(), std::env::var("PATH").unwrap());
        let mut command = tokio::process::Command::new("sh");
        command.current_dir(folder).env_clear().env("PATH", path).env("HOME", folder);
        Self { process: Process::start("sh", &mut command), read: 0 }
    }

    async fn until(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        let from = self.read;
        let found = self.process.stdout.wait_line(from, PATIENCE, wanted).await;
        let (_, read) = found.unwrap_or_else(|| panic!("the shell told only: {}", &self.process.stdout.text()[from..]));
        self.read = read;
        self.process.stdout.text()[from..read].to_owned()
    }

    /// What a command prints until it ends.
    async fn run(&mut self, text: &str) -> String {
        self.process.write(format!("{text}\necho ended: $?\n").as_bytes()).await;
        self.until(|line| line.starts_with("ended: ")).await
    }

    /// Starts a server that stays.
    async fn serve(&mut self, text: &str) {
        self.process.write(format!("{text}\n").as_bytes()).await;
        self.until(|line| line.starts_with("listening on http://127.0.0.1:")).await;
    }
}

/// Who follows the page.
struct User {
    folder: TempDir,
    ports: BTreeMap<&'static str, String>,
    /// Terminals of servers, in the order of the page: the server's, the door's, …
    servers: Vec<Terminal>,
    /// The one for everything else.
    terminal: Terminal,
    /// Up to where the door's log was read.
    logged: usize,
    rules: usize,
    tried: usize,
}

impl User {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let programs = folder.path().join("target/release");
        fs::create_dir_all(&programs).unwrap();
        for name in ["doorward", "doorward-reference-server"] {
            symlink(parts::binary(name), programs.join(name)).unwrap();
        }
        let terminal = Terminal::open(folder.path());
        Self { folder, ports: BTreeMap::new(), servers: vec![], terminal, logged: 0, rules: 0, tried: 0 }
    }

    fn with_ports(&self, text: &str) -> String {
        self.ports.iter().fold(text.to_owned(), |text, (printed, taken)| text.replace(printed, taken))
    }

    async fn follow(&mut self, block: &Block<'_>) {
        match block.language {
            "cedar" => self.write_rule(&block.text).await,
            "sh" if block.text.contains(" --listen ") => self.start_server(&block.without_installing()).await,
            "sh" => self.type_in(block).await,
            other => panic!("{other} is not known here"),
        }
    }

    async fn start_server(&mut self, text: &str) {
        for port in PORTS.into_iter().filter(|port| text.contains(&format!(" --listen {port}"))) {
            self.ports.insert(port, format!("127.0.0.1:{}", free_port()));
        }
        let mut terminal = Terminal::open(self.folder.path());
        terminal.serve(&self.with_ports(text)).await;
        self.servers.push(terminal);
    }

    /// Puts a rule beside those that are there, and waits for the door to notice it.
    async fn write_rule(&mut self, text: &str) {
        self.rules += 1;
        fs::write(self.folder.path().join(format!("notes-policies/more-{}.cedar", self.rules)), text).unwrap();
        let log = &self.servers[1].process.stderr;
        let noticed = log.wait_line(self.logged, PATIENCE, |line| line.contains("policies were reloaded")).await;
        self.logged = noticed.unwrap_or_else(|| panic!("the door did not notice {text}\n{}", log.text())).1;
    }

    async fn type_in(&mut self, block: &Block<'_>) {
        let (before, commands) = block.commands();
        self.terminal.run(&self.with_ports(before)).await;
        for Command { text, promised } in commands {
            let answer = self.terminal.run(&self.with_ports(&text)).await;
            let promised = promised.unwrap_or_else(|| panic!("the page does not tell what is answered to {text}"));
            let refused = answer.contains("\"isError\":true") || answer.contains("\"error\":{");
            let (wanted, refusal) = match promised.strip_prefix("refused: ") {
                Some(code) => (code, true),
                None => (promised.as_str(), false),
            };
            assert!(answer.contains(wanted) && refused == refusal, "{text}\npromised: {promised}\n{answer}");
            self.tried += 1;
        }
    }
}

#[tokio::test]
async fn page_does_what_it_promises_from_its_beginning_to_its_end() {
    let page = parts::repository_text("docs/REFERENCE_SERVER.md");
    let blocks = blocks(&page);
    let untried: Vec<&str> = blocks.iter().filter_map(|block| block.untried).collect();
    assert_eq!(untried, UNTRIED);
    let mut user = User::new();
    for block in blocks.iter().filter(|block| block.untried.is_none()) {
        user.follow(block).await;
    }
    assert_eq!((user.servers.len(), user.rules), (3, 3));
    assert!(user.tried > 18, "only {} commands were tried", user.tried);
}
