//! What the server itself is run by lies outside the directories that callers write in.

use std::io;
use std::path::{Path, PathBuf};

use doorward_reference_server::storage::location::Location;

use super::Arguments;
use super::error::RunError;

/// Refuses a served directory that holds a file which says what the server does, keeps its documents or lets clients in,
/// whether the file is there already or not: a caller could write it.
///
/// # Errors
/// [`RunError::Own`].
pub(super) fn check(arguments: &Arguments, location: &Location) -> Result<(), RunError> {
    // What cannot be found cannot be served either: opening it says why.
    let files = arguments.files.directory().map(Path::to_owned);
    let served = files.into_iter().chain(arguments.objects.directory()).filter_map(|path| path.canonicalize().ok());
    for served in served {
        for (flag, path) in own(arguments, location) {
            if places(path).iter().any(|place| place.starts_with(&served)) {
                return Err(RunError::Own { flag, path: path.to_owned(), served });
            }
        }
    }
    Ok(())
}

fn own<'a>(arguments: &'a Arguments, location: &'a Location) -> Vec<(&'static str, &'a Path)> {
    let database = match location {
        Location::File(path) => Some(path),
        Location::Memory | Location::Postgres(_) => None,
    };
    let named: [(&'static str, Option<&'a PathBuf>); 8] = [
        ("--config", arguments.config.as_ref()),
        ("--database", database),
        ("--database-password-file", arguments.database_password_file.as_ref()),
        ("--cache-password-file", arguments.cache.password_file()),
        ("--cache-ca-file", arguments.cache.ca_file()),
        ("--link-key-file", arguments.links.key_file()),
        ("--assertion-key-file", arguments.assertion.key_file()),
        ("--unix", arguments.unix.as_ref()),
    ];
    let named = named.into_iter().filter_map(|(flag, path)| Some((flag, path?.as_path())));
    std::iter::once(("settings", Path::new(super::DOTENV))).chain(named).collect()
}

/// Where the name is, and where what it links to is: whoever writes in either folder decides what is read.
fn places(path: &Path) -> Vec<PathBuf> {
    let target: io::Result<PathBuf> = path.canonicalize();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = folder.canonicalize().ok().zip(path.file_name()).map(|(folder, name)| folder.join(name));
    target.into_iter().chain(name).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use clap::Parser as _;

    use super::*;

    struct Folders {
        _folder: tempfile::TempDir,
        served: PathBuf,
        outside: PathBuf,
    }

    fn folders() -> Folders {
        let folder = tempfile::tempdir().unwrap();
        let (served, outside) = (folder.path().join("served"), folder.path().join("outside"));
        std::fs::create_dir_all(served.join("deep")).unwrap();
        std::fs::create_dir(&outside).unwrap();
        Folders { _folder: folder, served, outside }
    }

    fn checked(served: &Path, flag: &str, path: &Path) -> Result<(), RunError> {
        let by = |option: &str| checked_by(option, served, flag, path);
        let (files, objects) = (by("--files"), by("--objects"));
        assert_eq!(files.is_ok(), objects.is_ok(), "objects are written by callers as files are");
        files
    }

    fn checked_by(option: &str, served: &Path, flag: &str, path: &Path) -> Result<(), RunError> {
        let mut line = vec!["server".into(), option.into(), served.as_os_str().to_owned(), flag.into(), path.into()];
        if flag != "--unix" {
            line.extend(["--listen".into(), "127.0.0.1:0".into()]);
        }
        if flag == "--assertion-key-file" {
            line.extend(["--assertion-audience".into(), "ref".into()]);
        }
        let arguments = Arguments::try_parse_from(line).unwrap();
        check(&arguments, &arguments.location().unwrap())
    }

    #[test]
    fn own_file_in_the_served_directory_is_refused() {
        let Folders { served, outside, _folder } = folders();
        std::os::unix::fs::symlink(served.join("deep"), outside.join("link")).unwrap();
        std::fs::write(outside.join("target"), "").unwrap();
        std::os::unix::fs::symlink(outside.join("target"), served.join("away")).unwrap();
        std::fs::write(served.join("there"), "").unwrap();
        std::os::unix::fs::symlink(served.join("there"), outside.join("into")).unwrap();
        for flag in [
            "--config",
            "--database",
            "--cache-password-file",
            "--cache-ca-file",
            "--link-key-file",
            "--assertion-key-file",
            "--unix",
        ] {
            for path in [
                served.join("new"),
                served.join("deep/new"),
                outside.join("link/new"),
                outside.join("../served/new"),
                served.join("away"),
                outside.join("into"),
            ] {
                let refused = checked(&served, flag, &path).unwrap_err().to_string();
                assert!(refused.starts_with(&format!("{flag}: {} is in", path.display())), "{refused}");
            }
            for path in [outside.join("new"), served.with_file_name("served.db")] {
                assert!(checked(&served, flag, &path).is_ok(), "{flag} {}", path.display());
            }
        }
    }

    #[test]
    fn working_directory_with_its_settings_is_refused_as_the_served_one() {
        let here = std::env::current_dir().unwrap();
        let elsewhere = folders();
        let database = elsewhere.outside.join("documents.db");
        let refused = checked(&here, "--database", &database).unwrap_err().to_string();
        assert!(refused.starts_with("settings: .env is in"), "{refused}");
        assert!(checked(here.parent().unwrap(), "--database", &database).is_err());
        assert!(checked(&here.join("src"), "--database", &database).is_ok());
    }
}
