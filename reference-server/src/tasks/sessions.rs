//! `tasks/list` and `tasks/result`, which revision 2025-11-25 had and the extension gave up: kept for sessions, since a
//! session has an owner whose tasks can be listed, and a stream to wait on.

use rmcp::model::{CustomRequest, ErrorCode, TaskPayload};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Owner, TaskError, Tasks, undeclared};
use crate::ask::is_modern;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    task_id: String,
}

/// Answers a request that rmcp has no type for.
///
/// # Errors
/// Method not found in the stateless era and for every other method; a missing capability; [`TaskError::Unknown`]; the
/// task's own error.
pub async fn answer(
    tasks: &Tasks,
    caller: &Owner,
    request: CustomRequest,
    context: &RequestContext<RoleServer>,
) -> Result<Value, ErrorData> {
    let known = matches!(request.method.as_str(), "tasks/list" | "tasks/result");
    if !known || is_modern(context) {
        return Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, request.method, None));
    }
    if !context.client_capabilities().is_some_and(|capabilities| capabilities.supports_tasks()) {
        return Err(undeclared());
    }
    if request.method == "tasks/list" {
        return Ok(json!({ "tasks": tasks.list(caller) }));
    }
    let named: Option<Named> =
        request.params_as().map_err(|error| ErrorData::invalid_params(error.to_string(), None))?;
    let named = named.ok_or_else(|| ErrorData::invalid_params("taskId is missing", None))?;
    result(tasks, caller, &named.task_id).await
}

/// Waits for the end and gives what the call would have given.
async fn result(tasks: &Tasks, caller: &Owner, id: &str) -> Result<Value, ErrorData> {
    let mut states = tasks.watch(caller, id)?;
    let state = states.wait_for(|state| state.status().is_terminal()).await.map_err(|_| TaskError::Unknown)?.clone();
    match state.payload {
        TaskPayload::Completed { result } => Ok(Value::Object(result)),
        TaskPayload::Failed { error } => Err(serde_json::from_value(Value::Object(error))
            .unwrap_or_else(|_| ErrorData::internal_error("the task failed", None))),
        _ => Err(ErrorData::invalid_request("the task was cancelled", None)),
    }
}
