//! Queries: what is told of known records, what a caller may say, and how long it takes.

use std::time::{Duration, Instant};

use doorward_reference_server::storage::{
    Limits,
    record::{
        RecordError,
        aggregate::Grouping,
        query::{InvalidQuery, Query},
    },
};
use serde_json::{Map, Value, json};

use super::{collection, object, record};
use crate::storage::{Store, body, engine::Engine, on_every_engine, path};

on_every_engine!(
    every_condition_tells_what_it_says,
    records_are_sorted_and_paged_by_several_fields,
    own_fields_are_queried_and_deleted_records_are_not_found,
    groups_have_their_numbers,
    whatever_a_caller_says_stays_data,
    page_ends_before_it_is_too_large,
    query_beyond_a_limit_is_refused,
    slow_query_is_given_up_and_the_store_goes_on,
);

pub(super) fn query(filter: Value, sort: Value) -> Query {
    Query {
        filter: serde_json::from_value(filter).unwrap(),
        sort: serde_json::from_value(sort).unwrap(),
        after: None,
        limit: 100,
    }
}

/// Ids of every page.
pub(super) async fn ids(store: &Store, name: &str, mut query: Query) -> Vec<String> {
    let mut ids = vec![];
    loop {
        let found = store.query_records(&collection(name), &query).await.unwrap();
        ids.extend(found.records.iter().map(|record| record.name.id().to_owned()));
        query.after = found.next;
        if query.after.is_none() {
            return ids;
        }
    }
}

async fn fill(store: &Store) {
    for (id, body) in [
        ("a", json!({ "n": 5, "t": "five", "tags": ["new", "x"], "at": { "city": "Rome" } })),
        ("b", json!({ "n": 5.5, "t": "Fünf", "tags": [], "b": true })),
        ("c", json!({ "n": "5", "t": null, "tags": "new ones", "at": { "city": "Oslo" }, "b": false })),
        ("d", json!({ "n": 9_007_199_254_740_993_i64, "at": null, "tags": [1, null, true, ["new"]] })),
        ("e", json!({ "n": -1e300, "at": "Rome", "t": "" })),
        ("f", json!({})),
    ] {
        store.create_record(&record(&format!("c/{id}")), object(body)).await.unwrap();
    }
    // Somebody else's.
    store.create_record(&record("other/a"), object(json!({ "n": 5 }))).await.unwrap();
}

async fn every_condition_tells_what_it_says(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    fill(&store).await;
    for (filter, wanted) in [
        (json!(null), "abcdef"),
        (json!({ "eq": { "field": "n", "value": 5 } }), "a"),
        (json!({ "eq": { "field": "n", "value": 5.0 } }), "a"),
        (json!({ "eq": { "field": "n", "value": "5" } }), "c"),
        (json!({ "eq": { "field": "n", "value": 9_007_199_254_740_992_i64 } }), ""),
        (json!({ "eq": { "field": "t", "value": null } }), "c"),
        (json!({ "ne": { "field": "n", "value": 5 } }), "bde"),
        (json!({ "ne": { "field": "b", "value": true } }), "c"),
        (json!({ "not": { "eq": { "field": "n", "value": 5 } } }), "bcdef"),
        (json!({ "lt": { "field": "n", "value": 5.5 } }), "ae"),
        (json!({ "le": { "field": "n", "value": 5.5 } }), "abe"),
        (json!({ "gt": { "field": "n", "value": 9_007_199_254_740_992.0 } }), "d"),
        (json!({ "ge": { "field": "n", "value": 9_007_199_254_740_993_i64 } }), "d"),
        (json!({ "gt": { "field": "t", "value": "F" } }), "ab"),
        (json!({ "ge": { "field": "t", "value": "" } }), "abe"),
        (json!({ "lt": { "field": "b", "value": true } }), "c"),
        (json!({ "in": { "field": "n", "values": [5, "5", 5.5, null] } }), "abc"),
        (json!({ "contains": { "field": "tags", "value": "new" } }), "ac"),
        (json!({ "contains": { "field": "tags", "value": 1.0 } }), "d"),
        (json!({ "contains": { "field": "tags", "value": null } }), "d"),
        (json!({ "contains": { "field": "t", "value": "ün" } }), "b"),
        (json!({ "contains": { "field": "t", "value": "" } }), "abe"),
        (json!({ "starts_with": { "field": "t", "value": "F" } }), "b"),
        (json!({ "starts_with": { "field": "tags", "value": "new" } }), "c"),
        (json!({ "exists": { "field": "at" } }), "acde"),
        (json!({ "exists": { "field": "at.city" } }), "ac"),
        (json!({ "not": { "exists": { "field": "at.city.x" } } }), "abcdef"),
        (json!({ "eq": { "field": "at.city", "value": "Rome" } }), "a"),
        (json!({ "eq": { "field": "tags.0", "value": "new" } }), ""),
        (
            json!({ "or": [
                { "and": [{ "exists": { "field": "b" } }, { "not": { "eq": { "field": "b", "value": true } } }] },
                { "eq": { "field": "at", "value": "Rome" } },
            ]}),
            "ce",
        ),
    ] {
        assert_eq!(ids(&store, "c", query(filter.clone(), json!([]))).await.concat(), wanted, "{filter}");
    }
}

