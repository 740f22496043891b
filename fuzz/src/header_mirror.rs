//! Header and body agree only when they say the same; what we write agrees.

use bytes::Bytes;
use doorward_message::mirror::{
    ParamTable, check_params, check_standard, decode, encode, param_headers, standard_headers,
};
use doorward_message::{Json, Limits, Message, MessageKind};

const SCHEMA: &str = r#"{"properties":{"s":{"type":"string","x-mcp-header":"S"},"i":{"type":"integer","x-mcp-header":"I"},
    "b":{"type":"boolean","x-mcp-header":"B"},"n":{"properties":{"s":{"type":"string","x-mcp-header":"N"}}}}}"#;

/// Lines: a header value, a name and a value of a header, then a body. Each may be missing.
pub(crate) fn check(data: &[u8]) {
    let mut parts = data.splitn(3, |byte| *byte == b'\n');
    let value = parts.next().unwrap_or_default();
    let line = parts.next().unwrap_or_default();
    let body = parts.next().unwrap_or_default();
    if let Ok(text) = decode(value) {
        let encoded = encode(&text);
        assert!(encoded.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')));
        assert_eq!(decode(encoded.as_bytes()).as_deref(), Ok(&*text));
    }
    if let Ok(text) = std::str::from_utf8(value) {
        assert_eq!(decode(encode(text).as_bytes()).as_deref(), Ok(text));
    }
    let limits = Limits::default();
    let Ok(message) = Message::parse(Bytes::copy_from_slice(body), &limits) else {
        if let Ok(schema) = Json::parse(Bytes::copy_from_slice(body), &limits) {
            let _ = ParamTable::from_schema(schema.root());
        }
        return;
    };
    let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
    let sent = (&line[..colon], line.get(colon + 1..).unwrap_or_default());
    agree(&message, sent);
}

fn agree(message: &Message, sent: (&[u8], &[u8])) {
    let made = standard_headers(message);
    let headers = made.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    if message.is_modern() {
        assert_eq!(check_standard(message, headers.clone()), Ok(()));
        // A second line of a mirrored header, whatever it says, is refused.
        let mirrored = made.iter().any(|(name, _)| sent.0.eq_ignore_ascii_case(name.as_bytes()));
        let name = sent.0.eq_ignore_ascii_case(b"mcp-name") && message.kind() == MessageKind::Request;
        if mirrored || name {
            assert!(check_standard(message, headers.chain([sent])).is_err());
        }
    }
    let schema = Json::parse(Bytes::from_static(SCHEMA.as_bytes()), &Limits::default()).expect("the schema");
    let table = ParamTable::from_schema(schema.root()).expect("the table");
    if let Ok(made) = param_headers(message.arguments(), &table) {
        let headers = made.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        assert_eq!(check_params(message.arguments(), headers.clone(), &table), Ok(()));
        let known = table.params().iter().any(|param| sent.0.eq_ignore_ascii_case(param.header_name().as_bytes()));
        assert_eq!(check_params(message.arguments(), headers.chain([sent]), &table).is_err(), known);
    }
}
