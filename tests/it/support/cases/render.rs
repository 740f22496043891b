//! From a case to the exact bytes of its request.
//!
//! Templates: `{{NAME}}` is a placeholder's value, `{{hex:ff00}}` raw bytes, `{{repeat:N:TEXT}}` a repetition,
//! `{{flip:NAME}}` a placeholder's value with its middle character changed,
//! `{{keys:N}}` so many small members of an object, each after a comma. Everything else is taken as it stands.

use std::collections::BTreeMap;

use super::{
    super::{rpc, upstream::Era},
    format::Case,
};

/// Placeholders and their values.
pub(crate) type Values = BTreeMap<String, String>;

/// Fills a template in.
pub(crate) fn render(template: &str, values: &Values) -> Vec<u8> {
    let mut result = Vec::with_capacity(template.len());
    let mut rest = template;
    while let Some(begin) = rest.find("{{") {
        result.extend_from_slice(&rest.as_bytes()[..begin]);
        let inside = &rest[begin + 2..];
        let end = inside.find("}}").unwrap_or_else(|| panic!("open placeholder: {inside:.40}"));
        result.extend_from_slice(&placeholder(&inside[..end], values));
        rest = &inside[end + 2..];
    }
    result.extend_from_slice(rest.as_bytes());
    result
}

/// Fills a template in that stays text.
pub(crate) fn render_text(template: &str, values: &Values) -> String {
    String::from_utf8_lossy(&render(template, values)).into_owned()
}

fn placeholder(name: &str, values: &Values) -> Vec<u8> {
    if let Some(hex) = name.strip_prefix("hex:") {
        let pairs = hex.as_bytes().chunks(2);
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        return pairs.map(byte).collect();
    }
    if let Some(count) = name.strip_prefix("keys:") {
        let count: usize = count.parse().unwrap();
        return (0..count).flat_map(|number| format!(",\"k{number}\":0").into_bytes()).collect();
    }
    if let Some(name) = name.strip_prefix("flip:") {
        let mut value = values.get(name).unwrap_or_else(|| panic!("unknown placeholder {name}")).clone().into_bytes();
        let middle = value.len() / 2;
        value[middle] = if value[middle] == b'A' { b'B' } else { b'A' };
        return value;
    }
    if let Some(repetition) = name.strip_prefix("repeat:") {
        let (count, text) = repetition.split_once(':').unwrap_or_else(|| panic!("{{{{repeat:N:TEXT}}}}, not {name}"));
        return text.repeat(count.parse().unwrap()).into_bytes();
    }
    // `{{value}}` and `{{other}}` are templates themselves.
    let value = values.get(name).unwrap_or_else(|| panic!("unknown placeholder {name}"));
    if matches!(name, "value" | "other") && value.contains("{{") {
        render(value, values)
    } else {
        value.clone().into_bytes()
    }
}

fn or<'a>(text: &'a str, default: &'a str) -> &'a str {
    if text.is_empty() { default } else { text }
}

/// The request's bytes.
pub(crate) fn request(case: &Case, values: &Values) -> Vec<u8> {
    if let Some(raw) = &case.raw {
        return render(raw, values);
    }
    let body = body(case, values);
    let payload = case.chunked.as_ref().map_or(body.clone(), |chunked| render(chunked, values));
    let mut bytes = format!(
        "{} {} {}\r\n",
        or(&case.method, "POST"),
        render_text(or(&case.target, "/mcp"), values),
        or(&case.version, "HTTP/1.1")
    )
    .into_bytes();
    for (name, value) in header_lines(case, values, body.len()) {
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(&value);
        bytes.extend_from_slice(b"\r\n");
    }
    for line in &case.headers.add {
        bytes.extend_from_slice(&render(line, values));
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&payload);
    bytes.extend_from_slice(&render(&case.tail, values));
    bytes
}

/// The header fields of an HTTP/2 request: the same lines in lower case, with `:authority` in the place of `Host`.
pub(crate) fn http2_fields(case: &Case, values: &Values) -> Vec<(String, Vec<u8>)> {
    let authority = case.authority.as_deref().unwrap_or("{{host}}");
    let pseudo = [
        (":method", or(&case.method, "POST").as_bytes().to_vec()),
        (":scheme", b"http".to_vec()),
        (":authority", render(authority, values)),
        (":path", render(or(&case.target, "/mcp"), values)),
    ];
    let pseudo = pseudo.into_iter().map(|(name, value)| (name.to_owned(), value));
    let sets_host = case.headers.set.keys().any(|name| name.eq_ignore_ascii_case("host"));
    let lines = header_lines(case, values, http2_body(case, values).len()).into_iter();
    let lines = lines.map(|(name, value)| (name.to_ascii_lowercase(), value));
    let lines = lines.filter(|(name, _)| sets_host || name != "host");
    let added = case.headers.add.iter().map(|line| {
        let line = render_text(line, values);
        let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("no header line: {line}"));
        (name.to_ascii_lowercase(), value.as_bytes().to_vec())
    });
    pseudo.chain(lines).chain(added).collect()
}

