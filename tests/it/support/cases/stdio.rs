//! Wrappers on standard streams: the exact bytes that a client writes, a child that does what the case says, and what
//! comes out on both sides.

use std::{collections::BTreeMap, fs, time::Duration};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    super::{
        door::{Setup, StdioDoor},
        parts::repository,
        process::resident_kib,
        rpc,
    },
    render::{Values, render, render_text},
    tail::GROWTH_MIB_MAX,
};

/// How long to wait for the lines that a case expects.
const PATIENCE: Duration = Duration::from_secs(30);
/// The id of the valid call at the end.
const TAIL_ID: &str = "still-there";

/// One thing the child does.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ChildStep {
    /// Writes these bytes, a template; `{{id}}` is the request's id.
    pub(crate) write: String,
    /// So many times.
    pub(crate) times: Option<usize>,
    /// On standard error.
    pub(crate) to_stderr: bool,
    /// Answers the request as a correct server does.
    pub(crate) answer: bool,
    pub(crate) pause_ms: u64,
}

/// The child.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Child {
    /// Its arguments.
    pub(crate) arguments: Vec<String>,
    /// What it does when it starts.
    pub(crate) start: Vec<ChildStep>,
    /// What it does for a method, in place of an answer.
    pub(crate) on: BTreeMap<String, Vec<ChildStep>>,
    /// The tools it offers, as JSON text; `echo` if left out.
    pub(crate) tools: String,
}

/// What must be seen.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StdioExpect {
    /// How many lines come on standard output before the valid call at the end.
    pub(crate) lines: usize,
    /// There may be more lines than that.
    pub(crate) lines_more: bool,
    /// Id (JSON text) → JSON pointers and values that one line with this id has.
    pub(crate) answers: BTreeMap<String, BTreeMap<String, Value>>,
    /// Texts on standard output.
    pub(crate) stdout_contains: Vec<String>,
    /// Texts that are not there.
    pub(crate) stdout_absent: Vec<String>,
    /// Texts on standard error.
    pub(crate) stderr_contains: Vec<String>,
    /// Texts that are not there.
    pub(crate) stderr_absent: Vec<String>,
    /// At most so many bytes on standard error.
    pub(crate) stderr_bytes_max: Option<usize>,
    /// Texts in the audit file's bytes.
    pub(crate) audit_contains: Vec<String>,
    /// Texts that are not there.
    pub(crate) audit_absent: Vec<String>,
    /// The child's arguments.
    pub(crate) child_arguments: Option<Vec<String>>,
    /// How often a child was started.
    pub(crate) child_starts: Option<usize>,
    /// Variables that the child does not have.
    pub(crate) child_environment_absent: Vec<String>,
    /// Texts in no line that the child read.
    pub(crate) child_absent: Vec<String>,
    /// By how much the wrapper's resident memory may have grown, in MiB.
    pub(crate) growth_mib_max: Option<u64>,
    /// The wrapper ends by itself.
    pub(crate) ends: bool,
}

/// A wrapper.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StdioCase {
    /// Threat number.
    pub(crate) id: String,
    /// Situation and outcome.
    pub(crate) title: String,
    /// Which variant of the case this is.
    pub(crate) name: String,
    /// CVEs, list items.
    pub(crate) tags: Vec<String>,
    /// Cedar policies; everything is permitted if left out.
    pub(crate) policies: String,
    /// Variables that the wrapper has.
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) child: Child,
    /// What the client writes, a template; `{{meta}}` is a valid `_meta`.
    pub(crate) input: String,
    /// For so long the client reads nothing.
    pub(crate) unread_ms: u64,
    pub(crate) expect: StdioExpect,
}

fn values() -> Values {
    [("meta".to_owned(), rpc::meta().to_string()), ("id".to_owned(), "{{id}}".to_owned())].into()
}

