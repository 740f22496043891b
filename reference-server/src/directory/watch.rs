//! Changes of the directory, whoever makes them, as the operating system tells them.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use notify::event::{EventKind, ModifyKind};
use notify::{Config, Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use super::{Directory, FilePath};

/// Changes that come together are told together.
const TOGETHER: Duration = Duration::from_millis(50);

/// How many changes may wait before the directory is taken for changed as a whole.
const BACKLOG: usize = 1024;

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
            {
                tracing::warn!("changes of the served directory come faster than they are told");
            }
        };
        let mut watcher = RecommendedWatcher::new(tell, Config::default().with_follow_symlinks(false))?;
        watcher.watch(&directory.0.path, RecursiveMode::Recursive)?;
        Ok(Self { directory: directory.clone(), changes, _watcher: watcher })
    }

    /// The next changes; the directory was counted anew before.
    pub async fn next(&mut self) -> Option<Changes> {
        let mut together = self.changes.recv().await?;
        tokio::time::sleep(TOGETHER).await;
        while let Ok(more) = self.changes.try_recv() {
            together.files.extend(more.files);
            together.list |= more.list;
        }
        let directory = self.directory.clone();
        if let Err(error) = tokio::task::spawn_blocking(move || directory.count()).await {
            tracing::warn!(%error, "the served directory was not counted");
        }
        Some(together)
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
