//! Random queries over random records: every engine tells what a plain evaluation does, which is written here a second time.

use std::cmp::Ordering;

use doorward_reference_server::storage::{Limits, record::query::Query};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{TestCaseError, TestRunner},
};
use serde_json::{Map, Number, Value, json};

use super::queries::{ODD, grouping, groups, ids, query};
use super::{object, record};
use crate::storage::{Store, engine::Engine, on_every_engine};

on_every_engine!(random_query_tells_what_a_plain_evaluation_does);

const COLLECTIONS: usize = 3;
const RECORDS: usize = 40;

fn number() -> impl Strategy<Value = Value> {
    let whole = [0, 1, -1, 5, i64::MAX, i64::MAX - 1, i64::MIN, (1 << 53) + 1, 1 << 53, (1 << 62) + 1];
    let doubles = [0.5, -0.0, 1.0, 5.0, 1e300, -1e300, 5e-324, 0.1 + 0.2, 2f64.powi(53), 2f64.powi(63), 2f64.powi(64)];
    prop_oneof![
        6 => prop::sample::select(whole.to_vec()).prop_map(Value::from),
        6 => prop::sample::select(doubles.to_vec()).prop_map(Value::from),
        1 => prop::sample::select(vec![u64::MAX, u64::MAX - 1, 1 << 63]).prop_map(Value::from),
        1 => any::<f64>().prop_filter_map("finite", |double| Number::from_f64(double).map(Value::from)),
        1 => any::<i64>().prop_map(Value::from),
    ]
}

fn text() -> impl Strategy<Value = String> {
    let texts = ["", "a", "ab", "abc", "B", "b", "ä", "\u{ffff}", "1", "5", "true", "null", "s", "n", "-", "x["];
    prop_oneof![
        4 => prop::sample::select(texts.to_vec()).prop_map(str::to_owned),
        1 => prop::sample::select(ODD.to_vec()).prop_map(str::to_owned),
        1 => "[a-c\u{e9}\u{1f980}'\"%_\\\\]{0,4}",
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        4 => number(),
        4 => text().prop_map(Value::from),
    ]
}

fn member() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::sample::select(vec!["a", "b", "c"]).prop_map(str::to_owned),
        1 => prop::sample::select(ODD.to_vec()).prop_map(str::to_owned),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(member(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn body() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map(member(), value(), 0..4).prop_map(|members| members.into_iter().collect())
}

/// A list of names, or its text with dots where that says the same.
fn field() -> impl Strategy<Value = Value> {
    prop::collection::vec(member(), 1..3).prop_flat_map(|path| {
        let plain = path.iter().all(|name| !name.contains(['.', '$']));
        (any::<bool>(), Just(path))
            .prop_map(move |(dotted, path)| if dotted && plain { json!(path.join(".")) } else { json!(path) })
    })
}

fn condition() -> impl Strategy<Value = Value> {
    let ordered = prop::sample::select(vec!["ne", "lt", "le", "gt", "ge"]);
    let comparable = scalar().prop_filter("not null", |value| !value.is_null());
    let equal = prop::sample::select(vec!["eq", "contains"]);
    prop_oneof![
        5 => (ordered, field(), comparable).prop_map(|(by, field, value)| json!({ by: { "field": field, "value": value } })),
        4 => (equal, field(), scalar()).prop_map(|(by, field, value)| json!({ by: { "field": field, "value": value } })),
        1 => (field(), prop::collection::vec(scalar(), 1..5))
            .prop_map(|(field, values)| json!({ "in": { "field": field, "values": values } })),
        1 => (field(), text()).prop_map(|(field, value)| json!({ "starts_with": { "field": field, "value": value } })),
        1 => field().prop_map(|field| json!({ "exists": { "field": field } })),
    ]
}

fn filter() -> impl Strategy<Value = Value> {
    condition().prop_recursive(3, 10, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| json!({ "and": parts })),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| json!({ "or": parts })),
            inner.prop_map(|part| json!({ "not": part })),
        ]
    })
}