impl Child {
    fn script(&self) -> Value {
        let values = values();
        let step = |step: &ChildStep| {
            let hex: String = render(&step.write, &values).iter().map(|byte| format!("{byte:02x}")).collect();
            json!({
                "write": hex,
                "times": step.times.unwrap_or(1),
                "to": if step.to_stderr { "stderr" } else { "stdout" },
                "answer": step.answer,
                "pause_ms": step.pause_ms,
            })
        };
        let steps = |steps: &[ChildStep]| steps.iter().map(step).collect::<Vec<_>>();
        let on: BTreeMap<&String, Vec<Value>> = self.on.iter().map(|(method, own)| (method, steps(own))).collect();
        let tools: Value = serde_json::from_str(&self.tools).unwrap_or(Value::Null);
        json!({ "start": steps(&self.start), "on": on, "tools": tools })
    }
}

/// Runs it and tells what was wrong.
pub(super) async fn run(case: &StdioCase) -> Vec<String> {
    let policies = if case.policies.is_empty() { "permit(principal, action, resource);" } else { &case.policies };
    let mut setup = Setup::wrap().policies(policies).audit();
    for (name, value) in &case.environment {
        setup = setup.environment(name, value);
    }
    let script = setup.folder().join("child.json");
    fs::write(&script, case.child.script().to_string()).unwrap();
    let program = repository().join("tests/it/support/upstream/child.py").display().to_string();
    let script_path = script.display().to_string();
    let mut command = vec!["python3", program.as_str(), script_path.as_str()];
    command.extend(case.child.arguments.iter().map(String::as_str));
    let mut door = setup.command(&command).start_stdio();
    // The first call starts the child and learns its tools.
    let mut failures: Vec<String> = call(&mut door, "warm").await.into_iter().collect();
    let (resident, from) = (resident_kib(door.process.id()), door.process.stdout.bytes().len());
    door.process.stdout.hold(case.unread_ms > 0);
    door.process.offer(&render(&case.input, &values())).await;
    let grown = wait(case, &mut door, from).await;
    println!("  grown by {} KiB at most", grown.saturating_sub(resident));
    let most = case.expect.growth_mib_max.unwrap_or(GROWTH_MIB_MAX) * 1024;
    if grown > resident + most {
        failures.push(format!("resident memory grew from {resident} KiB to {grown} KiB"));
    }
    let stdout = String::from_utf8_lossy(&door.process.stdout.bytes().split_off(from)).into_owned();
    failures.extend(lines(&case.expect, &stdout));
    failures.extend(ending(case, &mut door).await);
    failures.extend(places(case, &door, &stdout));
    let seen = fs::read_to_string(script.with_extension("json.seen")).unwrap_or_default();
    failures.extend(child_saw(&case.expect, &seen));
    failures
}

