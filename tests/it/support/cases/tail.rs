//! The common tail: after every case the door lives, serves a valid call on a fresh connection, has not panicked, and
//! has given back what it took of the machine.

use std::{fs, time::Duration};

use futures_util::future::join_all;
use rustix::process::Pid;

use super::{
    super::{process::resident_kib, rpc::Client, upstream::Era},
    fixture::Running,
};

/// By how much the resident memory may have grown after a case, in MiB.
pub(super) const GROWTH_MIB_MAX: u64 = 8;
/// Files that may come and go by themselves: a watch, a key being fetched, the tail's own connection in its last state.
const FILES_SLACK: usize = 6;
/// How long the valid call may take, on a machine that has other things to do.
const SERVES_WITHIN: Duration = Duration::from_secs(3);
/// How long the door may take to give things back: it lingers 1 s on a connection it refused.
const SETTLES: Duration = Duration::from_secs(5);

/// What a process takes of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Footprint {
    /// Resident memory in KiB.
    pub(super) resident_kib: u64,
    /// Open files without the connections to the upstreams, which rest in a pool.
    pub(super) files: usize,
}

impl Footprint {
    pub(super) fn of(running: &Running) -> Self {
        let pid = running.door.process.id();
        let pooled: usize = running.upstreams.iter().map(super::Scripted::open).sum();
        Self { resident_kib: resident_kib(pid), files: open_files(pid).saturating_sub(pooled) }
    }
}

/// Processor time so far, its own and the system's for it.
pub(super) fn cpu(pid: Pid) -> Duration {
    let text = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    let fields = text.rsplit_once(')').map(|(_, fields)| fields).unwrap_or_default();
    // The 14th and 15th field; the first two end with the name's parenthesis.
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

fn open_files(pid: Pid) -> usize {
    fs::read_dir(format!("/proc/{}/fd", pid.as_raw_nonzero())).map_or(0, Iterator::count)
}

/// Tries everything that must hold after a case. `growth_mib_max` is counted from `before`.
pub(super) async fn common_tail(
    running: &mut Running,
    era: Era,
    before: Footprint,
    growth_mib_max: Option<u64>,
    still_served: bool,
) -> Vec<String> {
    for upstream in &running.upstreams {
        upstream.script([]);
    }
    let mut failures = vec![];
    if !running.door.process.alive() {
        failures.push("the door is gone".to_owned());
    } else {
        failures.extend(serves(running, era, still_served).await);
        let allowed = growth_mib_max.unwrap_or(GROWTH_MIB_MAX);
        failures.extend(settles(running, era, still_served, before, allowed).await);
    }
    let log = running.door.process.stderr.text();
    if log.contains("panicked at") {
        failures.push(format!("a panic: {log}"));
    }
    failures
}

/// A valid call on a fresh connection; refused where the case has left policies that refuse everything.
async fn serves(running: &Running, era: Era, still_served: bool) -> Option<String> {
    let token = running.valid_token();
    let mut client = Client::modern(&running.door.url, token.as_deref());
    if era == Era::Legacy {
        client = client.in_session(running.session.clone());
    }
    let begin = tokio::time::Instant::now();
    let answer = client.call("echo", serde_json::json!({ "message": "still there" })).await;
    if begin.elapsed() > SERVES_WITHIN {
        return Some(format!("the next valid call took {:?}", begin.elapsed()));
    }
    let served = answer.status == 200 && answer.message.get("result").is_some();
    let holds = if still_served { served } else { answer.code().starts_with("authz.") };
    (!holds).then(|| format!("the next valid call: {} {}", answer.status, answer.body))
}

/// That what the door takes comes back to what it took. Meanwhile it is called, several times at once so that each of its
/// threads is: an allocator at rest gives nothing back.
async fn settles(
    running: &Running,
    era: Era,
    still_served: bool,
    before: Footprint,
    growth_mib_max: u64,
) -> Option<String> {
    let begin = tokio::time::Instant::now();
    loop {
        let now = Footprint::of(running);
        let files = now.files <= before.files.max(running.footprint.files) + FILES_SLACK;
        let memory = now.resident_kib <= before.resident_kib + growth_mib_max * 1024;
        if files && memory {
            let grown = now.resident_kib.saturating_sub(before.resident_kib);
            println!("  grown by {grown} KiB after {:?}", begin.elapsed());
            return None;
        }
        if begin.elapsed() > SETTLES {
            return Some(format!("what the door takes has grown from {before:?} to {now:?}"));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let calls = (0..8).map(|_| serves(running, era, still_served));
        if let Some(failure) = join_all(calls).await.into_iter().flatten().next() {
            return Some(failure);
        }
    }
}
