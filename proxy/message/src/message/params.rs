//! The members of `params`, `result` and `error` that others rely on: types, sizes, spellings.

use crate::json::{Kind, Value};
use crate::{Id, Limits, Method, MethodKind, ParseError, Target, keys};

use super::{META_CLIENT_CAPABILITIES, META_PROTOCOL_VERSION};

/// Tape indices and decoded texts of the parts of a message.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    pub(super) params: Option<u32>,
    pub(super) result: Option<u32>,
    pub(super) error: Option<u32>,
    pub(super) arguments: Option<u32>,
    pub(super) meta: Option<u32>,
    pub(super) name: Option<Box<str>>,
    pub(super) uri: Option<Box<str>>,
    pub(super) task_id: Option<Box<str>>,
}

/// Parts of a request or notification.
pub(super) fn of_call(
    params: Option<Value<'_>>,
    method: Option<&Method>,
    limits: &Limits,
) -> Result<Parts, ParseError> {
    let target = method.map_or(Target::None, Method::target);
    let Some(params) = params else {
        return Ok(Parts::default());
    };
    if params.kind() != Kind::Object {
        return Err(ParseError::ParamsInvalid);
    }
    keys::refuse_variants(params, keys::PARAMS)?;
    let mut parts = Parts { params: Some(params.index()), meta: meta(params, limits)?, ..Parts::default() };
    nested(params, method)?;
    read_target(params, target, limits, &mut parts)?;
    if matches!(method, Some(Method::ToolsCall | Method::PromptsGet))
        && let Some(arguments) = params.get("arguments")
    {
        parts.arguments = Some(object(arguments, "arguments")?);
    }
    if method.is_some_and(|method| method.kind() == Some(MethodKind::Notification)) {
        correlation(params, limits)?;
    }
    Ok(parts)
}

/// Parts of a response.
pub(super) fn of_answer(
    result: Option<Value<'_>>,
    error: Option<Value<'_>>,
    limits: &Limits,
) -> Result<Parts, ParseError> {
    let mut parts = Parts::default();
    if let Some(result) = result {
        if result.kind() != Kind::Object {
            return Err(ParseError::ResponseInvalid { key: "result" });
        }
        keys::refuse_variants(result, keys::RESULT)?;
        parts.result = Some(result.index());
        parts.meta = meta(result, limits)?;
    }
    if let Some(error) = error {
        keys::refuse_variants(error, keys::ERROR)?;
        let code = error.get("code").and_then(Value::as_i64);
        let message = error.get("message").map(Value::kind);
        if code.is_none() || message != Some(Kind::String) {
            return Err(ParseError::ResponseInvalid { key: "error" });
        }
        parts.error = Some(error.index());
    }
    Ok(parts)
}

/// Objects inside `params` whose members name targets, of the methods that have them.
fn nested(params: Value<'_>, method: Option<&Method>) -> Result<(), ParseError> {
    let objects: &[(&str, &'static [&'static str])] = match method {
        Some(Method::CompletionComplete) => {
            &[("ref", keys::REFERENCE), ("argument", keys::ARGUMENT), ("context", &["arguments"])]
        }
        Some(Method::SubscriptionsListen) => &[("notifications", keys::SUBSCRIPTIONS)],
        _ => &[],
    };
    for (key, protocol_keys) in objects {
        if let Some(value) = params.get(key) {
            keys::refuse_variants(value, protocol_keys)?;
        }
    }
    Ok(())
}

