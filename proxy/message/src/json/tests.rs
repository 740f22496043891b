#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

fn parse(text: impl AsRef<[u8]>) -> Result<Json, ParseError> {
    Json::parse(Bytes::copy_from_slice(text.as_ref()), &Limits::default())
}

fn code(text: impl AsRef<[u8]>) -> &'static str {
    parse(text).map_or_else(|error| error.code(), |_| "accepted")
}

#[test]
fn members_elements_and_spans_are_read_from_the_tape() {
    let json = parse(r#" {"a" : [1, "x\u0041\ud83d\ude00", {}, [] ] ,"b":{"c":null,"d":true}} "#).unwrap();
    let root = json.root();
    assert_eq!(root.kind(), Kind::Object);
    assert_eq!(root.len(), 2);
    let a = root.get("a").unwrap();
    let raw: Vec<_> = a.elements().map(Value::raw_str).collect();
    assert_eq!(raw, ["1", r#""x\u0041\ud83d\ude00""#, "{}", "[]"]);
    assert_eq!(a.elements().nth(1).unwrap().as_str().unwrap(), "xA😀");
    let keys: Vec<_> = root.members().map(|(key, _)| key.into_owned()).collect();
    assert_eq!(keys, ["a", "b"]);
    let d = root.get("b").unwrap().get("d").unwrap();
    assert_eq!(d.as_bool(), Some(true));
    assert_eq!(&json.bytes()[d.span()], b"true");
    assert!(root.get("b").unwrap().get("c").unwrap().is_null());
    assert!(root.get("zzz").is_none());
}

#[test]
fn what_readers_may_disagree_about_is_refused() {
    let table: &[(&[u8], &str)] = &[
        (b"", "message.empty"),
        (b" \n", "message.empty"),
        (b"\xef\xbb\xbf{}", "message.byte_order_mark"),
        (b"\xff\xfe{\x00}\x00", "message.invalid_utf8"),
        (b"{\x00}\x00", "message.syntax"),
        (b"\"\xc0\xaf\"", "message.invalid_utf8"),
        (b"\"\xed\xa0\x80\"", "message.invalid_utf8"),
        (b"\"a\x00b\"", "message.nul"),
        (br#""a\u0000b""#, "message.nul"),
        (br#"{"a\u0000":1}"#, "message.nul"),
        (b"\"a\nb\"", "message.control_character"),
        (b"\"a\x1fb\"", "message.control_character"),
        (br#""\ud800""#, "message.lone_surrogate"),
        (br#""\ud800x""#, "message.lone_surrogate"),
        (br#""\ud800\ud800""#, "message.lone_surrogate"),
        (br#""\udc00\ud800""#, "message.lone_surrogate"),
        (br#"{"a":1,"a":1}"#, "message.duplicate_key"),
        (br#"{"a":1,"\u0061":2}"#, "message.duplicate_key"),
        (br#"[{"x":{"a":1,"b":2,"a":3}}]"#, "message.duplicate_key"),
        (br#"{"":1,"":2}"#, "message.duplicate_key"),
        (b"{}{}", "message.trailing_bytes"),
        (b"{} x", "message.trailing_bytes"),
        (b"{}\x00", "message.trailing_bytes"),
        (b"NaN", "message.syntax"),
        (b"[Infinity]", "message.syntax"),
        (b"[-Infinity]", "message.syntax"),
        (b"{} // c", "message.trailing_bytes"),
        (b"{/* c */}", "message.syntax"),
        (b"{'a':1}", "message.syntax"),
        (br#"{"a":1,}"#, "message.syntax"),
        (b"[1,]", "message.syntax"),
        (b"[,1]", "message.syntax"),
        (b"[1 2]", "message.syntax"),
        (b"{1:2}", "message.syntax"),
        (br#"{"a"}"#, "message.syntax"),
        (b"[1}", "message.syntax"),
        (br#"{"a":1]"#, "message.syntax"),
        (b"[01]", "message.syntax"),
        (b"[-01]", "message.syntax"),
        (b"[+1]", "message.syntax"),
        (b"[.5]", "message.syntax"),
        (b"[5.]", "message.syntax"),
        (b"[1e]", "message.syntax"),
        (b"[0x10]", "message.syntax"),
        (b"[1_000]", "message.syntax"),
        (b"[-]", "message.syntax"),
        (b"tru", "message.syntax"),
        (b"True", "message.syntax"),
        (b"[", "message.syntax"),
        (br#"{"a":"#, "message.syntax"),
        (b"\"abc", "message.syntax"),
        (br#""\x41""#, "message.syntax"),
        (br#""\u12g4""#, "message.syntax"),
        (b"[\x0b1]", "message.syntax"),
        (b"[\xc2\xa01]", "message.syntax"),
    ];
    for (text, expected) in table {
        assert_eq!(code(text), *expected, "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn case_variants_and_magic_keys_are_plain_data_to_json() {
    for text in [r#"{"id":1,"ID":2}"#, r#"{"__proto__":1,"constructor":{"prototype":2}}"#, r#"{"a":{"a":{"a":1}}}"#] {
        assert_eq!(code(text), "accepted", "{text}");
    }
}

#[test]
fn depth_at_the_limit_passes_and_one_more_is_refused() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert_eq!(code(nested(64)), "accepted");
    assert_eq!(code(nested(65)), "message.too_deep");
    assert_eq!(code("[".repeat(1_000_000)), "message.too_deep");
    let unlimited = Limits { depth_max: usize::MAX, ..Limits::default() };
    let deep = Bytes::from(nested(Limits::DEPTH_CEILING + 1));
    assert_eq!(Json::parse(deep, &unlimited).unwrap_err().code(), "message.too_deep");
}

#[test]
fn size_at_the_limit_passes_and_one_more_is_refused() {
    let limits = Limits { message_bytes_max: 10, ..Limits::default() };
    assert!(Json::parse(Bytes::from_static(b"\"12345678\""), &limits).is_ok());
    assert_eq!(
        Json::parse(Bytes::from_static(b"\"123456789\""), &limits).unwrap_err(),
        ParseError::TooLarge { bytes: 11, limit: 10 }
    );
}

#[test]
fn a_duplicate_among_many_keys_is_found_wherever_it_stands() {
    for count in [15, 16, 17, 200] {
        let mut members: Vec<String> = (0..count).map(|n| format!("\"k{n}\":{n}")).collect();
        assert_eq!(code(format!("{{{}}}", members.join(","))), "accepted");
        members.push("\"\\u006b3\":0".to_owned());
        assert_eq!(code(format!("{{{}}}", members.join(","))), "message.duplicate_key");
    }
}

#[test]
fn a_million_tiny_keys_take_linear_time() {
    let document = |keys: usize| {
        let members: Vec<String> = (0..keys).map(|n| format!("\"{n:x}\":0")).collect();
        Bytes::from(format!("{{{}}}", members.join(",")))
    };
    let limits = Limits { message_bytes_max: 32 << 20, ..Limits::default() };
    let time = |bytes: &Bytes, runs: usize| {
        (0..runs)
            .map(|_| {
                let start = std::time::Instant::now();
                Json::parse(bytes.clone(), &limits).unwrap();
                start.elapsed()
            })
            .min()
            .unwrap()
    };
    let (small, large) = (document(62_500), document(1_000_000));
    let (small_time, large_time) = (time(&small, 5), time(&large, 1));
    // 16 times the keys; 3 more for a busy machine and caches. Quadratic behaviour would be 256 times.
    assert!(
        large_time < small_time * 48,
        "{small_time:?} for {} bytes, {large_time:?} for {}",
        small.len(),
        large.len()
    );
}

#[test]
fn numbers_keep_their_text_and_integers_are_exact() {
    let table: &[(&str, Option<i64>)] = &[
        ("0", Some(0)),
        ("-0", Some(0)),
        ("-0.0e5", Some(0)),
        ("1.0", Some(1)),
        ("1e2", Some(100)),
        ("1.50e1", Some(15)),
        ("120e-1", Some(12)),
        ("125e-1", None),
        ("0.001e3", Some(1)),
        ("0.5", None),
        ("9223372036854775807", Some(i64::MAX)),
        ("9223372036854775808", None),
        ("-9223372036854775808", Some(i64::MIN)),
        ("-9223372036854775809", None),
        ("9007199254740993", Some(9_007_199_254_740_993)),
        ("1e400", None),
        ("1e99999999999999999999", None),
        ("0e99999999999999999999", Some(0)),
        ("1e-99999999999999999999", None),
    ];
    for (text, expected) in table {
        let json = parse(text).unwrap();
        assert_eq!(json.root().as_i64(), *expected, "{text}");
        assert_eq!(json.root().raw_str(), *text);
    }
    let long = "9".repeat(100_000);
    assert_eq!(parse(&long).unwrap().root().raw_str(), long);
    assert_eq!(parse(&long).unwrap().root().as_i64(), None);
    assert_eq!(parse("1e400").unwrap().root().as_f64(), None);
    assert_eq!(parse("2.5").unwrap().root().as_f64(), Some(2.5));
}

#[test]
fn debug_output_never_shows_content() {
    let json = parse(r#"{"password":"hunter2"}"#).unwrap();
    let shown = format!("{json:?} {:?}", json.root().get("password").unwrap());
    assert!(!shown.contains("hunter2") && !shown.contains("password"), "{shown}");
}

/// Any JSON value without NUL (which serde_json takes and we refuse).
fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        "[^\0]{0,12}".prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 64, 24, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..24).prop_map(Into::into),
            proptest::collection::hash_map("[^\0]{0,6}", inner, 0..24)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

/// The tape read back into serde's tree.
fn rebuild(value: Value<'_>) -> serde_json::Value {
    match value.kind() {
        Kind::Null => serde_json::Value::Null,
        Kind::Bool => value.as_bool().unwrap().into(),
        Kind::Number => serde_json::from_slice(value.raw()).unwrap(),
        Kind::String => value.as_str().unwrap().into_owned().into(),
        Kind::Array => value.elements().map(rebuild).collect(),
        Kind::Object => value.members().map(|(key, value)| (key.into_owned(), rebuild(value))).collect(),
    }
}

/// Every span is a document of its own with the same content.
fn check_spans(json: &Json, value: Value<'_>) {
    let alone = Json::parse(json.bytes().slice(value.span()), &Limits::default()).unwrap();
    assert_eq!(rebuild(alone.root()), rebuild(value));
    value.elements().for_each(|inner| check_spans(json, inner));
    value.entries().for_each(|(key, inner)| {
        check_spans(json, key);
        check_spans(json, inner);
    });
}

proptest! {
    #[test]
    fn the_tape_holds_what_serde_reads(tree in any_json(), pretty: bool) {
        let text = if pretty {
            serde_json::to_string_pretty(&tree).unwrap()
        } else {
            tree.to_string()
        };
        let json = parse(&text).unwrap();
        prop_assert_eq!(rebuild(json.root()), serde_json::from_str::<serde_json::Value>(&text).unwrap());
        check_spans(&json, json.root());
    }

    #[test]
    fn quoted_text_decodes_to_itself(text in "[^\0]{0,40}") {
        let quoted = quote(&text);
        prop_assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), text.clone());
        let json = parse(&quoted).unwrap();
        prop_assert_eq!(json.root().as_str().unwrap(), text);
    }

    /// Broken documents: what we accept serde accepts; what only serde accepts we refuse for a reason of ours.
    #[test]
    fn validity_agrees_with_serde(tree in any_json(), at: usize, byte in proptest::option::of(any::<u8>()), cut: bool) {
        let mut text = tree.to_string().into_bytes();
        let at = at % text.len();
        match (byte, cut) {
            (Some(byte), false) => text[at] = byte,
            (Some(byte), true) => text.insert(at, byte),
            (None, _) => { text.remove(at); }
        }
        // RawValue-like reading: numbers out of range are fine to us, so compare by IgnoredAny.
        let serde = serde_json::from_slice::<serde::de::IgnoredAny>(&text).is_ok() && std::str::from_utf8(&text).is_ok();
        match parse(&text) {
            Ok(_) => prop_assert!(serde),
            Err(ParseError::DuplicateKey { .. } | ParseError::Nul { .. } | ParseError::LoneSurrogate { .. }
                | ParseError::ByteOrderMark) => {}
            Err(error) => prop_assert!(!serde, "{error}: {}", String::from_utf8_lossy(&text)),
        }
    }
}
