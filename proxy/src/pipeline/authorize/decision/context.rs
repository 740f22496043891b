//! Builds Cedar's `context` for one request: only what the slice reads.
//!
//! In: the facts of the message, the arguments and the tool's types. Out: a context, or [`Unrepresentable`]: an argument
//! that a policy reads is there, but is not of a type that Cedar can hold. Such a value is never left out, because a
//! `forbid … when { context.arguments has x && … }` would then not see it. Nothing is parsed from JSON by Cedar, so
//! keys like `__entity` and `__extn` are plain names.

use cedar_policy::{Context, RestrictedExpression};
use doorward_message::{Kind, Value};

use super::needs::{ArgumentNeeds, ContextNeeds};
use crate::{
    model::{Facts, Principal},
    pipeline::authorize::argument_types::{ArgumentType, RecordType},
};

/// An argument that policy reads cannot be represented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unrepresentable;

/// The arguments of a call, with their types.
#[derive(Clone, Copy)]
pub(crate) struct TypedArguments<'a> {
    pub(crate) types: &'a RecordType,
    pub(crate) value: Option<Value<'a>>,
}

const SECONDS_PER_DAY: i64 = 86_400;

/// Builds the context.
pub(crate) fn build(
    needs: &ContextNeeds,
    facts: &Facts,
    principal: &Principal,
    arguments: Option<TypedArguments<'_>>,
) -> Result<Context, Unrepresentable> {
    let mut pairs: Vec<(String, RestrictedExpression)> = Vec::new();
    let mut add = |name: &str, value: &dyn Fn() -> RestrictedExpression| {
        if needs.reads(name) {
            pairs.push((name.to_owned(), value()));
        }
    };
    let text = |value: &str| RestrictedExpression::new_string(value.to_owned());
    let number = RestrictedExpression::new_long;
    let second_of_day = facts.time_unix_s.rem_euclid(SECONDS_PER_DAY);
    // 1970-01-01 was a Thursday; Monday is 1.
    let weekday = (facts.time_unix_s.div_euclid(SECONDS_PER_DAY) + 3).rem_euclid(7) + 1;
    add("revision", &|| text(facts.revision.as_str()));
    add("transport", &|| text(facts.transport.as_str()));
    add("scopes", &|| RestrictedExpression::new_set(principal.scopes.iter().map(|scope| text(scope))));
    add("time", &|| number(facts.time_unix_s));
    add("hour", &|| number(second_of_day / 3_600));
    add("minute", &|| number(second_of_day / 60 % 60));
    add("weekday", &|| number(weekday));
    add("in_session", &|| RestrictedExpression::new_bool(facts.in_session));
    add("approved", &|| RestrictedExpression::new_bool(facts.approved));
    if let Some(address) = facts.client_address {
        add("client_address", &|| RestrictedExpression::new_ip(address.to_canonical().to_string()));
    }
    if let Some(TypedArguments { types, value }) = arguments {
        let whole = ArgumentNeeds::Whole;
        let read = if needs.whole { Some(&whole) } else { needs.arguments.as_ref() };
        if let Some(read) = read {
            pairs.push(("arguments".to_owned(), record(types, read, value)?));
        }
    }
    Context::from_pairs(pairs).map_err(|_| Unrepresentable)
}

/// The context of policies that read nothing but the principal's scopes.
pub(crate) fn scopes_only(principal: &Principal) -> Result<Context, Unrepresentable> {
    let scopes = principal.scopes.iter().map(|scope| RestrictedExpression::new_string(scope.to_string()));
    Context::from_pairs([("scopes".to_owned(), RestrictedExpression::new_set(scopes))]).map_err(|_| Unrepresentable)
}

fn record(
    types: &RecordType,
    needs: &ArgumentNeeds,
    value: Option<Value<'_>>,
) -> Result<RestrictedExpression, Unrepresentable> {
    let mut members = Vec::new();
    if let Some(object) = value {
        if object.kind() != Kind::Object {
            return Err(Unrepresentable);
        }
        match needs {
            ArgumentNeeds::Whole => {
                for (name, value) in object.members() {
                    let member = member(types, &name, &ArgumentNeeds::Whole, value)?;
                    members.push((name.into_owned(), member));
                }
            }
            ArgumentNeeds::Members(read) => {
                for (name, needs) in read {
                    if let Some(value) = object.get(name) {
                        members.push((name.to_string(), member(types, name, needs, value)?));
                    }
                }
            }
        }
    }
    RestrictedExpression::new_record(members).map_err(|_| Unrepresentable)
}

fn member(
    types: &RecordType,
    name: &str,
    needs: &ArgumentNeeds,
    value: Value<'_>,
) -> Result<RestrictedExpression, Unrepresentable> {
    let field = types.fields.get(name).ok_or(Unrepresentable)?;
    convert(&field.kind, needs, value)
}

fn convert(
    kind: &ArgumentType,
    needs: &ArgumentNeeds,
    value: Value<'_>,
) -> Result<RestrictedExpression, Unrepresentable> {
    match kind {
        ArgumentType::String => {
            let text = value.as_str().ok_or(Unrepresentable)?;
            Ok(RestrictedExpression::new_string(text.into_owned()))
        }
        ArgumentType::Long => {
            let number = value.as_i64().ok_or(Unrepresentable)?;
            Ok(RestrictedExpression::new_long(number))
        }
        ArgumentType::Bool => {
            let flag = value.as_bool().ok_or(Unrepresentable)?;
            Ok(RestrictedExpression::new_bool(flag))
        }
        ArgumentType::Set(element) => {
            if value.kind() != Kind::Array {
                return Err(Unrepresentable);
            }
            let items = value
                .elements()
                .map(|item| convert(element, &ArgumentNeeds::Whole, item))
                .collect::<Result<Vec<_>, _>>()?;
            Ok(RestrictedExpression::new_set(items))
        }
        ArgumentType::Record(types) => record(types, needs, Some(value)),
    }
}
