//! Static analysis: which parts of `context` a policy reads.
//!
//! In: a policy's conditions as Cedar's public syntax tree. Out: [`ContextNeeds`], an over-approximation: everything
//! the evaluation may look at is in it. Expressions that this version does not know count as reading everything.

use std::collections::BTreeMap;

use cedar_policy::pst::{Clause, Expr, Var};

/// Which arguments are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ArgumentNeeds {
    /// The value as a whole, or a leaf.
    Whole,
    /// Some members of a record.
    Members(BTreeMap<Box<str>, ArgumentNeeds>),
}

impl ArgumentNeeds {
    fn none() -> Self {
        Self::Members(BTreeMap::new())
    }

    fn add(&mut self, path: &[&str]) {
        let Some((first, rest)) = path.split_first() else {
            *self = Self::Whole;
            return;
        };
        if let Self::Members(members) = self {
            members.entry((*first).into()).or_insert_with(Self::none).add(rest);
        }
    }

    fn merge(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::Whole, _) => {}
            (_, Self::Whole) => *self = Self::Whole,
            (Self::Members(mine), Self::Members(theirs)) => {
                for (name, needs) in theirs {
                    mine.entry(name.clone()).or_insert_with(Self::none).merge(needs);
                }
            }
        }
    }
}

/// What of the context is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ContextNeeds {
    /// Names of attributes other than `arguments`.
    pub(crate) attributes: std::collections::BTreeSet<Box<str>>,
    /// `context.arguments`; `None` where it is not read.
    pub(crate) arguments: Option<ArgumentNeeds>,
    /// The context is passed on as a whole.
    pub(crate) whole: bool,
}

/// The only context attribute that depends on nothing but the principal, whose digest is in every cache key.
const PRINCIPAL_BOUND: &str = "scopes";

impl ContextNeeds {
    /// What the conditions read.
    pub(crate) fn of(clauses: &[Clause]) -> Self {
        let mut needs = Self::default();
        for clause in clauses {
            let (Clause::When(expr) | Clause::Unless(expr)) = clause;
            needs.visit(expr);
        }
        needs
    }

    /// Whether nothing is read that can differ between two requests of one principal.
    pub(crate) fn is_bound_to_principal(&self) -> bool {
        !self.whole && self.arguments.is_none() && self.attributes.iter().all(|name| &**name == PRINCIPAL_BOUND)
    }

    /// Whether an attribute other than `arguments` is read.
    pub(crate) fn reads(&self, attribute: &str) -> bool {
        self.whole || self.attributes.contains(attribute)
    }

    /// Whether something is read that is unknown while a list is filtered.
    pub(crate) fn reads_unknown(&self) -> bool {
        self.whole || self.arguments.is_some() || self.attributes.contains("approved")
    }

    /// Adds what another policy reads.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.whole |= other.whole;
        self.attributes.extend(other.attributes.iter().cloned());
        match (&mut self.arguments, &other.arguments) {
            (Some(mine), Some(theirs)) => mine.merge(theirs),
            (mine @ None, Some(theirs)) => *mine = Some(theirs.clone()),
            (_, None) => {}
        }
    }

    fn add(&mut self, path: &[&str]) {
        match path.split_first() {
            None => self.whole = true,
            Some((first, rest)) if *first == "arguments" => {
                self.arguments.get_or_insert_with(ArgumentNeeds::none).add(rest)
            }
            Some((first, _)) => {
                self.attributes.insert((*first).into());
            }
        }
    }

    /// `context has arguments` alone reads nothing of the arguments themselves.
    fn add_presence(&mut self, path: &[&str]) {
        if path == ["arguments"] {
            self.arguments.get_or_insert_with(ArgumentNeeds::none);
        } else {
            self.add(path);
        }
    }

    fn visit(&mut self, expr: &Expr) {
        if let Some(path) = context_path(expr) {
            match expr {
                Expr::HasAttr { .. } => self.add_presence(&path),
                _ => self.add(&path),
            }
            return;
        }
        match expr {
            Expr::Literal(_) | Expr::Var(_) | Expr::Slot(_) => {}
            Expr::UnaryOp { expr, .. }
            | Expr::GetAttr { expr, .. }
            | Expr::HasAttr { expr, .. }
            | Expr::Like { expr, .. } => self.visit(expr),
            Expr::BinaryOp { left, right, .. } => {
                self.visit(left);
                self.visit(right);
            }
            Expr::Is { expr, in_expr, .. } => {
                self.visit(expr);
                if let Some(ancestor) = in_expr {
                    self.visit(ancestor);
                }
            }
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                self.visit(cond);
                self.visit(then_expr);
                self.visit(else_expr);
            }
            Expr::Set(items) => items.iter().for_each(|item| self.visit(item)),
            Expr::Record(members) => members.values().for_each(|member| self.visit(member)),
            _ => self.whole = true,
        }
    }
}

/// `context`, `context.a.b`, `context has a.b`: the path from `context`; `None` for anything else.
pub(crate) fn context_path(expr: &Expr) -> Option<Vec<&str>> {
    match expr {
        Expr::Var(Var::Context) => Some(Vec::new()),
        Expr::GetAttr { expr, attr } => {
            let mut path = context_path(expr)?;
            // Below `has` there is a Bool, which has no members.
            if matches!(**expr, Expr::HasAttr { .. }) {
                return None;
            }
            path.push(attr.as_str());
            Some(path)
        }
        Expr::HasAttr { expr, attrs } => {
            if matches!(**expr, Expr::HasAttr { .. }) {
                return None;
            }
            let mut path = context_path(expr)?;
            path.extend(attrs.iter().map(|attr| attr.as_str()));
            Some(path)
        }
        _ => None,
    }
}
