//! Runs case files: byte-exact requests against a real door in front of a scripted upstream.
//!
//! Every case ends with the common tail: the door is alive, a valid call on a fresh connection answers 200, nothing
//! panicked. All failures of a file are reported together.

mod audit;
mod format;
mod render;

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use serde_json::Value;

pub(crate) use self::audit::recorded_once;
use self::{
    format::{Case, CaseFile, DoorFixture, Expect, UpstreamScript},
    render::{Values, render, render_text, request},
};
use super::{
    door::{Door, Setup},
    parts::{repository, repository_text},
    raw::{Exchange, Patience, Piece, Response, exchange},
    rpc::Client,
    tokens::Issuer,
    upstream::{Era, Reply, Scripted, Step},
};

/// The resource URI, and so the audience, of every case's route.
pub(crate) const RESOURCE: &str = "https://mcp.example.com/mcp";

/// What a door of a file runs with when the file does not say: everybody of the issuer may do everything.
const PERMIT_ALL: &str = "permit(principal, action, resource);";

struct Running {
    door: Door,
    upstream: Scripted,
    issuer: Issuer,
    /// The legacy session of the common tail, also `{{session}}`.
    session: Option<String>,
    anonymous: bool,
}

impl Running {
    async fn start(fixture: &DoorFixture, era: Era) -> Self {
        let upstream = Scripted::start(era).await;
        for (method, result) in &fixture.results {
            upstream.set_result(method, serde_json::from_str(result).expect("results are JSON"));
        }
        let issuer = Issuer::start(RESOURCE).await;
        let policies = if fixture.policies.is_empty() { PERMIT_ALL } else { &fixture.policies };
        let authentication = if fixture.no_authentication {
            String::new()
        } else {
            format!("authentication:\n  issuers:\n  - issuer: {}\n    audiences: [ {RESOURCE} ]\n", issuer.url())
        };
        let yaml = format!(
            "listen: {{ address: 127.0.0.1:0 }}\n{authentication}\
             authorization: {{ policies: {{{{folder}}}}/policies }}\n\
             upstreams: {{ test: {{ url: {} }} }}\n\
             routes: {{ /mcp: {{ upstream: test, resource: {RESOURCE} }} }}\n\
             observe: {{ audit: {{ file: {{{{folder}}}}/audit.jsonl }} }}\n{}\n",
            upstream.url, fixture.config
        );
        let mut setup = Setup::config(&yaml).file("policies/case.cedar", policies);
        if fixture.no_authentication {
            setup = setup.no_authentication();
        }
        let door = setup.start().await;
        let mut running = Self { door, upstream, issuer, session: None, anonymous: fixture.no_authentication };
        running.warm(era).await;
        running
    }

    fn valid_token(&self) -> Option<String> {
        (!self.anonymous).then(|| self.issuer.token("alice"))
    }

