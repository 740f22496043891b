//! Structured records: stored, found and read, on every engine, in both eras, and through the door.

use serde_json::{Value, json};

use super::{
    GONE, both_eras, done, refusal, refused,
    subscriptions::{Events, LIST_CHANGED, updated},
};
use crate::storage::{engine::Engine, on_every_engine};
use crate::support::{
    clients::{Mode, Target, call, python_sdk},
    door::Setup,
    rpc::{Client, Message},
    upstream::Server,
};

on_every_engine!(
    record_is_stored_found_changed_and_deleted_in_both_eras,
    record_is_stored_found_changed_and_deleted_through_the_door,
    pages_of_a_query_reach_every_record_once,
    two_writers_of_a_record_lose_no_update,
    subscribers_hear_of_records_that_this_and_another_server_changed,
    python_sdk_finds_answers_as_their_schemas_say,
);

async fn store_and_find(client: &Client, name: &str) {
    let body = json!({ "sku": "a1", "count": 5, "tags": ["new"], "at": { "city": "Rome" } });
    let first = json!({ "collection": name, "id": "a1", "body": body });
    let created = done(client, "record_create", first.clone()).await;
    assert_eq!((&created["version"], &created["body"]), (&json!(1), &body));
    assert_eq!(created["uri"], format!("record://{name}/a1"));
    assert_eq!(refused(client, "record_create", first).await["code"], "record_exists");
    let made = json!({ "collection": name, "body": { "sku": "b2", "count": 12, "at": null } });
    let made = done(client, "record_create", made).await;
    assert_eq!(made["id"].as_str().unwrap().len(), 32);
    let query = json!({
        "collection": name,
        "filter": { "and": [{ "gt": { "field": "count", "value": 4 } }, { "contains": { "field": "tags", "value": "new" } }] },
        "select": ["at.city", "sku"],
    });
    let found = done(client, "record_query", query).await;
    assert_eq!(found["records"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(found["records"][0]["body"], json!({ "at": { "city": "Rome" }, "sku": "a1" }));
    assert!(found.get("next_cursor").is_none() && found.get("groups").is_none(), "{found}");
    let sum = json!({
        "collection": name, "group_by": ["at.city"],
        "aggregate": [{ "as": "pieces", "function": "sum", "field": "count" }, { "as": "records", "function": "count" }],
    });
    let wanted = json!([
        { "group": {}, "values": { "pieces": 12, "records": 1 } },
        { "group": { "at": { "city": "Rome" } }, "values": { "pieces": 5, "records": 1 } },
    ]);
    assert_eq!(done(client, "record_query", sum).await["groups"], wanted);
    let listed = done(client, "record_collections", json!({ "prefix": name })).await;
    assert_eq!(listed["collections"], json!([{ "name": name, "records": 2 }]));
    read_and_complete(client, name, &body).await;
}

async fn read_and_complete(client: &Client, name: &str, body: &Value) {
    let read = client.request("resources/read", json!({ "uri": format!("record://{name}/a1") })).await;
    let contents = &read.result()["contents"][0];
    assert_eq!(contents["mimeType"], "application/json");
    assert_eq!(&serde_json::from_str::<Value>(contents["text"].as_str().unwrap()).unwrap(), body);
    let templates = client.request("resources/templates/list", json!({})).await;
    let template = "record://{collection}/{id}";
    assert!(templates.result()["resourceTemplates"].to_string().contains(template), "{}", templates.body);
    for (argument, typed, context, wanted) in [
        ("collection", &name[..3], json!({}), json!([name])),
        ("id", "a", json!({ "arguments": { "collection": name } }), json!(["a1"])),
        ("id", "a", json!({}), json!([])),
    ] {
        let params = json!({
            "ref": { "type": "ref/resource", "uri": template },
            "argument": { "name": argument, "value": typed }, "context": context,
        });
        let completed = client.request("completion/complete", params).await;
        assert_eq!(completed.result()["completion"]["values"], wanted, "{argument}");
    }
}

async fn change_and_delete(client: &Client, name: &str, gone: i64) {
    let named = |more: Value| {
        let mut arguments = json!({ "collection": name, "id": "a1" });
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    let patch = named(json!({ "expected_version": 1, "patch": { "count": 6, "tags": null } }));
    let patched = done(client, "record_update", patch.clone()).await;
    let wanted = json!({ "sku": "a1", "count": 6, "at": { "city": "Rome" } });
    assert_eq!((&patched["version"], &patched["body"]), (&json!(2), &wanted));
    let stale = refused(client, "record_update", patch).await;
    assert_eq!((&stale["code"], &stale["current_version"]), (&json!("version_conflict"), &json!(2)));
    let replaced = done(client, "record_update", named(json!({ "expected_version": 2, "body": { "x": 1.5 } }))).await;
    assert_eq!(done(client, "record_read", named(json!({}))).await, replaced);
    for both in [json!({ "expected_version": 3 }), json!({ "expected_version": 3, "body": {}, "patch": {} })] {
        assert_eq!(refused(client, "record_update", named(both)).await["code"], "invalid_arguments");
    }
    assert_eq!(
        refused(client, "record_delete", named(json!({ "expected_version": 1 }))).await["code"],
        "version_conflict"
    );
    let deleted = done(client, "record_delete", named(json!({ "expected_version": 3 }))).await;
    assert_eq!(deleted["last_version"], 3);
    assert_eq!(refused(client, "record_read", named(json!({}))).await["code"], "record_not_found");
    let read = client.request("resources/read", json!({ "uri": format!("record://{name}/a1") })).await;
    assert_eq!(read.rpc_code(), gone, "{}", read.body);
    assert_eq!(done(client, "record_create", named(json!({ "body": {} }))).await["version"], 4);
}

async fn record_is_stored_found_changed_and_deleted_in_both_eras(engine: Engine) {
    let server = engine.server().await;
    for (client, (name, gone)) in both_eras(&server.url).await.iter().zip(GONE) {
        store_and_find(client, name).await;
        change_and_delete(client, name, gone).await;
    }
}

async fn record_is_stored_found_changed_and_deleted_through_the_door(engine: Engine) {
    let server = engine.server().await;
    let door = Setup::serve(&server.url).no_authentication().bundle("permit-all").start().await;
    for (client, (name, gone)) in both_eras(&door.url).await.iter().zip(GONE) {
        store_and_find(client, name).await;
        change_and_delete(client, name, gone).await;
    }
}

async fn pages_of_a_query_reach_every_record_once(engine: Engine) {
    let server = engine.server().await;
    let client = Client::modern(&server.url, None);
    for number in 0..7 {
        let record = json!({ "collection": "c", "id": format!("r{number}"), "body": { "n": number % 3 } });
        done(&client, "record_create", record).await;
    }
    let sort = json!([{ "field": "n", "direction": "desc" }]);
    let mut arguments = json!({ "collection": "c", "sort": sort, "limit": 3 });
    let mut seen: Vec<String> = vec![];
    for expected in [3, 3, 1] {
        let page = done(&client, "record_query", arguments.clone()).await;
        let records = page["records"].as_array().unwrap();
        assert_eq!(records.len(), expected, "{page}");
        seen.extend(records.iter().map(|record| record["id"].as_str().unwrap().to_owned()));
        arguments["cursor"] = page["next_cursor"].clone();
    }
    assert_eq!((seen.join(" ").as_str(), &arguments["cursor"]), ("r2 r5 r1 r4 r0 r3 r6", &Value::Null));
    let first = done(&client, "record_query", json!({ "collection": "c", "sort": sort, "limit": 1 })).await;
    for (cursor, sort) in [(json!("not a cursor"), &sort), (first["next_cursor"].clone(), &json!([]))] {
        let wrong = json!({ "collection": "c", "cursor": cursor, "sort": sort });
        assert_eq!(refused(&client, "record_query", wrong).await["code"], "invalid_cursor");
    }
}

#[tokio::test]
async fn wrong_call_is_refused_with_its_code() {
    let server = Server::reference().await;
    let client = Client::modern(&server.url, None);
    let filter = |filter: Value| ("record_query", json!({ "collection": "c", "filter": filter }));
    for ((tool, arguments), code) in [
        (("record_create", json!({ "collection": "a/b", "body": {} })), "invalid_record"),
        (("record_create", json!({ "collection": "c", "id": "..", "body": {} })), "invalid_record"),
        (("record_create", json!({ "collection": "c", "body": { "a": "\0" } })), "invalid_record"),
        (("record_create", json!({ "collection": "c", "body": [] })), "invalid_arguments"),
        (filter(json!("1 = 1; DROP TABLE records")), "invalid_arguments"),
        (filter(json!({ "sql": "1 = 1" })), "invalid_arguments"),
        (filter(json!({ "eq": { "field": "", "value": 1 } })), "invalid_arguments"),
        (filter(json!({ "ne": { "field": "a", "value": null } })), "invalid_query"),
        (filter(json!({ "or": [] })), "invalid_query"),
        (("record_query", json!({ "collection": "c", "limit": 201 })), "invalid_arguments"),
        (("record_query", json!({ "collection": "c", "select": ["$id"] })), "invalid_query"),
        (("record_query", json!({ "collection": "c", "group_by": ["a"] })), "invalid_query"),
        (("record_collections", json!({ "cursor": "Li4" })), "invalid_cursor"),
    ] {
        let told = refused(&client, tool, arguments.clone()).await;
        assert_eq!(told["code"], code, "{arguments}: {told}");
    }
    let limited = json!({ "collection": "c", "limit": 1, "aggregate": [{ "as": "n", "function": "count" }] });
    assert_eq!(refused(&client, "record_query", limited).await["code"], "invalid_query");
}

/// Counts up one record, each by a read and an update, again where another writer was faster.
async fn count(client: Client, rounds: usize) {
    for _ in 0..rounds {
        loop {
            let read = done(&client, "record_read", json!({ "collection": "c", "id": "n" })).await;
            let patch = json!({ "n": read["body"]["n"].as_u64().unwrap() + 1 });
            let change = json!({ "collection": "c", "id": "n", "expected_version": read["version"], "patch": patch });
            let answer = client.call("record_update", change).await;
            if answer.result()["isError"] != true {
                break;
            }
            assert_eq!(refusal(&answer)["code"], "version_conflict");
        }
    }
}

/// Each through a server process of its own.
async fn two_writers_of_a_record_lose_no_update(engine: Engine) {
    const ROUNDS: usize = 15;
    let (server, other) = (engine.server().await, engine.server().await);
    let (modern, legacy) = (Client::modern(&server.url, None), Client::legacy(&other.url, None).await);
    done(&modern, "record_create", json!({ "collection": "c", "id": "n", "body": { "n": 0 } })).await;
    tokio::join!(count(modern.clone(), ROUNDS), count(legacy, ROUNDS));
    let read = done(&modern, "record_read", json!({ "collection": "c", "id": "n" })).await;
    assert_eq!((&read["body"]["n"], &read["version"]), (&json!(2 * ROUNDS), &json!(2 * ROUNDS + 1)));
}

async fn modern_events(server: &Server) -> Events {
    let client = Client::modern(&server.url, None);
    let wanted = json!({ "resourcesListChanged": true, "resourceSubscriptions": ["record://c/a", "record://c/.."] });
    let message = Message::modern("subscriptions/listen", json!({ "notifications": wanted }));
    let mut request = client.prepared(http::Method::POST).body(message.body);
    for (name, value) in message.headers {
        request = request.header(name, value);
    }
    let mut events = Events::open(request).await;
    let acknowledged = events.until(&[("notifications/subscriptions/acknowledged", Value::Null)]).await;
    let accepted = &acknowledged[0]["params"]["notifications"]["resourceSubscriptions"];
    assert_eq!(accepted, &json!(["record://c/a"]), "{acknowledged:?}");
    events
}

async fn subscribers_hear_of_records_that_this_and_another_server_changed(engine: Engine) {
    let (server, other) = (engine.server().await, engine.server().await);
    let legacy = Client::legacy(&server.url, None).await;
    let mut streams = [modern_events(&server).await, Events::of_session(&legacy).await];
    legacy.request("resources/subscribe", json!({ "uri": "record://c/a" })).await.result();
    for writer in [&server, &other] {
        let writer = Client::modern(&writer.url, None);
        let named = json!({ "collection": "c", "id": "a" });
        done(&writer, "record_create", json!({ "collection": "c", "body": {} })).await;
        let created = done(&writer, "record_create", json!({ "collection": "c", "id": "a", "body": {} })).await;
        for events in &mut streams {
            events.until(&[updated("record://c/a")]).await;
            events.forget();
        }
        let change =
            json!({ "collection": "c", "id": "a", "expected_version": created["version"], "patch": { "a": 1 } });
        done(&writer, "record_update", change).await;
        for events in &mut streams {
            events.until(&[updated("record://c/a")]).await;
            events.forget();
        }
        done(&writer, "record_delete", named).await;
        for events in &mut streams {
            let messages = events.until(&[updated("record://c/a")]).await;
            assert!(messages.iter().all(|message| message["method"] != LIST_CHANGED.0), "{messages:?}");
            events.forget();
        }
    }
}

/// It holds structured results to the output schemas.
async fn python_sdk_finds_answers_as_their_schemas_say(engine: Engine) {
    let server = engine.server().await;
    let steps = json!([
        call("record_create", json!({ "collection": "c", "id": "a", "body": { "n": 1, "x": null } })),
        call("record_query", json!({ "collection": "c", "filter": { "eq": { "field": "n", "value": 1 } } })),
        call(
            "record_query",
            json!({ "collection": "c", "aggregate": [{ "as": "n", "function": "avg", "field": "x" }] })
        ),
        call("record_collections", json!({})),
        call("record_update", json!({ "collection": "c", "id": "a", "expected_version": 1, "patch": { "n": null } })),
        ["read", "record://c/a"],
        call("record_delete", json!({ "collection": "c", "id": "a" })),
    ]);
    let seen = python_sdk(&Target::Http { url: &server.url, token: None }, Mode::Auto, steps).await;
    let structured = |step: usize| &seen.ok(step)["structuredContent"];
    assert_eq!(structured(1)["records"][0]["body"]["n"], 1, "{:#?}", seen.steps);
    assert_eq!(structured(2)["groups"][0]["values"], json!({ "n": null }), "{:#?}", seen.steps);
    assert_eq!(structured(3)["collections"][0]["records"], 1, "{:#?}", seen.steps);
    assert_eq!(seen.ok(5)["contents"][0]["text"], "{\"x\":null}", "{:#?}", seen.steps);
    assert_eq!(structured(6)["last_version"], 2, "{:#?}", seen.steps);
}
