#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use super::{CaseProblem, Mismatch, TableError, run, run_all};
use crate::pipeline::authorize::{bundles, policy_store};

#[test]
fn every_bundle_decides_as_its_table_says() {
    for name in bundles::names() {
        for report in run_all(&format!("bundle:{name}"), None, &[]).unwrap() {
            assert!(report.holds(), "{report}");
            assert!(report.cases.len() >= 4, "{name} is hardly tested");
        }
    }
}

#[test]
fn every_policy_of_a_bundle_determines_a_case_of_its_table() {
    for name in bundles::names() {
        let files = policy_store::read(&format!("bundle:{name}"), None, &policy_store::StoreLimits::default()).unwrap();
        let (entries, findings) = policy_store::parse(&files.policies);
        assert_eq!(findings, []);
        let reports = run_all(&format!("bundle:{name}"), None, &[]).unwrap();
        for entry in entries {
            let used =
                reports.iter().flat_map(|report| &report.cases).any(|case| case.decision.policies.contains(&entry.id));
            assert!(used, "{name}: {} determines no case", entry.id);
        }
    }
}

#[test]
fn bundles_are_the_directories_under_policies() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../policies/bundles");
    let mut names: Vec<String> =
        std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, bundles::names());
    for name in names {
        let from_directory =
            policy_store::read(&format!("{root}/{name}"), None, &policy_store::StoreLimits::default()).unwrap();
        let compiled_in =
            policy_store::read(&format!("bundle:{name}"), None, &policy_store::StoreLimits::default()).unwrap();
        let texts = |files: &policy_store::PolicyFiles| -> Vec<String> {
            files.policies.iter().chain(&files.entities).map(|file| file.text.clone()).collect()
        };
        assert_eq!(texts(&from_directory), texts(&compiled_in), "{name}");
    }
}

fn permit_all() -> policy_store::PolicyFiles {
    policy_store::read("bundle:permit-all", None, &policy_store::StoreLimits::default()).unwrap()
}

#[test]
fn case_that_does_not_hold_is_reported() {
    let table = "
upstreams: { fs: { tools: [ { name: t, inputSchema: { type: object } } ] } }
principals: { a: { user: a } }
cases:
  - { name: wrong, principal: a, tool: t, expect: deny, policies: [other], listed: false }
  - { name: right, principal: a, tool: t, expect: allow, policies: [permit-all], listed: true }
  - { name: unexpected refusal, principal: a, tool: nope, expect: deny }
";
    let report = run(table, "t.yaml", &permit_all()).unwrap();
    assert_eq!(report.failures(), 2);
    assert_eq!(
        report.cases[0].mismatches,
        [Mismatch::Effect, Mismatch::Policies(vec!["other".into()]), Mismatch::Listed(false)]
    );
    assert_eq!(report.cases[2].mismatches, [Mismatch::Refusal(None)]);
    let text = report.to_string();
    assert!(
        text.contains("FAIL  wrong") && text.contains("ok    right") && text.contains("3 cases, 2 failed"),
        "{text}"
    );
}

#[test]
fn mistakes_in_a_table_are_errors() {
    let problem = |case: &str| {
        let table = format!("upstreams: {{ fs: {{}} }}\nprincipals: {{ a: {{ user: a }} }}\ncases:\n  - {case}\n");
        match run(&table, "t.yaml", &permit_all()) {
            Err(TableError::Case { problem, .. }) => problem,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(problem("{ name: x, principal: b, action: ping, expect: deny }"), CaseProblem::Principal("b".into()));
    assert_eq!(problem("{ name: x, principal: a, upstream: gs, action: ping, expect: deny }"), CaseProblem::Upstream);
    assert_eq!(problem("{ name: x, principal: a, expect: deny }"), CaseProblem::Ask);
    assert_eq!(problem("{ name: x, principal: a, tool: t, prompt: p, expect: deny }"), CaseProblem::Ask);
    assert_eq!(
        problem("{ name: x, principal: a, action: ping, context: { at: Monday }, expect: deny }"),
        CaseProblem::Context("at")
    );
    let unknown_key = run("cases: []\ncasse: 1\n", "t.yaml", &permit_all());
    assert!(matches!(unknown_key, Err(TableError::Table { .. })));
}
