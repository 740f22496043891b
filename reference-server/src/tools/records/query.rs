//! `record_query`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::view::Stored;
use crate::cursor;
use crate::state::Shared;
use crate::storage::record::aggregate::{self, Aggregate, Grouping};
use crate::storage::record::page::Place;
use crate::storage::record::query::{Field, Filter, InvalidQuery, Query, SELECT_MAX, Sort, selected};
use crate::storage::record::{CollectionName, Record};
use crate::tools::typed::{TypedError, page_limit, reads, structured, typed_tool};
use crate::tools::{Call, Entry, Outcome, ToolError};

pub(super) fn entry() -> Entry {
    let description = "Finds records of a collection by what they hold, or makes numbers of them. filter is a tree such as \
        {\"and\": [{\"gt\": {\"field\": \"count\", \"value\": 5}}, {\"contains\": {\"field\": \"tags\", \"value\": \"new\"}}, \
        {\"not\": {\"exists\": {\"field\": \"sold.at\"}}}]}. Values of different types never match; nor does a field that is \
        not there, but for not. With aggregate, groups are given instead of records.";
    Entry::new(typed_tool::<Asked, Answer>("record_query", "Query records", description, reads()), query)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// The collection
    collection: String,
    /// Which records; all of them if not given
    filter: Option<Filter>,
    /// The order, up to 4 fields; at last, and without any, by id
    #[serde(default)]
    sort: Vec<Sort>,
    /// Only these fields of the bodies, up to 64; the whole bodies if not given
    #[serde(default)]
    select: Vec<Field>,
    /// next_cursor of the page before, of the same query
    cursor: Option<String>,
    /// Most records of a page, 1 to 200; 50 if not given. A page ends before 1 MiB of bodies, too
    limit: Option<u32>,
    /// Numbers to make of the records, up to 16; no records are given then, so only filter and group_by go with it
    #[serde(default)]
    aggregate: Vec<Aggregate>,
    /// Make them for each group of records that have the same values in these fields, up to 4
    #[serde(default)]
    group_by: Vec<Field>,
}

/// Records or groups.
#[derive(Default, Serialize, JsonSchema)]
struct Answer {
    /// The records; without aggregate
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<Vec<Stored>>,
    /// Cursor of the next page; absent on the last
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// The groups, ordered by what they have in common, one without group_by; with aggregate
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<Vec<Group>>,
}

/// A group of records.
#[derive(Serialize, JsonSchema)]
struct Group {
    /// The fields of group_by with what they are; without those that are not there, lists and objects
    group: Map<String, Value>,
    /// What was made of the records, by the names of aggregate
    values: Map<String, Value>,
}

async fn query(call: Call) -> Outcome {
    let asked: Asked = call.typed_arguments()?;
    let collection = CollectionName::parse(&asked.collection)?;
    let shared = &call.server.shared;
    let answer = if asked.aggregate.is_empty() && asked.group_by.is_empty() {
        records(shared, &collection, asked).await?
    } else {
        groups(shared, &collection, asked).await?
    };
    structured(&answer)
}

async fn records(shared: &Shared, collection: &CollectionName, asked: Asked) -> Result<Answer, ToolError> {
    if asked.select.len() > SELECT_MAX || !asked.select.iter().all(Field::of_body) {
        return Err(InvalidQuery::Select.into());
    }
    let place = |cursor: &str| cursor::place(cursor).and_then(|place| Place::parse(&place, asked.sort.len()));
    let after = asked.cursor.as_deref().map(|cursor| place(cursor).ok_or(TypedError::Cursor)).transpose()?;
    let query = Query { filter: asked.filter, sort: asked.sort, after, limit: page_limit(asked.limit)? };
    let found = shared.records.query_records(collection, &query).await?;
    let shown = |mut record: Record| {
        if !asked.select.is_empty() {
            record.body = selected(&record.body, &asked.select);
        }
        Stored::from(record)
    };
    Ok(Answer {
        records: Some(found.records.into_iter().map(shown).collect()),
        next_cursor: found.next.map(|place| cursor::of(&place.text())),
        groups: None,
    })
}

async fn groups(shared: &Shared, collection: &CollectionName, asked: Asked) -> Result<Answer, ToolError> {
    let paged = asked.cursor.is_some() || asked.limit.is_some() || !asked.sort.is_empty() || !asked.select.is_empty();
    if paged || asked.aggregate.is_empty() {
        return Err(InvalidQuery::Together.into());
    }
    let grouping = Grouping { filter: asked.filter, group_by: asked.group_by, aggregates: asked.aggregate };
    let groups = shared.records.group_records(collection, &grouping).await?;
    let shown = |group: aggregate::Group| Group { group: group.common, values: group.values };
    Ok(Answer { groups: Some(groups.into_iter().map(shown).collect()), ..Answer::default() })
}
