//! One request many times at once: does every answer reach its own requester, does anybody else suffer, and is each
//! decided under one snapshot?

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Deserialize;
use serde_json::Value;

use super::{
    super::{
        raw::{Connection, Response, exchange},
        rpc::Client,
        upstream::Era,
    },
    checks::Before,
    fixture::Running,
    format::{Case, Expect},
    render::{Values, render_text, request},
    step::{prepare, sending},
};

/// How long one request of a crowd may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Calls that say how quick the door is when nothing else happens.
const BASELINE_CALLS: usize = 100;
/// What the machine may add by itself, to the middle call and to the slowest 1 %: it has few cores, shared with other
/// tests. A door that were held up by the crowd would be so for as long as the crowd's requests last.
const BESIDE_SLACK: [(usize, Duration); 2] = [(50, Duration::from_millis(30)), (99, Duration::from_millis(250))];

/// How a request becomes many.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Crowd {
    /// How many requests.
    pub(crate) requests: usize,
    /// How many at a time, each on a connection of its own.
    pub(crate) parallel: usize,
    /// Whose they are, in turn; the case's own token if left out.
    pub(crate) subjects: Vec<String>,
    /// Whether each has a token of its own.
    pub(crate) own_tokens: bool,
    /// Policies that replace the door's while the crowd runs, one after the other.
    pub(crate) policies: Vec<String>,
    /// How many times slower than alone somebody else's valid calls may be meanwhile, the middle one and the slowest 1 %.
    pub(crate) beside_factor_max: Option<f64>,
    /// Whether every decision must be recorded once, each snapshot with policies of its own, and several snapshots seen.
    pub(crate) one_snapshot_each: bool,
}

/// Runs it and tells what was wrong.
pub(super) async fn run(case: &Case, crowd: &Crowd, running: &Running, values: &Values) -> Vec<String> {
    let before = Before::now(running);
    let requests = Arc::new(requests(case, crowd, running, values));
    let alone = match crowd.beside_factor_max {
        Some(_) => Some(beside(running, Until::Calls(BASELINE_CALLS)).await.0),
        None => None,
    };
    let (done, ended) = tokio::sync::watch::channel(false);
    let work = async {
        let answers = answers(case, crowd, running, &requests).await;
        let _ = done.send(true);
        answers
    };
    let reloads = async {
        for policies in &crowd.policies {
            running.set_policies(policies).await;
        }
    };
    let meanwhile = async {
        match &alone {
            Some(_) => beside(running, Until::Ended(ended)).await,
            None => (vec![], vec![]),
        }
    };
    let (answers, (), (times, mut failures)) = tokio::join!(work, reloads, meanwhile);
    failures.extend(answered(&case.expect, &requests, &answers));
    if let (Some(factor), Some(alone)) = (crowd.beside_factor_max, &alone) {
        failures.extend(slower(alone, &times, factor));
    }
    if crowd.one_snapshot_each {
        failures.extend(one_snapshot_each(running, before.audit, requests.len()).await);
    }
    failures.extend(before.upstream_and_keys(&case.expect, running));
    failures
}

/// One request with what is its own.
struct One {
    bytes: Vec<u8>,
    values: Values,
}

fn requests(case: &Case, crowd: &Crowd, running: &Running, values: &Values) -> Vec<One> {
    let tokens: Vec<String> = crowd.subjects.iter().map(|subject| running.issuers[0].token(subject)).collect();
    let one = |number: usize| {
        let mut values = values.clone();
        values.insert("number".to_owned(), number.to_string());
        if crowd.own_tokens {
            prepare(case, running, &mut values);
        } else if !tokens.is_empty() {
            values.insert("token".to_owned(), tokens[number % tokens.len()].clone());
        }
        One { bytes: request(case, &values), values }
    };
    (0..crowd.requests).map(one).collect()
}

/// The answers by number.
async fn answers(
    case: &Case,
    crowd: &Crowd,
    running: &Running,
    requests: &Arc<Vec<One>>,
) -> BTreeMap<usize, Option<Response>> {
    let mut workers = tokio::task::JoinSet::new();
    let parallel = crowd.parallel.max(1);
    for worker in 0..parallel {
        let (requests, address, case) = (Arc::clone(requests), running.door.address(), case.clone());
        workers.spawn(async move {
            let mut connection = Connection::to(&address);
            let mut answers = vec![];
            for number in (worker..requests.len()).step_by(parallel) {
                let bytes = &requests[number].bytes;
                // What is sent in pieces, or closes, is no ordinary request on a connection that stays.
                let answer = if case.split_bytes > 0 || case.expect.close.is_some() {
                    let (pieces, patience) = sending(&case, bytes.clone());
                    exchange(&address, &pieces, patience).await.responses.into_iter().next()
                } else {
                    connection.ask(bytes, PATIENCE).await
                };
                answers.push((number, answer));
            }
            answers
        });
    }
    workers.join_all().await.into_iter().flatten().collect()
}

