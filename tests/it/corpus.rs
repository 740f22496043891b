//! Whether the hostile corpus is complete: every threat that must have a case has one, and `docs/THREATS.md` and the case
//! files name the same threats.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{
    cases,
    parts::{repository, repository_text},
};

/// The threats that must be data files: framing, headers, messages, tokens, authorization, and those after them.
const REQUIRED: [&str; 61] = [
    "T001", "T002", "T004", "T005", "T006", "T008", "T009", "T010", "T012", "T013", "T014", "T016", "T017", "T018",
    "T020", "T021", "T022", "T024", "T025", "T026", "T028", "T029", "T030", "T032", "T033", "T034", "T036", "T037",
    "T038", "T040", "T041", "T042", "T044", "T045", "T046", "T048", "T049", "T050", "T052", "T066", "T068", "T069",
    "T072", "T074", "T076", "T077", "T078", "T080", "T081", "T082", "T084", "T085", "T098", "T100", "T101", "T102",
    "T104", "T113", "T114", "T116", "T117",
];

/// The threats with cases, and the files these are in.
fn cases_by_threat() -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for name in cases::names() {
        for id in cases::threats(&name) {
            found.entry(id).or_default().insert(format!("{name}.toml"));
        }
    }
    found
}

/// The rows of the table: threat → the last column.
fn rows() -> BTreeMap<String, String> {
    let text = repository_text("docs/THREATS.md");
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| T")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [attack, _, shown] = cells[..] else { panic!("not three cells: {line}") };
        let id = attack.split(' ').next().unwrap();
        assert!(rows.insert(id.to_owned(), shown.to_owned()).is_none(), "{id} has two rows");
    }
    rows
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn required_threats_have_cases() {
    let found = cases_by_threat();
    let missing: Vec<_> = REQUIRED.iter().filter(|id| !found.contains_key(**id)).collect();
    assert!(missing.is_empty(), "no case in tests/cases/ for {missing:?}");
}

#[test]
fn every_threat_with_cases_is_told_with_the_files_that_hold_them() {
    let rows = rows();
    let mut bad = vec![];
    for (id, files) in cases_by_threat() {
        let told: BTreeSet<&str> = rows.get(&id).map(|shown| quoted(shown).collect()).unwrap_or_default();
        let missing: Vec<_> = files.iter().filter(|file| !told.contains(file.as_str())).collect();
        if !missing.is_empty() {
            bad.push(format!("{id}: docs/THREATS.md does not name {missing:?}"));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn every_told_threat_has_the_cases_and_tests_that_are_named() {
    let found = cases_by_threat();
    let mut bad = vec![];
    for (id, shown) in rows() {
        if quoted(&shown).next().is_none() {
            bad.push(format!("{id}: names no test"));
        }
        for name in quoted(&shown) {
            let holds = match name.strip_suffix(".toml") {
                Some(_) => found.get(&id).is_some_and(|files| files.contains(name)),
                None => repository().join(name).exists(),
            };
            if !holds {
                bad.push(format!("{id}: {name} does not show it"));
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn a_threat_is_either_covered_or_told_as_not_covered() {
    let text = repository_text("docs/THREATS.md");
    let (_, rest) = text.split_once("## Not covered yet").unwrap();
    let open: BTreeSet<&str> =
        rest.lines().filter_map(|line| line.strip_prefix("- ")?.split([':', ' ']).next()).collect();
    let both: Vec<_> = rows().into_keys().filter(|id| open.contains(id.as_str())).collect();
    assert!(!open.is_empty() && both.is_empty(), "covered and not covered: {both:?}");
    assert!(open.iter().all(|id| id.len() == 4 && id.starts_with('T')), "{open:?}");
}
