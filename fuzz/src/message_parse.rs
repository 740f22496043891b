//! What the parser accepts, a naive reader reads alike.

use bytes::Bytes;
use doorward_message::{Incoming, Json, Kind, Limits, Message, Splice, Value, json::quote, parse_incoming};

/// Panics when the parser accepts what it must not, or reads it differently after a round trip.
pub(crate) fn check(data: &[u8]) {
    let limits = Limits::default();
    let bytes = Bytes::copy_from_slice(data);
    let Ok(json) = Json::parse(bytes.clone(), &limits) else {
        assert!(parse_incoming(bytes, &limits).is_err());
        return;
    };
    serde_json::from_slice::<serde::de::IgnoredAny>(data).expect("accepted by us, refused by serde_json");
    assert_spans(&json, json.root());
    let again = Json::parse(Bytes::from(serialize(json.root())), &limits).expect("re-serialised");
    assert_eq!(serialize(json.root()), serialize(again.root()));
    if let Ok(incoming) = parse_incoming(bytes, &limits) {
        let messages = match incoming {
            Incoming::Single(message) => vec![message],
            Incoming::Batch(messages) => messages,
        };
        messages.iter().for_each(|message| assert_same_decision(message, &limits));
    }
}

/// Facts a decision is made on do not depend on how the body is spelt.
fn assert_same_decision(message: &Message, limits: &Limits) {
    let other = Message::parse(Bytes::from(serialize(message.value())), limits);
    // Escapes can grow: only the size of `_meta` may then tell them apart.
    let Ok(other) = other else {
        assert!(message.meta().is_some_and(|meta| serialize(meta).len() > limits.meta_bytes_max));
        return;
    };
    assert_eq!(message.kind(), other.kind());
    assert_eq!(message.id(), other.id());
    assert_eq!(message.method(), other.method());
    assert_eq!(message.name(), other.name());
    assert_eq!(message.uri(), other.uri());
    assert_eq!(message.task_id(), other.task_id());
    assert_eq!(message.protocol_version(), other.protocol_version());
    assert_eq!(message.arguments().map(serialize), other.arguments().map(serialize));
    if let (Some(arguments), Some(_)) = (message.arguments(), message.name()) {
        let splice = Splice::new(message.bytes()).replace(arguments.span(), b"{\"spliced\":true}");
        let spliced = Message::parse(splice.finish().expect("one edit"), limits).expect("spliced");
        assert_eq!(spliced.arguments().expect("arguments").raw(), b"{\"spliced\":true}");
        assert_eq!(spliced.name(), message.name());
    }
}

/// Each span is a document of its own; no object has two equal keys, compared one by one.
fn assert_spans(json: &Json, value: Value<'_>) {
    assert_eq!(value.raw(), &json.bytes()[value.span()]);
    let keys: Vec<String> = value.members().map(|(key, _)| key.into_owned()).collect();
    assert_eq!(keys.len(), if value.kind() == Kind::Object { value.len() } else { 0 });
    if keys.len() <= 200 {
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[..index].contains(key), "a duplicate key passed");
            assert!(!key.contains('\0'));
        }
    }
    value.elements().for_each(|inner| assert_spans(json, inner));
    value.members().for_each(|(_, inner)| assert_spans(json, inner));
}

/// Another spelling of the same value: no white space, decoded strings, numbers as they are.
fn serialize(value: Value<'_>) -> String {
    match value.kind() {
        Kind::String => quote(&value.as_str().expect("a string")),
        Kind::Array => {
            let elements: Vec<String> = value.elements().map(serialize).collect();
            format!("[{}]", elements.join(","))
        }
        Kind::Object => {
            let members: Vec<String> =
                value.members().map(|(key, value)| format!("{}:{}", quote(&key), serialize(value))).collect();
            format!("{{{}}}", members.join(","))
        }
        _ => value.raw_str().to_owned(),
    }
}
