//! CPU time and memory of a process and its descendants, as the Linux kernel accounts them.
//!
//! CPU time is the sum of `/proc/PID/task/TID/schedstat` (nanoseconds on a CPU). A thread that ended between two samples
//! takes its figure with it; then the coarser `utime + stime` of `/proc/PID/stat` (clock ticks, ended threads included)
//! is used instead. Time the kernel spends in interrupts on a process's behalf is in neither.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::error::{Error, Result};

/// CPU time used up to a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CpuSample {
    /// By process and thread id, nanoseconds.
    threads: BTreeMap<(u32, u32), u64>,
    /// `utime + stime` of all, clock ticks.
    ticks: u64,
}

impl CpuSample {
    /// Of `pid` and its descendants, now.
    pub(crate) fn take(pid: u32) -> Result<Self> {
        let mut sample = Self::default();
        for pid in tree(pid)? {
            let folder = PathBuf::from(format!("/proc/{pid}"));
            let stat = read(&folder.join("stat"))?;
            sample.ticks += parse_stat(&stat).ok_or_else(|| format_of(&folder))?.ticks;
            let tasks = folder.join("task");
            for entry in fs::read_dir(&tasks).map_err(Error::file("read", &tasks))? {
                let task = entry.map_err(Error::file("read", &tasks))?;
                let path = task.path().join("schedstat");
                // The thread may end between listing and reading.
                let Ok(text) = fs::read_to_string(&path) else {
                    continue;
                };
                let nanos = parse_schedstat(&text).ok_or_else(|| format_of(&path))?;
                if let Some(tid) = number(&task.file_name()) {
                    sample.threads.insert((pid, tid), nanos);
                }
            }
        }
        Ok(sample)
    }

    /// CPU time used since `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Duration {
        if earlier.threads.keys().all(|t| self.threads.contains_key(t)) {
            let used = self
                .threads
                .iter()
                .map(|(thread, now)| now.saturating_sub(earlier.threads.get(thread).copied().unwrap_or_default()));
            Duration::from_nanos(used.sum())
        } else {
            let ticks = self.ticks.saturating_sub(earlier.ticks);
            let per_second = rustix::param::clock_ticks_per_second().max(1);
            Duration::from_nanos(ticks.saturating_mul(1_000_000_000) / per_second)
        }
    }
}

/// Resident memory of a process and its descendants, bytes. Pages that they share count for each.
pub(crate) fn resident_bytes(pid: u32) -> Result<u64> {
    let mut total = 0;
    for pid in tree(pid)? {
        let path = PathBuf::from(format!("/proc/{pid}/status"));
        total += parse_resident(&read(&path)?).ok_or_else(|| format_of(&path))?;
    }
    Ok(total)
}

/// `pid` and all its descendants.
fn tree(pid: u32) -> Result<Vec<u32>> {
    let mut parents = BTreeMap::new();
    let proc = Path::new("/proc");
    for entry in fs::read_dir(proc).map_err(Error::file("read", proc))? {
        let entry = entry.map_err(Error::file("read", proc))?;
        let Some(process) = number(&entry.file_name()) else {
            continue;
        };
        // Processes come and go while this reads.
        if let Ok(text) = fs::read_to_string(entry.path().join("stat"))
            && let Some(stat) = parse_stat(&text)
        {
            parents.insert(process, stat.parent);
        }
    }
    if !parents.contains_key(&pid) {
        return Err(Error::ProcessGone { pid });
    }
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(parents.iter().filter(|(_, of)| **of == parent).map(|(child, _)| *child));
        next += 1;
    }
    Ok(found)
}

fn number(name: &std::ffi::OsStr) -> Option<u32> {
    name.to_str()?.parse().ok()
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(Error::file("read", path))
}

fn format_of(path: &Path) -> Error {
    Error::ProcFormat { path: path.to_owned() }
}

/// Of `/proc/PID/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    /// `utime + stime`.
    ticks: u64,
}

/// The fields behind the program's name, which may itself hold spaces and parentheses (proc(5)).
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split_ascii_whitespace();
    // Fields 4 (ppid), 14 (utime) and 15 (stime), counted from 1; `rest` begins at field 3.
    let parent = fields.nth(1)?.parse().ok()?;
    let user: u64 = fields.nth(9)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Stat { parent, ticks: user + system })
}

/// The first field: nanoseconds on a CPU.
fn parse_schedstat(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

/// `VmRSS` of `/proc/PID/status`, bytes. A process that has ended but was not waited for has none: zero.
fn parse_resident(text: &str) -> Option<u64> {
    let Some(line) = text.lines().find_map(|line| line.strip_prefix("VmRSS:")) else {
        return text.contains("State:\tZ").then_some(0);
    };
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests;
