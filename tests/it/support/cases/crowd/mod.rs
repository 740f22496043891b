//! One request many times at once: does every answer reach its own requester, does anybody else suffer, does anything of
//! it stay, and is each decided under one snapshot?

mod beside;
mod held;
mod send;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Deserialize;

use self::send::{One, answered, requests};
use super::{
    super::{
        process::resident_kib,
        tokens::{Mode, Recipe},
        upstream::Era,
    },
    checks::Before,
    fixture::Running,
    format::Case,
    render::Values,
    tail::cpu,
};

/// How a request becomes many.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Crowd {
    /// How many requests, in each wave.
    pub(crate) requests: usize,
    /// How many at a time, each on a connection of its own.
    pub(crate) parallel: usize,
    /// So many begin in a second; as many as can if left out.
    pub(crate) per_second: Option<usize>,
    /// How often the crowd comes; between two waves nothing happens. 1 if left out.
    pub(crate) waves: Option<usize>,
    /// How much of one core the door may use in a wave.
    pub(crate) cpu_cores_max: Option<f64>,
    /// Whose they are, in turn; the case's own token if left out.
    pub(crate) subjects: Vec<String>,
    /// Whether each has a token of its own, and so have somebody else's valid calls.
    pub(crate) own_tokens: bool,
    /// Tokens of another crowd, as large and as quick, that comes in the place of each quiet time: what then differs is not
    /// the machine's load.
    pub(crate) control: Option<Recipe>,
    /// The first issuer's endpoints answer after this time, so that many ask while one fetch is under way.
    pub(crate) keys_slow_ms: u64,
    /// Policies that replace the door's while the crowd runs, one after the other. Where the upstream's script has a
    /// `gate`, a part of the crowd comes before each, and the last ones come when the whole crowd is under way.
    pub(crate) policies: Vec<String>,
    /// How many times slower than alone somebody else's valid calls may be meanwhile, see [`beside`].
    pub(crate) beside_factor_max: Option<f64>,
    /// Whether every decision must be recorded once, each snapshot with policies of its own, and several snapshots seen.
    pub(crate) one_snapshot_each: bool,
}

/// Runs it and tells what was wrong.
pub(super) async fn run(case: &Case, crowd: &Crowd, running: &Running, values: &Values) -> Vec<String> {
    if crowd.one_snapshot_each {
        held::records_settle(running).await;
    }
    let before = Before::now(running);
    let begin = Instant::now();
    if crowd.keys_slow_ms > 0 {
        running.issuers[0].set_mode(Mode::Slow(crowd.keys_slow_ms));
    }
    let mut failures = vec![];
    let (mut quiet, mut crowded, mut resident) = (vec![], vec![], vec![]);
    let waves = crowd.waves.unwrap_or(1);
    for wave in 0..waves {
        if crowd.beside_factor_max.is_some() {
            quiet.push(beside_control(case, crowd, running, values).await);
            resident.push(resident_kib(running.door.process.id()));
        }
        let requests = Arc::new(requests(case, crowd, running, values, wave * crowd.requests));
        let (found, times) = wave_of(case, crowd, running, values, &requests).await;
        failures.extend(found);
        crowded.push(times);
    }
    running.issuers[0].set_mode(Mode::Normal);
    if let Some(factor) = crowd.beside_factor_max {
        failures.extend(beside::slower(&quiet, &crowded, factor));
    }
    if waves > 1 {
        println!("  resident before each wave: {resident:?} KiB");
    }
    if crowd.one_snapshot_each {
        failures.extend(held::one_snapshot_each(running, before.audit, waves * crowd.requests).await);
    }
    failures.extend(before.upstream_and_keys(&case.expect, running, begin.elapsed()));
    failures
}

/// How long somebody else's calls take beside a crowd that is no attack, or beside none.
async fn beside_control(case: &Case, crowd: &Crowd, running: &Running, values: &Values) -> Vec<Duration> {
    let Some(control) = &crowd.control else {
        return beside::alone(crowd, running, values).await;
    };
    let case = Case { token: control.clone(), ..case.clone() };
    let requests = Arc::new(requests(&case, crowd, running, values, 0));
    let (done, ended) = tokio::sync::watch::channel(false);
    let work = async {
        send::answers(&case, crowd, running, &requests).await;
        let _ = done.send(true);
    };
    tokio::join!(work, beside::until(crowd, running, values, ended)).1.0
}

/// One wave: what was wrong, and how long somebody else's calls took meanwhile.
async fn wave_of(
    case: &Case,
    crowd: &Crowd,
    running: &Running,
    values: &Values,
    requests: &Arc<Vec<One>>,
) -> (Vec<String>, Vec<Duration>) {
    let (done, ended) = tokio::sync::watch::channel(false);
    let (begin, used) = (Instant::now(), cpu(running.door.process.id()));
    let work = async {
        let answers = if case.upstream.iter().any(|script| script.gate) {
            held::answers(case, crowd, running, requests).await
        } else {
            let reloads = async {
                for policies in &crowd.policies {
                    running.set_policies(policies).await;
                }
            };
            tokio::join!(send::answers(case, crowd, running, requests), reloads).0.into()
        };
        let _ = done.send(true);
        answers
    };
    let meanwhile = async {
        match crowd.beside_factor_max {
            Some(_) => beside::until(crowd, running, values, ended).await,
            None => (vec![], vec![]),
        }
    };
    let (answers, (times, mut failures)) = tokio::join!(work, meanwhile);
    failures.extend(answers.failures);
    failures.extend(answered(&case.expect, requests, &answers.by_number));
    let cores = (cpu(running.door.process.id()) - used).as_secs_f64() / begin.elapsed().as_secs_f64();
    println!("  {} requests in {:?}, {cores:.2} cores", requests.len(), begin.elapsed());
    if crowd.cpu_cores_max.is_some_and(|most| cores > most) {
        failures.push(format!("the door used {cores:.2} cores"));
    }
    (failures, times)
}

/// Which era a crowd's own client beside it speaks: modern only, so a crowd's door must too.
pub(super) fn suits(case: &Case) -> bool {
    case.crowd.is_none() || case.era == Era::Modern
}
