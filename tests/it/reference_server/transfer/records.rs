//! Records in exports and imports: they come back as they were, and go on from the versions that they had.

mod hostile;
mod interrupted;

use proptest::{prelude::*, strategy::ValueTree as _};
use serde_json::{Map, Value, json};

use super::{
    counts, file,
    roundtrip::{lasting, runner, sent},
};
use crate::reference_server::{
    both_eras, done, refused,
    subscriptions::{Events, updated},
};
use crate::storage::{engine::Engine, on_every_engine};
use crate::support::{
    clients::{Mode, Target, call, python_sdk},
    rpc::Client,
    upstream::Server,
};

on_every_engine!(
    random_records_come_back_as_they_were,
    conflicts_over_records_are_decided_as_the_caller_says,
    an_export_has_records_of_one_moment,
    subscribers_hear_of_records_that_were_imported_here_and_elsewhere,
);

async fn create(client: &Client, name: &str, body: Value) -> Value {
    let (collection, id) = name.split_once('/').unwrap();
    done(client, "record_create", json!({ "collection": collection, "id": id, "body": body })).await
}

async fn read(client: &Client, name: &str) -> Value {
    let (collection, id) = name.split_once('/').unwrap();
    done(client, "record_read", json!({ "collection": collection, "id": id })).await
}

async fn update(client: &Client, name: &str, expected: u64, body: Value) {
    let (collection, id) = name.split_once('/').unwrap();
    let change = json!({ "collection": collection, "id": id, "expected_version": expected, "body": body });
    done(client, "record_update", change).await;
}

async fn delete(client: &Client, name: &str) {
    let (collection, id) = name.split_once('/').unwrap();
    done(client, "record_delete", json!({ "collection": collection, "id": id })).await;
}

/// How many records there are of each collection.
async fn collections(client: &Client) -> Value {
    done(client, "record_collections", json!({})).await["collections"].clone()
}

fn only_records() -> Value {
    json!({ "documents": false, "records": true })
}

fn body() -> impl Strategy<Value = Value> {
    let text = "[^\u{0}]{0,12}";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[^\u{0}]{1,6}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("[^\u{0}]{1,6}", value, 0..5)
        .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>()))
}

/// More than a store is asked for at once.
async fn random_records_come_back_as_they_were(engine: Engine) {
    let source = Engine::sqlite();
    let (from, to) = (source.server().await, engine.server().await);
    let (from, to) = (Client::modern(&from.url, None), Client::modern(&to.url, None));
    let mut runner = runner(7);
    for number in 0..150 {
        let name = format!("c.{}/r-{number}", number % 3);
        create(&from, &name, body().new_tree(&mut runner).unwrap().current()).await;
        if number % 10 == 0 {
            delete(&from, &name).await;
        }
    }
    super::create(&from, "a", "not asked for").await;
    let (first, imported) = sent(&from, &to, &only_records()).await;
    assert_eq!((&imported["records"], &imported["documents"]), (&counts(135, 0, 0, 0), &counts(0, 0, 0, 0)));
    assert_eq!(collections(&to).await, collections(&from).await);
    let second = done(&to, "export", only_records()).await;
    assert_eq!((&second["records"], &second["documents"]), (&json!(135), &json!(0)));
    assert_eq!(lasting(&file(&second)), lasting(&first));
    // And from the engine back: nothing is different, so nothing is written.
    let back = json!({ "content": second["content"], "on_conflict": "update" });
    assert_eq!(done(&from, "import", back).await["records"], counts(0, 0, 135, 0));
    assert_eq!(read(&from, "c.1/r-1").await["version"], 1);
}

