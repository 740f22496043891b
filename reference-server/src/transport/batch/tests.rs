#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn request(id: i64) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": "ping"}).to_string()
}

fn array(members: &[String]) -> String {
    format!("[{}]", members.join(","))
}

#[test]
fn members_keep_their_order_and_their_text() {
    let text = r#" [ {"jsonrpc":"2.0","id":1,"method":"ping"}, {"jsonrpc":"2.0","method":"notifications/x"} ,{"id":"a","result":{}}]"#;
    let batch = Batch::read(text.as_bytes()).unwrap();
    assert_eq!(batch.members[0].text, r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
    let requests: Vec<_> = batch.members.iter().map(|member| member.request.clone()).collect();
    assert_eq!(requests, [Some(json!(1)), None, None]);
    assert!(batch.refusals.is_empty());
}

#[test]
fn fifty_members_are_taken_and_no_more() {
    let requests: Vec<String> = (0..51).map(request).collect();
    assert_eq!(Batch::read(array(&requests[..50]).as_bytes()).unwrap().members.len(), 50);
    assert_eq!(Batch::read(array(&requests).as_bytes()).unwrap_err(), BatchError::Long);
}

#[test]
fn whole_batch_is_refused_for_what_concerns_it_as_a_whole() {
    assert_eq!(Batch::read(b"[]").unwrap_err(), BatchError::Empty);
    assert_eq!(Batch::read(b"[1,").unwrap_err(), BatchError::Malformed);
    assert_eq!(Batch::read(b"[] []").unwrap_err(), BatchError::Malformed);
    assert_eq!(Batch::read(array(&[request(1), request(1)]).as_bytes()).unwrap_err(), BatchError::Repeated);
    let answer: Value = serde_json::from_str(&BatchError::Malformed.answer()).unwrap();
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&Value::Null, &json!(-32700)));
}

#[test]
fn members_that_are_no_messages_are_answered_by_themselves() {
    let initialize = json!({"jsonrpc": "2.0", "id": 7, "method": "initialize", "params": {}}).to_string();
    let null = json!({"jsonrpc": "2.0", "id": null, "method": "ping"}).to_string();
    let members = [request(1), "1".to_owned(), initialize, "[]".to_owned(), null];
    let text = array(&members);
    let batch = Batch::read(text.as_bytes()).unwrap();
    assert_eq!(batch.refusals.len(), 3);
    let ids: Vec<Value> =
        batch.refusals.iter().map(|text| serde_json::from_str::<Value>(text).unwrap()["id"].clone()).collect();
    assert_eq!(ids, [Value::Null, json!(7), Value::Null]);
    // A null id is no id: a notification.
    assert_eq!(batch.members.len(), 2);
}

proptest! {
    #[test]
    fn nothing_breaks_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let framed = [b"[".as_slice(), &bytes, b"]"].concat();
        if let Ok(batch) = Batch::read(&framed) {
            prop_assert!(batch.members.len() + batch.refusals.len() <= 50);
        }
    }
}
