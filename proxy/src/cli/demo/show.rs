//! What the demo prints: a client configuration, the token, and three lines to paste.

use std::io::IsTerminal as _;

use serde_json::{Value, json};

const REVISION: &str = "2026-07-28";

/// The whole page.
pub(super) fn page(url: &str, token: &str) -> String {
    let bold = |text: &str| {
        if std::io::stdout().is_terminal() { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    };
    let client = json!({ "mcpServers": { "doorward-demo": {
        "type": "http", "url": url, "headers": { "Authorization": format!("Bearer {token}") },
    }}});
    let call = |name: &str, arguments: Value| {
        request(url, token, "tools/call", Some(name), json!({ "name": name, "arguments": arguments }))
    };
    let allowed = call("read_file", json!({ "path": "/data/welcome.txt" }));
    let denied = call("read_file", json!({ "path": "/etc/secret.conf" }));
    let list = request(url, token, "tools/list", None, json!({}));
    format!(
        "listening on {url}\n\n{}\n{client:#}\n\n{}\n{token}\n\n{}\n{allowed}\n\n{}\n{denied}\n\n{}\n{list}\n\nCtrl-C ends the demo.\n",
        bold("Client configuration:"),
        bold("Token (user demo, one hour):"),
        bold("Allowed: a file under /data"),
        bold("Denied: a file elsewhere; error.data.code is authz.denied"),
        bold("Tools: delete_file is not among them"),
    )
}

/// One complete request of the stateless revision, on one line. The values hold no quote that a shell would see.
fn request(url: &str, token: &str, method: &str, name: Option<&str>, mut params: Value) -> String {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": REVISION,
        "io.modelcontextprotocol/clientInfo": { "name": "curl", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    if let Some(params) = params.as_object_mut() {
        params.insert("_meta".to_owned(), meta);
    }
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let name = name.map(|name| format!(" -H 'Mcp-Name: {name}'")).unwrap_or_default();
    format!(
        "curl -sS {url} -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' -H 'MCP-Protocol-Version: {REVISION}' -H 'Mcp-Method: {method}'{name} -d '{body}'"
    )
}
