//! The format of a case file: TOML, read strictly, so that a misspelt key fails instead of testing nothing.
//!
//! A file has `[door.NAME]` tables (doors to start) and `[[case]]` tables. A case is one request, or several `step`s; a
//! `variant` or a step is the case with some keys replaced. What a case leaves out is what a valid call has, so that a
//! case shows just its one difference.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{
    super::{tokens::Recipe, upstream::Era},
    crowd::Crowd,
    fixture::DoorFixture,
    start::StartCase,
    stdio::StdioCase,
};

/// How the upstream answers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct UpstreamScript {
    /// The JSON-RPC (or HTTP) method this answers; by default whatever the case sends.
    pub(crate) on: Option<String>,
    /// What to write; a template. `{{id}}` is the request's id.
    pub(crate) send: Vec<String>,
    /// How often the last piece is written.
    pub(crate) last_times: Option<usize>,
    /// Pause after each piece.
    pub(crate) pause_ms: u64,
    /// Before the last piece, waits until everybody of a crowd has come.
    pub(crate) gate: bool,
    /// Close the connection afterwards.
    pub(crate) close: bool,
    /// A JSON-RPC `result` (JSON text): a complete JSON answer is made of it.
    pub(crate) result: Option<String>,
    /// Events (templates, without the blank line): a complete `text/event-stream` answer is made of them.
    pub(crate) events: Vec<String>,
    /// For how many requests.
    pub(crate) times: Option<usize>,
}

/// Changes to the header lines of a valid request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HeaderChanges {
    /// Replaces or adds: name → value (templates).
    pub(crate) set: BTreeMap<String, String>,
    /// Leaves out.
    pub(crate) drop: Vec<String>,
    /// Whole lines (templates, without line end) put after the others.
    pub(crate) add: Vec<String>,
}

/// One number or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOf {
    One(u16),
    Several(Vec<u16>),
}

impl OneOf {
    pub(crate) fn contains(&self, status: u16) -> bool {
        match self {
            Self::One(own) => *own == status,
            Self::Several(all) => all.contains(&status),
        }
    }
}

/// What must be seen.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Expect {
    /// HTTP status of the first answer.
    pub(crate) status: Option<OneOf>,
    /// JSON-RPC error code.
    pub(crate) rpc_code: Option<i64>,
    /// `error.data.code`.
    pub(crate) code: Option<String>,
    /// Whether the connection is closed after the answer.
    pub(crate) close: Option<bool>,
    /// No answer at all: the connection just ends.
    pub(crate) no_answer: bool,
    /// How many requests reach the upstream; 0 also means: not one byte.
    pub(crate) upstream_hits: Option<usize>,
    /// Header → text its value contains.
    pub(crate) headers: BTreeMap<String, String>,
    /// Headers that must be missing.
    pub(crate) headers_absent: Vec<String>,
    /// Header → a text (a template) that its value is not.
    pub(crate) headers_differ: BTreeMap<String, String>,
    /// Texts in the answer's body.
    pub(crate) body_contains: Vec<String>,
    /// Texts that are in no answer, audit record or log line.
    pub(crate) absent: Vec<String>,
    /// JSON pointer into the answering message → JSON value.
    pub(crate) json: BTreeMap<String, Value>,
    /// The connection to the (first) upstream that carried the request is not used again: it ends.
    pub(crate) upstream_dropped: bool,
    /// Header → exact value that the upstream must see.
    pub(crate) upstream_headers: BTreeMap<String, String>,
    /// Headers that the upstream must not see.
    pub(crate) upstream_headers_absent: Vec<String>,
    /// Texts in what the upstream got as body.
    pub(crate) upstream_contains: Vec<String>,
    /// Texts in nothing that the upstream got.
    pub(crate) upstream_absent: Vec<String>,
    /// `reason` or `code` of an audit record of this case.
    pub(crate) audit_code: Option<String>,
    /// How many answers come on the connection.
    pub(crate) responses: Option<usize>,
    /// How many JSON messages a stream delivers.
    pub(crate) messages: Option<usize>,
    /// Why messages of the upstream were dropped (`doorward_upstream_dropped_messages_total`), and how many.
    pub(crate) dropped: BTreeMap<String, u64>,
    /// At most this long until the answer is complete.
    pub(crate) within_ms: Option<u64>,
    /// The interim answers (1xx), in order.
    pub(crate) interim: Option<Vec<u16>>,
    /// The first issuer's keys are fetched at least once, never twice at a time, and not more often than once in this time.
    pub(crate) jwks_period_s: Option<u64>,
    /// By how much the door's resident memory may have grown afterwards, where it is not what the common tail allows.
    pub(crate) growth_mib_max: Option<u64>,
    /// The valid call of the common tail is refused: the case leaves policies that refuse everything.
    pub(crate) tail_refused: bool,
}

