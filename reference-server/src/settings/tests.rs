#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use clap::{ArgAction, ArgGroup, value_parser};
use tempfile::TempDir;

use super::*;

fn command() -> Command {
    Command::new("server")
        .arg(Arg::new("listen").long("listen"))
        .arg(Arg::new("stdio").long("stdio").action(ArgAction::SetTrue))
        .group(ArgGroup::new("where").required(true).args(["listen", "stdio"]))
        .arg(Arg::new("size").long("max-size").env("REFERENCE_SERVER_TEST_SIZE").value_parser(value_parser!(u64)))
        .arg(Arg::new("host").long("allowed-host").action(ArgAction::Append))
        .arg(Arg::new("config").long("config").value_parser(value_parser!(PathBuf)))
}

struct Files {
    _folder: TempDir,
    dotenv: PathBuf,
    file: PathBuf,
}

fn files(dotenv: &str, file: &str) -> Files {
    let folder = tempfile::tempdir().unwrap();
    let (env, toml) = (folder.path().join(".env"), folder.path().join("server.toml"));
    std::fs::write(&env, dotenv).unwrap();
    std::fs::write(&toml, file).unwrap();
    Files { _folder: folder, dotenv: env, file: toml }
}

fn arguments(files: &Files, said: &[&str]) -> Result<Vec<String>, SettingsError> {
    let said: Vec<OsString> = std::iter::once("server").chain(said.iter().copied()).map(OsString::from).collect();
    let all = layered(&command(), &said, Some(&files.dotenv), Some(&files.file))?;
    Ok(all.into_iter().map(|argument| argument.into_string().unwrap()).collect())
}

#[test]
fn the_command_line_goes_before_dotenv_and_that_before_the_file() {
    let both = files("REFERENCE_SERVER_TEST_SIZE=2\nOTHER=x\n", "max-size = 3\nallowed-host = ['a', 'b']\n");
    let all = arguments(&both, &["--stdio"]).unwrap();
    assert_eq!(all, ["server", "--max-size=2", "--allowed-host=a", "--allowed-host=b", "--stdio"]);
    let all = arguments(&both, &["--stdio", "--max-size", "1"]).unwrap();
    assert_eq!(all, ["server", "--allowed-host=a", "--allowed-host=b", "--stdio", "--max-size", "1"]);
}

#[test]
fn what_excludes_each_other_is_replaced_as_one() {
    let file = files("", "listen = '127.0.0.1:1'\n");
    assert_eq!(arguments(&file, &[]).unwrap(), ["server", "--listen=127.0.0.1:1"]);
    assert_eq!(arguments(&file, &["--stdio"]).unwrap(), ["server", "--stdio"]);
    assert_eq!(arguments(&files("", "stdio = false\n"), &[]).unwrap(), ["server"]);
}

#[test]
fn flags_that_go_together_are_taken_one_by_one() {
    let together = ArgGroup::new("Sizes").multiple(true).args(["size", "host"]);
    let command = command().group(together);
    let file = files("", "max-size = 3\n");
    let said: Vec<OsString> = ["server", "--stdio", "--allowed-host", "a"].map(OsString::from).to_vec();
    let all = layered(&command, &said, None, Some(&file.file)).unwrap();
    assert_eq!(all, ["server", "--max-size=3", "--stdio", "--allowed-host", "a"]);
}

#[test]
fn errors_name_file_line_and_key() {
    let told = |files: &Files| {
        let error = arguments(files, &["--stdio"]).unwrap_err().to_string();
        error.rsplit('/').next().unwrap().to_owned()
    };
    assert!(told(&files("", "size = 3\n")).starts_with("server.toml: line 1: unknown key size;"));
    assert!(
        told(&files("REFERENCE_SERVER_SIZE=1\n", "")).starts_with(".env: line 1: unknown key REFERENCE_SERVER_SIZE;")
    );
    assert_eq!(told(&files("", "max-size = 'x'\n")), "server.toml: line 1: max-size: invalid digit found in string");
    assert_eq!(
        told(&files("# two\nREFERENCE_SERVER_TEST_SIZE=-1\n", "")),
        ".env: line 2: REFERENCE_SERVER_TEST_SIZE: invalid digit found in string"
    );
    assert_eq!(told(&files("", "stdio = 1\n")), "server.toml: line 1: stdio: it must be true or false");
    assert_eq!(
        told(&files("", "stdio = true\n\nmax-size = 1.5\n")),
        "server.toml: line 3: max-size: it must be a text or a whole number"
    );
    assert!(told(&files("", "config = 'other'\n")).contains("unknown key config"));
    assert!(told(&files("", "max-size = \n")).starts_with("server.toml: TOML parse error"));
}

#[test]
fn what_cannot_be_read_is_told_by_its_place_and_shows_no_value() {
    for (dotenv, file, told) in [
        ("A=1\nREFERENCE_SERVER_TEST_SIZE=hunter2 'hunter2\n", "", ".env: line 2 is no NAME=value"),
        ("REFERENCE_SERVER_TEST_SIZE = hunter2 hunter2\n", "", ".env: line 1 is no NAME=value"),
        ("OTHER=a b\n\nREFERENCE_SERVER_TEST_SIZE=a b hunter2\n", "", ".env: line 3 is no NAME=value"),
        ("OTHER='hunter2\nREFERENCE_SERVER_TEST_SIZE=2\n", "", ".env: line 1 is no NAME=value"),
        ("", "max-size = 1\nlisten = hunter2\n", "server.toml: TOML parse error at line 2: "),
        ("", "listen = 'hunter2\n", "server.toml: TOML parse error at line 1: "),
        ("", "listen = 'hunter2'\nlisten = 'hunter2'\n", "server.toml: TOML parse error at line 2: "),
        ("", "listen = [12hunter2, 99999999999999999999hunter2]\n", "server.toml: TOML parse error at line 1: "),
    ] {
        let error = arguments(&files(dotenv, file), &["--stdio"]).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(told), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn what_cannot_be_read_and_is_of_others_stops_nothing() {
    let dotenv = files("# REFERENCE_SERVER_X: no\nOTHER=a b\n- x\nREFERENCE_SERVER_TEST_SIZE=2\nLAST='open\n", "");
    assert_eq!(arguments(&dotenv, &["--stdio"]).unwrap(), ["server", "--max-size=2", "--stdio"]);
}
