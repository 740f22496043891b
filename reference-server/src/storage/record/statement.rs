//! A query as a statement.
//!
//! Invariant: the text is put together from literals of this file and numbers of placeholders; whatever a caller gave,
//! names of fields too, is bound. Statements differ by the query's form only.

use super::aggregate::Grouping;
use super::query::{Compared, Direction, Field, Filter, Query, Sort};
use super::{CollectionName, keys};
use crate::storage::statements::Dialect;

/// Characters of a key that are sorted by: the type, and the rest. A place in a list stays short so.
const SORTED_CHARACTERS: &str = "256";

/// What is bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::storage) enum Given {
    Text(String),
    Number(i64),
}

/// A statement whose rows are texts.
#[derive(Debug)]
pub(in crate::storage) struct Statement {
    pub(in crate::storage) sql: String,
    pub(in crate::storage) bound: Vec<Given>,
    pub(in crate::storage) columns: usize,
}

/// Records, with what they are sorted by; see [`super::page::Filling`].
pub(in crate::storage) fn page(dialect: Dialect, collection: &CollectionName, query: &Query) -> Statement {
    let mut writer = Writer::new(dialect);
    writer.say("SELECT id, CAST(version AS TEXT), body, CAST(created_at AS TEXT), CAST(updated_at AS TEXT)");
    let sorted: Vec<String> = query.sort.iter().map(|sort| writer.sorted(&sort.field)).collect();
    for key in &sorted {
        writer.say(", ");
        writer.say(key);
    }
    writer.of_collection(collection, query.filter.as_ref());
    if let Some(place) = &query.after {
        writer.say(" AND ");
        let order = query.sort.iter().zip(&sorted).zip(&place.keys);
        writer.behind(&order.map(|((sort, key), at)| (sort, key.as_str(), at.as_str())).collect::<Vec<_>>(), &place.id);
    }
    writer.say(" ORDER BY ");
    for (sort, key) in query.sort.iter().zip(&sorted) {
        writer.say(key);
        writer.say(match sort.direction {
            Direction::Asc => " ASC, ",
            Direction::Desc => " DESC, ",
        });
    }
    writer.say("id ASC LIMIT ");
    let limit = writer.bind(Given::Number(i64::from(query.limit) + 1));
    writer.say(&limit);
    writer.finish(5 + sorted.len())
}

/// The keys that groups and aggregates are made of, in the order of the ids, so that doubles are added in one order
/// everywhere; see [`super::aggregate::Groups`].
pub(in crate::storage) fn groups(dialect: Dialect, collection: &CollectionName, grouping: &Grouping) -> Statement {
    let mut writer = Writer::new(dialect);
    let fields: Vec<&Field> = grouping.fields().collect();
    writer.say("SELECT ");
    for field in &fields {
        let key = writer.key(field);
        writer.say(&key);
        writer.say(", ");
    }
    writer.say("NULL");
    writer.of_collection(collection, grouping.filter.as_ref());
    writer.say(" ORDER BY id");
    writer.finish(fields.len())
}

struct Writer {
    dialect: Dialect,
    sql: String,
    bound: Vec<Given>,
}

impl Writer {
    fn new(dialect: Dialect) -> Self {
        Self { dialect, sql: String::new(), bound: vec![] }
    }

    fn finish(self, columns: usize) -> Statement {
        Statement { sql: self.sql, bound: self.bound, columns }
    }

    fn say(&mut self, text: &str) {
        self.sql.push_str(text);
    }

    /// Binds a value; its placeholder.
    fn bind(&mut self, given: Given) -> String {
        self.bound.push(given);
        format!("${}", self.bound.len())
    }

    fn text(&mut self, text: impl Into<String>) -> String {
        let placeholder = self.bind(Given::Text(text.into()));
        format!("CAST({placeholder} AS TEXT)")
    }

    /// The place of a key in the form that the engine looks it up by. It has no quote and no backslash in it.
    fn place(&mut self, place: &str) -> String {
        match self.dialect {
            Dialect::Sqlite => self.text(format!("$.\"{place}\"")),
            Dialect::Postgres => self.text(place),
        }
    }

    /// The key of a field.
    fn key(&mut self, field: &Field) -> String {
        let place = self.place(field.key());
        match self.dialect {
            Dialect::Sqlite => format!("(keys ->> {place})"),
            Dialect::Postgres => format!("((keys ->> {place}) COLLATE \"C\")"),
        }
    }

    fn sorted(&mut self, field: &Field) -> String {
        let key = self.key(field);
        format!("coalesce(substr({key}, 1, {SORTED_CHARACTERS}), '')")
    }

