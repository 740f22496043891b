//! MCP messages as a correct client sends them, in both eras.

use std::time::Duration;

use serde_json::{Value, json};

pub(crate) const MODERN: &str = "2026-07-28";
pub(crate) const LEGACY: &str = "2025-11-25";

/// The required `_meta` of a modern request.
pub(crate) fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "doorward-tests", "version": "1" },
    })
}

/// The value that `Mcp-Name` mirrors.
pub(crate) fn mirrored_name<'a>(method: &str, params: &'a Value) -> Option<&'a str> {
    let key = match method {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        "tasks/get" | "tasks/update" | "tasks/cancel" => "taskId",
        _ => return None,
    };
    params.get(key)?.as_str()
}

/// A message as it is posted: its headers and its body.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Message {
    /// A modern request with id 1.
    pub(crate) fn modern(method: &str, mut params: Value) -> Self {
        if params.get("_meta").is_none() {
            params["_meta"] = meta();
        }
        let mut headers = post_headers();
        headers.push(("mcp-protocol-version", MODERN.to_owned()));
        headers.push(("mcp-method", method.to_owned()));
        headers.extend(mirrored_name(method, &params).map(|name| ("mcp-name", name.to_owned())));
        Self { headers, body: json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string() }
    }

    /// A modern call of a tool.
    pub(crate) fn call(tool: &str, arguments: Value) -> Self {
        Self::modern("tools/call", json!({ "name": tool, "arguments": arguments }))
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

fn post_headers() -> Vec<(&'static str, String)> {
    vec![("content-type", "application/json".to_owned()), ("accept", "application/json, text/event-stream".to_owned())]
}

/// An answer to one message.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: String,
    /// The JSON-RPC message that answers; the last one of a stream.
    pub(crate) message: Value,
    /// All messages, notifications included.
    pub(crate) messages: Vec<Value>,
}

impl Answer {
    /// Reads the messages out of a whole answer.
    pub(crate) fn read(status: u16, headers: http::HeaderMap, body: String) -> Self {
        let sse = headers.get("content-type").is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"));
        let messages: Vec<Value> = if sse {
            let raw = super::raw::Response {
                headers: super::raw::Lines(vec![("content-type".to_owned(), b"text/event-stream".to_vec())]),
                body: body.clone().into_bytes(),
                ..Default::default()
            };
            raw.events()
        } else {
            serde_json::from_str(&body).into_iter().collect()
        };
        let message = messages.last().cloned().unwrap_or(Value::Null);
        Self { status, headers, body, message, messages }
    }

    /// `result`, or a panic that shows the answer.
    pub(crate) fn result(&self) -> &Value {
        self.message.get("result").unwrap_or_else(|| panic!("no result in {} {}", self.status, self.body))
    }

    /// The stable code of a refusal.
    pub(crate) fn code(&self) -> &str {
        self.message["error"]["data"]["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn rpc_code(&self) -> i64 {
        self.message["error"]["code"].as_i64().unwrap_or_default()
    }

    /// The names of a list's items (`name`, else `uri`, else `uriTemplate`).
    pub(crate) fn names(&self) -> Vec<String> {
        let lists = ["tools", "prompts", "resources", "resourceTemplates"];
        let items = lists.iter().find_map(|list| self.result().get(list)).and_then(Value::as_array);
        let items = items.unwrap_or_else(|| panic!("not a list: {}", self.body));
        let name =
            |item: &Value| ["name", "uri", "uriTemplate"].iter().find_map(|key| item[key].as_str()).map(str::to_owned);
        items.iter().filter_map(name).collect()
    }
}

/// A correct, plain client of one era.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    pub(crate) url: String,
    pub(crate) token: Option<String>,
    /// The legacy session; `None` speaks the modern era.
    pub(crate) session: Option<String>,
    legacy: bool,
    revision: &'static str,
    /// What a modern client declares.
    capabilities: Value,
    extra: Vec<(&'static str, String)>,
}

impl Client {
    /// A modern client.
    pub(crate) fn modern(url: &str, token: Option<&str>) -> Self {
        let http =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(Duration::from_secs(30));
        Self {
            http: http.build().unwrap(),
            url: url.to_owned(),
            token: token.map(str::to_owned),
            session: None,
            legacy: false,
            revision: LEGACY,
            capabilities: json!({}),
            extra: vec![],
        }
    }