async fn conflicts_over_records_are_decided_as_the_caller_says(engine: Engine) {
    let server = engine.server().await;
    let client = Client::modern(&server.url, None);
    for name in ["c/gone", "c/same", "c/changed", "d/other"] {
        create(&client, name, json!({ "was": name, "null": null })).await;
    }
    let exported = done(&client, "export", json!({ "documents": false, "collections": ["c"] })).await;
    assert_eq!(exported["records"], 3, "{exported}");
    delete(&client, "c/gone").await;
    update(&client, "c/changed", 1, json!({ "is": "new" })).await;
    update(&client, "c/changed", 2, json!({ "is": "newer" })).await;
    let import = |more: Value| {
        let mut arguments = json!({ "content": exported["content"] });
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    // Neither for the prefix, which is the documents'.
    for more in [json!({}), json!({ "dry_run": true }), json!({ "prefix": "below" })] {
        let refusal = refused(&client, "import", import(more)).await;
        assert_eq!(refusal["code"], "import_refused");
        let complaints = refusal["complaints"].as_array().unwrap();
        assert_eq!(complaints.len(), 2, "{refusal}");
        assert_eq!((&complaints[0]["code"], &complaints[0]["line"]), (&json!("record_exists"), &json!(2)));
    }
    for (how, wanted) in [("skip", counts(1, 0, 0, 2)), ("update", counts(1, 1, 1, 0))] {
        let dry = done(&client, "import", import(json!({ "on_conflict": how, "dry_run": true }))).await;
        assert_eq!((&dry["records"], &dry["dry_run"]), (&wanted, &json!(true)), "{how}");
    }
    assert_eq!(collections(&client).await[0]["records"], 2);
    let skipped = done(&client, "import", import(json!({ "on_conflict": "skip" }))).await;
    assert_eq!(skipped["records"], counts(1, 0, 0, 2));
    // A name and a version mean one body forever, whatever version the file tells.
    let found = read(&client, "c/gone").await;
    assert_eq!((&found["version"], &found["body"]), (&json!(2), &json!({ "was": "c/gone", "null": null })));
    assert_eq!(read(&client, "c/changed").await["body"], json!({ "is": "newer" }));
    let updated = done(&client, "import", import(json!({ "on_conflict": "update" }))).await;
    assert_eq!(updated["records"], counts(0, 1, 2, 0));
    let found = read(&client, "c/changed").await;
    assert_eq!((&found["version"], &found["body"]), (&json!(4), &json!({ "was": "c/changed", "null": null })));
    assert_eq!(read(&client, "c/same").await["version"], 1);
    // What was imported is found by what it holds.
    let query = json!({ "collection": "c", "filter": { "eq": { "field": "was", "value": "c/changed" } } });
    assert_eq!(done(&client, "record_query", query).await["records"][0]["id"], "changed");
}

/// The first and the last record are written in turns, and between them are more than a store is asked for at once.
async fn an_export_has_records_of_one_moment(engine: Engine) {
    let server = engine.server().await;
    let client = Client::modern(&server.url, None);
    for number in 0..400 {
        create(&client, &format!("c/{number:03}"), json!({})).await;
    }
    let writing = tokio::spawn({
        let client = client.clone();
        async move {
            for version in 1.. {
                for name in ["c/000", "c/399"] {
                    update(&client, name, version, json!({ "n": version })).await;
                }
            }
        }
    });
    while read(&client, "c/399").await["version"] == 1 {}
    for _ in 0..20 {
        let exported = done(&client, "export", only_records()).await;
        let version = |id: &str| {
            let lines = exported["content"].as_str().unwrap().lines();
            let mut lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
            lines.find(|line| line["record"]["id"] == id).unwrap()["record"]["version"].as_u64().unwrap()
        };
        let (first, last) = (version("000"), version("399"));
        assert!(first == last || first == last + 1, "{first} and {last}");
    }
    writing.abort();
}

async fn subscribers_hear_of_records_that_were_imported_here_and_elsewhere(engine: Engine) {
    let (server, other) = (engine.server().await, engine.server().await);
    let legacy = Client::legacy(&server.url, None).await;
    let mut events = Events::of_session(&legacy).await;
    legacy.request("resources/subscribe", json!({ "uri": "record://c/a" })).await.result();
    for (number, writer) in [&server, &other].into_iter().enumerate() {
        let writer = Client::modern(&writer.url, None);
        for change in [2 * number, 2 * number + 1] {
            let record = json!({ "record": { "collection": "c", "id": "a", "body": { "n": change } } }).to_string();
            let lines = [hostile::FIRST, &record, r#"{"end":{"documents":0,"records":1}}"#];
            let mut import = super::hostile::lines(&lines);
            import["on_conflict"] = json!("update");
            done(&writer, "import", import).await;
            events.until(&[updated("record://c/a")]).await;
            events.forget();
        }
    }
}

#[tokio::test]
async fn only_the_records_that_were_asked_for_are_exported() {
    let server = Server::reference().await;
    for client in both_eras(&server.url).await {
        let era = if client.session.is_some() { "legacy" } else { "modern" };
        super::create(&client, &format!("{era}/a"), "a").await;
        for name in ["a/1", "a/2", "a.b/1", "ab/1"] {
            create(&client, &format!("{era}-{name}"), json!({})).await;
        }
        let prefix = format!("{era}/");
        let named = |names: &[&str]| names.iter().map(|name| format!("{era}-{name}")).collect::<Vec<_>>();
        for (what, documents, records, version) in [
            (json!({}), 1, 0, 1),
            (json!({ "records": false, "collections": [] }), 1, 0, 1),
            (json!({ "collections": named(&["a"]) }), 1, 2, 2),
            (json!({ "collections": named(&["a", "ab", "none"]), "records": true }), 1, 3, 2),
            (json!({ "collections": named(&["none"]), "history": true }), 1, 0, 2),
        ] {
            let mut what = what;
            what["prefix"] = json!(prefix);
            let exported = done(&client, "export", what.clone()).await;
            assert_eq!(
                (&exported["documents"], &exported["records"]),
                (&json!(documents), &json!(records)),
                "{what}: {exported}"
            );
            // Whoever asked for no records has a file that servers without records read.
            let text = exported["content"].as_str().unwrap();
            assert!(text.starts_with(&format!(r#"{{"format":{{"name":"doorward-export","version":{version}}}}}"#)));
            assert_eq!(text.contains(r#""records""#), records > 0, "{text}");
        }
        let everything = done(&client, "export", json!({ "records": true })).await;
        assert_eq!(everything["records"], if era == "modern" { 4 } else { 8 });
        // An archive has documents only, and says so.
        let archive = done(&client, "export", json!({ "prefix": prefix, "format": "markdown" })).await;
        assert_eq!((&archive["documents"], &archive["records"]), (&json!(1), &json!(0)));
    }
}

#[tokio::test]
async fn a_choice_that_does_not_go_together_is_refused() {
    let server = Server::reference().await;
    let client = Client::modern(&server.url, None);
    let many: Vec<String> = (0..33).map(|number| format!("c{number}")).collect();
    for (wrong, code) in [
        (json!({ "format": "markdown", "records": true }), "invalid_arguments"),
        (json!({ "format": "markdown", "collections": ["c"] }), "invalid_arguments"),
        (json!({ "documents": false }), "invalid_arguments"),
        (json!({ "documents": false, "history": true }), "invalid_arguments"),
        (json!({ "documents": false, "records": true, "prefix": "a" }), "invalid_arguments"),
        (json!({ "documents": false, "records": true, "tags": ["a"] }), "invalid_arguments"),
        (json!({ "collections": many }), "invalid_arguments"),
        (json!({ "collections": ["a/b"] }), "invalid_record"),
        (json!({ "collections": [".."] }), "invalid_record"),
    ] {
        assert_eq!(refused(&client, "export", wrong.clone()).await["code"], code, "{wrong}");
    }
}

/// It holds structured results to the output schemas.
#[tokio::test]
async fn python_sdk_finds_transfers_of_records_as_their_schemas_say() {
    let server = Server::reference().await;
    let record = r#"{"record":{"collection":"c","id":"a","body":{}}}"#;
    let import = super::hostile::lines(&[hostile::FIRST, record, r#"{"end":{"documents":0,"records":1}}"#]);
    let steps = json!([call("import", import), call("export", only_records())]);
    let seen = python_sdk(&Target::Http { url: &server.url, token: None }, Mode::Auto, steps).await;
    assert_eq!(seen.ok(0)["structuredContent"]["records"]["created"], 1, "{:#?}", seen.steps);
    assert_eq!(seen.ok(1)["structuredContent"]["records"], 1, "{:#?}", seen.steps);
}
