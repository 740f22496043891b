//! Rules about the source tree that the compiler cannot check.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::support::parts::repository;

/// The phases in request order, which is also the order `ls` shows them in.
const PHASES: [&str; 6] = ["accept", "admit", "authorize", "dispatch", "filter", "observe"];
const FILE_LINES_MAX: usize = 500;
/// What the top level of the repository may hold, beside dot files.
const TOP_LEVEL: [&str; 22] = [
    "Cargo.lock",
    "Cargo.toml",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "bench",
    "clippy.toml",
    "deny.toml",
    "deploy",
    "docs",
    "fuzz",
    "policies",
    "proxy",
    "reference-server",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "sidecar-chart",
    "target",
    "tests",
    "NOTICE",
];
/// The only places that name pingora: listeners and codecs downstream, connections upstream, and the stream under both.
const PINGORA: [&str; 3] = ["proxy/src/server", "proxy/src/wire", "proxy/src/pipeline/dispatch/upstream"];

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return vec![];
    };
    let mut files = vec![];
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The shipped sources: proxy with its leaf crates, reference server, benchmark.
fn sources() -> Vec<PathBuf> {
    let folders = ["proxy/src", "proxy/message/src", "proxy/zlib/src", "reference-server/src", "bench/src"];
    folders.iter().flat_map(|folder| rust_files(&repository().join(folder))).collect()
}

fn shown(path: &Path) -> String {
    path.strip_prefix(repository()).unwrap().display().to_string()
}

fn is_test(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "tests.rs") || path.components().any(|part| part.as_os_str() == "tests")
}

/// The lines that are code, with their numbers.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(number, line)| (number + 1, line.trim())).filter(|(_, line)| !line.starts_with("//"))
}

/// A file's text before its inline test module.
fn production(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
}

#[test]
fn phases_are_listed_in_request_order() {
    let mut sorted = PHASES;
    sorted.sort_unstable();
    assert_eq!(sorted, PHASES);
    let entries = fs::read_dir(repository().join("proxy/src/pipeline")).unwrap().map(|entry| entry.unwrap());
    let folders: BTreeSet<String> =
        entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name().into_string().unwrap()).collect();
    let strange: Vec<_> = folders.iter().filter(|name| !PHASES.contains(&name.as_str())).collect();
    assert!(strange.is_empty(), "the pipeline has its six phases and nothing else: {strange:?}");
}

/// What a phase may name of the phase before it: its output types. Everything else a phase needs is in `model`.
fn allowed_import(own: usize, other: usize, line: &str) -> bool {
    // `pipeline::admit::Admitted`: a type, directly of the phase's root.
    let path = format!("pipeline::{}::", PHASES[other]);
    let outputs = line.split(&path).skip(1).all(|rest| {
        let rest = rest.trim_start_matches('{').trim_start();
        rest.chars().next().is_some_and(char::is_uppercase)
    });
    other + 1 == own && outputs
}

#[test]
fn phases_import_only_the_output_of_the_phase_before() {
    let mut bad = vec![];
    for (own, phase) in PHASES.iter().enumerate() {
        for file in rust_files(&repository().join("proxy/src/pipeline").join(phase)) {
            if is_test(&file) {
                continue;
            }
            let text = fs::read_to_string(&file).unwrap();
            for (number, line) in code_lines(production(&text)) {
                for (other, name) in PHASES.iter().enumerate().filter(|(other, _)| *other != own) {
                    let named =
                        line.contains(&format!("pipeline::{name}::")) || line.contains(&format!("pipeline::{name};"));
                    if named && !allowed_import(own, other, line) {
                        bad.push(format!("{}:{number}: {line}", shown(&file)));
                    }
                }
            }
        }
    }
    assert!(bad.is_empty(), "a phase may use crate::model and the preceding phase's output types:\n{}", bad.join("\n"));
}

#[test]
fn only_the_edges_name_pingora() {
    let mut bad = vec![];
    for file in sources() {
        let name = shown(&file);
        // The benchmark's pass-through is a pingora proxy on purpose.
        if PINGORA.iter().any(|place| name.starts_with(place)) || name.starts_with("bench/") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let lines = code_lines(&text).filter(|(_, line)| line.contains("pingora::") || line.contains("use pingora"));
        bad.extend(lines.map(|(number, line)| format!("{name}:{number}: {line}")));
    }
    assert!(bad.is_empty(), "only {PINGORA:?} may name pingora:\n{}", bad.join("\n"));
}

#[test]
fn the_reference_server_and_the_proxy_share_no_code() {
    let manifest = fs::read_to_string(repository().join("reference-server/Cargo.toml")).unwrap();
    let own: toml::Table = manifest.parse().unwrap();
    let dependencies = own["dependencies"].as_table().unwrap();
    let shared: Vec<_> = dependencies.keys().filter(|name| name.starts_with("doorward")).collect();
    assert!(shared.is_empty(), "{shared:?}");
}

#[test]
fn files_say_what_they_are_and_stay_short() {
    let mut bad = vec![];
    for file in sources() {
        let text = fs::read_to_string(&file).unwrap();
        let lines = production(&text).lines().count();
        if !is_test(&file) && lines > FILE_LINES_MAX {
            bad.push(format!("{}: {lines} lines, more than {FILE_LINES_MAX}", shown(&file)));
        }
        if !is_test(&file) && !text.starts_with("//!") {
            bad.push(format!("{}: no module doc (//!) at its top", shown(&file)));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn the_top_level_is_fixed() {
    let entries = fs::read_dir(repository()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let strange: Vec<String> =
        entries.filter(|name| !name.starts_with('.') && !TOP_LEVEL.contains(&name.as_str())).collect();
    assert!(strange.is_empty(), "new at the top level of the repository: {strange:?}");
}
