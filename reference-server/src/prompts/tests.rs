#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use rmcp::model::ArgumentInfo;

async fn completed(reference: Reference, name: &str, typed: &str) -> Result<Vec<String>, PromptError> {
    let shared = Shared::for_tests().await;
    complete(&shared, &CompleteRequestParams::new(reference, ArgumentInfo::new(name, typed)))
        .await
        .map(|info| info.values)
}

#[tokio::test]
async fn completion_offers_what_starts_with_the_typed_text() {
    let values = completed(Reference::for_prompt("test_prompt_with_arguments"), "arg1", "par").await.unwrap();
    assert_eq!(values, ["paris", "park", "party"]);
}

#[tokio::test]
async fn completion_of_a_file_path_knows_the_tree() {
    let values = completed(Reference::for_resource(FILE_TEMPLATE), "path", "etc/").await.unwrap();
    assert_eq!(values, ["etc/secret.conf"]);
}

#[tokio::test]
async fn completion_for_an_unknown_reference_is_refused() {
    assert!(matches!(
        completed(Reference::for_prompt("nothing"), "arg1", "").await,
        Err(PromptError::UnknownReference)
    ));
}

#[tokio::test]
async fn dynamic_prompt_is_listed_only_while_switched_on() {
    let shared = Shared::for_tests().await;
    let listed = |shared: &Shared| list(shared).iter().any(|prompt| prompt.name == DYNAMIC_PROMPT);
    assert!(!listed(&shared));
    assert!(shared.toggle_dynamic_prompt());
    assert!(listed(&shared));
}

#[tokio::test]
async fn every_prompt_of_the_list_is_built_in() {
    let shared = Shared::for_tests().await;
    shared.toggle_dynamic_prompt();
    let listed: Vec<String> = list(&shared).into_iter().map(|prompt| prompt.name).collect();
    assert_eq!(listed, BUILT_IN);
}