/// A target that is there must be in form; whether it must be there depends on whether the method exists under the
/// message's revision, which the caller finds out ([`super::Message::missing_target`]). A target's key that the method does not use is data of the sender and only
/// bounded, so that nobody downstream trips over it.
fn read_target(params: Value<'_>, target: Target, limits: &Limits, parts: &mut Parts) -> Result<(), ParseError> {
    let text = |key, limit| {
        let Some(value) = params.get(key) else {
            return Ok(None);
        };
        bounded(value, key, limit).map(Some)
    };
    match target {
        Target::None => {}
        Target::Name => parts.name = text("name", limits.name_bytes_max)?,
        Target::Uri => parts.uri = text("uri", limits.uri_bytes_max)?,
        Target::TaskId => parts.task_id = text("taskId", limits.task_id_bytes_max)?,
        Target::Ref => {
            let Some(reference) = params.get("ref") else {
                return Ok(());
            };
            object(reference, "ref")?;
            let kind = reference.get("type").and_then(Value::as_str);
            match kind.as_deref() {
                Some("ref/prompt") => {
                    let name = reference.get("name").ok_or(ParseError::ParamInvalid { key: "ref" })?;
                    parts.name = Some(bounded(name, "ref", limits.name_bytes_max)?);
                }
                Some("ref/resource") => {
                    let uri = reference.get("uri").ok_or(ParseError::ParamInvalid { key: "ref" })?;
                    parts.uri = Some(bounded(uri, "ref", limits.uri_bytes_max)?);
                }
                _ => return Err(ParseError::ParamInvalid { key: "ref" }),
            }
        }
    }
    Ok(())
}

/// A non-empty string of at most `limit` bytes without control characters (C0, DEL, C1).
fn bounded(value: Value<'_>, key: &'static str, limit: usize) -> Result<Box<str>, ParseError> {
    let text = value.as_str().ok_or(ParseError::ParamInvalid { key })?;
    if text.len() > limit {
        return Err(ParseError::ParamTooLong { key, limit });
    }
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(ParseError::ParamInvalid { key });
    }
    Ok(text.into())
}

fn object(value: Value<'_>, key: &'static str) -> Result<u32, ParseError> {
    if value.kind() != Kind::Object {
        return Err(ParseError::ParamInvalid { key });
    }
    Ok(value.index())
}

/// `_meta` of `params` or `result`: an object within its limit whose protocol fields have their types.
fn meta(owner: Value<'_>, limits: &Limits) -> Result<Option<u32>, ParseError> {
    let Some(meta) = owner.get("_meta") else {
        return Ok(None);
    };
    if meta.kind() != Kind::Object {
        return Err(ParseError::MetaInvalid);
    }
    let (bytes, limit) = (meta.span().len(), limits.meta_bytes_max);
    if bytes > limit {
        return Err(ParseError::MetaTooLarge { bytes, limit });
    }
    keys::refuse_variants(meta, keys::META)?;
    for (key, kind) in [(META_PROTOCOL_VERSION, Kind::String), (META_CLIENT_CAPABILITIES, Kind::Object)] {
        if meta.get(key).is_some_and(|value| value.kind() != kind) {
            return Err(ParseError::MetaInvalid);
        }
    }
    if let Some(token) = meta.get("progressToken") {
        progress_token(token, limits).map_err(|_| ParseError::MetaInvalid)?;
    }
    Ok(Some(meta.index()))
}

/// What notifications refer to: `requestId` of `cancelled`, `progressToken` of `progress`.
fn correlation(params: Value<'_>, limits: &Limits) -> Result<(), ParseError> {
    if let Some(id) = params.get("requestId") {
        Id::read(id, limits).map_err(|_| ParseError::ParamInvalid { key: "requestId" })?;
    }
    if let Some(token) = params.get("progressToken") {
        progress_token(token, limits)?;
    }
    Ok(())
}

/// A progress token is a string or a number (all revisions, §Progress).
fn progress_token(token: Value<'_>, limits: &Limits) -> Result<(), ParseError> {
    let key = "progressToken";
    if !matches!(token.kind(), Kind::String | Kind::Number) {
        return Err(ParseError::ParamInvalid { key });
    }
    let limit = limits.id_bytes_max;
    let bytes = token.as_str().map_or(token.span().len(), |text| text.len());
    if bytes > limit {
        return Err(ParseError::ParamTooLong { key, limit });
    }
    Ok(())
}
