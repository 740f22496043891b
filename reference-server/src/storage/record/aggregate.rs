//! Numbers made of records, for all of them together or for each group, out of the rows of [`super::statement::groups`].
//!
//! It is done here and not by an engine, so that every engine tells the same: whole numbers are added exactly, doubles in
//! the order of the ids.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::keys::Exact;
use super::query::{Field, Filter, InvalidQuery};
use super::{RecordError, keys};

/// Most groups of an answer.
pub const GROUPS_MAX: usize = 1_000;
/// Most bytes of what groups are told from each other by.
pub const GROUP_BYTES_MAX: usize = 1024 * 1024;
/// Most fields to group by.
pub const GROUP_FIELDS_MAX: usize = 4;
/// Most numbers to make.
pub const AGGREGATES_MAX: usize = 16;
/// Longest name of one, in bytes.
pub const NAME_BYTES_MAX: usize = 128;

/// What is made of the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Function {
    /// How many records; with a field, how many have it
    Count,
    /// The sum of the field's numbers; 0 without any
    Sum,
    /// The lowest value, in the order of sort; null without any
    Min,
    /// The highest value
    Max,
    /// The mean of the field's numbers; null without any
    Avg,
}

/// A number to make.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Aggregate {
    /// What it is called in the answer
    #[serde(rename = "as")]
    pub name: String,
    /// What is made of the field
    pub function: Function,
    /// The field; count may go without
    pub field: Option<Field>,
}

/// What to make, of which records.
#[derive(Debug, Clone, PartialEq)]
pub struct Grouping {
    /// Which; all of them where it is `None`.
    pub filter: Option<Filter>,
    /// Records with the same values here are a group.
    pub group_by: Vec<Field>,
    /// What to make of each.
    pub aggregates: Vec<Aggregate>,
}

impl Grouping {
    /// Holds it to the limits.
    ///
    /// # Errors
    /// See [`InvalidQuery`].
    pub fn check(&self) -> Result<(), InvalidQuery> {
        self.filter.as_ref().map_or(Ok(()), Filter::check)?;
        let named = |aggregate: &Aggregate| {
            let same = self.aggregates.iter().filter(|each| each.name == aggregate.name).count();
            (1..=NAME_BYTES_MAX).contains(&aggregate.name.len()) && same == 1
        };
        let fits = (1..=AGGREGATES_MAX).contains(&self.aggregates.len()) && self.group_by.len() <= GROUP_FIELDS_MAX;
        if !fits || !self.aggregates.iter().all(named) || !self.group_by.iter().all(Field::of_body) {
            return Err(InvalidQuery::Aggregates);
        }
        let whole = |each: &Aggregate| each.field.is_some() || each.function == Function::Count;
        if self.aggregates.iter().all(whole) { Ok(()) } else { Err(InvalidQuery::Function) }
    }

    /// The fields whose keys are asked for, in the order of the columns.
    pub(super) fn fields(&self) -> impl Iterator<Item = &Field> {
        self.group_by.iter().chain(self.aggregates.iter().filter_map(|each| each.field.as_ref()))
    }
}

/// A group.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// What its records have in common; what is not there, a list or an object is left out.
    pub common: Map<String, Value>,
    /// What was made of them, by name.
    pub values: Map<String, Value>,
}

/// Groups that are being filled. Ordered by their keys.
pub(in crate::storage) struct Groups<'a> {
    grouping: &'a Grouping,
    groups: BTreeMap<Vec<Option<String>>, Vec<Made>>,
    bytes: usize,
}

impl<'a> Groups<'a> {
    pub(in crate::storage) fn new(grouping: &'a Grouping) -> Self {
        let mut groups = Self { grouping, groups: BTreeMap::new(), bytes: 0 };
        if grouping.group_by.is_empty() {
            // Also where there is no record.
            groups.groups.insert(vec![], groups.fresh());
        }
        groups
    }

    fn fresh(&self) -> Vec<Made> {
        vec![Made::default(); self.grouping.aggregates.len()]
    }

    /// Takes a row.
    pub(in crate::storage) fn take(&mut self, row: Vec<Option<String>>) -> Result<ControlFlow<()>, RecordError> {
        let mut columns = row.into_iter();
        let common: Vec<Option<String>> = columns
            .by_ref()
            .take(self.grouping.group_by.len())
            .map(|key| key.filter(|key| !key.starts_with('x')))
            .collect();
        if !self.groups.contains_key(&common) {
            self.bytes += common.iter().flatten().map(String::len).sum::<usize>();
            if self.groups.len() >= GROUPS_MAX || self.bytes > GROUP_BYTES_MAX {
                return Err(RecordError::Groups);
            }
        }
        let grouping = self.grouping;
        let made = self.groups.entry(common).or_insert_with(|| vec![Made::default(); grouping.aggregates.len()]);
        for (made, aggregate) in made.iter_mut().zip(&grouping.aggregates) {
            match aggregate.field {
                None => made.count += 1,
                Some(_) => made.take(columns.next().flatten()),
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    pub(in crate::storage) fn finish(self) -> Vec<Group> {
        let Self { grouping, groups, .. } = self;
        let group = |(common, made): (Vec<Option<String>>, Vec<Made>)| {
            let mut object = Map::new();
            for (field, key) in grouping.group_by.iter().zip(common) {
                if let Some(value) = key.and_then(|key| keys::value(&key)) {
                    field.put(&mut object, value);
                }
            }
            let values = grouping.aggregates.iter().zip(made);
            let values = values.map(|(each, made)| (each.name.clone(), made.value(each.function))).collect();
            Group { common: object, values }
        };
        groups.into_iter().map(group).collect()
    }
}

/// What was made so far.
#[derive(Debug, Clone, Default)]
struct Made {
    count: u64,
    numbers: u64,
    whole: i128,
    doubles: Option<f64>,
    lowest: Option<String>,
    highest: Option<String>,
}

impl Made {
    fn take(&mut self, key: Option<String>) {
        let Some(key) = key else { return };
        self.count += 1;
        match keys::number(&key) {
            Some(Exact::Whole(whole)) => {
                self.numbers += 1;
                // 2^63 records of 2^64 would be too many.
                self.whole = self.whole.saturating_add(whole);
            }
            Some(Exact::Double(double)) => {
                self.numbers += 1;
                self.doubles = Some(self.doubles.unwrap_or_default() + double);
            }
            None => {}
        }
        let ordered = key != keys::NULL && !key.starts_with('x');
        if !ordered {
            return;
        }
        let beyond = |held: &Option<String>, wanted| held.as_ref().is_none_or(|held| key.cmp(held) == wanted);
        if beyond(&self.lowest, Ordering::Less) {
            self.lowest = Some(key.clone());
        }
        if beyond(&self.highest, Ordering::Greater) {
            self.highest = Some(key);
        }
    }

    fn sum(&self) -> Exact {
        match self.doubles {
            None => Exact::Whole(self.whole),
            Some(doubles) => Exact::Double(Exact::Whole(self.whole).double() + doubles),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "the mean is a double")]
    fn value(self, function: Function) -> Value {
        let extreme = |key: Option<String>| key.and_then(|key| keys::value(&key));
        let value = match function {
            Function::Count => Some(self.count.into()),
            Function::Sum => self.sum().json().map(Value::from),
            Function::Avg if self.numbers == 0 => None,
            Function::Avg => Exact::Double(self.sum().double() / self.numbers as f64).json().map(Value::from),
            Function::Min => extreme(self.lowest),
            Function::Max => extreme(self.highest),
        };
        value.unwrap_or(Value::Null)
    }
}

#[cfg(test)]
mod tests;
