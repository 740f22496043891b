//! A file system of a few MiB, which a test may fill.

use std::{
    fs::File,
    io::{ErrorKind, Write as _},
    path::Path,
    time::Duration,
};

use tempfile::TempDir;
use tokio::process::Command;

use super::process::run_command;

/// The file that takes all room; see [`SmallDisk::fill`].
const BALLAST: &str = "ballast";

/// A mounted file system, gone with this.
pub(crate) struct SmallDisk(TempDir);

impl SmallDisk {
    /// Needs the right to mount, which root has in most places; `None`, and a word about it, where it is missing.
    pub(crate) async fn new(mebibytes: u32) -> Option<Self> {
        let disk = Self(tempfile::tempdir().unwrap());
        let mounted = disk.mount(&format!("size={mebibytes}m,mode=777")).await;
        if !mounted {
            eprintln!("not tried: no file system may be mounted here");
        }
        mounted.then_some(disk)
    }

    async fn mount(&self, options: &str) -> bool {
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(self.0.path());
        run_command(&mut command, Duration::from_secs(10)).await.code == Some(0)
    }

    /// Gives it this size.
    pub(crate) async fn grow(&self, mebibytes: u32) {
        assert!(self.mount(&format!("remount,size={mebibytes}m,mode=777")).await);
    }

    /// Leaves no byte free.
    pub(crate) fn fill(&self) {
        let mut ballast = File::create(self.0.path().join(BALLAST)).unwrap();
        loop {
            match ballast.write(&[0; 4096]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Gives back what [`Self::fill`] took.
    pub(crate) fn free(&self) {
        std::fs::remove_file(self.0.path().join(BALLAST)).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Its files may be open still.
        let _unmounted = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}
