//! Child processes of a test: output captured, readiness awaited, the whole process group killed on drop.

use std::{
    ffi::OsStr,
    net::TcpListener,
    path::Path,
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process_group, setrlimit};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin, Command},
    sync::Notify,
};

/// How long a process may take until it is ready. Generous: CI has two cores.
pub(crate) const READY_MS_MAX: u64 = 60_000;

/// Open files that a test and its door need each: a crowd of 5,000 connections, and the rest.
const FILES: u64 = 6_000;

/// Bytes that grow while a process runs.
#[derive(Clone, Default)]
pub(crate) struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    grown: Arc<Notify>,
    held: Arc<AtomicBool>,
}

impl Output {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    /// While it is held, nothing more is read than is on its way already.
    pub(crate) fn hold(&self, held: bool) {
        self.held.store(held, Ordering::SeqCst);
    }

    fn follow(&self, mut from: impl AsyncRead + Unpin + Send + 'static) {
        let output = self.clone();
        tokio::spawn(async move {
            let mut buffer = vec![0; 16 * 1024];
            while let Ok(count) = from.read(&mut buffer).await
                && count > 0
            {
                output.bytes.lock().unwrap().extend_from_slice(&buffer[..count]);
                output.grown.notify_waiters();
                while output.held.load(Ordering::SeqCst) {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        });
    }

    /// The first complete line that `wanted` accepts, from byte `from` on, with the offset behind it.
    fn line_from(&self, from: usize, wanted: &impl Fn(&str) -> bool) -> Option<(String, usize)> {
        let bytes = self.bytes.lock().unwrap();
        let mut offset = from;
        for line in bytes[from..].split_inclusive(|byte| *byte == b'\n') {
            if !line.ends_with(b"\n") {
                return None;
            }
            offset += line.len();
            let line = String::from_utf8_lossy(line).trim_end().to_owned();
            if wanted(&line) {
                return Some((line, offset));
            }
        }
        None
    }

    /// Waits for a line; `None` after `timeout`.
    pub(crate) async fn wait_line(
        &self,
        from: usize,
        timeout: Duration,
        wanted: impl Fn(&str) -> bool,
    ) -> Option<(String, usize)> {
        let deadline = tokio::time::Instant::now() + timeout;
        loop {
            let grown = self.grown.notified();
            tokio::pin!(grown);
            grown.as_mut().enable();
            if let Some(found) = self.line_from(from, &wanted) {
                return Some(found);
            }
            tokio::time::timeout_at(deadline, grown).await.ok()?;
        }
    }
}

/// Lets this process, and what it starts, open as many files as the crowds of the corpus need.
fn allow_files() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let limit = getrlimit(Resource::Nofile);
        if limit.current.is_some_and(|current| current < FILES) {
            let raised = Rlimit { current: Some(FILES), maximum: limit.maximum };
            setrlimit(Resource::Nofile, raised).unwrap_or_else(|error| {
                panic!(
                    "these tests need {FILES} open files, the hard limit is {:?} (ulimit -Hn): {error}",
                    limit.maximum
                )
            });
        }
    });
}

/// A running child with everything it wrote.
pub(crate) struct Process {
    name: String,
    child: Child,
    group: Pid,
    stdin: Option<ChildStdin>,
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
}

impl Process {
    /// Starts `command` in its own process group.
    pub(crate) fn start(name: &str, command: &mut Command) -> Self {
        allow_files();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let (stdout, stderr) = (Output::default(), Output::default());
        stdout.follow(child.stdout.take().expect("stdout is piped"));
        stderr.follow(child.stderr.take().expect("stderr is piped"));
        Self {
            name: name.to_owned(),
            group: id.expect("a started child has an id"),
            stdin: child.stdin.take(),
            child,
            stdout,
            stderr,
        }
    }

    pub(crate) fn id(&self) -> Pid {
        self.group
    }

    /// Waits for a line on stdout; on failure shows what the process wrote.
    pub(crate) async fn ready(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        let waiting = self.stdout.wait_line(0, Duration::from_millis(READY_MS_MAX), wanted);
        let ended = tokio::select! {
            line = waiting => match line {
                Some((line, _)) => return line,
                None => "is not ready in time".to_owned(),
            },
            status = self.child.wait() => format!("ended with {status:?}"),
        };
        // What was written last may still be on its way through the pipe.
        tokio::time::sleep(Duration::from_millis(100)).await;
        panic!("{} {ended}\n--- stdout\n{}\n--- stderr\n{}", self.name, self.stdout.text(), self.stderr.text());
    }

    /// Waits until something accepts connections at `address`.
    pub(crate) async fn ready_port(&mut self, address: &str) {
        let deadline = Instant::now() + Duration::from_millis(READY_MS_MAX);
        while tokio::net::TcpStream::connect(address).await.is_err() {
            let ended = self.child.try_wait().ok().flatten();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "{} does not listen on {address} ({ended:?})\n--- stdout\n{}\n--- stderr\n{}",
                self.name,
                self.stdout.text(),
                self.stderr.text()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Writes to the process's standard input.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        stdin.write_all(bytes).await.unwrap_or_else(|error| panic!("{} does not read: {error}", self.name));
        stdin.flush().await.unwrap();
    }

    /// Writes what the process takes: it may rightly end before it has read everything.
    pub(crate) async fn offer(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        if stdin.write_all(bytes).await.is_ok() {
            let _ = stdin.flush().await;
        }
    }

    /// Closes the process's standard input.
    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process_group(self.group, signal).unwrap();
    }

    /// Waits for the end; the exit code, or `None` after `timeout` or on a signal.
    pub(crate) async fn exit_code(&mut self, timeout: Duration) -> Option<i32> {
        tokio::time::timeout(timeout, self.child.wait()).await.ok()?.ok()?.code()
    }

    /// Whether the process is still there.
    pub(crate) fn alive(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_none())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = kill_process_group(self.group, Signal::KILL);
        if std::thread::panicking() {
            eprintln!("--- {} stderr\n{}", self.name, self.stderr.text());
        }
    }
}

/// What a program that ran to its end wrote.
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a program to its end.
pub(crate) async fn run<S: AsRef<OsStr>>(
    program: &Path,
    arguments: impl IntoIterator<Item = S>,
    timeout: Duration,
) -> Finished {
    let mut command = Command::new(program);
    command.args(arguments);
    run_command(&mut command, timeout).await
}

/// Runs a prepared command to its end; its whole process group is killed after `timeout`.
pub(crate) async fn run_command(command: &mut Command, timeout: Duration) -> Finished {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw).unwrap();
    let Ok(output) = tokio::time::timeout(timeout, child.wait_with_output()).await else {
        let _ = kill_process_group(group, Signal::KILL);
        panic!("{command:?} did not end within {timeout:?}");
    };
    let output = output.unwrap();
    Finished {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A port nobody listens on at the moment, for programs that cannot tell which port they took.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Resident memory in KiB.
pub(crate) fn resident_kib(pid: Pid) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
