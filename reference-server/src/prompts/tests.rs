#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use rmcp::model::ArgumentInfo;

fn completed(reference: Reference, name: &str, typed: &str) -> Result<Vec<String>, PromptError> {
    let shared = Shared::new().unwrap();
    complete(&shared, &CompleteRequestParams::new(reference, ArgumentInfo::new(name, typed))).map(|info| info.values)
}

#[test]
fn completion_offers_what_starts_with_the_typed_text() {
    let values = completed(Reference::for_prompt("test_prompt_with_arguments"), "arg1", "par").unwrap();
    assert_eq!(values, ["paris", "park", "party"]);
}

#[test]
fn completion_of_a_file_path_knows_the_tree() {
    let values = completed(Reference::for_resource(FILE_TEMPLATE), "path", "etc/").unwrap();
    assert_eq!(values, ["etc/secret.conf"]);
}

#[test]
fn completion_for_an_unknown_reference_is_refused() {
    assert!(matches!(completed(Reference::for_prompt("nothing"), "arg1", ""), Err(PromptError::UnknownReference)));
}

#[test]
fn dynamic_prompt_is_listed_only_while_switched_on() {
    let shared = Shared::new().unwrap();
    let listed = |shared: &Shared| list(shared).iter().any(|prompt| prompt.name == DYNAMIC_PROMPT);
    assert!(!listed(&shared));
    assert!(shared.toggle_dynamic_prompt());
    assert!(listed(&shared));
}