/// A case, or a step of one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Case {
    /// Threat number, as in `docs/THREATS.md`.
    pub(crate) id: String,
    /// Situation and outcome.
    pub(crate) title: String,
    /// Which variant of the case this is.
    pub(crate) name: String,
    pub(crate) era: Era,
    /// CVEs, list items.
    pub(crate) tags: Vec<String>,
    /// Which of the file's doors; `default` if left out.
    pub(crate) door: String,
    /// Free text for `{{value}}`.
    pub(crate) value: String,
    /// Free text for `{{other}}`.
    pub(crate) other: String,
    /// Sends the request as HTTP/2 frames. The body is then sent as it is, whatever `Content-Length` says.
    pub(crate) http2: bool,
    /// HTTP/2: `:authority`, a template; the door's own address if left out.
    pub(crate) authority: Option<String>,
    /// Replaces the door's policies before the request, and waits until they were taken or refused.
    pub(crate) policies: Option<String>,
    /// Pause before the request.
    pub(crate) wait_ms: u64,
    /// The HTTP method.
    pub(crate) method: String,
    /// The request target.
    pub(crate) target: String,
    /// `HTTP/1.1` if left out.
    pub(crate) version: String,
    pub(crate) headers: HeaderChanges,
    /// The JSON-RPC method; `tools/call` if left out.
    pub(crate) rpc_method: String,
    /// The header `Mcp-Name` of a method that is not `tools/call` (modern era).
    pub(crate) rpc_name: Option<String>,
    /// JSON text of the id.
    pub(crate) rpc_id: String,
    /// Tool for `tools/call`; `echo` if left out.
    pub(crate) tool: String,
    /// JSON text of the tool's arguments.
    pub(crate) arguments: String,
    /// JSON text of the members of `params`, without braces and without `_meta`.
    pub(crate) params: Option<String>,
    /// JSON text of the members of `_meta` in place of the valid ones.
    pub(crate) meta: Option<String>,
    /// The whole body.
    pub(crate) body: Option<String>,
    /// Chunked coding written out, in place of a body with Content-Length.
    pub(crate) chunked: Option<String>,
    /// More bytes after the request.
    pub(crate) tail: String,
    /// The whole request; nothing of the above counts then.
    pub(crate) raw: Option<String>,
    /// Writes the request in pieces of this many bytes …
    pub(crate) split_bytes: usize,
    /// … with this pause between them.
    pub(crate) split_pause_ms: u64,
    /// For so long nothing of the answer is read.
    pub(crate) unread_ms: u64,
    /// The bearer token; a valid one of `alice` if left out.
    pub(crate) token: Recipe,
    /// Whose token it is: the `first` issuer's if left out, or the `second`'s.
    pub(crate) issuer: String,
    /// Sends the request many times at once, each with its own `{{number}}`.
    pub(crate) crowd: Option<Crowd>,
    /// Sends without `Authorization`.
    pub(crate) no_token: bool,
    /// Legacy: does not send the session id of this file's session.
    pub(crate) no_session: bool,
    pub(crate) upstream: Vec<UpstreamScript>,
    /// After the step: `{{NAME}}` becomes a header's value (`header:NAME`) or a JSON value (`json:POINTER`).
    pub(crate) capture: BTreeMap<String, String>,
    pub(crate) expect: Expect,
    /// How long to wait for the answer.
    pub(crate) patience_ms: Option<u64>,
    /// One request after the other, each the case with some keys replaced.
    #[serde(skip)]
    pub(crate) steps: Vec<Case>,
}

/// A whole file.
#[derive(Debug)]
pub(crate) struct CaseFile {
    pub(crate) doors: BTreeMap<String, DoorFixture>,
    /// With variants and steps expanded.
    pub(crate) cases: Vec<Case>,
    /// Doors that may start or not.
    pub(crate) starts: Vec<StartCase>,
    /// Wrappers on standard streams.
    pub(crate) stdios: Vec<StdioCase>,
}