/// The body of an HTTP/2 request.
pub(crate) fn http2_body(case: &Case, values: &Values) -> Vec<u8> {
    body(case, values)
}

fn header_lines(case: &Case, values: &Values, body_bytes: usize) -> Vec<(String, Vec<u8>)> {
    let mut lines: Vec<(&str, String)> = vec![("Host", values["host"].clone())];
    if !case.no_token && values.contains_key("token") {
        lines.push(("Authorization", format!("Bearer {}", values["token"])));
    }
    let posts = matches!(or(&case.method, "POST"), "POST" | "PUT" | "post");
    if posts {
        lines.push(("Content-Type", "application/json".to_owned()));
        lines.push(("Accept", "application/json, text/event-stream".to_owned()));
    } else {
        lines.push(("Accept", "text/event-stream".to_owned()));
    }
    let method = or(&case.rpc_method, "tools/call");
    match case.era {
        Era::Modern => {
            lines.push(("MCP-Protocol-Version", rpc::MODERN.to_owned()));
            if posts {
                lines.push(("Mcp-Method", method.to_owned()));
                match &case.rpc_name {
                    Some(name) => lines.push(("Mcp-Name", render_text(name, values))),
                    None if method == "tools/call" => lines.push(("Mcp-Name", or(&case.tool, "echo").to_owned())),
                    None => {}
                }
            }
        }
        Era::Legacy if method != "initialize" => {
            lines.push(("MCP-Protocol-Version", rpc::LEGACY.to_owned()));
            if let Some(session) = values.get("session").filter(|_| !case.no_session) {
                lines.push(("Mcp-Session-Id", session.clone()));
            }
        }
        Era::Legacy => {}
    }
    if case.chunked.is_some() {
        lines.push(("Transfer-Encoding", "chunked".to_owned()));
    } else if posts {
        lines.push(("Content-Length", body_bytes.to_string()));
    }
    let lines = lines.into_iter().map(|(name, value)| (name.to_owned(), value.into_bytes()));
    let dropped = |name: &str, names: &[String]| names.iter().any(|own| own.eq_ignore_ascii_case(name));
    let mut lines: Vec<_> = lines.filter(|(name, _)| !dropped(name, &case.headers.drop)).collect();
    for (name, value) in &case.headers.set {
        let value = render(value, values);
        match lines.iter_mut().find(|(own, _)| own.eq_ignore_ascii_case(name)) {
            Some(line) => *line = (name.clone(), value),
            None => lines.push((name.clone(), value)),
        }
    }
    lines
}

fn body(case: &Case, values: &Values) -> Vec<u8> {
    if let Some(body) = &case.body {
        return render(body, values);
    }
    if !matches!(or(&case.method, "POST"), "POST" | "PUT" | "post") {
        return vec![];
    }
    let method = or(&case.rpc_method, "tools/call");
    let mut params = match &case.params {
        Some(params) => params.clone(),
        None => match method {
            "tools/call" => format!(
                r#""name":"{}","arguments":{}"#,
                or(&case.tool, "echo"),
                or(&case.arguments, r#"{"message":"{{canary}}"}"#)
            ),
            "initialize" => format!(
                r#""protocolVersion":"{}","capabilities":{{}},"clientInfo":{{"name":"{{{{canary}}}}","version":"1"}}"#,
                rpc::LEGACY
            ),
            _ => String::new(),
        },
    };
    if case.era == Era::Modern {
        let valid =
            r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}"#;
        let comma = if params.is_empty() { "" } else { "," };
        let meta = case.meta.as_deref().unwrap_or(valid);
        params = format!(r#"{params}{comma}"_meta":{{{meta}}}"#);
    }
    let id = match (case.rpc_id.as_str(), method.starts_with("notifications/")) {
        ("", true) => String::new(),
        ("", false) => r#""id":1,"#.to_owned(),
        (id, _) => format!(r#""id":{id},"#),
    };
    render(&format!(r#"{{"jsonrpc":"2.0",{id}"method":"{method}","params":{{{params}}}}}"#), values)
}
