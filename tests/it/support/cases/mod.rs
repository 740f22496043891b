//! Runs case files: byte-exact requests against a real door in front of a scripted upstream, doors that must not start,
//! and wrappers around scripted children.
//!
//! Every case ends with the common tail, see [`tail`]. All failures of a file are reported together.

mod audit;
mod checks;
mod crowd;
mod fixture;
mod format;
mod render;
mod start;
mod stdio;
mod step;
mod tail;

use std::collections::{HashMap, HashSet};

pub(crate) use self::{audit::recorded_once, fixture::RESOURCE};
use self::{
    fixture::{DoorFixture, Running},
    format::{Case, CaseFile},
    render::{Values, request},
    tail::{Footprint, common_tail},
};
use super::{
    parts::repository,
    upstream::{Era, Scripted},
};

/// Runs everything in `tests/cases/NAME.toml`.
pub(crate) async fn run_file(name: &str) {
    let (path, file) = read(name);
    let mut failures = vec![];
    run_cases(&file, &path, &mut failures).await;
    for case in &file.starts {
        println!("{} {} [{}]", case.id, case.title, case.name);
        let found = start::run(case).await;
        failures.extend(found.into_iter().map(|failure| told(&case.id, &case.title, &case.name, &failure)));
    }
    for case in &file.stdios {
        println!("{} {} [{}]", case.id, case.title, case.name);
        let found = stdio::run(case).await;
        failures.extend(found.into_iter().map(|failure| told(&case.id, &case.title, &case.name, &failure)));
    }
    let total = file.ids().len();
    assert!(failures.is_empty(), "{path}: {} failures in {total} cases\n{}", failures.len(), failures.join("\n"));
}

fn told(id: &str, title: &str, name: &str, failure: &str) -> String {
    format!("{id} {title} [{name}]: {failure}")
}

async fn run_cases(file: &CaseFile, path: &str, failures: &mut Vec<String>) {
    let mut doors: HashMap<(String, Era), Running> = HashMap::new();
    for (number, case) in file.cases.iter().enumerate() {
        let key = (if case.door.is_empty() { "default".to_owned() } else { case.door.clone() }, case.era);
        if !doors.contains_key(&key) {
            let running = Running::start(&fixture(file, &key.0, path), case.era).await;
            doors.insert(key.clone(), running);
        }
        // Where a case hangs, the output of the failed test ends with its name.
        println!("{} {} [{}]", case.id, case.title, case.name);
        let running = doors.get_mut(&key).expect("just started");
        let before = Footprint::of(running);
        let mut found = step::run_case(case, running, number).await;
        let requests = requests_of(case);
        let growth = requests.iter().filter_map(|one| one.expect.growth_mib_max).max();
        let served = !requests.iter().any(|one| one.expect.tail_refused);
        found.extend(common_tail(running, case.era, before, growth, served).await);
        failures.extend(found.into_iter().map(|failure| told(&case.id, &case.title, &case.name, &failure)));
        // A door with other policies than its own is nobody else's.
        let changed = requests.iter().any(|one| one.policies.is_some() || one.crowd.is_some());
        if changed || !running.door.process.alive() {
            doors.remove(&key);
        }
    }
}

fn requests_of(case: &Case) -> &[Case] {
    if case.steps.is_empty() { std::slice::from_ref(case) } else { &case.steps }
}

fn read(name: &str) -> (String, CaseFile) {
    let path = format!("tests/cases/{name}.toml");
    let text = std::fs::read_to_string(repository().join(&path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let file = format::parse(&text, &path);
    (path, file)
}

/// The names of all case files, without their ending.
pub(crate) fn names() -> Vec<String> {
    let entries = std::fs::read_dir(repository().join("tests/cases")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter_map(|name| Some(name.strip_suffix(".toml")?.to_owned())).collect();
    names.sort();
    names
}

/// The threat numbers that a file has cases of. The ids of other files are codes and limits.
pub(crate) fn threats(name: &str) -> HashSet<String> {
    let threat = |id: &&str| id.starts_with('T');
    read(name).1.ids().into_iter().map(|(id, ..)| id).filter(threat).map(str::to_owned).collect()
}

/// The codes that a case file provokes, each with whether a case asserts that nothing of the request went upstream.
pub(crate) fn codes_of(name: &str) -> Vec<(String, bool)> {
    let (_, file) = read(name);
    let expected = |case: &Case| Some((case.expect.code.clone()?, case.expect.upstream_hits == Some(0)));
    file.cases.iter().flat_map(requests_of).filter_map(expected).collect()
}

/// Reads a case file without running it, and makes every request of it.
pub(crate) fn read_file(name: &str) -> usize {
    let (path, file) = read(name);
    let placeholders = ["host", "token", "canary", "session", "resource", "number", "first_issuer", "second_issuer"];
    let values: Values = placeholders.map(|name| (name.to_owned(), "x".to_owned())).into();
    let mut told_apart = HashSet::new();
    for (id, title, name) in file.ids() {
        assert!(told_apart.insert((id, title, name)), "{path}: {id} {title} [{name}] is there twice");
    }
    for case in &file.cases {
        fixture(&file, if case.door.is_empty() { "default" } else { &case.door }, &path);
        assert!(crowd::suits(case), "{path}: {} is a crowd in another era than the modern one", case.id);
        for one in requests_of(case) {
            let mut values = values.clone();
            values.insert("value".to_owned(), one.value.clone());
            values.insert("other".to_owned(), one.other.clone());
            values.extend(
                case.steps.iter().flat_map(|step| step.capture.keys().map(|name| (name.clone(), "x".to_owned()))),
            );
            assert!(!request(one, &values).is_empty(), "{path}: {} makes no request", case.id);
        }
    }
    file.ids().len()
}

fn fixture(file: &CaseFile, name: &str, path: &str) -> DoorFixture {
    match file.doors.get(name) {
        Some(fixture) => fixture.clone(),
        None if name == "default" => DoorFixture::default(),
        None => panic!("{path}: no [door.{name}]"),
    }
}
