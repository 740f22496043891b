//! Processes that are measured: start on given CPUs, wait until ready, stop.
//!
//! Ready means the line `listening on http://ADDR:PORT/mcp` on stdout, or, for a program that prints none (nginx),
//! an accepted connection. stderr goes to a file, whose end is shown when the program does not come up.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::{
    process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit},
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpStream,
    process::{Child, ChildStdout, Command},
    time::{Instant, sleep, timeout},
};

use crate::{
    error::{Error, Result},
    load::parse_url,
};

const READY_TIMEOUT: Duration = Duration::from_secs(20);
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// How much of a stderr is shown, bytes.
const STDERR_SHOWN: usize = 2000;

/// How a program tells that it is ready.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ready {
    /// By the line on stdout, which also tells the address.
    Line,
    /// By accepting connections here.
    Accepts(SocketAddr),
}

/// What to start.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) ready: Ready,
    /// CPUs the process may use; `None` for all of the parent's.
    pub(crate) cpus: Option<Vec<usize>>,
}

/// A started and ready process. Dropping it asks it to end (SIGTERM); `stop` also waits.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    pid: u32,
    pub(crate) address: SocketAddr,
    /// From the start to the ready line.
    pub(crate) ready_after: Duration,
}

impl Process {
    /// Starts and waits until it is ready. stderr goes to `<scratch>/<name>.stderr`.
    pub(crate) async fn start(launch: &Launch, scratch: &Path) -> Result<Self> {
        let stderr_path = scratch.join(format!("{}.stderr", launch.name));
        let stderr = std::fs::File::create(&stderr_path).map_err(Error::file("create", &stderr_path))?;
        let mut command = Command::new(&launch.program);
        command.args(&launch.args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        let started = Instant::now();
        let mut child = on_cpus(launch.cpus.as_deref(), || command.spawn()).map_err(|source| Error::Spawn {
            name: launch.name,
            program: launch.program.clone(),
            source,
        })?;
        let pid = child.id().unwrap_or_default();
        let stdout = child.stdout.take();
        let name = launch.name;
        let mut process =
            Self { name, child, pid, address: SocketAddr::from(([0, 0, 0, 0], 0)), ready_after: Duration::ZERO };
        let waiting = async {
            match (launch.ready, stdout) {
                (Ready::Line, Some(stdout)) => ready_line(stdout).await,
                (Ready::Accepts(address), _) => accepts(&mut process.child, address).await,
                (Ready::Line, None) => None,
            }
        };
        match timeout(READY_TIMEOUT, waiting).await {
            Ok(Some(address)) => {
                process.ready_after = started.elapsed();
                process.address = address;
                Ok(process)
            }
            Ok(None) => Err(Error::Died { name, stderr: tail(&stderr_path) }),
            Err(_) => Err(Error::NotReady { name, after: READY_TIMEOUT, stderr: tail(&stderr_path) }),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Asks it to end and waits; ends it when it does not.
    pub(crate) async fn stop(mut self) {
        self.terminate();
        if timeout(STOP_TIMEOUT, self.child.wait()).await.is_err() {
            eprintln!("{} did not end on SIGTERM within {STOP_TIMEOUT:?}", self.name);
            let _ = self.child.kill().await;
        }
    }

    fn terminate(&self) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        // `id` is None once the child was waited for; its pid may belong to another process then.
        if let (Some(pid), Some(_)) = (pid, self.child.id()) {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.terminate();
    }
}

/// The address in the ready line; `None` when stdout ends without one. Later output is read and dropped, so that
/// the program does not block or get a broken pipe.
async fn ready_line(stdout: ChildStdout) -> Option<SocketAddr> {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Some(url) = line.strip_prefix("listening on ") else {
            continue;
        };
        if let Ok((address, _, _)) = parse_url(url.trim()) {
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Some(address);
        }
    }
    None
}

async fn accepts(child: &mut Child, address: SocketAddr) -> Option<SocketAddr> {
    loop {
        if TcpStream::connect(address).await.is_ok() {
            return Some(address);
        }
        if !matches!(child.try_wait(), Ok(None)) {
            return None;
        }
        sleep(Duration::from_millis(1)).await;
    }
}

fn tail(path: &Path) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let from = text.len().saturating_sub(STDERR_SHOWN);
    String::from_utf8_lossy(text.get(from..).unwrap_or_default()).into_owned()
}

/// Runs `spawn` with the calling thread on these CPUs, which the new process inherits, then restores the thread.
fn on_cpus<T>(cpus: Option<&[usize]>, spawn: impl FnOnce() -> std::io::Result<T>) -> std::io::Result<T> {
    let Some(cpus) = cpus else { return spawn() };
    let before = sched_getaffinity(None)?;
    pin(cpus)?;
    let spawned = spawn();
    sched_setaffinity(None, &before)?;
    spawned
}

/// Binds the calling thread, and what it starts from now on, to these CPUs.
pub(crate) fn pin(cpus: &[usize]) -> std::io::Result<()> {
    let mut set = CpuSet::new();
    for cpu in cpus {
        set.set(*cpu);
    }
    Ok(sched_setaffinity(None, &set)?)
}

/// The CPUs that the calling thread may use, ascending.
pub(crate) fn allowed_cpus() -> Vec<usize> {
    sched_getaffinity(None).map(|set| (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect()).unwrap_or_default()
}

/// Raises the limit of open files to the hard limit, for this process and those it starts. Returns the limit.
pub(crate) fn raise_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // When refused, what is possible is possible; opening streams fails later with its own error.
    let _ = setrlimit(Resource::Nofile, raised);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Waits for SIGINT or SIGTERM, so that what was started can be stopped first.
pub(crate) async fn interrupted() {
    let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
