//! What a server may ask of a client: sampling, elicitation, roots; as JSON-RPC requests (legacy) or inside an
//! `input_required` result (2026-07-28).
//!
//! Three questions, in this order: did the client declare it, is it something that must never be asked, does policy
//! permit it. A form must not ask for secrets, and a URL must be `https` (MCP client/elicitation, "Security").

use doorward_message::{Method, Value};

use super::Expected;
use crate::model::{Ask, ClientCapabilities, Decider, Dropped};

/// Words in the name or title of a form field that ask for a secret.
const SECRET_WORDS: [&str; 10] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "apikey",
    "api_key",
    "api-key",
    "private_key",
    "credential",
    "access_token",
];

/// Checks one server request.
///
/// # Errors
/// Why it must be dropped.
pub(super) fn check(
    method: &Method,
    params: Option<Value<'_>>,
    client: ClientCapabilities,
    decider: &dyn Decider,
) -> Result<(), Dropped> {
    match method {
        Method::Ping => return Ok(()),
        Method::SamplingCreateMessage => declared(client.sampling && sampling_tools(params, client))?,
        Method::RootsList => declared(client.roots)?,
        Method::ElicitationCreate => elicitation(params, client)?,
        // The client as receiver of tasks (2025-11-25): only where it has taken a task, which nothing here lets it do.
        _ => return Err(Dropped::UnaskedRequest),
    }
    if decider.decide(&Ask::ServerRequest { method }).is_allow() { Ok(()) } else { Err(Dropped::ForbiddenRequest) }
}

/// Checks every entry of `inputRequests`.
///
/// # Errors
/// Why the result must be withheld.
pub(super) fn check_inputs(result: Value<'_>, expected: &Expected, decider: &dyn Decider) -> Result<(), Dropped> {
    let Some(requests) = result.get("inputRequests") else {
        return Ok(());
    };
    for (_, request) in requests.members() {
        let method = request.get("method").and_then(|method| method.as_str()).ok_or(Dropped::Malformed)?;
        let method = Method::parse(&method);
        if !method.allowed_in_input_requests(expected.revision) {
            return Err(Dropped::UnaskedRequest);
        }
        check(&method, request.get("params"), expected.capabilities, decider)?;
    }
    Ok(())
}

fn declared(capable: bool) -> Result<(), Dropped> {
    if capable { Ok(()) } else { Err(Dropped::UnaskedRequest) }
}

fn sampling_tools(params: Option<Value<'_>>, client: ClientCapabilities) -> bool {
    client.sampling_tools || params.and_then(|params| params.get("tools")).is_none()
}

fn elicitation(params: Option<Value<'_>>, client: ClientCapabilities) -> Result<(), Dropped> {
    let Some(params) = params else {
        return Err(Dropped::Malformed);
    };
    let mode = params.get("mode").and_then(|mode| mode.as_str());
    match mode.as_deref() {
        Some("url") => {
            declared(client.elicitation_url)?;
            let url = params.get("url").and_then(|url| url.as_str()).ok_or(Dropped::Malformed)?;
            let url = url::Url::parse(&url).map_err(|_| Dropped::ForbiddenRequest)?;
            let plain = url.scheme() == "https" && url.username().is_empty() && url.password().is_none();
            if plain { Ok(()) } else { Err(Dropped::ForbiddenRequest) }
        }
        None | Some("form") => {
            declared(client.elicitation_form)?;
            form(params.get("requestedSchema"))
        }
        Some(_) => Err(Dropped::UnaskedRequest),
    }
}

fn form(schema: Option<Value<'_>>) -> Result<(), Dropped> {
    let Some(properties) = schema.and_then(|schema| schema.get("properties")) else {
        return Ok(());
    };
    let asks_secret = |text: &str| {
        let text = text.to_ascii_lowercase();
        SECRET_WORDS.iter().any(|word| text.contains(word))
    };
    for (name, property) in properties.members() {
        let title = property.get("title").and_then(|title| title.as_str());
        let format = property.get("format").and_then(|format| format.as_str());
        if asks_secret(&name) || title.is_some_and(|title| asks_secret(&title)) || format.as_deref() == Some("password")
        {
            return Err(Dropped::ForbiddenRequest);
        }
    }
    Ok(())
}
