#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;
use serde_json::json;

fn questions() -> BTreeMap<String, Question> {
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]});
    BTreeMap::from([("user_name".to_owned(), Question::form("What is your name?", schema).unwrap())])
}

fn responses(value: Value) -> InputResponses {
    InputResponses::from([("user_name".to_owned(), value)])
}

fn retry<'a>(responses: Option<&'a InputResponses>, state: Option<&'a str>) -> Retry<'a> {
    Retry { responses, state, binding: "tools/call|t|{}".to_owned() }
}

fn codec() -> RequestStateCodec {
    RequestStateCodec::try_new(vec![7; 32]).unwrap()
}

#[test]
fn first_call_without_answers_needs_input() {
    let Asked::Needed(needed) = retry(None, None).ask_by_result(&questions(), None).unwrap() else {
        panic!("answered")
    };
    assert!(needed.input_requests.unwrap().contains_key("user_name"));
}

#[test]
fn complete_answers_with_unknown_extra_keys_are_taken() {
    let mut given = responses(json!({"action": "accept", "content": {"name": "Alice"}}));
    given.insert("unknown".to_owned(), json!({"action": "accept"}));
    let Asked::Answered(answers) = retry(Some(&given), None).ask_by_result(&questions(), None).unwrap() else {
        panic!("not answered")
    };
    assert_eq!(answers.get("user_name").unwrap().field("name"), "Alice");
}

#[test]
fn answer_of_another_shape_is_an_error() {
    let given = responses(json!(12345));
    let error = retry(Some(&given), None).ask_by_result(&questions(), None).unwrap_err();
    assert!(matches!(error, AskError::MalformedAnswer { .. }));
}

#[test]
fn answers_without_the_state_that_belongs_to_them_are_asked_again() {
    let given = responses(json!({"action": "accept", "content": {"name": "Alice"}}));
    let asked = retry(Some(&given), None).ask_by_result(&questions(), Some("sealed".to_owned())).unwrap();
    assert!(matches!(asked, Asked::Needed(_)));
}

#[test]
fn state_opens_for_the_request_that_it_was_sealed_for() {
    let sealed = retry(None, None).seal(&codec(), &json!({"round": 1})).unwrap();
    let opened: Option<Value> = retry(None, Some(&sealed)).open(&codec()).unwrap();
    assert_eq!(opened, Some(json!({"round": 1})));
}

#[test]
fn state_of_another_request_is_refused() {
    let sealed = retry(None, None).seal(&codec(), &json!({"round": 1})).unwrap();
    let other = Retry { responses: None, state: Some(&sealed), binding: "tools/call|other|{}".to_owned() };
    assert!(other.open::<Value>(&codec()).is_err());
}

#[test]
fn changed_state_is_refused() {
    let sealed = retry(None, None).seal(&codec(), &json!({"round": 1})).unwrap() + "-TAMPERED";
    assert!(retry(None, Some(&sealed)).open::<Value>(&codec()).is_err());
}

#[test]
fn form_is_not_allowed_for_a_client_that_declared_urls_only() {
    let question = questions().remove("user_name").unwrap();
    let urls_only: ClientCapabilities = serde_json::from_value(json!({"elicitation": {"url": {}}})).unwrap();
    let empty: ClientCapabilities = serde_json::from_value(json!({"elicitation": {}})).unwrap();
    assert!(!question.allowed_by(&urls_only));
    assert!(question.allowed_by(&empty));
    assert!(!question.allowed_by(&ClientCapabilities::default()));
}
