//! Compares what was seen with what a case expects. Each difference is one failure, told with what was there instead.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use super::{
    super::{
        raw::{Exchange, Response},
        upstream::Scripted,
    },
    audit::recorded_once,
    fixture::Running,
    format::Expect,
    render::{Values, render, render_text},
};

/// Where things stood before the request.
pub(super) struct Before {
    bytes: Vec<usize>,
    requests: Vec<usize>,
    pub(super) audit: usize,
    stderr: usize,
    trap: usize,
    jwks: usize,
    /// Counted only for a case that expects some.
    pub(super) dropped: BTreeMap<String, u64>,
}

impl Before {
    pub(super) fn now(running: &Running) -> Self {
        Self {
            bytes: running.upstreams.iter().map(|upstream| upstream.bytes().len()).collect(),
            requests: running.upstreams.iter().map(|upstream| upstream.requests().len()).collect(),
            audit: running.door.audit_text().len(),
            stderr: running.door.process.stderr.bytes().len(),
            trap: trap_fetches(running),
            jwks: running.issuers[0].jwks_fetches(),
            dropped: BTreeMap::new(),
        }
    }
}

impl Before {
    /// What a crowd is looked at for beside its answers: how many requests went upstream, how often keys were fetched.
    pub(super) fn upstream_and_keys(&self, expect: &Expect, running: &Running, took: Duration) -> Vec<String> {
        let mut failures = vec![];
        if let Some(period_s) = expect.jwks_period_s {
            let (fetches, at_once) = (running.issuers[0].jwks_fetches() - self.jwks, running.issuers[0].jwks_at_once());
            let most = usize::try_from(took.as_secs() / period_s).unwrap() + 1;
            println!("  {fetches} fetches of the keys in {took:?}, {at_once} at a time");
            if !(1..=most).contains(&fetches) || at_once > 1 {
                failures.push(format!("{fetches} fetches of the keys in {took:?}, {at_once} at a time"));
            }
        }
        let all = running.requests();
        let new = all.iter().zip(&self.requests).flat_map(|(requests, before)| &requests[*before..]);
        let own = new
            .filter(|request| !request.housekeeping() && !request.bytes.windows(8).any(|part| part == b"\"beside\""));
        let hits = own.count();
        if expect.upstream_hits.is_some_and(|wanted| wanted != hits) {
            failures.push(format!("{hits} requests upstream, not {:?}", expect.upstream_hits));
        }
        failures
    }
}

fn trap_fetches(running: &Running) -> usize {
    running.issuers.iter().map(super::super::tokens::Issuer::trap_fetches).sum()
}

/// What one exchange is looked at for.
pub(super) struct Checks<'a> {
    pub(super) expect: &'a Expect,
    pub(super) seen: &'a Exchange,
    pub(super) running: &'a Running,
    pub(super) values: &'a Values,
    pub(super) before: &'a Before,
    pub(super) failures: Vec<String>,
}

impl Checks<'_> {
    pub(super) async fn all(mut self) -> Vec<String> {
        if trap_fetches(self.running) != self.before.trap {
            self.failures.push("an address out of the token was fetched".to_owned());
        }
        self.connection();
        if let Some(response) = self.seen.responses.first() {
            self.answer(response);
        }
        self.upstream();
        self.dropped().await;
        self.counted().await;
        self.audit().await;
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
        if let Some(interim) = &expect.interim {
            self.check(seen.interim == *interim, || format!("interim answers {:?}, not {interim:?}", seen.interim));
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
        for (name, text) in &expect.headers_differ {
            let (own, text) = (response.headers.all(name), render_text(text, self.values));
            self.check(!own.is_empty() && !own.contains(&text), || format!("header {name} is {own:?}"));
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
        let all = self.running.requests();
        let new = all.iter().zip(&self.before.requests).flat_map(|(requests, before)| &requests[*before..]);
        let new: Vec<_> = new.filter(|request| !request.housekeeping()).collect();
        let (upstreams, before) = (self.running.upstreams.iter().map(Scripted::bytes), self.before.bytes.iter());
        let bytes: Vec<u8> = upstreams.zip(before).flat_map(|(mut bytes, before)| bytes.split_off(*before)).collect();
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

    async fn dropped(&mut self) {
        if !self.expect.upstream_dropped {
            return;
        }
        let upstream = &self.running.upstreams[0];
        let requests = upstream.requests().split_off(self.before.requests[0]);
        let carried = requests.iter().find(|request| !request.housekeeping()).map(|request| request.connection);
        for _ in 0..80 {
            if carried.is_some_and(|connection| upstream.has_ended(connection)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        self.failures.push("the connection to the upstream is still there".to_owned());
    }

    async fn counted(&mut self) {
        if self.expect.dropped.is_empty() {
            return;
        }
        let mut now = self.running.dropped().await;
        for (reason, count) in &self.before.dropped {
            now.entry(reason.clone()).and_modify(|own| *own -= count);
        }
        now.retain(|_, count| *count > 0);
        let mut wanted = self.expect.dropped.clone();
        wanted.retain(|_, count| *count > 0);
        self.check(now == wanted, || format!("dropped: {now:?}, not {:?}", self.expect.dropped));
    }

    /// Records are written behind the answer. A refusal has exactly one.
    async fn audit(&mut self) {
        if let Some(code) = &self.expect.code {
            let message = self.seen.responses.first().and_then(Response::message).unwrap_or(Value::Null);
            let id = &message["error"]["data"]["decision_id"];
            self.failures.extend(recorded_once(code, id, || self.running.door.audit()).await);
        }
        let Some(code) = &self.expect.audit_code else { return };
        let found = self.audited(&format!("\"{code}\"")).await;
        self.check(found > 0, || format!("no audit record with {code}"));
        let refused = self.seen.responses.first().filter(|response| response.status >= 400);
        let message = refused.and_then(Response::message).unwrap_or(Value::Null);
        if let Some(id) = message["error"]["data"]["decision_id"].as_str()
            && message["error"]["data"]["code"].as_str() == Some(code)
        {
            let records = self.audited(id).await;
            self.check(records == 1, || format!("{records} audit records for the refusal, not one"));
        }
    }

    /// How many new records hold a text, once there is one.
    async fn audited(&self, text: &str) -> usize {
        for _ in 0..80 {
            let new = self.running.door.audit_text().split_off(self.before.audit);
            let count = new.lines().filter(|line| line.contains(text)).count();
            if count > 0 {
                return count;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        0
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