async fn records_are_sorted_and_paged_by_several_fields(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    fill(&store).await;
    for (sort, wanted) in [
        (json!([{ "field": "n" }]), "feabdc"),
        (json!([{ "field": "n", "direction": "desc" }]), "cdbaef"),
        (json!([{ "field": "tags" }, { "field": "n", "direction": "desc" }]), "efcdba"),
        (json!([{ "field": "b" }, { "field": "at.city" }]), "defacb"),
        (json!([{ "field": "$id", "direction": "desc" }]), "fedcba"),
    ] {
        for limit in [1, 2, 4, 6] {
            let wanted_query = Query { limit, ..query(json!(null), sort.clone()) };
            assert_eq!(ids(&store, "c", wanted_query).await.concat(), wanted, "{sort} {limit}");
        }
    }
    // Texts that differ behind what is sorted by are in the order of their ids, and none is lost between pages.
    for (id, end) in [("3", "a"), ("1", "c"), ("2", "b")] {
        let body = object(json!({ "t": format!("{}{end}", "ü".repeat(300)) }));
        store.create_record(&record(&format!("long/{id}")), body).await.unwrap();
    }
    let sorted = Query { limit: 1, ..query(json!(null), json!([{ "field": "t" }])) };
    assert_eq!(ids(&store, "long", sorted).await.concat(), "123");
}

async fn own_fields_are_queried_and_deleted_records_are_not_found(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    fill(&store).await;
    store.delete_record(&record("c/a"), None).await.unwrap();
    let again = store.create_record(&record("c/a"), object(json!({ "$id": "z" }))).await.unwrap();
    store.delete_record(&record("c/b"), None).await.unwrap();
    for (filter, wanted) in [
        (json!(null), "acdef"),
        (json!({ "gt": { "field": "$version", "value": 1 } }), "a"),
        (json!({ "in": { "field": "$id", "values": ["c", "z"] } }), "c"),
        (json!({ "eq": { "field": ["$id"], "value": "z" } }), "a"),
        (json!({ "gt": { "field": "$updated_at", "value": "2020-01-01T00:00:00.000Z" } }), "acdef"),
        (json!({ "lt": { "field": "$created_at", "value": "2020-01-01T00:00:00.000Z" } }), ""),
    ] {
        assert_eq!(ids(&store, "c", query(filter.clone(), json!([]))).await.concat(), wanted, "{filter}");
    }
    let found = store.query_records(&collection("c"), &query(json!(null), json!([]))).await.unwrap();
    assert_eq!((&found.records[0], found.next), (&again, None));
    assert!(ids(&store, "nowhere", query(json!(null), json!([]))).await.is_empty());
}

pub(super) fn grouping(filter: Value, group_by: Value, aggregates: Value) -> Grouping {
    Grouping {
        filter: serde_json::from_value(filter).unwrap(),
        group_by: serde_json::from_value(group_by).unwrap(),
        aggregates: serde_json::from_value(aggregates).unwrap(),
    }
}

