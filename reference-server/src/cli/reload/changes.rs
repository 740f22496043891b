//! Changes of the files that settings come from.
//!
//! Editors put a new file in the place of the old one, and links lead elsewhere: so folders are watched, and what the files
//! say is compared with what they said.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::EventKind;
use notify::{Config, Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use super::super::error::RunError;
use super::super::{Arguments, DOTENV, Said, said};

/// Changes that come together are one.
const TOGETHER: Duration = Duration::from_millis(200);

/// Tells changed settings for as long as it lives.
pub(crate) struct Changes {
    changed: Arc<Notify>,
    /// What the settings in use say.
    used: Said,
    /// What those say that were given out last.
    given: Option<Said>,
    /// What was told last about settings that were not taken.
    refused: Option<String>,
    _watcher: RecommendedWatcher,
}

impl Changes {
    /// Watches from now on; `used` is what the files said when they were read.
    ///
    /// # Errors
    /// [`RunError::Watch`].
    pub(crate) fn start(config: Option<&Path>, used: Said) -> Result<Self, RunError> {
        let changed = Arc::new(Notify::new());
        let telling = Arc::clone(&changed);
        let files = Files::new(config);
        let folders = files.folders.clone();
        let tell = move |event: Result<Event, notify::Error>| {
            if event.is_ok_and(|event| !files.concerns(&event)) {
                return;
            }
            telling.notify_one();
        };
        let mut watcher = RecommendedWatcher::new(tell, Config::default()).map_err(RunError::Watch)?;
        for folder in folders {
            watcher.watch(&folder, RecursiveMode::NonRecursive).map_err(RunError::Watch)?;
        }
        // What changed before the folders were watched.
        changed.notify_one();
        Ok(Self { changed, used, given: None, refused: None, _watcher: watcher })
    }

    /// The next settings that differ and are valid by themselves. Others are told in the log.
    pub(super) async fn next(&mut self) -> Arguments {
        loop {
            self.changed.notified().await;
            tokio::time::sleep(TOGETHER).await;
            match said() {
                Err(error) => self.refuse(&error.to_string()),
                Ok(said) if self.used == said => {
                    if self.refused.take().is_some() {
                        tracing::info!(target: "settings", "the settings are again those in use");
                    }
                }
                Ok(said) => match Arguments::of(&said) {
                    Ok(arguments) => {
                        self.given = Some(said);
                        return arguments;
                    }
                    Err(error) => self.refuse(first_line(&error.to_string())),
                },
            }
        }
    }

    /// The settings that were given out last are in use.
    pub(super) fn accept(&mut self) {
        self.refused = None;
        if let Some(given) = self.given.take() {
            self.used = given;
        }
    }

    /// Tells that settings are not taken, once for the same reason.
    pub(super) fn refuse(&mut self, reason: &str) {
        if self.refused.as_deref() != Some(reason) {
            tracing::error!(target: "settings", reason, "changed settings are not taken; the old ones stay");
            self.refused = Some(reason.to_owned());
        }
    }
}

/// What is wrong, without the usage behind it.
fn first_line(error: &str) -> &str {
    error.lines().next().unwrap_or_default().trim_start_matches("error: ")
}

/// Where the files are.
struct Files {
    folders: Vec<PathBuf>,
    names: Vec<PathBuf>,
    /// Links are on the way to the file: whatever changes beside it may lead to another one.
    linked: bool,
}

impl Files {
    fn new(config: Option<&Path>) -> Self {
        let mut files = Self { folders: vec![PathBuf::from(".")], names: vec![DOTENV.into()], linked: false };
        let Some(config) = config else {
            return files;
        };
        let folder = config.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let target = config.canonicalize().ok();
        let plain = folder.canonicalize().ok().zip(config.file_name()).map(|(folder, name)| folder.join(name));
        files.linked = target != plain;
        files.folders.push(folder.to_owned());
        for file in target.as_deref().into_iter().chain([config]) {
            files.names.extend(file.file_name().map(PathBuf::from));
            files.folders.extend(file.parent().filter(|folder| !folder.as_os_str().is_empty()).map(Path::to_owned));
        }
        files.folders.sort();
        files.folders.dedup();
        files
    }

    fn concerns(&self, event: &Event) -> bool {
        if matches!(event.kind, EventKind::Access(_)) {
            return false;
        }
        let named = |path: &PathBuf| path.file_name().is_some_and(|name| self.names.iter().any(|own| own == name));
        self.linked || event.need_rescan() || event.paths.iter().any(named)
    }
}