    /// A legacy client, initialized.
    pub(crate) async fn legacy(url: &str, token: Option<&str>) -> Self {
        let client = Self { legacy: true, ..Self::modern(url, token) };
        client.initialized(LEGACY, json!({})).await
    }

    /// A legacy client of this revision that declares these capabilities. Its other requests name no revision, where it
    /// is not [`LEGACY`].
    pub(crate) async fn legacy_with(url: &str, revision: &'static str, capabilities: Value) -> Self {
        let client = Self { legacy: true, revision, ..Self::modern(url, None) };
        client.initialized(revision, capabilities).await
    }

    async fn initialized(mut self, revision: &str, capabilities: Value) -> Self {
        let info = json!({ "name": "doorward-tests", "version": "1" });
        let params = json!({ "protocolVersion": revision, "capabilities": capabilities, "clientInfo": info });
        let answer = self.request("initialize", params).await;
        assert_eq!(answer.result()["protocolVersion"], revision);
        self.session = answer.headers.get("mcp-session-id").map(|value| value.to_str().unwrap().to_owned());
        let accepted = self.notify("notifications/initialized", json!({})).await;
        assert_eq!(accepted.status, 202, "{}", accepted.body);
        self
    }

    /// A legacy client within a session that exists.
    pub(crate) fn in_session(self, session: Option<String>) -> Self {
        Self { session, legacy: true, ..self }
    }

    /// The same modern client with these capabilities.
    pub(crate) fn declaring(self, capabilities: Value) -> Self {
        Self { capabilities, ..self }
    }

    /// The same client with one more header in every request.
    pub(crate) fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.extra.push((name, value.to_owned()));
        self
    }

    /// Sends a request with id 1.
    pub(crate) async fn request(&self, method: &str, params: Value) -> Answer {
        self.send(method, Some(json!(1)), params).await
    }

    /// Calls a tool.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Answer {
        self.request("tools/call", json!({ "name": tool, "arguments": arguments })).await
    }

    pub(crate) async fn notify(&self, method: &str, params: Value) -> Answer {
        self.send(method, None, params).await
    }

    async fn send(&self, method: &str, id: Option<Value>, mut params: Value) -> Answer {
        if !self.legacy {
            let mut meta = meta();
            meta["io.modelcontextprotocol/clientCapabilities"] = self.capabilities.clone();
            params["_meta"] = meta;
        }
        let mut message = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        if let Some(id) = id {
            message["id"] = id;
        }
        let mut request = self.prepared(http::Method::POST).header("content-type", "application/json");
        if !self.legacy {
            request = request.header("mcp-protocol-version", MODERN).header("mcp-method", method);
            if let Some(name) = mirrored_name(method, &message["params"]) {
                request = request.header("mcp-name", name);
            }
        } else if method != "initialize" && self.revision == LEGACY {
            request = request.header("mcp-protocol-version", LEGACY);
        }
        Self::answer(request.header("accept", "application/json, text/event-stream").body(message.to_string())).await
    }

    /// A request of this client's identity and session, to be completed.
    pub(crate) fn prepared(&self, method: http::Method) -> reqwest::RequestBuilder {
        let mut request = self.http.request(method, &self.url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in &self.extra {
            request = request.header(*name, value);
        }
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session);
        }
        request
    }

    /// Sends and reads the answer to its end.
    pub(crate) async fn answer(request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer::read(status, headers, response.text().await.unwrap())
    }
}
