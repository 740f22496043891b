#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;
use crate::storage::DocumentPath;
use crate::storage::prompt::{Message, Speaker, TextMessage};

fn document(path: &str, content: &str) -> (Key, Value) {
    let path = DocumentPath::parse(path).unwrap();
    let body = Body {
        title: "Title".to_owned(),
        media_type: "text/plain".to_owned(),
        content: content.to_owned(),
        metadata: serde_json::json!({ "nested": [1, null, { "ü": -2.5 }] }).as_object().unwrap().clone(),
        tags: ["b".to_owned(), "a".to_owned()].into(),
    };
    let document = Document { path: path.clone(), version: 7, body, created_at: 1, updated_at: 2 };
    (Key::Document(path), Value::Document(Arc::new(document)))
}

fn saved(name: &str) -> Prompt {
    let message = Message::Text(TextMessage { role: Speaker::User, text: "text".to_owned() });
    let body = PromptBody { messages: vec![message], ..PromptBody::default() };
    Prompt { name: PromptName::parse(name).unwrap(), version: 1, body, created_at: 1, updated_at: 1 }
}

fn page(after: Option<&str>, limit: u32, names: &[&str]) -> (Key, Value) {
    let items = names.iter().map(|name| saved(name)).collect();
    let key = Key::Prompts { after: after.map(str::to_owned), limit };
    (key, Value::Prompts(Arc::new(Page { items, more: true })))
}

#[test]
fn values_come_back_as_they_were_kept() {
    let prompt = saved("p");
    let one = (Key::Prompt(prompt.name.clone()), Value::Prompt(Arc::new(prompt)));
    for (key, value) in [document("a/b", "text"), one, page(None, 2, &["a", "b"]), page(Some("a"), 2, &["b"])] {
        assert_eq!(decode(&key, &encode(&key, &value).unwrap()), Some(value));
    }
}

#[test]
fn value_of_another_key_is_not_taken() {
    let (a, of_a) = document("a", "text");
    let (b, _) = document("b", "text");
    let text = encode(&a, &of_a).unwrap();
    assert_eq!(decode(&b, &text), None);
    assert_eq!(decode(&Key::Prompt(PromptName::parse("a").unwrap()), &text), None);
    let (two, value) = page(None, 2, &["a", "b"]);
    let text = encode(&two, &value).unwrap();
    for (after, limit) in [(None, 1), (None, 3), (Some("0"), 2)] {
        assert_eq!(decode(&page(after, limit, &[]).0, &text), None);
    }
}

#[test]
fn page_that_no_store_gives_is_not_taken() {
    for (after, limit, names) in
        [(None, 2, &["b", "a"][..]), (None, 2, &["a", "a"]), (Some("b"), 2, &["a"]), (None, 1, &["a", "b"])]
    {
        let (key, value) = page(after, limit, names);
        assert_eq!(decode(&key, &encode(&key, &value).unwrap()), None, "{names:?}");
    }
}

#[test]
fn what_is_too_large_does_not_go_out() {
    let (key, value) = document("a", &"x".repeat(BYTES_MAX));
    assert_eq!(encode(&key, &value), None);
}

proptest! {
    #[test]
    fn any_bytes_are_no_value_or_the_asked_one(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0usize..400) {
        let (key, value) = document("a", "text");
        prop_assert_eq!(decode(&key, &bytes), None);
        let mut text = encode(&key, &value).unwrap();
        let place = at % text.len();
        text.splice(place..place, bytes);
        if let Some(Value::Document(taken)) = decode(&key, &text) {
            prop_assert_eq!(taken.path.as_str(), "a");
        }
    }
}
