//! Asks the question of one case and compares.

use std::sync::Arc;

use bytes::Bytes;
use doorward_message::{Json, Limits, Method, Revision};

use super::{
    CaseProblem,
    report::{CaseReport, Mismatch},
    world::{CaseRow, ContextRow, Expect, World},
};
use crate::model::{Arguments, Ask, Decider, Decision, Facts, Rejection, Transport, rejection::Authorization};

/// Monday, 2026-11-23, 00:00 UTC: the week in which `at` lies.
const MONDAY: i64 = 1_795_392_000;
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

pub(super) fn run(world: &World, case: &CaseRow) -> Result<CaseReport, CaseProblem> {
    let principal =
        world.principals.get(&case.principal).ok_or_else(|| CaseProblem::Principal(case.principal.clone()))?;
    let upstream = match (&case.upstream, world.upstreams.as_slice()) {
        (Some(name), all) if all.contains(name) => name,
        (None, [only]) => only,
        _ => return Err(CaseProblem::Upstream),
    };
    let bound = world.pdp.bind(Arc::clone(principal), facts(&case.context)?, upstream);
    let document = match &case.arguments {
        None => None,
        Some(value) => Some(
            Json::parse(Bytes::from(value.to_string()), &Limits::default())
                .map_err(|error| CaseProblem::Arguments(error.to_string()))?,
        ),
    };
    let value = document.as_ref().map(Json::root);
    let method = case.action.as_deref().map(method_of);
    let decision = bound.decide(&ask(case, method.as_ref(), Arguments::Known(value))?);
    let listed = match case.listed {
        None => None,
        Some(_) => Some(bound.may_list(&ask(case, method.as_ref(), Arguments::Unknown)?)),
    };
    Ok(CaseReport { name: case.name.clone(), mismatches: compare(case, &decision, listed), decision })
}

fn method_of(action: &str) -> Method {
    match action {
        "sampling" => Method::SamplingCreateMessage,
        "elicitation" => Method::ElicitationCreate,
        "roots" => Method::RootsList,
        other => Method::parse(other),
    }
}

fn ask<'a>(case: &'a CaseRow, method: Option<&'a Method>, arguments: Arguments<'a>) -> Result<Ask<'a>, CaseProblem> {
    let method_or = |default: &'static Method| method.unwrap_or(default);
    match (&case.tool, &case.prompt, &case.resource, &case.template, &case.task) {
        (Some(name), None, None, None, None) if method.is_none() => Ok(Ask::CallTool { name, arguments }),
        (None, Some(name), None, None, None) => match method {
            None => Ok(Ask::GetPrompt { name, arguments }),
            Some(Method::CompletionComplete) => Ok(Ask::CompletePrompt { name }),
            Some(_) => Err(CaseProblem::Ask),
        },
        (None, None, Some(uri), None, None) => Ok(Ask::Resource { method: method_or(&Method::ResourcesRead), uri }),
        (None, None, None, Some(uri_template), None) => {
            Ok(Ask::Template { method: method_or(&Method::ResourcesRead), uri_template })
        }
        (None, None, None, None, Some(id)) => Ok(Ask::Task { method: method_or(&Method::TasksGet), id: Some(id) }),
        (None, None, None, None, None) => match method {
            Some(method @ (Method::SamplingCreateMessage | Method::ElicitationCreate | Method::RootsList)) => {
                Ok(Ask::ServerRequest { method })
            }
            Some(method) => Ok(Ask::Server { method }),
            None => Err(CaseProblem::Ask),
        },
        _ => Err(CaseProblem::Ask),
    }
}

fn facts(row: &ContextRow) -> Result<Facts, CaseProblem> {
    let revision = match &row.revision {
        None => Revision::V2026_07_28,
        Some(text) => Revision::parse(text).ok_or(CaseProblem::Context("revision"))?,
    };
    let transport = match row.transport.as_deref() {
        None | Some("http") => Transport::Http,
        Some("stdio") => Transport::Stdio,
        Some(_) => return Err(CaseProblem::Context("transport")),
    };
    let time_unix_s = match (&row.at, row.time) {
        (None, None) => MONDAY + 12 * 3_600,
        (None, Some(time)) => time,
        (Some(at), None) => moment(at).ok_or(CaseProblem::Context("at"))?,
        (Some(_), Some(_)) => return Err(CaseProblem::Context("time")),
    };
    Ok(Facts {
        revision,
        transport,
        client_address: row.client_address,
        time_unix_s,
        in_session: row.in_session,
        approved: row.approved,
    })
}

/// `Mon 08:00` as a Unix time.
fn moment(at: &str) -> Option<i64> {
    let (day, clock) = at.split_once(' ')?;
    let (hour, minute) = clock.split_once(':')?;
    let day = (0_i64..).zip(DAYS).find(|(_, name)| *name == day)?.0;
    let part = |text: &str, below: i64| text.parse::<i64>().ok().filter(|value| (0..below).contains(value));
    Some(MONDAY + day * 86_400 + part(hour, 24)? * 3_600 + part(minute, 60)? * 60)
}

fn compare(case: &CaseRow, decision: &Decision, listed: Option<bool>) -> Vec<Mismatch> {
    let mut mismatches = Vec::new();
    if decision.is_allow() != (case.expect == Expect::Allow) {
        mismatches.push(Mismatch::Effect);
    }
    let differs = |expected: &Option<Vec<String>>, got: &[Arc<str>]| {
        expected.as_ref().is_some_and(|expected| {
            let mut expected: Vec<&str> = expected.iter().map(String::as_str).collect();
            expected.sort_unstable();
            !expected.into_iter().eq(got.iter().map(|id| &**id))
        })
    };
    if differs(&case.policies, &decision.policies) {
        mismatches.push(Mismatch::Policies(case.policies.clone().unwrap_or_default()));
    }
    // A policy that fails is never expected by silence.
    let errors = case.errors.clone().unwrap_or_default();
    if differs(&Some(errors.clone()), &decision.errors) {
        mismatches.push(Mismatch::Errors(errors));
    }
    let refusal = decision.refusal.map(code);
    if case.refusal.is_some() && case.refusal.as_deref() != refusal || case.refusal.is_none() && refusal.is_some() {
        mismatches.push(Mismatch::Refusal(case.refusal.clone()));
    }
    if let (Some(expected), Some(got)) = (case.listed, listed)
        && expected != got
    {
        mismatches.push(Mismatch::Listed(expected));
    }
    mismatches
}

/// The stable code of a refusal.
pub(super) fn code(reason: Authorization) -> &'static str {
    Rejection::from(reason).public().code
}
