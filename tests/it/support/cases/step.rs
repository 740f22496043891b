//! One step: makes the request, sends it to the byte, looks at everything that came of it.

use std::time::Duration;

use super::{
    super::{
        h2,
        raw::{Exchange, Patience, Piece, exchange},
        tokens::Recipe,
        upstream::{Reply, Step},
    },
    checks::{Before, Checks},
    fixture::{RESOURCE, Running},
    format::{Case, UpstreamScript},
    render::{Values, http2_body, http2_fields, render, render_text, request},
};

/// Runs a case: its one request, or its steps one after the other.
pub(super) async fn run_case(case: &Case, running: &mut Running, number: usize) -> Vec<String> {
    let mut values = values(case, running, number);
    if case.steps.is_empty() {
        return run_step(case, running, &mut values).await;
    }
    let mut failures = vec![];
    for (place, step) in case.steps.iter().enumerate() {
        let found = run_step(step, running, &mut values).await;
        failures.extend(found.into_iter().map(|failure| format!("step {}: {failure}", place + 1)));
    }
    failures
}

/// The placeholders that every request of a case has.
pub(super) fn values(case: &Case, running: &Running, number: usize) -> Values {
    let mut values = Values::new();
    values.insert("host".to_owned(), running.door.address());
    values.insert("canary".to_owned(), format!("canary-{number}-{}", case.id));
    values.insert("resource".to_owned(), RESOURCE.to_owned());
    values.insert("number".to_owned(), String::new());
    for (name, issuer) in ["first_issuer", "second_issuer"].into_iter().zip(&running.issuers) {
        values.insert(name.to_owned(), issuer.url().to_owned());
    }
    if let Some(session) = &running.session {
        values.insert("session".to_owned(), session.clone());
    }
    values
}

/// Sets `{{token}}` to what the case's recipe makes, and `{{value}}` and `{{other}}`.
pub(super) fn prepare(case: &Case, running: &Running, values: &mut Values) {
    values.insert("value".to_owned(), case.value.clone());
    values.insert("other".to_owned(), case.other.clone());
    if running.anonymous {
        values.remove("token");
        return;
    }
    let issuer = match case.issuer.as_str() {
        "" | "first" => &running.issuers[0],
        "second" => running.issuers.get(1).expect("the door has a second issuer"),
        other => panic!("no issuer {other}"),
    };
    values.insert("token".to_owned(), issuer.token_with(&recipe(&case.token, values)));
}

/// The recipe with its templates filled in.
fn recipe(recipe: &Recipe, values: &Values) -> Recipe {
    let mut recipe = recipe.clone();
    let fill = |text: &mut String| *text = render_text(text, values);
    recipe.verbatim.iter_mut().for_each(fill);
    recipe.kid.iter_mut().for_each(fill);
    for claim in recipe.claims.values_mut() {
        // What the issuer fills in itself stays.
        if let serde_json::Value::String(text) = claim
            && text.contains("_issuer}}")
        {
            fill(text);
        }
    }
    recipe
}

async fn run_step(case: &Case, running: &mut Running, values: &mut Values) -> Vec<String> {
    tokio::time::sleep(Duration::from_millis(case.wait_ms)).await;
    prepare(case, running, values);
    let mut before = Before::now(running);
    if !case.expect.dropped.is_empty() {
        before.dropped = running.dropped().await;
    }
    if let Some(policies) = &case.policies {
        running.set_policies(policies).await;
    }
    for upstream in &running.upstreams {
        upstream.script(case.upstream.iter().map(|script| reply(script, values)));
    }
    if let Some(crowd) = &case.crowd {
        return super::crowd::run(case, crowd, running, values).await;
    }
    let seen = send(case, running, values).await;
    for (name, source) in &case.capture {
        match captured(&seen, source) {
            Some(value) => values.insert(name.clone(), value),
            None => {
                return vec![format!("nothing to capture at {source}: {:?}", String::from_utf8_lossy(&seen.received))];
            }
        };
    }
    Checks { expect: &case.expect, seen: &seen, running, values, before: &before, failures: vec![] }.all().await
}

async fn send(case: &Case, running: &Running, values: &Values) -> Exchange {
    let address = running.door.address();
    if case.http2 {
        let (fields, body) = (http2_fields(case, values), http2_body(case, values));
        let patience = case.patience_ms.map_or(Patience::default().response, Duration::from_millis);
        return h2::exchange(&address, &h2::request(&fields, &body), patience).await;
    }
    let (pieces, patience) = sending(case, request(case, values));
    exchange(&address, &pieces, patience).await
}

/// How the bytes go out, and how long to wait for what comes back.
pub(super) fn sending(case: &Case, bytes: Vec<u8>) -> (Vec<Piece>, Patience) {
    let mut patience = Patience::default();
    if let Some(patience_ms) = case.patience_ms {
        patience.response = Duration::from_millis(patience_ms);
    }
    if case.expect.close == Some(true) {
        patience.linger = Duration::from_secs(3);
    }
    patience.unread = Duration::from_millis(case.unread_ms);
    if case.split_bytes == 0 {
        return (vec![bytes.into()], patience);
    }
    let piece = |bytes: &[u8]| Piece { pause_ms: case.split_pause_ms, bytes: bytes.to_vec() };
    let mut pieces: Vec<Piece> = bytes.chunks(case.split_bytes).map(piece).collect();
    if let Some(first) = pieces.first_mut() {
        first.pause_ms = 0;
    }
    (pieces, patience)
}

pub(super) fn reply(script: &UpstreamScript, values: &Values) -> Reply {
    let bytes = |template: &str| {
        // `{{id}}` is filled in by the upstream, when it knows the request.
        let mut values = values.clone();
        values.insert("id".to_owned(), "{{id}}".to_owned());
        render(template, &values)
    };
    let mut steps = vec![];
    if let Some(result) = &script.result {
        // The id's length is not known yet, so the body ends with the connection.
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n";
        steps.push(Step::Send(bytes(&format!(r#"{head}{{"jsonrpc":"2.0","id":{{{{id}}}},"result":{result}}}"#))));
        steps.push(Step::Close);
    }
    if !script.events.is_empty() {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
        steps.push(Step::Send(head.as_bytes().to_vec()));
        for event in &script.events {
            steps.push(Step::Send(bytes(&format!("{event}\n\n"))));
            steps.push(Step::Pause(Duration::from_millis(script.pause_ms)));
        }
        steps.push(Step::Close);
    }
    let last = script.send.last().filter(|_| script.last_times.is_some());
    let again = last.into_iter().cycle().take(script.last_times.unwrap_or(1) - 1);
    let pieces = script.send.len() + script.last_times.unwrap_or(1) - 1;
    for (place, piece) in script.send.iter().chain(again).enumerate() {
        if script.gate && place + 1 == pieces {
            steps.push(Step::Gate);
        }
        steps.push(Step::Send(bytes(piece)));
        steps.push(Step::Pause(Duration::from_millis(script.pause_ms)));
    }
    if script.close {
        steps.push(Step::Close);
    }
    Reply { on: script.on.clone(), steps, times: script.times.unwrap_or(1) }
}

fn captured(seen: &Exchange, source: &str) -> Option<String> {
    let response = seen.responses.first()?;
    if let Some(name) = source.strip_prefix("header:") {
        return response.headers.get(name);
    }
    let pointer = source.strip_prefix("json:")?;
    let value = response.message()?.pointer(pointer)?.clone();
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}
