#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use doorward_message::Limits;
use proptest::prelude::*;

use super::*;

const OURS: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn outgoing(traceparent: Option<&str>, tracestate: Option<&str>, baggage: Option<&str>) -> Outgoing {
    Outgoing {
        traceparent: traceparent.map(str::to_owned),
        tracestate: tracestate.map(Box::from),
        baggage: baggage.map(Box::from),
    }
}

fn message(text: &str) -> Message {
    Message::parse(Bytes::copy_from_slice(text.as_bytes()), &Limits::default()).unwrap()
}

fn call(meta: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1, "method":"tools/call","params":{{"name":"t","_meta":{meta} }}}}"#)
}

fn sent(meta: &str, trace: &Outgoing) -> String {
    let bytes = body(&message(&call(meta)), Some(trace)).unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn members_that_are_there_are_renewed_and_none_is_added() {
    let all = outgoing(Some(OURS), Some("a=1"), Some("k=v"));
    let theirs = "00-11111111111111111111111111111111-2222222222222222-00";
    for (meta, expected) in [
        (format!(r#"{{"traceparent": "{theirs}"}}"#), format!(r#"{{"traceparent": "{OURS}"}}"#)),
        (
            format!(r#"{{"baggage":"x=y" ,"tracestate":"b=2","x":1,"traceparent":"{theirs}"}}"#),
            format!(r#"{{"baggage":"k=v" ,"tracestate":"a=1","x":1,"traceparent":"{OURS}"}}"#),
        ),
        // Not a string, or not valid: what the client meant is not known, what we mean is.
        (r#"{"traceparent":7}"#.to_owned(), format!(r#"{{"traceparent":"{OURS}"}}"#)),
        (r#"{"tr\u0061ceparent":"x"}"#.to_owned(), format!(r#"{{"tr\u0061ceparent":"{OURS}"}}"#)),
        // A state without its parent means nothing.
        (r#"{"tracestate":"b=2", "x":1}"#.to_owned(), r#"{"x":1}"#.to_owned()),
        (r#"{"x":{"traceparent":"deeper"}}"#.to_owned(), r#"{"x":{"traceparent":"deeper"}}"#.to_owned()),
        ("{}".to_owned(), "{}".to_owned()),
    ] {
        assert_eq!(sent(&meta, &all), call(&expected), "{meta}");
    }
}

#[test]
fn what_does_not_travel_goes_from_the_message_too() {
    let parent_only = outgoing(Some(OURS), None, None);
    let meta = r#"{"baggage":"user=alice","traceparent":"x","tracestate":"b=2","progressToken":1}"#;
    assert_eq!(sent(meta, &parent_only), call(&format!(r#"{{"traceparent":"{OURS}","progressToken":1}}"#)));
    assert_eq!(sent(meta, &outgoing(None, None, None)), call(r#"{"progressToken":1}"#));
}

#[test]
fn without_anything_to_renew_it_is_the_same_buffer() {
    let all = outgoing(Some(OURS), None, None);
    let same = format!(r#"{{"traceparent":"{OURS}"}}"#);
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{"_meta":{"traceparent":"x"}}}"#.to_owned();
    let no_meta = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#.to_owned();
    for text in [call(&same), call(r#"{"x":1}"#), answer, no_meta] {
        let message = message(&text);
        assert_eq!(body(&message, Some(&all)).unwrap().as_ptr(), message.bytes().as_ptr(), "{text}");
        assert_eq!(body(&message, None).unwrap().as_ptr(), message.bytes().as_ptr(), "{text}");
    }
}

proptest! {
    #[test]
    fn every_byte_but_the_renewed_values_stays(
        space in "[ \t\r\n]{0,3}",
        before in proptest::collection::vec(("[a-z/.\u{e9}\\\"]{1,12}", any::<f64>()), 0..4),
        after in proptest::collection::vec(("[A-Z]{1,8}", "[^\0]{0,20}"), 0..4),
        theirs in "[^\0]{0,80}",
        state in proptest::option::of("[a-z]{1,8}=[a-z0-9]{1,8}"),
        arguments in "[^\0]{0,40}",
    ) {
        let mut keys = std::collections::BTreeSet::new();
        let mut others = |members: Vec<(String, String)>| {
            let fresh = members.into_iter().filter(|(key, _)| keys.insert(key.to_ascii_lowercase()));
            fresh.map(|(key, value)| format!("{}{space}:{value},{space}", quote(&key))).collect::<String>()
        };
        let before = others(before.into_iter().map(|(key, value)| (format!("x-{key}"), value.to_string())).collect());
        let after = others(after.into_iter().map(|(key, value)| (format!("y-{key}"), quote(&value))).collect());
        let text = |parent: &str, state: Option<&str>| {
            let state = state.map(|state| format!("\"tracestate\":{},", quote(state))).unwrap_or_default();
            format!(
                "{{{space}\"jsonrpc\":\"2.0\",\"params\":{{\"arguments\":{{\"a\":{}}},\"_meta\":{{{space}{before}\"traceparent\"{space}:{},{state}{space}{after}\"z\":0}},\"name\":\"t\"}},\"id\":1,\"method\":\"tools/call\"{space}}}",
                quote(&arguments),
                quote(parent),
            )
        };
        let message = message(&text(&theirs, state.as_deref()));
        let sent = body(&message, Some(&outgoing(Some(OURS), state.as_ref().map(|_| "ours=1"), None))).unwrap();
        prop_assert_eq!(std::str::from_utf8(&sent).unwrap(), text(OURS, state.as_ref().map(|_| "ours=1")));
    }
}