    fn of_collection(&mut self, collection: &CollectionName, filter: Option<&Filter>) {
        self.say(" FROM records WHERE body IS NOT NULL AND collection = ");
        let collection = self.text(collection.as_str());
        self.say(&collection);
        if let Some(filter) = filter {
            self.say(" AND ");
            self.filter(filter);
        }
    }

    /// What comes behind a place: later by the first field, or the same by it and later by the next.
    fn behind(&mut self, order: &[(&Sort, &str, &str)], id: &str) {
        let Some(((sort, key, at), rest)) = order.split_first() else {
            let id = self.text(id);
            return self.say(&format!("id > {id}"));
        };
        let at = self.text(*at);
        let later = match sort.direction {
            Direction::Asc => ">",
            Direction::Desc => "<",
        };
        self.say(&format!("({key} {later} {at} OR ({key} = {at} AND "));
        self.behind(rest, id);
        self.say("))");
    }

    fn filter(&mut self, filter: &Filter) {
        match filter {
            Filter::And(parts) => self.parts(parts, " AND "),
            Filter::Or(parts) => self.parts(parts, " OR "),
            Filter::Not(part) => {
                self.say("NOT ");
                self.filter(part);
            }
            condition => {
                // What is not there is unknown to an engine, and false here.
                self.say("coalesce(");
                self.condition(condition);
                self.say(", FALSE)");
            }
        }
    }

    fn parts(&mut self, parts: &[Filter], between: &str) {
        self.say("(");
        for (place, part) in parts.iter().enumerate() {
            if place > 0 {
                self.say(between);
            }
            self.filter(part);
        }
        self.say(")");
    }

    fn condition(&mut self, condition: &Filter) {
        match condition {
            Filter::Eq(compared) => self.compare(compared, "=", None),
            Filter::Ne(compared) => self.compare(compared, "<>", Some(Side::Both)),
            Filter::Lt(compared) => self.compare(compared, "<", Some(Side::Low)),
            Filter::Le(compared) => self.compare(compared, "<=", Some(Side::Low)),
            Filter::Gt(compared) => self.compare(compared, ">", Some(Side::High)),
            Filter::Ge(compared) => self.compare(compared, ">=", Some(Side::High)),
            Filter::In(listed) => {
                let key = self.key(&listed.field);
                let values: Vec<String> = listed.values.iter().map(|value| self.text(value.key())).collect();
                self.say(&format!("{key} IN ({})", values.join(", ")));
            }
            Filter::Contains(compared) => self.contains(compared),
            Filter::StartsWith(begun) => {
                let key = self.key(&begun.field);
                let begin = self.text(format!("s{}", begun.value));
                self.say(&format!("substr({key}, 1, length({begin})) = {begin}"));
            }
            Filter::Exists(there) => {
                let key = self.key(&there.field);
                self.say(&format!("{key} IS NOT NULL"));
            }
            // A tree is no condition.
            Filter::And(_) | Filter::Or(_) | Filter::Not(_) => self.filter(condition),
        }
    }

    /// Compares keys; where others than equal ones hold, only those of the value's type do.
    fn compare(&mut self, compared: &Compared, by: &str, held: Option<Side>) {
        let key = self.key(&compared.field);
        let value_key = compared.value.key();
        let kind = value_key.chars().next().unwrap_or_default();
        let value = self.text(value_key);
        self.say(&format!("{key} {by} {value}"));
        if matches!(held, Some(Side::Low | Side::Both)) {
            let low = self.text(kind);
            self.say(&format!(" AND {key} >= {low}"));
        }
        if matches!(held, Some(Side::High | Side::Both)) {
            let high = self.text(char::from_u32(u32::from(kind) + 1).unwrap_or(kind));
            self.say(&format!(" AND {key} < {high}"));
        }
    }

    fn contains(&mut self, compared: &Compared) {
        let list = self.place(&keys::items(compared.field.key()));
        let value_key = compared.value.key();
        let text = value_key.strip_prefix('s').map(str::to_owned);
        let item = self.text(value_key);
        match self.dialect {
            Dialect::Sqlite => {
                self.say(&format!("EXISTS (SELECT 1 FROM json_each(keys, {list}) AS each WHERE each.value = {item})"));
            }
            Dialect::Postgres => self.say(&format!("coalesce(jsonb_exists(keys -> {list}, {item}), FALSE)")),
        }
        let Some(text) = text else { return };
        let key = self.key(&compared.field);
        let text = self.text(text);
        let find = match self.dialect {
            Dialect::Sqlite => "instr",
            Dialect::Postgres => "strpos",
        };
        self.say(&format!(" OR (substr({key}, 1, 1) = 's' AND {find}(substr({key}, 2), {text}) > 0)"));
    }
}

/// Where others than the equal one hold.
#[derive(Clone, Copy)]
enum Side {
    Low,
    High,
    Both,
}

#[cfg(test)]
mod tests;
