//! The rule: every code of `doorward errors` has a test that provokes it, and every refusal by design one that looks at
//! what the upstream got.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::Duration,
};

use crate::support::{
    cases::codes_of,
    parts::{binary, repository, repository_text},
    process::run,
};

/// Codes that no input provokes, each with the reason.
const UNREACHABLE: [(&str, &str); 1] =
    [("internal", "answers a defect of ours, where the compiler cannot see that there is none; no input provokes it")];

/// The sources that provoke codes without a case file, each with its text.
const SOURCES: [&str; 3] = [include_str!("admission.rs"), include_str!("upstreams.rs"), include_str!("wrapped.rs")];
/// The checks that take a code as their first argument, and whether they look at what the upstream got.
const CHECKS: [(&str, bool); 5] = [
    ("expect_refusal(", true),
    ("expect_fault(", false),
    ("expect_line(", true),
    ("expect_outcome(", false),
    ("expect_unrecorded(", false),
];

/// The case files, by name.
fn case_files() -> Vec<String> {
    let entries = fs::read_dir(repository().join("tests/cases")).unwrap();
    let names = entries
        .filter_map(|entry| entry.unwrap().file_name().into_string().unwrap().strip_suffix(".toml").map(str::to_owned));
    names.collect()
}

/// The codes that the checks in the sources assert.
fn asserted() -> Vec<(String, bool)> {
    let mut found = vec![];
    for source in SOURCES {
        for (check, looks) in CHECKS {
            let calls = source.split(check).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
            found.extend(calls.filter_map(|rest| Some((rest.split_once('"')?.0.to_owned(), looks))));
        }
    }
    found
}

/// The rows of `doorward errors`: code → whether it is refused by design.
async fn listed() -> BTreeMap<String, bool> {
    let printed = run(&binary("doorward"), ["errors"], Duration::from_secs(10)).await.stdout;
    assert_eq!(printed, repository_text("docs/errors.md"), "docs/errors.md is current");
    let (refusals, faults) = printed.split_once("## Faults").expect("the page has two tables");
    let rows = |part: &str, refused: bool| -> Vec<(String, bool)> {
        let codes = part.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
        codes.map(|(code, _)| (code.to_owned(), refused)).collect()
    };
    rows(refusals, true).into_iter().chain(rows(faults, false)).collect()
}

#[tokio::test]
async fn every_code_has_a_test_that_provokes_it() {
    let listed = listed().await;
    assert!(listed.len() > 60 && listed.contains_key("authz.denied"), "{listed:?}");
    let files = case_files();
    let provoked: Vec<_> = files.iter().flat_map(|name| codes_of(name)).chain(asserted()).collect();
    let codes: BTreeSet<&str> = provoked.iter().map(|(code, _)| code.as_str()).collect();
    let looked: BTreeSet<&str> = provoked.iter().filter(|(_, looks)| *looks).map(|(code, _)| code.as_str()).collect();
    let unreachable = |code: &str| UNREACHABLE.iter().any(|(other, _)| *other == code);
    let mut wrong = vec![];
    for (code, refused) in &listed {
        match (codes.contains(code.as_str()), unreachable(code)) {
            (false, false) => wrong.push(format!("{code}: no test provokes it")),
            (true, true) => wrong.push(format!("{code}: is provoked, so it is not unreachable")),
            (true, false) if *refused && !looked.contains(code.as_str()) => {
                wrong.push(format!("{code}: no test asserts that the upstream saw nothing"));
            }
            _ => {}
        }
    }
    let unknown =
        codes.iter().chain(UNREACHABLE.iter().map(|(code, _)| code)).filter(|code| !listed.contains_key(**code));
    wrong.extend(unknown.map(|code| format!("{code}: is in no table")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_case_file_is_run() {
    let entries = fs::read_dir(repository().join("tests/it")).unwrap().map(|entry| entry.unwrap().path());
    let sources: String = entries.filter_map(|path| fs::read_to_string(path).ok()).collect();
    let idle: Vec<_> =
        case_files().into_iter().filter(|name| !sources.contains(&format!("run_file(\"{name}\")"))).collect();
    assert!(idle.is_empty(), "no test runs these case files: {idle:?}");
}
