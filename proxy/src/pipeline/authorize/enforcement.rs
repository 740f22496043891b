//! The policy enforcement point (PEP): asks the PDP about every message and lets only [`Permitted`] ones go on.
//!
//! In: an [`Admitted`] message. Out: [`Permitted`], which nothing but this file can make, or a refusal. Every verb goes
//! through here; a message that no question fits is denied. Invariants: the decision is about the exact message that is
//! forwarded; a client's answer to a server request needs no question of its own, because the request it answers was
//! decided when it went down, and the session's table holds it.

use std::sync::Arc;

use doorward_message::{Message, MessageKind, Method, mirror};

use crate::{
    model::{
        Arguments, Ask, Decider, Decision, Effect, Rejection,
        rejection::{Accept, Authorization},
    },
    pipeline::admit::Admitted,
};

/// A message that policy permits.
pub struct Permitted {
    admitted: Admitted,
    decider: Arc<dyn Decider>,
}

impl Permitted {
    /// The message with its session.
    pub fn admitted(&self) -> &Admitted {
        &self.admitted
    }

    /// Asks further questions for the same caller, under the same snapshot.
    pub fn decider(&self) -> &Arc<dyn Decider> {
        &self.decider
    }
}

/// What the PEP found.
pub enum Verdict {
    /// The message may go on.
    Permit(Box<Permitted>, Option<Decision>),
    /// It may not; with the decision, where one was made.
    Refuse(Rejection, Option<Decision>),
}

/// Decides on one message.
///
/// `header_parameters` is the tool's table of mirrored arguments, from the catalogue.
pub fn authorize(
    admitted: Admitted,
    decider: Arc<dyn Decider>,
    header_parameters: Option<&mirror::ParamTable>,
) -> Verdict {
    let message = &admitted.accepted().message;
    if matches!(message.kind(), MessageKind::Response | MessageKind::ErrorResponse) {
        return Verdict::Permit(Box::new(Permitted { admitted, decider }), None);
    }
    let decision = decide(message, &*decider);
    match refusal(&decision) {
        Some(rejection) => Verdict::Refuse(rejection, Some(decision)),
        // The mirror is compared last: a caller who may not call learns nothing about the tool.
        None if !parameters_match(&admitted, header_parameters) => {
            Verdict::Refuse(Accept::HeaderMismatch.into(), Some(denied(decision)))
        }
        None => Verdict::Permit(Box::new(Permitted { admitted, decider }), Some(decision)),
    }
}

/// Whether a message would be permitted: for the streams that it opened.
pub fn permits(message: &Message, decider: &dyn Decider) -> bool {
    decide(message, decider).is_allow()
}

fn denied(decision: Decision) -> Decision {
    Decision { effect: Effect::Deny, ..decision }
}

fn refusal(decision: &Decision) -> Option<Rejection> {
    if decision.is_allow() {
        return None;
    }
    let reason = decision.refusal.unwrap_or(if decision.errors.is_empty() {
        Authorization::Denied
    } else {
        Authorization::PolicyError
    });
    Some(Rejection::Authorization(reason, decision.advice.clone()))
}

fn parameters_match(admitted: &Admitted, table: Option<&mirror::ParamTable>) -> bool {
    let accepted = admitted.accepted();
    let (true, Some(table)) = (!accepted.mirrored.is_empty() && accepted.revision.is_modern(), table) else {
        return true;
    };
    let lines = accepted.mirrored.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
    mirror::check_params(accepted.message.arguments(), lines, table).is_ok()
}

fn decide(message: &Message, decider: &dyn Decider) -> Decision {
    let Some(method) = message.method() else {
        return nothing_fits();
    };
    let Some(ask) = ask(message, method) else {
        return nothing_fits();
    };
    let decision = decider.decide(&ask);
    if decision.is_allow() && *method == Method::SubscriptionsListen {
        return subscriptions(message, decider).unwrap_or(decision);
    }
    decision
}

fn nothing_fits() -> Decision {
    Decision { effect: Effect::Deny, policies: Arc::default(), errors: Arc::default(), advice: None, refusal: None }
}

/// The question a message asks. A message that lacks what its method acts on asks none.
fn ask<'a>(message: &'a Message, method: &'a Method) -> Option<Ask<'a>> {
    let arguments = Arguments::Known(message.arguments());
    Some(match method {
        Method::ToolsCall => Ask::CallTool { name: message.name()?, arguments },
        Method::PromptsGet => Ask::GetPrompt { name: message.name()?, arguments },
        Method::ResourcesRead
        | Method::ResourcesSubscribe
        | Method::ResourcesUnsubscribe
        | Method::ResourcesDirectoryRead
        | Method::SkillsGet => Ask::Resource { method, uri: message.uri()? },
        Method::CompletionComplete => match (message.name(), message.uri()) {
            (Some(name), None) => Ask::CompletePrompt { name },
            (None, Some(uri_template)) => Ask::Template { method, uri_template },
            _ => return None,
        },
        Method::TasksGet | Method::TasksCancel | Method::TasksResult | Method::TasksUpdate => {
            Ask::Task { method, id: Some(message.task_id()?) }
        }
        Method::TasksList => Ask::Task { method, id: None },
        Method::Unknown(_) => return None,
        _ => Ask::Server { method },
    })
}

/// Every URI and task of a `subscriptions/listen` is asked about; the first that is denied denies the whole.
fn subscriptions(message: &Message, decider: &dyn Decider) -> Option<Decision> {
    let wanted = message.params()?.get("notifications")?;
    let denied = |ask: &Ask<'_>| Some(decider.decide(ask)).filter(|decision| !decision.is_allow());
    for uri in wanted.get("resourceSubscriptions").into_iter().flat_map(|uris| uris.elements()) {
        let Some(uri) = uri.as_str() else {
            return Some(nothing_fits());
        };
        if let Some(decision) = denied(&Ask::Resource { method: &Method::ResourcesSubscribe, uri: &uri }) {
            return Some(decision);
        }
    }
    for task in wanted.get("taskIds").into_iter().flat_map(|ids| ids.elements()) {
        let Some(id) = task.as_str() else {
            return Some(nothing_fits());
        };
        if let Some(decision) = denied(&Ask::Task { method: &Method::TasksGet, id: Some(&id) }) {
            return Some(decision);
        }
    }
    None
}