/// Waits for the lines, and tells the most memory that the wrapper took meanwhile.
async fn wait(case: &StdioCase, door: &mut StdioDoor, from: usize) -> u64 {
    let (begin, pid) = (tokio::time::Instant::now(), door.process.id());
    let mut most = 0;
    loop {
        most = resident_kib(pid).max(most);
        let held = begin.elapsed() < Duration::from_millis(case.unread_ms);
        door.process.stdout.hold(held);
        let bytes = door.process.stdout.bytes();
        let count = bytes[from..].iter().filter(|byte| **byte == b'\n').count();
        if !held && (count >= case.expect.lines || begin.elapsed() > PATIENCE) {
            // One too many would come at once.
            tokio::time::sleep(Duration::from_millis(200)).await;
            return resident_kib(pid).max(most);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A valid call; a child that was killed is started again after a moment.
async fn call(door: &mut StdioDoor, id: &str) -> Option<String> {
    let mut last = Value::Null;
    for attempt in 0..40 {
        let params = json!({ "name": "echo", "arguments": { "message": "x" }, "_meta": rpc::meta() });
        let id = format!("{id}-{attempt}");
        last = door.request(&json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })).await;
        if last.get("result").is_some() {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Some(format!("a valid call: {last}"))
}

/// The common tail: it serves, and ends when its client does; or it has ended by itself.
async fn ending(case: &StdioCase, door: &mut StdioDoor) -> Vec<String> {
    let mut failures = vec![];
    if !case.expect.ends {
        failures.extend(call(door, TAIL_ID).await);
        door.process.close_stdin();
    }
    let code = door.process.exit_code(Duration::from_secs(20)).await;
    if code != Some(0) {
        failures.push(format!("it ended with {code:?}"));
    }
    failures
}

/// Every line is one JSON-RPC message.
fn lines(expect: &StdioExpect, stdout: &str) -> Vec<String> {
    let mut failures = vec![];
    let messages: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap_or(Value::Null)).collect();
    if messages.iter().any(|message| message["jsonrpc"] != "2.0") {
        failures.push(format!("not only messages: {stdout:.300}"));
    }
    let enough = messages.len() == expect.lines || (expect.lines_more && messages.len() > expect.lines);
    if !enough {
        failures.push(format!("{} lines, not {}: {stdout:.500}", messages.len(), expect.lines));
    }
    for (id, wanted) in &expect.answers {
        let id: Value = serde_json::from_str(id).expect("an id is JSON text");
        let holds = |message: &&Value| {
            message["id"] == id && wanted.iter().all(|(pointer, value)| message.pointer(pointer) == Some(value))
        };
        if !messages.iter().any(|message| holds(&message)) {
            failures.push(format!("no line with id {id} has {wanted:?}: {stdout:.500}"));
        }
    }
    failures
}

fn places(case: &StdioCase, door: &StdioDoor, stdout: &str) -> Vec<String> {
    let (expect, stderr, audit) = (&case.expect, door.process.stderr.text(), door.audit_text());
    let mut failures = vec![];
    if stderr.contains("panicked at") {
        failures.push(format!("a panic: {stderr}"));
    }
    if expect.stderr_bytes_max.is_some_and(|most| stderr.len() > most) {
        failures.push(format!("{} bytes on standard error", stderr.len()));
    }
    for line in audit.lines() {
        if serde_json::from_str::<Value>(line).is_err() {
            failures.push(format!("an audit line is no JSON: {line:.300}"));
        }
    }
    for (place, text, contains, absent) in [
        ("standard output", stdout, &expect.stdout_contains, &expect.stdout_absent),
        ("standard error", stderr.as_str(), &expect.stderr_contains, &expect.stderr_absent),
        ("the audit file", audit.as_str(), &expect.audit_contains, &expect.audit_absent),
    ] {
        let rendered =
            |texts: &[String]| -> Vec<String> { texts.iter().map(|text| render_text(text, &values())).collect() };
        for part in rendered(contains).iter().filter(|part| !text.contains(*part)) {
            failures.push(format!("{place} lacks {part:?}: {text:.800}"));
        }
        for part in rendered(absent).iter().filter(|part| text.contains(*part)) {
            failures.push(format!("{place} holds {part:?}"));
        }
    }
    failures
}

fn child_saw(expect: &StdioExpect, seen: &str) -> Vec<String> {
    let records: Vec<Value> = seen.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut starts = records.iter().filter(|record| record.get("arguments").is_some());
    let mut failures = vec![];
    if expect.child_starts.is_some_and(|wanted| starts.clone().count() != wanted) {
        failures.push(format!("{} children were started", starts.count()));
        return failures;
    }
    let started = starts.next().cloned().unwrap_or(Value::Null);
    if let Some(arguments) = &expect.child_arguments
        && started["arguments"] != json!(arguments)
    {
        failures.push(format!("the child's arguments are {}", started["arguments"]));
    }
    for name in &expect.child_environment_absent {
        if started["environment"].get(name).is_some() || !started["environment"].is_object() {
            failures.push(format!("the child's environment has {name}"));
        }
    }
    for text in &expect.child_absent {
        if records.iter().filter(|record| record.get("line").is_some()).any(|record| record.to_string().contains(text))
        {
            failures.push(format!("the child read {text:?}"));
        }
    }
    failures
}
