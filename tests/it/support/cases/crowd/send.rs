//! Makes the requests of a crowd, sends them, and looks at each answer.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    super::{
        super::raw::{Connection, Response, exchange},
        fixture::Running,
        format::{Case, Expect},
        render::{Values, render_text, request},
        step::{prepare, sending},
    },
    Crowd,
};

/// How long one request of a crowd may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// One request with what is its own.
pub(super) struct One {
    pub(super) bytes: Vec<u8>,
    values: Values,
}

/// What came back, and what went wrong on the way.
#[derive(Default)]
pub(super) struct Answers {
    pub(super) by_number: BTreeMap<usize, Option<Response>>,
    pub(super) failures: Vec<String>,
}

impl From<BTreeMap<usize, Option<Response>>> for Answers {
    fn from(by_number: BTreeMap<usize, Option<Response>>) -> Self {
        Self { by_number, failures: vec![] }
    }
}

/// The requests of a wave; `{{number}}` counts from `first`.
pub(super) fn requests(case: &Case, crowd: &Crowd, running: &Running, values: &Values, first: usize) -> Vec<One> {
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
    (first..first + crowd.requests).map(one).collect()
}

/// The answers by number. The crowd has a thread of its own, so that the upstream and others' calls do not queue behind it.
pub(super) async fn answers(
    case: &Case,
    crowd: &Crowd,
    running: &Running,
    requests: &Arc<Vec<One>>,
) -> BTreeMap<usize, Option<Response>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut workers = tokio::task::JoinSet::new();
    let parallel = crowd.parallel.max(1);
    let begin = Instant::now();
    let due = move |number: usize, per_second: usize| {
        begin + Duration::from_secs(1).mul_f64(number as f64 / per_second as f64)
    };
    for worker in 0..parallel {
        let (requests, address, case) = (Arc::clone(requests), running.door.address(), case.clone());
        let per_second = crowd.per_second;
        let worker = async move {
            let mut connection = Connection::to(&address);
            let mut answers = vec![];
            for number in (worker..requests.len()).step_by(parallel) {
                if let Some(per_second) = per_second {
                    tokio::time::sleep_until(due(number, per_second).into()).await;
                }
                answers.push((number, answer(&case, &address, &mut connection, &requests[number].bytes).await));
            }
            answers
        };
        workers.spawn_on(worker, runtime.handle());
    }
    let answers = workers.join_all().await.into_iter().flatten().collect();
    runtime.shutdown_background();
    answers
}

/// The answer to one request.
pub(super) async fn answer(case: &Case, address: &str, connection: &mut Connection, bytes: &[u8]) -> Option<Response> {
    // What is sent in pieces, or closes, is no ordinary request on a connection that stays.
    if case.split_bytes > 0 || case.expect.close.is_some() {
        let (pieces, patience) = sending(case, bytes.to_vec());
        exchange(address, &pieces, patience).await.responses.into_iter().next()
    } else {
        connection.ask(bytes, PATIENCE).await
    }
}

/// Tells which answers are not as expected.
pub(super) fn answered(expect: &Expect, requests: &[One], answers: &BTreeMap<usize, Option<Response>>) -> Vec<String> {
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
    {
        return Some(format!("not {code}: {text:.200}"));
    }
    let lacking = expect.body_contains.iter().map(|part| render_text(part, values)).find(|part| !text.contains(part));
    lacking.map(|part| format!("lacks {part:?}: {text:.200}"))
}
