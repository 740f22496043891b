//! Changes of the directory, whoever makes them, as the operating system tells them.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use notify::event::{EventKind, ModifyKind};
use notify::{Config, Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Directory, FilePath};

/// Changes that come together are told together.
const TOGETHER: Duration = Duration::from_millis(50);

/// How many changes may wait. What comes beyond is told as a change of the list, without its files.
const BACKLOG: usize = 1024;

/// Counting walks the whole directory, so it is not done for each change.
const COUNTS_EVERY: Duration = Duration::from_secs(5);

/// Changes of one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Files that differ.
    pub files: BTreeSet<FilePath>,
    /// Whether files came or went.
    pub list: bool,
}

/// Tells changes for as long as it lives.
#[derive(Debug)]
pub struct Watch {
    directory: Directory,
    changes: mpsc::Receiver<Changes>,
    lost: Arc<AtomicBool>,
    counted: Instant,
    /// Whether something changed since.
    uncounted: bool,
    _watcher: RecommendedWatcher,
}

impl Watch {
    /// Watches from now on.
    ///
    /// # Errors
    /// When the operating system watches nothing more for this user.
    pub fn start(directory: &Directory) -> Result<Self, notify::Error> {
        let (sender, changes) = mpsc::channel(BACKLOG);
        let root = directory.0.path.clone();
        let lost = Arc::new(AtomicBool::new(false));
        let losing = Arc::clone(&lost);
        let tell = move |event: Result<Event, notify::Error>| {
            let changed = match event {
                Ok(event) => changes_of(&event, &root),
                // What was lost is not known: at least the list is looked at again.
                Err(error) => {
                    tracing::warn!(%error, "the served directory is watched with gaps");
                    Some(Changes { list: true, ..Changes::default() })
                }
            };
            if let Some(changed) = changed
                && let Err(mpsc::error::TrySendError::Full(_)) = sender.try_send(changed)
                && !losing.swap(true, Ordering::SeqCst)
            {
                tracing::warn!("changes of the served directory come faster than they are told");
            }
        };
        let mut watcher = RecommendedWatcher::new(tell, Config::default().with_follow_symlinks(false))?;
        watcher.watch(&directory.0.path, RecursiveMode::Recursive)?;
        let directory = directory.clone();
        Ok(Self { directory, changes, lost, counted: Instant::now(), uncounted: true, _watcher: watcher })
    }

    /// The next changes. Meanwhile the directory is counted anew now and then, where something changed.
    pub async fn next(&mut self) -> Option<Changes> {
        let mut together = loop {
            if !self.uncounted {
                break self.changes.recv().await?;
            }
            match tokio::time::timeout_at(self.counted + COUNTS_EVERY, self.changes.recv()).await {
                Ok(changes) => break changes?,
                Err(_) => self.count().await,
            }
        };
        tokio::time::sleep(TOGETHER).await;
        while let Ok(more) = self.changes.try_recv() {
            together.files.extend(more.files);
            together.list |= more.list;
        }
        together.list |= self.lost.swap(false, Ordering::SeqCst);
        self.uncounted = true;
        if self.counted.elapsed() >= COUNTS_EVERY {
            self.count().await;
        }
        Some(together)
    }

    async fn count(&mut self) {
        self.counted = Instant::now();
        self.uncounted = false;
        let directory = self.directory.clone();
        if let Err(error) = tokio::task::spawn_blocking(move || directory.count()).await {
            tracing::warn!(%error, "the served directory was not counted");
        }
    }
}

/// `None` where nothing that is served differs.
fn changes_of(event: &Event, root: &Path) -> Option<Changes> {
    let list = match event.kind {
        EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) => true,
        EventKind::Modify(_) | EventKind::Any | EventKind::Other => false,
        EventKind::Access(_) => return None,
    };
    let list = list || event.need_rescan();
    let relative = |path: &std::path::PathBuf| {
        let text = path.strip_prefix(root).ok()?.to_str()?.to_owned();
        FilePath::parse(&text).ok()
    };
    let files: BTreeSet<FilePath> = event.paths.iter().filter_map(relative).collect();
    (!files.is_empty() || event.need_rescan()).then_some(Changes { files, list })
}
