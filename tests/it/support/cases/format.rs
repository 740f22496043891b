//! The format of a case file: TOML, read strictly, so that a misspelt key fails instead of testing nothing.
//!
//! A file has `[door.NAME]` tables (doors to start) and `[[case]]` tables. A case is one request, or several `step`s; a
//! `variant` or a step is the case with some keys replaced. What a case leaves out is what a valid call has, so that a
//! case shows just its one difference.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::super::{tokens::Recipe, upstream::Era};

/// A door that the cases of a file use.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DoorFixture {
    /// Cedar policies. The upstream is called `test`.
    pub(crate) policies: String,
    /// YAML of more configuration, appended to what every door has.
    pub(crate) config: String,
    /// Results that the scripted upstream gives instead of its own: method → JSON text.
    pub(crate) results: BTreeMap<String, String>,
    /// No tokens; the caller is anonymous.
    pub(crate) no_authentication: bool,
}

/// How the upstream answers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct UpstreamScript {
    /// The JSON-RPC (or HTTP) method this answers; by default whatever the case sends.
    pub(crate) on: Option<String>,
    /// What to write; a template. `{{id}}` is the request's id.
    pub(crate) send: Vec<String>,
    /// Pause before each further piece.
    pub(crate) pause_ms: u64,
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
    /// Texts in the answer's body.
    pub(crate) body_contains: Vec<String>,
    /// Texts that are in no answer, audit record or log line.
    pub(crate) absent: Vec<String>,
    /// JSON pointer into the answering message → JSON value.
    pub(crate) json: BTreeMap<String, Value>,
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
    /// At most this long until the answer.
    pub(crate) within_ms: Option<u64>,
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
    /// The HTTP method.
    pub(crate) method: String,
    /// The request target.
    pub(crate) target: String,
    /// `HTTP/1.1` if left out.
    pub(crate) version: String,
    pub(crate) headers: HeaderChanges,
    /// The JSON-RPC method; `tools/call` if left out.
    pub(crate) rpc_method: String,
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
    /// … with this pause.
    pub(crate) split_pause_ms: u64,
    /// The bearer token; a valid one of `alice` if left out.
    pub(crate) token: Recipe,
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

/// Reads a case file's text.
pub(crate) fn parse(text: &str, file: &str) -> CaseFile {
    let mut table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
    let doors = match table.remove("door") {
        None => BTreeMap::new(),
        Some(doors) => doors.try_into().unwrap_or_else(|error| panic!("{file}: door: {error}")),
    };
    let cases: Vec<Case> =
        tables(table.remove("case"), "case").into_iter().flat_map(|case| expanded(case, file)).collect();
    assert!(table.is_empty(), "{file}: unknown keys {:?}", table.keys().collect::<Vec<_>>());
    assert!(!cases.is_empty(), "{file}: no case");
    for case in &cases {
        assert!(!case.id.is_empty() && !case.title.is_empty(), "{file}: a case without id or title");
        let checked = std::iter::once(case).chain(&case.steps);
        let vague = checked
            .filter(|one| case.steps.is_empty() || !std::ptr::eq(*one, case))
            .any(|one| one.expect.status.is_none() && !one.expect.no_answer);
        assert!(!vague, "{file}: {} {} expects no status", case.id, case.name);
    }
    CaseFile { doors, cases }
}
