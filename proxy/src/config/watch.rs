//! When to load again: a watched file changed, or SIGHUP arrived.
//!
//! In: the paths of [`super::Config::watched`]. Out: [`ReloadRequested`] events, at most one per quiet period of 200 ms.
//! The *folders* of the files are watched, because editors and mounted ConfigMaps replace a file (the latter by swapping
//! the symlink `..data`), which a watch of the file itself would miss. What is loaded then is the receiver's business;
//! this module never reads configuration.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// Changes closer together than this are one.
pub const QUIET: Duration = Duration::from_millis(200);

/// Why a reload is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadRequested {
    /// A watched file or folder changed.
    FilesChanged,
    /// SIGHUP.
    Signal,
}

/// Why nothing can be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The operating system refused.
    #[error("files cannot be watched for changes: {0}")]
    Notify(#[from] notify::Error),
    /// SIGHUP cannot be caught.
    #[error("SIGHUP cannot be caught: {0}")]
    Signal(#[source] std::io::Error),
}

/// Watches until it is dropped.
pub struct Watch {
    watcher: RecommendedWatcher,
    interest: Interest,
    folders: BTreeSet<PathBuf>,
    tasks: tokio::task::JoinSet<()>,
}

impl Watch {
    /// Starts watching. The receiver holds at most one event that was not taken yet.
    ///
    /// # Errors
    /// [`WatchError`]: the operating system refuses. Folders that do not exist are skipped.
    pub fn start(paths: &[PathBuf]) -> Result<(Self, mpsc::Receiver<ReloadRequested>), WatchError> {
        let (raw_sender, raw) = mpsc::channel::<()>(1);
        let (sender, receiver) = mpsc::channel(1);
        let interest = Interest::default();
        let interested = interest.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // An error (a queue that ran over) may hide a change: better one reload too many.
            if event.as_ref().map_or(true, |event| is_change(event) && interested.covers(event)) {
                // A full channel holds a wake-up already.
                let _ = raw_sender.try_send(());
            }
        })?;
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(debounce(raw, sender.clone()));
        let mut hangup =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).map_err(WatchError::Signal)?;
        tasks.spawn(async move {
            while hangup.recv().await.is_some() {
                if sender.send(ReloadRequested::Signal).await.is_err() {
                    break;
                }
            }
        });
        let mut watch = Self { watcher, interest, folders: BTreeSet::new(), tasks };
        watch.set(paths)?;
        Ok((watch, receiver))
    }

    /// Watches these paths from now on; called after each reload, since a new configuration names other files.
    ///
    /// # Errors
    /// [`WatchError::Notify`].
    pub fn set(&mut self, paths: &[PathBuf]) -> Result<(), WatchError> {
        let wanted: BTreeSet<PathBuf> = paths.iter().flat_map(|path| folders_of(path)).collect();
        for old in self.folders.difference(&wanted) {
            // It may be gone with its folder.
            let _ = self.watcher.unwatch(old);
        }
        for new in wanted.difference(&self.folders) {
            self.watcher.watch(new, RecursiveMode::NonRecursive)?;
        }
        self.folders = wanted;
        self.interest.set(paths);
        Ok(())
    }

    /// Ends the watch and its tasks.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

/// Which changes in the watched folders count: a log or audit file may grow beside a configuration file.
#[derive(Clone, Default)]
struct Interest(Arc<ArcSwap<Vec<PathBuf>>>);

impl Interest {
    fn set(&self, paths: &[PathBuf]) {
        let real = paths.iter().filter_map(|path| path.canonicalize().ok());
        self.0.store(Arc::new(paths.iter().cloned().chain(real).collect()));
    }

    fn covers(&self, event: &Event) -> bool {
        let paths = self.0.load();
        event.paths.is_empty() || event.paths.iter().any(|changed| covered(changed, &paths))
    }
}

/// A file counts by its name (folders are reached by several spellings), what lies in a watched folder by the folder,
/// and `..data` is how a mounted ConfigMap is swapped.
fn covered(changed: &Path, paths: &[PathBuf]) -> bool {
    let Some(name) = changed.file_name() else {
        return true;
    };
    name.to_string_lossy().starts_with("..")
        || paths.iter().any(|path| path.file_name() == Some(name) || (path.is_dir() && changed.starts_with(path)))
}

