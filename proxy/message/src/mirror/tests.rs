#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::too_many_lines,
    reason = "tests, with tables of cases"
)]

use proptest::prelude::*;

use super::*;

fn json(text: &str) -> Json {
    Json::parse(Bytes::copy_from_slice(text.as_bytes()), &Limits::default()).unwrap()
}

fn message(method: &str, params: &str) -> Message {
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}{meta}}}}}"#);
    Message::parse(Bytes::from(text), &Limits::default()).unwrap()
}

fn lines<'a>(headers: &'a [(&'a str, &'a str)]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone {
    headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()))
}

fn standard(message: &Message, headers: &[(&str, &str)]) -> &'static str {
    check_standard(message, lines(headers)).map_or_else(|error| error.code(), |()| "agrees")
}

const VERSION: (&str, &str) = ("mcp-protocol-version", "2026-07-28");
const CALL: (&str, &str) = ("MCP-METHOD", "tools/call");

#[test]
fn headers_that_repeat_the_body_agree() {
    let call = message("tools/call", r#""name":"echo","#);
    assert_eq!(standard(&call, &[VERSION, CALL, ("Mcp-Name", " echo\t")]), "agrees");
    assert_eq!(standard(&call, &[VERSION, CALL, ("Mcp-Name", "=?base64?ZWNobw==?=")]), "agrees");
    let read = message("resources/read", r#""uri":"x://ü","#);
    assert_eq!(
        standard(&read, &[VERSION, ("Mcp-Method", "resources/read"), ("Mcp-Name", "=?base64?eDovL8O8?=")]),
        "agrees"
    );
    let task = message("tasks/get", r#""taskId":"t","#);
    assert_eq!(standard(&task, &[VERSION, ("Mcp-Method", "tasks/get"), ("Mcp-Name", "t")]), "agrees");
    assert_eq!(standard(&message("tools/list", ""), &[VERSION, ("Mcp-Method", "tools/list")]), "agrees");
}

#[test]
fn headers_that_differ_from_the_body_are_refused() {
    let call = message("tools/call", r#""name":"delete_all","#);
    let name = ("Mcp-Name", "delete_all");
    let table: &[(&[(&str, &str)], &str)] = &[
        (&[CALL, name], "mirror.missing"),
        (&[VERSION, name], "mirror.missing"),
        (&[VERSION, CALL], "mirror.missing"),
        (&[("Mcp-Protocol-Version", "2025-11-25"), CALL, name], "mirror.mismatch"),
        (&[VERSION, ("Mcp-Method", "tools/list"), name], "mirror.mismatch"),
        (&[VERSION, ("Mcp-Method", "Tools/Call"), name], "mirror.mismatch"),
        (&[VERSION, ("Mcp-Method", "=?base64?dG9vbHMvY2FsbA==?="), name], "mirror.mismatch"),
        (&[VERSION, CALL, ("Mcp-Name", "safe_tool")], "mirror.mismatch"),
        (&[VERSION, CALL, ("Mcp-Name", "Delete_all")], "mirror.mismatch"),
        (&[VERSION, CALL, ("Mcp-Name", "")], "mirror.mismatch"),
        (&[VERSION, CALL, ("Mcp-Name", "safe_tool"), name], "mirror.repeated"),
        (&[VERSION, CALL, name, name], "mirror.repeated"),
        (&[VERSION, VERSION, CALL, name], "mirror.repeated"),
        (&[VERSION, CALL, ("Mcp-Name", "delete_all\u{e9}")], "mirror.malformed"),
        (&[VERSION, CALL, ("Mcp-Name", "delete\nall")], "mirror.malformed"),
        (&[VERSION, CALL, ("Mcp-Name", "=?base64?ZGVsZXRlX2FsbA?=")], "mirror.malformed"),
    ];
    for (headers, expected) in table {
        assert_eq!(standard(&call, headers), *expected, "{headers:?}");
    }
    let list = message("tools/list", "");
    assert_eq!(standard(&list, &[VERSION, ("Mcp-Method", "tools/list"), ("Mcp-Name", "x")]), "mirror.extra");
    assert_eq!(MirrorError::JSON_RPC_CODE, -32020);
}

#[test]
fn headers_of_a_notification_may_be_absent_but_not_wrong() {
    let text = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    let notification = Message::parse(Bytes::from(text), &Limits::default()).unwrap();
    assert_eq!(standard(&notification, &[]), "agrees");
    assert_eq!(standard(&notification, &[("Mcp-Method", "notifications/cancelled")]), "agrees");
    assert_eq!(standard(&notification, &[("Mcp-Method", "tools/call")]), "mirror.mismatch");
}

#[test]
fn sentinels_are_read_strictly() {
    let ok = |value: &str| decode(value.as_bytes()).unwrap().into_owned();
    assert_eq!(ok("=?base64??="), "");
    assert_eq!(ok("=?base64?w7w=?="), "ü");
    assert_eq!(ok("=?BASE64?w7w=?="), "=?BASE64?w7w=?=");
    assert_eq!(ok("=?base64?"), "=?base64?");
    assert_eq!(ok("=?base64?="), "=?base64?=");
    assert_eq!(ok("x=?base64?w7w=?="), "x=?base64?w7w=?=");
    for (value, error) in [
        ("=?base64?w7w?=", SentinelError::Base64),
        ("=?base64?w7x=?=", SentinelError::Base64),
        ("=?base64?w7w==?=", SentinelError::Base64),
        ("=?base64?w7 w=?=", SentinelError::Base64),
        ("=?base64?_-8=?=", SentinelError::Base64),
        ("=?base64?/w==?=", SentinelError::Utf8),
        ("=?base64?wK8=?=", SentinelError::Utf8),
        ("ü", SentinelError::Character),
        ("a\u{7f}", SentinelError::Character),
        ("a\0", SentinelError::Character),
    ] {
        assert_eq!(decode(value.as_bytes()), Err(error), "{value}");
    }
}

const SCHEMA: &str = r#"{"type":"object","properties":{
    "tenant":{"type":"string","x-mcp-header":"Tenant"},
    "count":{"type":"integer","x-mcp-header":"Count"},
    "dry":{"x-mcp-header":"Dry","type":"boolean"},
    "x-mcp-header":{"type":"string","default":{"x-mcp-header":"data"}},
    "deep":{"type":"object","properties":{"id":{"type":"string","x-mcp-header":"Deep-Id"}}}}}"#;

fn params(arguments: &str, headers: &[(&str, &str)]) -> &'static str {
    let schema = json(SCHEMA);
    let table = ParamTable::from_schema(schema.root()).unwrap();
    let arguments = json(arguments);
    check_params(Some(arguments.root()), lines(headers), &table).map_or_else(|error| error.code(), |()| "agrees")
}

#[test]
fn mirrored_arguments_are_compared_by_their_type() {
    for (arguments, headers, expected) in [
        (r#"{"tenant":"acme"}"#, &[("mcp-param-tenant", "acme")][..], "agrees"),
        (r#"{"tenant":"evilcorp"}"#, &[("Mcp-Param-Tenant", "acme")], "mirror.mismatch"),
        (r#"{"tenant":"acme"}"#, &[], "mirror.missing"),
        (r#"{}"#, &[("Mcp-Param-Tenant", "acme")], "mirror.extra"),
        (r#"{"tenant":null}"#, &[], "agrees"),
        (r#"{"tenant":null}"#, &[("Mcp-Param-Tenant", "null")], "mirror.extra"),
        (r#"{"tenant":"a"}"#, &[("Mcp-Param-Tenant", "a"), ("mcp-param-tenant", "a")], "mirror.repeated"),
        (r#"{"tenant":"a\nb"}"#, &[("Mcp-Param-Tenant", "a\nb")], "mirror.malformed"),
        (r#"{"tenant":" a"}"#, &[("Mcp-Param-Tenant", " a")], "mirror.mismatch"),
        (r#"{"tenant":" a"}"#, &[("Mcp-Param-Tenant", "=?base64?IGE=?=")], "agrees"),
        (r#"{"tenant":1}"#, &[("Mcp-Param-Tenant", "1")], "mirror.mismatch"),
        (r#"{"tenant":""}"#, &[("Mcp-Param-Tenant", "")], "agrees"),
        (r#"{"count":42}"#, &[("Mcp-Param-Count", "42.0")], "agrees"),
        (r#"{"count":42.0}"#, &[("Mcp-Param-Count", "42")], "agrees"),
        (r#"{"count":42}"#, &[("Mcp-Param-Count", "4.2e1")], "agrees"),
        (r#"{"count":42}"#, &[("Mcp-Param-Count", "43")], "mirror.mismatch"),
        (r#"{"count":42}"#, &[("Mcp-Param-Count", "042")], "mirror.mismatch"),
        (r#"{"count":42}"#, &[("Mcp-Param-Count", "+42")], "mirror.mismatch"),
        (r#"{"count":42}"#, &[("Mcp-Param-Count", "\"42\"")], "mirror.integer"),
        (r#"{"count":42.5}"#, &[("Mcp-Param-Count", "42.5")], "mirror.integer"),
        (r#"{"count":"42"}"#, &[("Mcp-Param-Count", "42")], "mirror.integer"),
        (r#"{"count":9007199254740991}"#, &[("Mcp-Param-Count", "9007199254740991")], "agrees"),
        (r#"{"count":-9007199254740991}"#, &[("Mcp-Param-Count", "-9007199254740991")], "agrees"),
        (r#"{"count":9007199254740992}"#, &[("Mcp-Param-Count", "9007199254740992")], "mirror.integer"),
        (r#"{"count":1}"#, &[("Mcp-Param-Count", "9007199254740993")], "mirror.integer"),
        (r#"{"dry":true}"#, &[("Mcp-Param-Dry", "true")], "agrees"),
        (r#"{"dry":true}"#, &[("Mcp-Param-Dry", "True")], "mirror.mismatch"),
        (r#"{"dry":true}"#, &[("Mcp-Param-Dry", "false")], "mirror.mismatch"),
        (r#"{"dry":"true"}"#, &[("Mcp-Param-Dry", "true")], "mirror.mismatch"),
        (r#"{"deep":{"id":"x"}}"#, &[("Mcp-Param-Deep-Id", "x")], "agrees"),
        (r#"{"deep":{"id":"x"}}"#, &[("Mcp-Param-Deep-Id", "y")], "mirror.mismatch"),
        (r#"{"deep":"x"}"#, &[("Mcp-Param-Deep-Id", "x")], "mirror.extra"),
        (r#"{}"#, &[("Mcp-Param-Unknown", "\u{fc}")], "agrees"),
    ] {
        assert_eq!(params(arguments, headers), expected, "{arguments} {headers:?}");
    }
}

#[test]
fn annotations_that_clients_must_not_use_are_refused() {
    let table = |schema: &str| {
        let schema = json(schema);
        ParamTable::from_schema(schema.root()).map(|table| table.params().len())
    };
    let property = |schema: &str| table(&format!(r#"{{"properties":{{"a":{schema}}}}}"#));
    assert_eq!(table(SCHEMA), Ok(4));
    assert_eq!(table("{}"), Ok(0));
    assert_eq!(table("[]"), Err(SchemaError::NotAnObject));
    for name in [r#""""#, r#""a b""#, r#""a\r\nX: y""#, r#""ü""#, "1", "null", "[]", r#""a:b""#] {
        assert_eq!(
            property(&format!(r#"{{"type":"string","x-mcp-header":{name}}}"#)),
            Err(SchemaError::NotAToken),
            "{name}"
        );
    }
    for kind in [r#""number""#, r#""object""#, r#""array""#, r#""null""#, r#"["string","null"]"#, r#""String""#] {
        let result = property(&format!(r#"{{"type":{kind},"x-mcp-header":"A"}}"#));
        assert!(matches!(result, Err(SchemaError::Type { .. })), "{kind}");
    }
    assert!(matches!(property(r#"{"x-mcp-header":"A"}"#), Err(SchemaError::Type { .. })));
    let annotated = r#"{"type":"string","x-mcp-header":"A"}"#;
    for place in [
        format!(r#"{{"items":{annotated}}}"#),
        format!(r#"{{"prefixItems":[{annotated}]}}"#),
        format!(r#"{{"oneOf":[{annotated}]}}"#),
        format!(r#"{{"allOf":[{{"properties":{{"b":{annotated}}}}}]}}"#),
        format!(r#"{{"additionalProperties":{annotated}}}"#),
        format!(r#"{{"patternProperties":{{"x":{annotated}}}}}"#),
        format!(r#"{{"patternProperties":{{"enum":{annotated}}}}}"#),
        format!(r#"{{"if":{annotated}}}"#),
    ] {
        assert_eq!(property(&place), Err(SchemaError::Unreachable), "{place}");
    }
    assert_eq!(table(annotated), Err(SchemaError::Unreachable));
    assert_eq!(table(&format!(r#"{{"$defs":{{"d":{annotated}}}}}"#)), Err(SchemaError::Unreachable));
    assert_eq!(property(&format!(r#"{{"default":{annotated},"examples":[{annotated}]}}"#)), Ok(0));
    let twice = r#"{"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}}}"#;
    assert_eq!(table(twice), Err(SchemaError::Duplicate { header: "Mcp-Param-a".into() }));
}

#[test]
fn parameters_named_like_secrets_are_marked() {
    let secret = |name: &str, header: &str| {
        let schema = json(&format!(r#"{{"properties":{{"{name}":{{"type":"string","x-mcp-header":"{header}"}}}}}}"#));
        ParamTable::from_schema(schema.root()).unwrap().params()[0].looks_secret()
    };
    assert!(secret("api_key", "K") && secret("x", "Api-Key") && secret("userPassword", "P"));
    assert!(!secret("tenant", "Tenant"));
}

fn header_safe(text: &str) -> bool {
    !text.starts_with([' ', '\t'])
        && !text.ends_with([' ', '\t'])
        && text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t'))
}

proptest! {
    #[test]
    fn encoded_values_are_header_safe_and_decode_to_themselves(text in ".{0,24}|=\\?base64\\?.{0,8}\\?=|[ \t]{0,3}x[ \t]{0,3}") {
        let value = encode(&text).into_owned();
        prop_assert!(header_safe(&value), "{value}");
        prop_assert_eq!(decode(trim(value.as_bytes())).unwrap(), text);
    }

    #[test]
    fn headers_made_for_arguments_agree_with_them(tenant in proptest::option::of("[^\0]{0,12}"), count in proptest::option::of(-INTEGER_MAX..=INTEGER_MAX), dry: Option<bool>) {
        let schema = json(SCHEMA);
        let table = ParamTable::from_schema(schema.root()).unwrap();
        let arguments = json(&serde_json::json!({"tenant": tenant, "count": count, "dry": dry}).to_string());
        let made = param_headers(Some(arguments.root()), &table).unwrap();
        let headers = made.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        prop_assert_eq!(check_params(Some(arguments.root()), headers, &table), Ok(()));
    }

    #[test]
    fn headers_made_for_a_message_agree_with_it(name in "[^\0\\p{Cc}]{1,20}") {
        let call = message("tools/call", &format!(r#""name":{},"#, crate::json::quote(&name)));
        let made = standard_headers(&call);
        let headers = made.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        prop_assert_eq!(check_standard(&call, headers), Ok(()));
    }
}