pub(super) async fn groups(store: &Store, name: &str, grouping: &Grouping) -> Vec<Value> {
    let groups = store.group_records(&collection(name), grouping).await.unwrap();
    groups.into_iter().map(|group| json!([group.common, group.values])).collect()
}

async fn groups_have_their_numbers(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    for (id, body) in [
        ("1", json!({ "kind": "a", "n": i64::MAX, "at": { "x": 1 } })),
        ("2", json!({ "kind": "a", "n": 1, "at": { "x": 1.0 } })),
        ("3", json!({ "kind": "b", "n": 0.1 })),
        ("4", json!({ "kind": "b", "n": 0.2, "at": { "x": [] } })),
        ("5", json!({ "n": "text" })),
    ] {
        store.create_record(&record(&format!("c/{id}")), object(body)).await.unwrap();
    }
    let numbers = json!([
        { "as": "records", "function": "count" }, { "as": "with", "function": "count", "field": "at" },
        { "as": "sum", "function": "sum", "field": "n" }, { "as": "min", "function": "min", "field": "n" },
        { "as": "max", "function": "max", "field": "n" }, { "as": "avg", "function": "avg", "field": "n" },
    ]);
    let told = groups(&store, "c", &grouping(json!(null), json!(["kind"]), numbers.clone())).await;
    let large = u64::try_from(i64::MAX).unwrap() + 1;
    let wanted = [
        json!([{}, { "records": 1, "with": 0, "sum": 0, "min": "text", "max": "text", "avg": null }]),
        json!([{ "kind": "a" }, { "records": 2, "with": 2, "sum": large, "min": 1, "max": i64::MAX, "avg": 2f64.powi(62) }]),
        json!([{ "kind": "b" }, { "records": 2, "with": 1, "sum": 0.1 + 0.2, "min": 0.1, "max": 0.2, "avg": (0.1 + 0.2) / 2.0 }]),
    ];
    assert_eq!(told, wanted);
    let count = json!([{ "as": "n", "function": "count" }]);
    let told = groups(&store, "c", &grouping(json!(null), json!(["at.x", "kind"]), count.clone())).await;
    let wanted = [
        json!([{}, { "n": 1 }]),
        json!([{ "kind": "b" }, { "n": 2 }]),
        json!([{ "at": { "x": 1 }, "kind": "a" }, { "n": 2 }]),
    ];
    assert_eq!(told, wanted);
    let some = json!({ "eq": { "field": "kind", "value": "b" } });
    assert_eq!(groups(&store, "c", &grouping(some, json!([]), count.clone())).await, [json!([{}, { "n": 2 }])]);
    assert_eq!(groups(&store, "nowhere", &grouping(json!(null), json!([]), count)).await, [json!([{}, { "n": 0 }])]);
}

/// What an engine could take for something else.
pub(super) const ODD: [&str; 18] = [
    "'; DROP TABLE records; --",
    "\"",
    "'",
    "\\",
    "$",
    "$1",
    "?1",
    "$.n",
    "a.b",
    "[0]",
    "n[]",
    "%6E",
    "%_",
    "\u{1}",
    "\u{2028}",
    "e\u{301}",
    "\u{1f980}",
    "{\"a\":1}",
];

async fn whatever_a_caller_says_stays_data(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    store.create(&path("a"), body("text")).await.unwrap();
    for (number, odd) in ODD.iter().enumerate() {
        let body = json!({ *odd: odd, "in": { *odd: { "n": odd } }, "list": [odd], "text": format!("a{odd}b") });
        store.create_record(&record(&format!("c/{number:02}")), object(body)).await.unwrap();
    }
    for (number, odd) in ODD.iter().enumerate() {
        let wanted = [format!("{number:02}")];
        for filter in [
            json!({ "eq": { "field": [odd], "value": odd } }),
            json!({ "exists": { "field": ["in", odd, "n"] } }),
            json!({ "starts_with": { "field": ["in", odd, "n"], "value": odd } }),
            json!({ "in": { "field": ["in", odd, "n"], "values": [odd, "nothing"] } }),
            json!({ "contains": { "field": "list", "value": odd } }),
            json!({ "eq": { "field": "text", "value": format!("a{odd}b") } }),
        ] {
            let sort = json!([{ "field": [odd] }, { "field": ["in", odd] }]);
            assert_eq!(ids(&store, "c", query(filter.clone(), sort)).await, wanted, "{filter}");
        }
        let counted = json!([{ "as": odd, "function": "max", "field": [odd] }]);
        let there = json!({ "exists": { "field": [odd] } });
        let told = groups(&store, "c", &grouping(there, json!([[odd]]), counted)).await;
        assert_eq!(told, [json!([{ *odd: odd }, { *odd: odd }])]);
    }
    assert_eq!(store.read(&path("a"), None).await.unwrap().version, 1);
}