fn is_change(event: &Event) -> bool {
    !matches!(event.kind, EventKind::Access(_))
}

/// The folders to watch for one path: the one it is named in, the one a symlink leads to, and, for a folder, it and the
/// folders in it.
fn folders_of(path: &Path) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    let mut add = |folder: Option<&Path>| {
        let folder = folder.map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
        if let Some(folder) = folder.filter(|folder| folder.is_dir()) {
            folders.push(folder.to_owned());
        }
    };
    add(path.parent());
    let real = path.canonicalize().ok();
    add(real.as_deref().and_then(Path::parent));
    if path.is_dir() {
        add(Some(path));
        let children = std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
        for child in children.filter(|child| child.is_dir()) {
            folders.extend(folders_below(&child, 4));
        }
    }
    folders
}

fn folders_below(folder: &Path, depth: u8) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    if depth > 0 {
        for child in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            // Symlinks inside are left alone: they may lead anywhere, also in a circle.
            if child.is_dir() && !child.is_symlink() {
                found.extend(folders_below(&child, depth - 1));
            }
        }
    }
    found
}

async fn debounce(mut raw: mpsc::Receiver<()>, sender: mpsc::Sender<ReloadRequested>) {
    while raw.recv().await.is_some() {
        // Until nothing came for a while: a copy of many files is one change.
        while let Ok(Some(())) = tokio::time::timeout(QUIET, raw.recv()).await {}
        if sender.send(ReloadRequested::FilesChanged).await.is_err() {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs;

    use super::*;

    async fn next(receiver: &mut mpsc::Receiver<ReloadRequested>) -> Option<ReloadRequested> {
        tokio::time::timeout(Duration::from_secs(5), receiver.recv()).await.ok().flatten()
    }

    #[tokio::test]
    async fn many_writes_to_a_file_are_one_reload() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("doorward.yaml");
        fs::write(&file, "a").unwrap();
        let (watch, mut events) = Watch::start(std::slice::from_ref(&file)).unwrap();
        for round in 0..20 {
            fs::write(&file, round.to_string()).unwrap();
        }
        assert_eq!(next(&mut events).await, Some(ReloadRequested::FilesChanged));
        tokio::time::sleep(QUIET * 3).await;
        assert!(events.try_recv().is_err());
        watch.stop().await;
    }

    #[tokio::test]
    async fn swapped_symlink_of_a_config_map_is_a_reload() {
        let folder = tempfile::tempdir().unwrap();
        for version in ["..1", "..2"] {
            fs::create_dir(folder.path().join(version)).unwrap();
            fs::write(folder.path().join(version).join("doorward.yaml"), version).unwrap();
        }
        std::os::unix::fs::symlink("..1", folder.path().join("..data")).unwrap();
        let file = folder.path().join("doorward.yaml");
        std::os::unix::fs::symlink("..data/doorward.yaml", &file).unwrap();
        let (watch, mut events) = Watch::start(std::slice::from_ref(&file)).unwrap();
        std::os::unix::fs::symlink("..2", folder.path().join("..data_tmp")).unwrap();
        fs::rename(folder.path().join("..data_tmp"), folder.path().join("..data")).unwrap();
        assert_eq!(next(&mut events).await, Some(ReloadRequested::FilesChanged));
        assert_eq!(fs::read_to_string(&file).unwrap(), "..2");
        watch.stop().await;
    }

    #[tokio::test]
    async fn new_policy_in_a_subfolder_is_a_reload() {
        let folder = tempfile::tempdir().unwrap();
        let policies = folder.path().join("policies/team");
        fs::create_dir_all(&policies).unwrap();
        let (watch, mut events) = Watch::start(&[folder.path().join("policies")]).unwrap();
        fs::write(policies.join("new.cedar"), "permit(principal, action, resource);").unwrap();
        assert_eq!(next(&mut events).await, Some(ReloadRequested::FilesChanged));
        watch.stop().await;
    }

    #[tokio::test]
    async fn reading_a_watched_file_is_no_reload() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("doorward.yaml");
        fs::write(&file, "a").unwrap();
        let (watch, mut events) = Watch::start(std::slice::from_ref(&file)).unwrap();
        fs::read_to_string(&file).unwrap();
        tokio::time::sleep(QUIET * 3).await;
        assert!(events.try_recv().is_err());
        watch.stop().await;
    }
}
