//! Conditions with unknown arguments: an upper and a lower bound of a Boolean expression.
//!
//! A list is filtered before anyone knows the arguments, and before a person has approved anything. `context.arguments`
//! and `context.approved` are the unknowns. For a condition `e`, and whatever the unknowns are:
//!
//! - if [`upper`]`(e)` evaluates to false, `e` is false or fails;
//! - if [`lower`]`(e)` evaluates to true, `e` is true or fails.
//!
//! An expression that reads no unknown is its own upper and lower bound; another one is taken apart at `&&`, `||`, `!`
//! and `if`, and what remains becomes `true` (upper) or `false` (lower). A bound that fails to evaluate says nothing.

use std::sync::Arc;

use cedar_policy::pst::{BinaryOp, Expr, Literal, UnaryOp};

use super::needs::context_path;
use crate::pipeline::authorize::argument_types::{ArgumentType, RecordType};

/// Which bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    Upper,
    Lower,
}

impl Bound {
    fn opposite(self) -> Self {
        match self {
            Self::Upper => Self::Lower,
            Self::Lower => Self::Upper,
        }
    }

    fn of_unknown(self) -> Arc<Expr> {
        literal(self == Self::Upper)
    }
}

/// The bound that is false only where the expression cannot be true. `arguments`: the tool's argument types, `None`
/// for an action without arguments.
pub(crate) fn upper(expr: &Arc<Expr>, arguments: Option<&RecordType>) -> Arc<Expr> {
    bound(expr, arguments, Bound::Upper)
}

/// The bound that is true only where the expression cannot be false.
pub(crate) fn lower(expr: &Arc<Expr>, arguments: Option<&RecordType>) -> Arc<Expr> {
    bound(expr, arguments, Bound::Lower)
}

fn literal(value: bool) -> Arc<Expr> {
    Arc::new(Expr::Literal(Literal::Bool(value)))
}

fn bound(expr: &Arc<Expr>, arguments: Option<&RecordType>, side: Bound) -> Arc<Expr> {
    if !reads_unknown(expr) {
        return Arc::clone(expr);
    }
    match &**expr {
        Expr::BinaryOp { op: op @ (BinaryOp::And | BinaryOp::Or), left, right } => Arc::new(Expr::BinaryOp {
            op: *op,
            left: bound(left, arguments, side),
            right: bound(right, arguments, side),
        }),
        Expr::UnaryOp { op: UnaryOp::Not, expr } => {
            Arc::new(Expr::UnaryOp { op: UnaryOp::Not, expr: bound(expr, arguments, side.opposite()) })
        }
        Expr::IfThenElse { cond, then_expr, else_expr } => {
            let then_expr = bound(then_expr, arguments, side);
            let else_expr = bound(else_expr, arguments, side);
            if reads_unknown(cond) {
                let op = match side {
                    Bound::Upper => BinaryOp::Or,
                    Bound::Lower => BinaryOp::And,
                };
                Arc::new(Expr::BinaryOp { op, left: then_expr, right: else_expr })
            } else {
                Arc::new(Expr::IfThenElse { cond: Arc::clone(cond), then_expr, else_expr })
            }
        }
        Expr::HasAttr { .. } => match known_presence(expr, arguments) {
            Some(present) => literal(present),
            None => side.of_unknown(),
        },
        _ => side.of_unknown(),
    }
}

/// `has` on arguments that the tool's type does not have is false whatever is sent, because nothing untyped enters
/// the context; `context has arguments` is true for every tool.
fn known_presence(expr: &Expr, arguments: Option<&RecordType>) -> Option<bool> {
    let path = context_path(expr)?;
    let (first, rest) = path.split_first()?;
    if *first != "arguments" {
        return None;
    }
    let Some(mut record) = arguments else {
        return Some(false);
    };
    if rest.is_empty() {
        return Some(true);
    }
    for (place, name) in rest.iter().enumerate() {
        match record.fields.get(*name).map(|field| &field.kind) {
            None => return Some(false),
            Some(ArgumentType::Record(inner)) => record = inner,
            Some(_) => return (place + 1 < rest.len()).then_some(false),
        }
    }
    None
}

/// Whether the expression's value can depend on the arguments or on the approval.
pub(crate) fn reads_unknown(expr: &Expr) -> bool {
    if let Some(path) = context_path(expr) {
        return path.first().is_none_or(|first| matches!(*first, "arguments" | "approved"));
    }
    match expr {
        Expr::Literal(_) | Expr::Var(_) | Expr::Slot(_) => false,
        Expr::UnaryOp { expr, .. }
        | Expr::GetAttr { expr, .. }
        | Expr::HasAttr { expr, .. }
        | Expr::Like { expr, .. } => reads_unknown(expr),
        Expr::BinaryOp { left, right, .. } => reads_unknown(left) || reads_unknown(right),
        Expr::Is { expr, in_expr, .. } => {
            reads_unknown(expr) || in_expr.as_ref().is_some_and(|other| reads_unknown(other))
        }
        Expr::IfThenElse { cond, then_expr, else_expr } => {
            reads_unknown(cond) || reads_unknown(then_expr) || reads_unknown(else_expr)
        }
        Expr::Set(items) => items.iter().any(|item| reads_unknown(item)),
        Expr::Record(members) => members.values().any(|member| reads_unknown(member)),
        _ => true,
    }
}
