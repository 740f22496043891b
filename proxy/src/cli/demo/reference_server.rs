//! Where the reference server's program is, or how it comes to be.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::{super::complain, DemoError};

const NAME: &str = "doorward-reference-server";

/// Beside our own program; else built in the source tree, with cargo's progress on standard error.
pub(super) fn find_or_build() -> Result<PathBuf, DemoError> {
    let own = std::env::current_exe()?;
    let beside = own.with_file_name(NAME);
    if beside.is_file() {
        return Ok(beside);
    }
    let tree = source_tree().ok_or(DemoError::NoReferenceServer)?;
    complain("building the reference server; this happens once");
    // Into the folder that we were built in, so that the next demo finds it beside us.
    let target =
        own.parent().and_then(Path::parent).filter(|_| own.parent().is_some_and(|folder| folder.ends_with("release")));
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--release", "--locked", "-p", NAME]).current_dir(&tree);
    if let Some(target) = target {
        cargo.env("CARGO_TARGET_DIR", target);
    }
    let status = cargo.status().map_err(|source| DemoError::Start { program: "cargo".to_owned(), source })?;
    let built = target.map_or_else(|| target_folder(&tree).join("release"), |target| target.join("release")).join(NAME);
    if status.success() && built.is_file() { Ok(built) } else { Err(DemoError::Build) }
}

fn target_folder(tree: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| tree.join("target"), |folder| tree.join(folder))
}

/// The source tree we were built from, if it is still there, or the one we are run in.
fn source_tree() -> Option<PathBuf> {
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR"));
    let here = std::env::current_dir().ok();
    let starts = [Some(built_from), here.as_deref()];
    starts
        .into_iter()
        .flatten()
        .flat_map(Path::ancestors)
        .find(|folder| folder.join("reference-server/Cargo.toml").is_file())
        .map(Path::to_owned)
}