fn answered(expect: &Expect, requests: &[One], answers: &BTreeMap<usize, Option<Response>>) -> Vec<String> {
    let wrong: Vec<String> = requests
        .iter()
        .enumerate()
        .filter_map(|(number, one)| {
            let response = answers.get(&number).and_then(Option::as_ref);
            let found = match response {
                None if expect.no_answer => None,
                None => Some("no answer".to_owned()),
                Some(response) => differs(expect, response, &one.values),
            };
            found.map(|failure| format!("request {number}: {failure}"))
        })
        .collect();
    if wrong.is_empty() {
        return vec![];
    }
    vec![format!(
        "{} of {} requests, among them: {}",
        wrong.len(),
        requests.len(),
        wrong[..wrong.len().min(3)].join("; ")
    )]
}

fn differs(expect: &Expect, response: &Response, values: &Values) -> Option<String> {
    let text = response.text();
    if expect.status.as_ref().is_some_and(|status| !status.contains(response.status)) {
        return Some(format!("status {}: {text:.200}", response.status));
    }
    let message = response.message().unwrap_or(Value::Null);
    if let Some(code) = &expect.code
        && message["error"]["data"]["code"].as_str() != Some(code)
        && response.status >= 400
    {
        return Some(format!("not {code}: {text:.200}"));
    }
    let lacking = expect.body_contains.iter().map(|part| render_text(part, values)).find(|part| !text.contains(part));
    lacking.map(|part| format!("lacks {part:?}: {text:.200}"))
}

enum Until {
    Calls(usize),
    Ended(tokio::sync::watch::Receiver<bool>),
}

impl Until {
    fn over(&self, calls: usize) -> bool {
        match self {
            Self::Calls(most) => calls >= *most,
            Self::Ended(ended) => *ended.borrow(),
        }
    }
}

/// Somebody else's valid calls, one after the other: how long they took, and which failed.
async fn beside(running: &Running, until: Until) -> (Vec<Duration>, Vec<String>) {
    let client = Client::modern(&running.door.url, running.valid_token().as_deref());
    let (mut times, mut failures) = (vec![], vec![]);
    while !until.over(times.len()) {
        let begin = Instant::now();
        let answer = client.call("echo", serde_json::json!({ "message": "beside" })).await;
        times.push(begin.elapsed());
        if answer.status != 200 && failures.len() < 3 {
            failures.push(format!("somebody else's valid call: {} {:.200}", answer.status, answer.body));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (times, failures)
}

/// Where calls beside the crowd were slower than they may be.
fn slower(alone: &[Duration], beside: &[Duration], factor: f64) -> Vec<String> {
    let told = |(percent, slack): (usize, Duration)| {
        let (was, is) = (percentile(alone, percent), percentile(beside, percent));
        let calls = beside.len();
        (is > was.mul_f64(factor) + slack)
            .then(|| format!("{percent} % of others' calls took up to {is:?}, alone {was:?} ({calls} calls)"))
    };
    BESIDE_SLACK.into_iter().filter_map(told).collect()
}

fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// Whether the records after `from` hold each decision once, and agree on which policies a snapshot has.
async fn one_snapshot_each(running: &Running, from: usize, wanted: usize) -> Vec<String> {
    let mut decisions: Vec<Value> = vec![];
    for _ in 0..200 {
        let text = running.door.audit_text().split_off(from);
        let records = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let records = records.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        decisions = records.filter(|record| record["kind"] == "decision").collect();
        if decisions.len() >= wanted {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let ids: BTreeSet<String> = decisions.iter().map(|record| record["decision_id"].to_string()).collect();
    let mut policies: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for record in &decisions {
        policies.entry(record["snapshot"].to_string()).or_default().insert(record["policies"].to_string());
    }
    let mut failures = vec![];
    if ids.len() != decisions.len() || decisions.len() < wanted {
        failures.push(format!("{} decisions with {} ids for {wanted} requests", decisions.len(), ids.len()));
    }
    if policies.len() < 2 || policies.values().any(|sets| sets.len() != 1) {
        failures.push(format!("snapshots and the policies that decided under them: {policies:?}"));
    }
    failures
}

/// Which era a crowd's own client beside it speaks: modern only, so a crowd's door must too.
pub(super) fn suits(case: &Case) -> bool {
    case.crowd.is_none() || case.era == Era::Modern
}