    /// Waits until the door knows its upstream's catalogue, and opens the session of the legacy era.
    async fn warm(&mut self, era: Era) {
        let token = self.valid_token();
        let client = match era {
            Era::Modern => Client::modern(&self.door.url, token.as_deref()),
            Era::Legacy => Client::legacy(&self.door.url, token.as_deref()).await,
        };
        self.session.clone_from(&client.session);
        for _ in 0..100 {
            let answer = client.call("echo", serde_json::json!({ "message": "warm" })).await;
            if answer.code() != "upstream.catalogue_unknown" {
                assert_eq!(
                    answer.status,
                    200,
                    "the first valid call: {}\n{}",
                    answer.body,
                    self.door.process.stderr.text()
                );
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the catalogue stays unknown\n{}", self.door.process.stderr.text());
    }
}

/// Runs all cases of `tests/cases/NAME.toml`.
pub(crate) async fn run_file(name: &str) {
    let path = format!("tests/cases/{name}.toml");
    let text = std::fs::read_to_string(repository().join(&path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let file = format::parse(&text, &path);
    let mut doors: HashMap<(String, Era), Running> = HashMap::new();
    let mut failures = vec![];
    for (number, case) in file.cases.iter().enumerate() {
        let key = (if case.door.is_empty() { "default".to_owned() } else { case.door.clone() }, case.era);
        if !doors.contains_key(&key) {
            let running = Running::start(&fixture(&file, &key.0, &path), case.era).await;
            doors.insert(key.clone(), running);
        }
        let running = doors.get_mut(&key).expect("just started");
        let mut found = run_case(case, running, number).await;
        found.extend(common_tail(running, case.era).await);
        for failure in found {
            failures.push(format!("{} {} [{}]: {failure}", case.id, case.title, case.name));
        }
        if !running.door.process.alive() {
            doors.remove(&key);
        }
    }
    let total = file.cases.len();
    assert!(failures.is_empty(), "{path}: {} failures in {total} cases\n{}", failures.len(), failures.join("\n"));
}

/// Reads a case file without running it: the format check of files whose subject is not there yet.
pub(crate) fn read_file(name: &str) -> usize {
    let path = format!("tests/cases/{name}.toml");
    let text = std::fs::read_to_string(repository().join(&path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let file = format::parse(&text, &path);
    let values: Values = ["host", "token", "canary", "session", "value", "other", "resource"]
        .map(|name| (name.to_owned(), "x".to_owned()))
        .into();
    for case in &file.cases {
        fixture(&file, if case.door.is_empty() { "default" } else { &case.door }, &path);
        for one in std::iter::once(case).chain(&case.steps) {
            let mut values = values.clone();
            values.insert("value".to_owned(), one.value.clone());
            values.insert("other".to_owned(), one.other.clone());
            values.extend(
                case.steps.iter().flat_map(|step| step.capture.keys().map(|name| (name.clone(), "x".to_owned()))),
            );
            assert!(!request(one, &values).is_empty(), "{path}: {} makes no request", case.id);
        }
    }
    file.cases.len()
}

/// The codes that a case file provokes, each with whether a case asserts that nothing of the request went upstream.
pub(crate) fn codes_of(name: &str) -> Vec<(String, bool)> {
    let path = format!("tests/cases/{name}.toml");
    let file = format::parse(&repository_text(&path), &path);
    let run = |case: Case| if case.steps.is_empty() { vec![case] } else { case.steps };
    let expected = |case: Case| Some((case.expect.code?, case.expect.upstream_hits == Some(0)));
    file.cases.into_iter().flat_map(run).filter_map(expected).collect()
}

fn fixture(file: &CaseFile, name: &str, path: &str) -> DoorFixture {
    match file.doors.get(name) {
        Some(fixture) => fixture.clone(),
        None if name == "default" => DoorFixture::default(),
        None => panic!("{path}: no [door.{name}]"),
    }
}

async fn run_case(case: &Case, running: &mut Running, number: usize) -> Vec<String> {
    let mut values = Values::new();
    values.insert("host".to_owned(), running.door.address());
    values.insert("canary".to_owned(), format!("canary-{number}-{}", case.id));
    values.insert("resource".to_owned(), RESOURCE.to_owned());
    if let Some(session) = &running.session {
        values.insert("session".to_owned(), session.clone());
    }
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

async fn run_step(case: &Case, running: &mut Running, values: &mut Values) -> Vec<String> {
    values.insert("value".to_owned(), case.value.clone());
    values.insert("other".to_owned(), case.other.clone());
    if running.anonymous {
        values.remove("token");
    } else {
        let mut recipe = case.token.clone();
        recipe.verbatim = recipe.verbatim.map(|verbatim| render_text(&verbatim, values));
        values.insert("token".to_owned(), running.issuer.token_with(&recipe));
    }
    let bytes = request(case, values);
    running.upstream.script(case.upstream.iter().map(|script| reply(script, values)));
    let before = Before::now(running);
    let (pieces, patience) = sending(case, bytes);
    let seen = exchange(&running.door.address(), &pieces, patience).await;
    for (name, source) in &case.capture {
        match captured(&seen, source) {
            Some(value) => values.insert(name.clone(), value),
            None => {
                return vec![format!("nothing to capture at {source}: {:?}", String::from_utf8_lossy(&seen.received))];
            }
        };
    }
    let mut failures =
        Checks { expect: &case.expect, seen: &seen, running, values, before: &before, failures: vec![] }.all();
    if let Some(code) = &case.expect.code {
        let message = seen.responses.first().and_then(Response::message).unwrap_or(Value::Null);
        let id = &message["error"]["data"]["decision_id"];
        failures.extend(recorded_once(code, id, || running.door.audit()).await);
    }
    if let Some(code) = &case.expect.audit_code
        && !audited(running, before.audit, code).await
    {
        failures.push(format!("no audit record with {code} in {:?}", running.door.audit_text().get(before.audit..)));
    }
    failures
}

/// How the bytes go out, and how long to wait for what comes back.
fn sending(case: &Case, bytes: Vec<u8>) -> (Vec<Piece>, Patience) {
    let mut patience = Patience::default();
    if let Some(patience_ms) = case.patience_ms {
        patience.response = Duration::from_millis(patience_ms);
    }
    if case.expect.close == Some(true) {
        patience.linger = Duration::from_secs(3);
    }
    if case.split_bytes == 0 {
        return (vec![bytes.into()], patience);
    }
    let piece = |bytes: &[u8]| Piece { pause_ms: case.split_pause_ms, bytes: bytes.to_vec() };
    (bytes.chunks(case.split_bytes).map(piece).collect(), patience)
}

fn reply(script: &UpstreamScript, values: &Values) -> Reply {
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
    for piece in &script.send {
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

/// Whether an audit record after `from` names `code`; records are written behind the answer.
async fn audited(running: &Running, from: usize, code: &str) -> bool {
    for _ in 0..80 {
        let text = running.door.audit_text();
        if text.get(from..).is_some_and(|new| new.contains(&format!("\"{code}\""))) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    false
}

/// Where things stood before the request.
struct Before {
    bytes: usize,
    requests: usize,
    audit: usize,
    stderr: usize,
    trap: usize,
}

impl Before {
    fn now(running: &Running) -> Self {
        Self {
            bytes: running.upstream.bytes().len(),
            requests: running.upstream.requests().len(),
            audit: running.door.audit_text().len(),
            stderr: running.door.process.stderr.bytes().len(),
            trap: running.issuer.trap_fetches(),
        }
    }
}

struct Checks<'a> {
    expect: &'a Expect,
    seen: &'a Exchange,
    running: &'a Running,
    values: &'a Values,
    before: &'a Before,
    failures: Vec<String>,
}

impl Checks<'_> {
    fn all(mut self) -> Vec<String> {
        if self.running.issuer.trap_fetches() != self.before.trap {
            self.failures.push("an address out of the token was fetched".to_owned());
        }
        self.connection();
        if let Some(response) = self.seen.responses.first() {
            self.answer(response);
        }
        self.upstream();
        self.absent();
        self.failures
    }

    fn check(&mut self, holds: bool, failure: impl FnOnce() -> String) {
        if !holds {
            self.failures.push(failure());
        }
    }

    fn connection(&mut self) {
        let (expect, seen) = (self.expect, self.seen);
        let shown = || format!("{:.300?}", String::from_utf8_lossy(&seen.received));
        if expect.no_answer {
            self.check(seen.responses.is_empty(), || format!("an answer came: {}", shown()));
        } else {
            self.check(!seen.responses.is_empty(), || format!("no answer (closed: {})", seen.closed));
        }
        if let Some(close) = expect.close {
            self.check(seen.closed == close, || format!("closed: {}, not {close}", seen.closed));
        }
        if let Some(count) = expect.responses {
            self.check(seen.responses.len() == count, || {
                format!("{} answers, not {count}: {}", seen.responses.len(), shown())
            });
        }
        if let Some(limit_ms) = expect.within_ms {
            let took = seen.elapsed;
            self.check(took <= Duration::from_millis(limit_ms), || format!("took {took:?}, more than {limit_ms} ms"));
        }
    }

    fn answer(&mut self, response: &Response) {
        let expect = self.expect;
        if let Some(status) = &expect.status {
            let text = response.text();
            self.check(status.contains(response.status), || {
                format!("status {}, not {status:?}: {text:.300}", response.status)
            });
        }
        let message = response.message().unwrap_or(Value::Null);
        if let Some(code) = expect.rpc_code {
            let own = &message["error"]["code"];
            self.check(own.as_i64() == Some(code), || format!("JSON-RPC code {own}, not {code}"));
        }
        if let Some(code) = &expect.code {
            let own = &message["error"]["data"]["code"];
            self.check(own.as_str() == Some(code), || format!("data.code {own}, not {code}"));
        }
        for (name, part) in &expect.headers {
            let own = response.headers.all(name);
            self.check(own.iter().any(|value| value.contains(part)), || {
                format!("header {name} is {own:?}, lacks {part:?}")
            });
        }
        for name in &expect.headers_absent {
            let own = response.headers.all(name);
            self.check(own.is_empty(), || format!("header {name} is there: {own:?}"));
        }
        for part in &expect.body_contains {
            let (part, text) = (render_text(part, self.values), response.text());
            self.check(text.contains(&part), || format!("the body lacks {part:?}: {text:.300}"));
        }
        for (pointer, value) in &expect.json {
            let own = message.pointer(pointer).cloned().unwrap_or(Value::Null);
            self.check(own == *value, || format!("{pointer} is {own}, not {value}"));
        }
        if let Some(count) = expect.messages {
            let own = response.events().len();
            self.check(own == count, || format!("{own} messages, not {count}: {:.500}", response.text()));
        }
    }

    fn upstream(&mut self) {
        let expect = self.expect;
        let all = self.running.upstream.requests();
        let new: Vec<_> = all[self.before.requests..].iter().filter(|request| !request.housekeeping()).collect();
        let bytes = self.running.upstream.bytes().split_off(self.before.bytes);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some(hits) = expect.upstream_hits {
            self.check(new.len() == hits, || format!("{} requests upstream, not {hits}: {text:.300}", new.len()));
            if hits == 0 {
                let canary = &self.values["canary"];
                self.check(!text.contains(canary.as_str()), || format!("bytes of it went upstream: {text:.300}"));
            }
        }
        let first = new.first();
        for (name, value) in &expect.upstream_headers {
            let own = first.map(|request| request.headers.all(name)).unwrap_or_default();
            self.check(own == [value.as_str()], || format!("upstream sees {name}: {own:?}, not {value:?}"));
        }
        for name in &expect.upstream_headers_absent {
            let own: Vec<_> = new.iter().flat_map(|request| request.headers.all(name)).collect();
            self.check(own.is_empty(), || format!("upstream sees {name}: {own:?}"));
        }
        for part in &expect.upstream_contains {
            let part = render(part, self.values);
            let there = first.is_some_and(|request| request.body.windows(part.len()).any(|window| window == part));
            self.check(there, || format!("upstream did not get {:?}: {text:.500}", String::from_utf8_lossy(&part)));
        }
        for part in &expect.upstream_absent {
            let part = render_text(part, self.values);
            self.check(!text.contains(&part), || format!("upstream got {part:?}"));
        }
    }

    fn absent(&mut self) {
        let audit = self.running.door.audit_text().split_off(self.before.audit);
        let stderr = self.running.door.process.stderr.bytes().split_off(self.before.stderr);
        let places: BTreeMap<&str, String> = [
            ("answer", String::from_utf8_lossy(&self.seen.received).into_owned()),
            ("audit", audit),
            ("log", String::from_utf8_lossy(&stderr).into_owned()),
        ]
        .into();
        // A token is a secret wherever it turns up, whole or its signed part.
        let token = self.values.get("token").filter(|token| token.len() > 40).cloned();
        let wanted = self.expect.absent.iter().map(|text| render_text(text, self.values));
        for text in wanted.chain(token) {
            for (place, content) in &places {
                self.check(!content.contains(&text), || format!("the {place} holds {text:.60?}"));
            }
        }
    }
}

/// After every case: the door lives, serves, and has not panicked.
async fn common_tail(running: &mut Running, era: Era) -> Vec<String> {
    running.upstream.script([]);
    let mut failures = vec![];
    if !running.door.process.alive() {
        failures.push("the door is gone".to_owned());
    } else {
        let token = running.valid_token();
        let mut client = Client::modern(&running.door.url, token.as_deref());
        if era == Era::Legacy {
            client = client.in_session(running.session.clone());
        }
        let answer = client.call("echo", serde_json::json!({ "message": "still there" })).await;
        if answer.status != 200 || answer.message.get("result").is_none() {
            failures.push(format!("the next valid call: {} {}", answer.status, answer.body));
        }
    }
    let log = running.door.process.stderr.text();
    if log.contains("panicked at") {
        failures.push(format!("a panic: {log}"));
    }
    failures
}
