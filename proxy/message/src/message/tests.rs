#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::too_many_lines,
    reason = "tests, with tables of cases"
)]

use super::*;
use crate::{Direction, Revision, Target};

fn read(text: &str) -> Result<Message, Refused> {
    Message::parse(Bytes::copy_from_slice(text.as_bytes()), &Limits::default())
}

fn code(text: &str) -> &'static str {
    read(text).map_or_else(|refused| refused.error.code(), |_| "accepted")
}

fn call(params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{params}}}"#)
}

#[test]
fn a_modern_call_shows_its_parts_and_keeps_its_bytes() {
    let text = r#" {"jsonrpc":"2.0","id":"a\u0062","method":"tools\/call","params":{"name":"ech\u006f","arguments":{"ID":1,"id":1.0},
        "_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"progressToken":5}},"extra":1}"#;
    let message = read(text).unwrap();
    assert_eq!(message.kind(), MessageKind::Request);
    assert_eq!(message.id(), Some(&Id::String("ab".into())));
    assert_eq!(message.method(), Some(&Method::ToolsCall));
    assert_eq!(message.name(), Some("echo"));
    assert_eq!(message.arguments().unwrap().raw(), br#"{"ID":1,"id":1.0}"#);
    assert_eq!(message.protocol_version().unwrap(), "2026-07-28");
    assert!(message.is_modern());
    assert_eq!(message.client_capabilities().unwrap().raw(), b"{}");
    assert_eq!(message.progress_token().unwrap().raw(), b"5");
    assert_eq!(&message.bytes()[..], text.as_bytes());
    assert!(!format!("{message:?}").contains("echo"));
}

#[test]
fn the_four_kinds_are_told_apart() {
    let kinds = [
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, MessageKind::Request),
        (r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, MessageKind::Notification),
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, MessageKind::Response),
        (r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}"#, MessageKind::ErrorResponse),
        (r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":""}}"#, MessageKind::ErrorResponse),
        (r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":""}}"#, MessageKind::ErrorResponse),
    ];
    for (text, kind) in kinds {
        assert_eq!(read(text).unwrap().kind(), kind, "{text}");
    }
}

#[test]
fn malformed_envelopes_are_refused() {
    let table = [
        ("[]", "message.not_an_object"),
        ("1", "message.not_an_object"),
        (r#"{"id":1,"method":"ping"}"#, "message.jsonrpc_version"),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, "message.jsonrpc_version"),
        (r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#, "message.jsonrpc_version"),
        (r#"{"jsonrpc":"2.0"}"#, "message.ambiguous"),
        (r#"{"jsonrpc":"2.0","id":1}"#, "message.ambiguous"),
        (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}"#, "message.ambiguous"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#, "message.ambiguous"),
        (r#"{"jsonrpc":"2.0","id":1,"result":{},"params":{}}"#, "message.ambiguous"),
        (r#"{"jsonrpc":"2.0","id":1,"method":1}"#, "message.method_invalid"),
        (r#"{"jsonrpc":"2.0","id":1,"method":""}"#, "message.method_invalid"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a\nb"}"#, "message.method_invalid"),
        (r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"x"}}"#, "message.request_without_id"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"notifications/initialized"}"#, "message.notification_with_id"),
        (r#"{"jsonrpc":"2.0","id":1,"result":[]}"#, "message.response_invalid"),
        (r#"{"jsonrpc":"2.0","id":1,"error":{}}"#, "message.response_invalid"),
        (r#"{"jsonrpc":"2.0","id":1,"error":{"code":"1","message":""}}"#, "message.response_invalid"),
        (r#"{"jsonrpc":"2.0","id":1,"error":"no"}"#, "message.response_invalid"),
        (r#"{"jsonrpc":"2.0","result":{}}"#, "message.id_invalid"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#, "message.params_invalid"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":null}"#, "message.params_invalid"),
    ];
    for (text, expected) in table {
        assert_eq!(code(text), expected, "{text}");
    }
}

#[test]
fn ids_are_strings_or_integers_and_never_mixed_up() {
    for id in ["null", "{}", "[]", "true", "1.0", "1e3", "-0", "1.5"] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
        assert_eq!(code(&text), "message.id_invalid", "{id}");
    }
    let id = |id: &str| {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
        read(&text).unwrap().id().unwrap().clone()
    };
    assert_ne!(id("1"), id("\"1\""));
    assert_eq!(id("\"\\u0061\""), id("\"a\""));
    assert_eq!(id("12345678901234567890").raw(), "12345678901234567890");
    assert_eq!(id("\"q\\\"\"").raw(), "\"q\\\"\"");
    assert_eq!(id("\"\"").raw(), "\"\"");
}

#[test]
fn case_variants_of_protocol_keys_are_refused_outside_arguments() {
    let envelopes = [
        r#"{"jsonrpc":"2.0","id":1,"Method":"tools/call","method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","PARAMS":{}}"#,
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"param\u{17f}\":{}}",
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","param\u017f":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"ID":2,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"Tools":[]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"_Meta":{}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"","Code":2}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"a","Name":"b"}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"ResourceSubscriptions":[]}}}"#,
    ];
    for text in envelopes {
        assert_eq!(code(text), "message.case_variant", "{text}");
    }
    for key in ["Name", "ARGUMENTS", "Uri", "_META", "taskid", "RequestState", "\\u212aind\":1,\"ta\\u017fkId"] {
        let text = call(&format!(r#"{{"name":"x","{key}":"y"}}"#));
        assert_eq!(code(&text), "message.case_variant", "{key}");
    }
    for key in [
        "io.modelcontextprotocol/ProtocolVersion",
        "IO.modelcontextprotocol/clientInfo",
        "progresstoken",
        "Traceparent",
    ] {
        let text = call(&format!(r#"{{"name":"x","_meta":{{"{key}":"y"}}}}"#));
        assert_eq!(code(&text), "message.case_variant", "{key}");
    }
    let legal =
        call(r#"{"name":"x","arguments":{"Name":1,"METHOD":2,"method":3,"id":1,"ID":2,"_Meta":{}},"nickname":1}"#);
    assert_eq!(code(&legal), "accepted");
}

#[test]
fn params_that_others_rely_on_have_their_form() {
    for params in [
        r#"{"name":1}"#,
        r#"{"name":""}"#,
        r#"{"name":"a\nb"}"#,
        r#"{"name":"a\u0085b"}"#,
        r#"{"name":null}"#,
        r#"{"name":"a","arguments":[]}"#,
        r#"{"name":"a","arguments":null}"#,
    ] {
        assert_eq!(code(&call(params)), "message.param_invalid", "{params}");
    }
    for meta in [
        "[]",
        "null",
        r#"{"progressToken":{}}"#,
        r#"{"progressToken":null}"#,
        r#"{"io.modelcontextprotocol/protocolVersion":1}"#,
        r#"{"io.modelcontextprotocol/clientCapabilities":[]}"#,
    ] {
        let text = call(&format!(r#"{{"name":"a","_meta":{meta}}}"#));
        assert_eq!(code(&text), "message.meta_invalid", "{meta}");
    }
    for reference in ["{}", r#""a""#, r#"{"type":"ref/tool","name":"a"}"#, r#"{"type":"ref/prompt","uri":"a"}"#] {
        let text =
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{{"ref":{reference}}}}}"#);
        assert_eq!(code(&text), "message.param_invalid", "{reference}");
    }
    for params in [r#"{"requestId":null}"#, r#"{"requestId":[1]}"#] {
        let text = format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{params}}}"#);
        assert_eq!(code(&text), "message.param_invalid", "{params}");
    }
}

#[test]
fn completion_names_the_prompt_or_template_it_completes() {
    let text = |reference| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{{"ref":{reference}}}}}"#)
    };
    let prompt = read(&text(r#"{"type":"ref/prompt","name":"p"}"#)).unwrap();
    assert_eq!((prompt.name(), prompt.uri()), (Some("p"), None));
    let template = read(&text(r#"{"type":"ref/resource","uri":"x://{a}"}"#)).unwrap();
    assert_eq!((template.name(), template.uri()), (None, Some("x://{a}")));
}

/// A text that fits its limit passes, one byte more is refused with the given code.
fn boundary(limit: usize, expected: &str, text: impl Fn(&str) -> String) {
    assert_eq!(code(&text(&"x".repeat(limit))), "accepted");
    assert_eq!(code(&text(&"x".repeat(limit + 1))), expected);
}

#[test]
fn texts_at_their_limit_pass_and_one_more_byte_is_refused() {
    boundary(128, "message.param_too_long", |name| call(&format!(r#"{{"name":"{name}"}}"#)));
    boundary(256, "message.id_too_long", |id| format!(r#"{{"jsonrpc":"2.0","id":"{id}","method":"ping"}}"#));
    boundary(256, "message.id_too_long", |id| {
        format!(r#"{{"jsonrpc":"2.0","id":{},"method":"ping"}}"#, id.replace('x', "9"))
    });
    boundary(128, "message.method_too_long", |name| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{name}"}}"#));
    boundary(8 * 1024 - 2, "message.param_too_long", |uri| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{{"uri":"x:{uri}"}}}}"#)
    });
    boundary(256, "message.param_too_long", |id| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{{"taskId":"{id}"}}}}"#)
    });
    boundary(256, "message.meta_invalid", |token| {
        call(&format!(r#"{{"name":"a","_meta":{{"progressToken":"{token}"}}}}"#))
    });
    boundary(256, "message.param_too_long", |token| {
        format!(r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":"{token}"}}}}"#)
    });
    let wrapped = r#"{"a":""}"#.len();
    boundary(64 * 1024 - wrapped, "message.meta_too_large", |filler| {
        call(&format!(r#"{{"name":"a","_meta":{{"a":"{filler}"}}}}"#))
    });
}

#[test]
fn a_refused_message_gives_back_its_id_where_it_is_readable() {
    let id = |text: &str| read(text).unwrap_err().id;
    assert_eq!(id(&call(r#"{"name":1}"#)), Some(Id::Number("7".into())));
    assert_eq!(id(r#"{"id":"a","method":"ping"}"#), Some(Id::String("a".into())));
    assert_eq!(id(r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#), None);
    assert_eq!(id(r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#), None);
    assert_eq!(id("{"), None);
}

#[test]
fn a_missing_target_is_named_and_not_refused() {
    let missing = |text: &str| read(text).unwrap().missing_target();
    assert_eq!(missing(&call("{}")), Some("name"));
    assert_eq!(missing(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#), Some("name"));
    assert_eq!(missing(r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{}}"#), Some("ref"));
    assert_eq!(missing(&call(r#"{"name":"a"}"#)), None);
    assert_eq!(missing(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#), None);
}

#[test]
fn every_reason_has_its_json_rpc_code() {
    let rpc = |text: &str| read(text).unwrap_err().error.json_rpc_code();
    assert_eq!(rpc("{"), -32700);
    assert_eq!(rpc(r#"{"jsonrpc":"2.0","a":1,"a":2}"#), -32600);
    assert_eq!(rpc(r#"{"jsonrpc":"2.0"}"#), -32600);
    assert_eq!(rpc(&call(r#"{"name":1}"#)), -32602);
}

#[test]
fn batches_are_split_into_members_with_their_own_bytes() {
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let other = r#"{"jsonrpc":"2.0", "id":2,"result":{}}"#;
    let incoming = |text: String| parse_incoming(Bytes::from(text), &Limits::default());
    let Ok(Incoming::Batch(members)) = incoming(format!("[ {ping} ,\n{other}]")) else {
        panic!("a batch");
    };
    let bytes: Vec<_> = members.iter().map(|member| &member.bytes()[..]).collect();
    assert_eq!(bytes, [ping.as_bytes(), other.as_bytes()]);
    assert_eq!(members[1].kind(), MessageKind::Response);

    let batch = |count: usize| incoming(format!("[{}]", vec![ping; count].join(",")));
    let refusal =
        |result: Result<Incoming, Refused>| result.map_or_else(|refused| refused.error.code(), |_| "accepted");
    assert_eq!(refusal(batch(0)), "message.batch_empty");
    assert_eq!(refusal(batch(50)), "accepted");
    assert_eq!(refusal(batch(51)), "message.batch_too_large");
    assert_eq!(refusal(incoming(format!("[{ping},[{ping}]]"))), "message.not_an_object");
    assert_eq!(refusal(incoming(format!("[{ping},1]"))), "message.not_an_object");
}

#[test]
fn only_exact_names_are_methods() {
    for name in ["tools/cаll", "tools/call ", "Tools/Call", "tools%2fcall", "tools//call", "TOOLS/CALL", ""] {
        let method = Method::parse(name);
        assert_eq!(method, Method::Unknown(name.into()));
        assert_eq!(method.kind(), None);
        for revision in Revision::ALL {
            assert!(!method.allowed(revision, Direction::ClientToServer));
            assert!(!method.allowed(revision, Direction::ServerToClient));
        }
    }
    for method in Method::KNOWN {
        assert_eq!(&Method::parse(method.as_str()), method);
        assert_eq!(method.known_name(), Some(method.as_str()));
        let notification = method.as_str().starts_with("notifications/");
        assert_eq!(method.kind() == Some(MethodKind::Notification), notification);
    }
}

#[test]
fn methods_belong_to_their_revisions_and_directions() {
    use Direction::{ClientToServer as Client, ServerToClient as Server};
    let allowed = |method: &Method, direction| -> String {
        Revision::ALL.iter().map(|revision| if method.allowed(*revision, direction) { 'x' } else { '-' }).collect()
    };
    let table = [
        (Method::Initialize, "xxxx-", "-----"),
        (Method::Ping, "xxxx-", "xxxx-"),
        (Method::ServerDiscover, "----x", "-----"),
        (Method::ToolsCall, "xxxxx", "-----"),
        (Method::ResourcesSubscribe, "xxxx-", "-----"),
        (Method::TasksGet, "---xx", "---x-"),
        (Method::TasksList, "---x-", "---x-"),
        (Method::TasksUpdate, "----x", "-----"),
        (Method::SamplingCreateMessage, "-----", "xxxx-"),
        (Method::ElicitationCreate, "-----", "--xx-"),
        (Method::RootsList, "-----", "xxxx-"),
        (Method::NotificationsCancelled, "xxxxx", "xxxxx"),
        (Method::NotificationsProgress, "xxxx-", "xxxxx"),
        (Method::NotificationsTasks, "-----", "----x"),
        (Method::NotificationsElicitationComplete, "-----", "---x-"),
    ];
    for (method, client, server) in table {
        assert_eq!(allowed(&method, Client), client, "{method}");
        assert_eq!(allowed(&method, Server), server, "{method}");
    }
    assert!(Method::SamplingCreateMessage.allowed_in_input_requests(Revision::V2026_07_28));
    assert!(!Method::ToolsCall.allowed_in_input_requests(Revision::V2026_07_28));
    assert_eq!(Method::ResourcesRead.target(), Target::Uri);
    assert!(Method::ToolsList.is_list() && !Method::ToolsCall.is_list());
}

#[test]
fn revisions_are_ordered_and_read_exactly() {
    for revision in Revision::ALL {
        assert_eq!(Revision::parse(revision.as_str()), Some(revision));
    }
    assert!(Revision::ALL.is_sorted());
    for text in ["2026-07-28 ", "2026-7-28", "1999-01-01", "", "draft"] {
        assert_eq!(Revision::parse(text), None);
    }
    assert!(Revision::V2026_07_28.is_modern() && !Revision::V2025_11_25.is_modern());
}
