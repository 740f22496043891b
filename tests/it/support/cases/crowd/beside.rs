//! Somebody else's valid calls: how long they take while nothing else happens, and while the crowd does.
//!
//! Quiet times and waves alternate, and what is compared is the middle one of the quiet times with the middle one of the
//! waves (of two, the better): the machine has few cores that other tests use too, whose load comes and goes, while a
//! door that is held up by the crowd is so in every wave.

use std::time::{Duration, Instant};

use super::{
    super::{
        super::raw::Connection,
        fixture::Running,
        format::Case,
        render::{Values, request},
    },
    Crowd,
};

/// Calls of a quiet time.
const QUIET_CALLS: usize = 100;
/// Between two calls.
const PAUSE: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(20);
/// What is not counted as slower, for the middle call and for the slowest 1 %: the crowd itself runs on the same cores,
/// and one call that waits for a few time slices of the scheduler, 4 ms each, is among the slowest.
const SLACK: [(usize, Duration); 2] = [(50, Duration::from_micros(500)), (99, Duration::from_millis(15))];

struct Caller<'a> {
    running: &'a Running,
    crowd: &'a Crowd,
    case: Case,
    values: Values,
    connection: Connection,
}

impl<'a> Caller<'a> {
    fn new(crowd: &'a Crowd, running: &'a Running, values: &Values) -> Self {
        let case = Case { arguments: r#"{"message":"beside"}"#.to_owned(), ..Case::default() };
        let connection = Connection::to(&running.door.address());
        let mut caller = Self { running, crowd, case, values: values.clone(), connection };
        caller.fresh_token();
        caller
    }

    fn fresh_token(&mut self) {
        if let Some(token) = self.running.valid_token() {
            self.values.insert("token".to_owned(), token);
        }
    }

    async fn call(&mut self) -> (Duration, Option<String>) {
        if self.crowd.own_tokens {
            self.fresh_token();
        }
        let bytes = request(&self.case, &self.values);
        let begin = Instant::now();
        let answer = self.connection.ask(&bytes, PATIENCE).await;
        let took = begin.elapsed();
        tokio::time::sleep(PAUSE).await;
        let failure = match answer {
            Some(answer) if answer.status == 200 => None,
            Some(answer) => Some(format!("somebody else's valid call: {} {:.200}", answer.status, answer.text())),
            None => Some("somebody else's valid call has no answer".to_owned()),
        };
        (took, failure)
    }
}

/// A quiet time.
pub(super) async fn alone(crowd: &Crowd, running: &Running, values: &Values) -> Vec<Duration> {
    let mut caller = Caller::new(crowd, running, values);
    let mut times = vec![];
    for _ in 0..QUIET_CALLS {
        times.push(caller.call().await.0);
    }
    times
}

/// Calls until the wave is over, and the first that failed.
pub(super) async fn until(
    crowd: &Crowd,
    running: &Running,
    values: &Values,
    ended: tokio::sync::watch::Receiver<bool>,
) -> (Vec<Duration>, Vec<String>) {
    let mut caller = Caller::new(crowd, running, values);
    let (mut times, mut failures) = (vec![], vec![]);
    while !*ended.borrow() {
        let (took, failure) = caller.call().await;
        times.push(took);
        failures.extend(failure.filter(|_| failures.len() < 3));
    }
    (times, failures)
}

/// Where calls beside the crowd were slower than they may be.
pub(super) fn slower(quiet: &[Vec<Duration>], crowded: &[Vec<Duration>], factor: f64) -> Vec<String> {
    let told = |(percent, slack): (usize, Duration)| {
        let middle_of = |slices: &[Vec<Duration>]| {
            let mut each: Vec<Duration> = slices.iter().map(|times| percentile(times, percent)).collect();
            each.sort_unstable();
            each.get(each.len().saturating_sub(1) / 2).copied().unwrap_or_default()
        };
        let (was, is) = (middle_of(quiet), middle_of(crowded));
        let calls: usize = crowded.iter().map(Vec::len).sum();
        println!("  {percent} % of others' calls took up to {is:?}, alone {was:?} ({calls} calls)");
        (is > was.mul_f64(factor) + slack)
            .then(|| format!("{percent} % of others' calls took up to {is:?}, alone {was:?} ({calls} calls)"))
    };
    SLACK.into_iter().filter_map(told).collect()
}

fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied().unwrap_or_default()
}