async fn page_ends_before_it_is_too_large(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    let large = object(json!({ "text": "x".repeat(60 * 1024) }));
    for number in 0..20 {
        store.create_record(&record(&format!("c/{number:02}")), large.clone()).await.unwrap();
    }
    let asked = query(json!(null), json!([]));
    let first = store.query_records(&collection("c"), &asked).await.unwrap();
    assert_eq!(first.records.len(), 17);
    let rest = Query { after: first.next, ..asked };
    let rest = store.query_records(&collection("c"), &rest).await.unwrap();
    assert_eq!((rest.records.len(), rest.next), (3, None));
}

async fn query_beyond_a_limit_is_refused(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    let asked = query(json!({ "eq": { "field": "a", "value": "\0" } }), json!([]));
    let refused = store.query_records(&collection("c"), &asked).await;
    assert!(matches!(refused, Err(RecordError::Query(InvalidQuery::Nul))), "{refused:?}");
    for sort in
        [json!([{ "field": "a" }, { "field": "a" }]), json!(["a", "b", "c", "d", "e"].map(|f| json!({ "field": f })))]
    {
        let refused = store.query_records(&collection("c"), &query(json!(null), sort)).await;
        assert!(matches!(refused, Err(RecordError::Query(InvalidQuery::Sort))), "{refused:?}");
    }
    let refused = store.group_records(&collection("c"), &grouping(json!(null), json!([]), json!([]))).await;
    assert!(matches!(refused, Err(RecordError::Query(InvalidQuery::Aggregates))), "{refused:?}");
    for number in 0..1_001 {
        store.create_record(&record(&format!("c/{number}")), object(json!({ "n": number }))).await.unwrap();
    }
    let count = json!([{ "as": "n", "function": "count" }]);
    let refused = store.group_records(&collection("c"), &grouping(json!(null), json!(["n"]), count)).await;
    assert!(matches!(refused, Err(RecordError::Groups)), "{refused:?}");
}

/// Long texts that are searched through many times, for something that is not there.
async fn slow_query_is_given_up_and_the_store_goes_on(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    let same = "a".repeat(1_000);
    // SQLite compares from the beginning, PostgreSQL from the end.
    let needle = if matches!(engine, Engine::Postgres(_)) { format!("b{same}") } else { format!("{same}b") };
    let long = object(json!({ "text": "a".repeat(64 * 1024 - 64) }));
    for number in 0..400 {
        store.create_record(&record(&format!("c/{number}")), long.clone()).await.unwrap();
    }
    let condition = json!({ "contains": { "field": "text", "value": needle } });
    let slow = query(json!({ "or": vec![condition; 64] }), json!([]));
    let began = Instant::now();
    let name = collection("c");
    let (answer, meanwhile) = tokio::join!(store.query_records(&name, &slow), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let began = Instant::now();
        store.create_record(&record("other/a"), Map::new()).await.unwrap();
        store.record(&record("other/a")).await.unwrap();
        began.elapsed()
    });
    assert!(
        matches!(answer, Err(RecordError::Slow)),
        "{:?} after {:?}",
        answer.map(|found| found.records.len()),
        began.elapsed()
    );
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert!(meanwhile < Duration::from_secs(3), "{meanwhile:?}");
    // A caller that goes away takes its query along: more of them than there are connections leave room at once.
    for _ in 0..6 {
        let given_up = tokio::time::timeout(Duration::from_millis(50), store.query_records(&name, &slow)).await;
        assert!(given_up.is_err());
    }
    let quick = query(json!({ "eq": { "field": "$id", "value": "7" } }), json!([]));
    assert_eq!(ids(&store, "c", quick).await, ["7"]);
}