impl CaseFile {
    /// The id, the title and the variant of everything in the file.
    pub(crate) fn ids(&self) -> Vec<(&str, &str, &str)> {
        let cases = self.cases.iter().map(|case| (&*case.id, &*case.title, &*case.name));
        let starts = self.starts.iter().map(|case| (&*case.id, &*case.title, &*case.name));
        let stdios = self.stdios.iter().map(|case| (&*case.id, &*case.title, &*case.name));
        cases.chain(starts).chain(stdios).collect()
    }
}

/// `over` on top of `base`: tables are merged, everything else is replaced.
fn merged(base: &toml::Table, over: &toml::Table) -> toml::Table {
    let mut result = base.clone();
    for (key, value) in over {
        match (result.get_mut(key), value) {
            (Some(toml::Value::Table(old)), toml::Value::Table(new)) => *old = merged(old, new),
            _ => {
                result.insert(key.clone(), value.clone());
            }
        }
    }
    result
}

fn tables(value: Option<toml::Value>, what: &str) -> Vec<toml::Table> {
    let values = match value {
        None => vec![],
        Some(toml::Value::Array(values)) => values,
        Some(_) => panic!("{what} is a list of tables"),
    };
    let table = |value| match value {
        toml::Value::Table(table) => table,
        _ => panic!("{what} is a list of tables"),
    };
    values.into_iter().map(table).collect()
}

fn expanded(mut case: toml::Table, file: &str) -> Vec<Case> {
    let variants = tables(case.remove("variant"), "variant");
    let steps = tables(case.remove("step"), "step");
    let read = |table: toml::Table| -> Case {
        let shown = table.get("id").cloned();
        toml::Value::Table(table).try_into().unwrap_or_else(|error| panic!("{file}: case {shown:?}: {error}"))
    };
    let with_steps = |table: toml::Table| {
        let mut all = read(table.clone());
        all.steps = steps.iter().map(|step| read(merged(&table, step))).collect();
        all
    };
    if variants.is_empty() {
        return vec![with_steps(case)];
    }
    variants.iter().map(|variant| with_steps(merged(&case, variant))).collect()
}

/// Tables without steps, with their variants expanded.
fn plain<T: serde::de::DeserializeOwned>(value: Option<toml::Value>, what: &str, file: &str) -> Vec<T> {
    let expanded = tables(value, what).into_iter().flat_map(|mut table| {
        let variants = tables(table.remove("variant"), "variant");
        if variants.is_empty() { vec![table] } else { variants.iter().map(|variant| merged(&table, variant)).collect() }
    });
    let read = |table: toml::Table| {
        let shown = table.get("id").cloned();
        toml::Value::Table(table).try_into().unwrap_or_else(|error| panic!("{file}: {what} {shown:?}: {error}"))
    };
    expanded.map(read).collect()
}

/// Reads a case file's text.
pub(crate) fn parse(text: &str, file: &str) -> CaseFile {
    let mut table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
    let doors = match table.remove("door") {
        None => BTreeMap::new(),
        Some(doors) => doors.try_into().unwrap_or_else(|error| panic!("{file}: door: {error}")),
    };
    let cases = tables(table.remove("case"), "case").into_iter().flat_map(|case| expanded(case, file)).collect();
    let starts = plain(table.remove("start"), "start", file);
    let stdios = plain(table.remove("stdio"), "stdio", file);
    assert!(table.is_empty(), "{file}: unknown keys {:?}", table.keys().collect::<Vec<_>>());
    let read = CaseFile { doors, cases, starts, stdios };
    assert!(!read.ids().is_empty(), "{file}: no case");
    for (id, title, _) in read.ids() {
        assert!(!id.is_empty() && !title.is_empty(), "{file}: a case without id or title");
    }
    for case in &read.cases {
        assert!(says_enough(case), "{file}: {} {} expects no status", case.id, case.name);
    }
    read
}

/// Whether each request of a case expects an answer of some kind, or none at all.
fn says_enough(case: &Case) -> bool {
    let requests = if case.steps.is_empty() { std::slice::from_ref(case) } else { &case.steps };
    requests.iter().all(|one| one.expect.status.is_some() || one.expect.no_answer)
}