/// A query, a page's size, and what to group by and to make numbers of.
#[derive(Debug, Clone)]
struct Asked {
    collection: usize,
    filter: Value,
    sort: Vec<(Value, bool)>,
    limit: u32,
    group_by: Vec<Value>,
    of: Value,
}

fn asked() -> impl Strategy<Value = Asked> {
    let sort = prop::collection::vec((field(), any::<bool>()), 0..3);
    let groups = prop::collection::vec(field(), 0..3);
    (0..COLLECTIONS, filter(), sort, 1..50u32, groups, field()).prop_map(
        |(collection, filter, mut sort, limit, group_by, of)| {
            let written_twice = |sort: &[(Value, bool)]| sort.len() > 1 && names(&sort[0].0) == names(&sort[1].0);
            if written_twice(&sort) {
                sort.truncate(1);
            }
            Asked { collection, filter, sort, limit, group_by, of }
        },
    )
}

fn names(field: &Value) -> Vec<String> {
    match field {
        Value::String(text) => text.split('.').map(str::to_owned).collect(),
        field => field.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect(),
    }
}

fn at<'a>(body: &'a Value, field: &Value) -> Option<&'a Value> {
    names(field).iter().try_fold(body, |value, name| value.as_object()?.get(name))
}

fn compared_numbers(one: &Number, other: &Number) -> Ordering {
    let whole = |number: &Number| number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    match (whole(one), whole(other)) {
        (Some(one), Some(other)) => one.cmp(&other),
        (None, None) => one.as_f64().unwrap().partial_cmp(&other.as_f64().unwrap()).unwrap(),
        (None, Some(_)) => compared_numbers(other, one).reverse(),
        (Some(one), None) => {
            let other = other.as_f64().unwrap();
            if other.abs() >= 2f64.powi(65) {
                return if other > 0.0 { Ordering::Less } else { Ordering::Greater };
            }
            #[expect(clippy::cast_possible_truncation, reason = "below 2^65")]
            let floor = other.floor() as i128;
            one.cmp(&floor).then(if other > other.floor() { Ordering::Less } else { Ordering::Equal })
        }
    }
}

/// `None` for different types, lists and objects.
fn compared(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        (Value::Bool(one), Value::Bool(other)) => Some(one.cmp(other)),
        (Value::Number(one), Value::Number(other)) => Some(compared_numbers(one, other)),
        (Value::String(one), Value::String(other)) => Some(one.chars().cmp(other.chars())),
        _ => None,
    }
}

fn holds(filter: &Value, body: &Value) -> bool {
    let (by, part) = filter.as_object().unwrap().iter().next().unwrap();
    match by.as_str() {
        "and" => return part.as_array().unwrap().iter().all(|part| holds(part, body)),
        "or" => return part.as_array().unwrap().iter().any(|part| holds(part, body)),
        "not" => return !holds(part, body),
        _ => {}
    }
    let Some(there) = at(body, &part["field"]) else { return false };
    let value = &part["value"];
    let ordered = compared(there, value);
    match by.as_str() {
        "exists" => true,
        "eq" => ordered == Some(Ordering::Equal),
        "ne" => ordered.is_some_and(Ordering::is_ne),
        "lt" => ordered.is_some_and(Ordering::is_lt),
        "le" => ordered.is_some_and(Ordering::is_le),
        "gt" => ordered.is_some_and(Ordering::is_gt),
        "ge" => ordered.is_some_and(Ordering::is_ge),
        "in" => part["values"].as_array().unwrap().iter().any(|each| compared(there, each) == Some(Ordering::Equal)),
        "starts_with" => there.as_str().is_some_and(|text| text.starts_with(value.as_str().unwrap())),
        "contains" => match there {
            Value::Array(items) => items.iter().any(|item| compared(item, value) == Some(Ordering::Equal)),
            Value::String(text) => value.as_str().is_some_and(|part| text.contains(part)),
            _ => false,
        },
        other => panic!("{other}"),
    }
}

fn rank(value: Option<&Value>) -> u8 {
    match value {
        None => 0,
        Some(Value::Null) => 1,
        Some(Value::Bool(_)) => 2,
        Some(Value::Number(_)) => 3,
        Some(Value::String(_)) => 4,
        Some(Value::Array(_)) => 5,
        Some(Value::Object(_)) => 6,
    }
}

fn sorted(one: Option<&Value>, other: Option<&Value>) -> Ordering {
    let within = one.zip(other).and_then(|(one, other)| compared(one, other));
    rank(one).cmp(&rank(other)).then(within.unwrap_or(Ordering::Equal))
}

/// Bodies with their ids, in the order of those.
type Collection = Vec<(String, Value)>;

fn plain<'a>(asked: &Asked, records: &'a Collection) -> Vec<&'a (String, Value)> {
    let mut found: Vec<_> = records.iter().filter(|(_, body)| holds(&asked.filter, body)).collect();
    found.sort_by(|(_, one), (_, other)| {
        asked.sort.iter().fold(Ordering::Equal, |order, (field, descending)| {
            let next = sorted(at(one, field), at(other, field));
            order.then(if *descending { next.reverse() } else { next })
        })
    });
    found
}

/// count, sum, min, max and avg of a field.
fn numbers(bodies: &[&Value], of: &Value) -> Value {
    let there: Vec<&Value> = bodies.iter().filter_map(|body| at(body, of)).collect();
    let numbers: Vec<&Number> = there.iter().filter_map(|value| value.as_number()).collect();
    let exact = |number: &&Number| {
        let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
        let double = number.as_f64().unwrap();
        let within = double.fract() == 0.0 && (-(2f64.powi(63))..2f64.powi(64)).contains(&double);
        #[expect(clippy::cast_possible_truncation, reason = "within the range")]
        whole.or(within.then_some(double as i128))
    };
    let whole: i128 = numbers.iter().filter_map(exact).sum();
    let doubles: Vec<f64> =
        numbers.iter().filter(|number| exact(number).is_none()).map(|number| number.as_f64().unwrap()).collect();
    #[expect(clippy::cast_precision_loss, reason = "the nearest is wanted")]
    let (near, many) = (whole as f64, numbers.len() as f64);
    let sum = if doubles.is_empty() { near } else { near + doubles.iter().sum::<f64>() };
    let whole_sum = i64::try_from(whole).map(Value::from).or_else(|_| u64::try_from(whole).map(Value::from));
    let told_sum = if doubles.is_empty() { whole_sum.unwrap_or_else(|_| json!(sum)) } else { json!(sum) };
    let average = if numbers.is_empty() { Value::Null } else { json!(sum / many) };
    let mut ordered: Vec<&Value> = there.iter().copied().filter(|value| (2..=4).contains(&rank(Some(value)))).collect();
    ordered.sort_by(|one, other| sorted(Some(one), Some(other)));
    let (least, most) = (ordered.first(), ordered.last());
    json!([there.len(), told_sum, least, most, average])
}

/// Told numbers are the same where they are worth the same.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, value)| other.get(name).is_some_and(|other| same(value, other)))
        }
        _ => compared(one, other) == Some(Ordering::Equal),
    }
}

fn scalars(body: &Value, group_by: &[Value]) -> Vec<Option<Value>> {
    let scalar = |field| at(body, field).filter(|value| rank(Some(value)) < 5).cloned();
    group_by.iter().map(scalar).collect()
}

fn plain_groups(asked: &Asked, records: &Collection) -> Vec<Value> {
    let found = plain(&Asked { sort: vec![], ..asked.clone() }, records);
    let mut groups: Vec<(Vec<Option<Value>>, Vec<&Value>)> = vec![];
    for (_, body) in found {
        let common = scalars(body, &asked.group_by);
        let equal = |(other, _): &&mut (Vec<Option<Value>>, _)| {
            other.iter().zip(&common).all(|(one, other)| sorted(one.as_ref(), other.as_ref()).is_eq())
        };
        match groups.iter_mut().find(equal) {
            Some((_, bodies)) => bodies.push(body),
            None => groups.push((common, vec![body])),
        }
    }
    if groups.is_empty() && asked.group_by.is_empty() {
        groups.push((vec![], vec![]));
    }
    groups.sort_by(|(one, _), (other, _)| {
        let pairs = one.iter().zip(other);
        pairs.fold(Ordering::Equal, |order, (one, other)| order.then(sorted(one.as_ref(), other.as_ref())))
    });
    let told = |(common, bodies): (Vec<Option<Value>>, Vec<&Value>)| json!([common, numbers(&bodies, &asked.of)]);
    groups.into_iter().map(told).collect()
}

/// What the store tells of groups, in the form of [`plain_groups`].
async fn told_groups(store: &Store, asked: &Asked) -> Vec<Value> {
    let functions = ["count", "sum", "min", "max", "avg"];
    let aggregates = functions.map(|each| json!({ "as": each, "function": each, "field": asked.of }));
    let grouping = grouping(asked.filter.clone(), json!(asked.group_by), json!(aggregates));
    let told = groups(store, &format!("c{}", asked.collection), &grouping).await;
    let shown = |group: Value| {
        // An object that is there is one around another field's value.
        json!([scalars(&group[0], &asked.group_by), functions.map(|each| group[1][each].clone())])
    };
    told.into_iter().map(shown).collect()
}

async fn filled(store: &Store) -> Vec<Collection> {
    let mut runner = TestRunner::default();
    let mut collections = vec![];
    for number in 0..COLLECTIONS {
        let mut records = vec![];
        for place in 0..RECORDS {
            let body = body().new_tree(&mut runner).unwrap().current();
            store.create_record(&record(&format!("c{number}/{place:02}")), body.clone()).await.unwrap();
            records.push((format!("{place:02}"), Value::Object(body)));
        }
        collections.push(records);
    }
    // All that a list of fields can tell apart.
    assert!(object(collections[0][0].1.clone()).len() < 4);
    collections
}

async fn random_query_tells_what_a_plain_evaluation_does(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    let collections = filled(&store).await;
    let config = ProptestConfig { cases: engine.cases(), failure_persistence: None, ..ProptestConfig::default() };
    let here = tokio::runtime::Handle::current();
    let found = std::sync::atomic::AtomicUsize::new(0);
    tokio::task::block_in_place(|| {
        TestRunner::new(config).run(&asked(), |asked| {
            let records = &collections[asked.collection];
            let direction = |descending: bool| if descending { "desc" } else { "asc" };
            let sort = asked.sort.iter().map(|(field, down)| json!({ "field": field, "direction": direction(*down) }));
            let query = Query { limit: asked.limit, ..query(asked.filter.clone(), sort.collect()) };
            let told = here.block_on(ids(&store, &format!("c{}", asked.collection), query));
            let wanted: Vec<&str> = plain(&asked, records).iter().map(|(id, _)| id.as_str()).collect();
            found.fetch_add(wanted.len(), std::sync::atomic::Ordering::Relaxed);
            prop_assert_eq!(told, wanted);
            let (told, wanted) = (here.block_on(told_groups(&store, &asked)), plain_groups(&asked, records));
            if same(&json!(told), &json!(wanted)) {
                Ok(())
            } else {
                Err(TestCaseError::fail(format!("{}\n{}", json!(told), json!(wanted))))
            }
        })
    })
    .unwrap();
    // Not everything, and not nothing.
    let mean = found.into_inner() / usize::try_from(engine.cases()).unwrap();
    assert!((2..RECORDS - 2).contains(&mean), "{mean}");
}
