//! Stored prompts: saved by tools, listed, completed and filled, on every engine and in both eras.

mod embedded;

use serde_json::{Value, json};

use super::{both_eras, done, refusal, refused, subscriptions::Events};
use crate::storage::{engine::Engine, on_every_engine};
use crate::support::{
    door::Setup,
    rpc::{Answer, Client, Message},
    upstream::Server,
};

on_every_engine!(
    prompt_is_saved_listed_filled_changed_and_deleted_in_both_eras,
    prompt_is_saved_and_filled_through_the_door,
    pages_reach_every_prompt_once_and_begin_with_the_built_in_ones,
    two_writers_of_a_prompt_lose_no_update,
    subscribers_hear_of_prompts_that_this_and_another_server_changed,
);

/// Every built-in prompt of a fresh server.
const BUILT_IN: [&str; 5] = [
    "test_simple_prompt",
    "test_prompt_with_arguments",
    "test_prompt_with_embedded_resource",
    "test_prompt_with_image",
    "test_input_required_result_prompt",
];

fn review(name: &str) -> Value {
    json!({
        "name": name, "title": "Review", "description": "Reviews a document",
        "arguments": [
            { "name": "path", "description": "Which document", "required": true, "complete": "documents" },
            { "name": "tone", "type": "enum", "values": ["kind", "keen", "dry"] },
            { "name": "short", "type": "boolean" },
            { "name": "lines", "type": "integer" },
        ],
        "messages": [
            { "role": "user", "text": "Review {{path}} in {{lines}} lines, {{tone}}." },
            { "role": "assistant", "resource": format!("doc://{name}/rules") },
        ],
    })
}

async fn get(client: &Client, name: &str, arguments: Value) -> Answer {
    client.request("prompts/get", json!({ "name": name, "arguments": arguments })).await
}

async fn completed(client: &Client, name: &str, argument: &str, typed: &str) -> Value {
    let params = json!({
        "ref": { "type": "ref/prompt", "name": name },
        "argument": { "name": argument, "value": typed },
    });
    let answer = client.request("completion/complete", params).await;
    answer.result()["completion"]["values"].clone()
}

async fn names(client: &Client) -> Vec<String> {
    let (mut names, mut params) = (vec![], json!({}));
    loop {
        let page = client.request("prompts/list", params).await.result().clone();
        names.extend(page["prompts"].as_array().unwrap().iter().map(|each| each["name"].as_str().unwrap().to_owned()));
        if page["nextCursor"].is_null() {
            return names;
        }
        params = json!({ "cursor": page["nextCursor"] });
    }
}

async fn save_and_fill(client: &Client, name: &str) {
    let rules = format!("{name}/rules");
    done(client, "document_create", json!({ "path": rules, "content": "Be fair." })).await;
    let saved = done(client, "prompt_save", review(name)).await;
    assert_eq!((&saved["version"], &saved["title"]), (&json!(1), &json!("Review")));
    assert_eq!(refused(client, "prompt_save", review(name)).await["code"], "prompt_exists");
    let listed = client.request("prompts/list", json!({})).await;
    let prompts = listed.result()["prompts"].as_array().unwrap().clone();
    let shown = prompts.iter().find(|each| each["name"] == name).unwrap();
    assert_eq!((&shown["title"], &shown["description"]), (&json!("Review"), &json!("Reviews a document")));
    let first = json!({ "name": "path", "description": "Which document", "required": true });
    assert_eq!((&shown["arguments"][0], &shown["arguments"][1]["required"]), (&first, &json!(false)));
    // What an argument holds is no place, and what is not given is empty.
    let filled = get(client, name, json!({ "path": "{{tone}}", "tone": "dry" })).await;
    let messages = filled.result()["messages"].clone();
    assert_eq!(filled.result()["description"], "Reviews a document");
    let said = json!({ "role": "user", "content": { "type": "text", "text": "Review {{tone}} in  lines, dry." } });
    assert_eq!((&messages[0], &messages[1]["role"]), (&said, &json!("assistant")));
    let embedded = &messages[1]["content"]["resource"];
    assert_eq!((&embedded["uri"], &embedded["text"]), (&json!(format!("doc://{rules}")), &json!("Be fair.")));
}

async fn hold_to_types(client: &Client, name: &str) {
    for (arguments, told) in [
        (json!({}), "path is required"),
        (json!({ "path": "x", "lines": "1.5" }), "lines must be a whole number"),
        (json!({ "path": "x", "tone": "loud" }), "tone must be one of: kind, keen, dry"),
        (json!({ "path": "x", "short": "yes" }), "short must be true or false"),
        (json!({ "path": "x", "other": "y" }), "no argument named other"),
        (json!({ "path": 7 }), "path must be a string"),
    ] {
        let answer = get(client, name, arguments).await;
        assert_eq!(answer.rpc_code(), -32602);
        assert!(answer.body.contains(told), "{told}: {}", answer.body);
    }
    assert_eq!(completed(client, name, "tone", "k").await, json!(["kind", "keen"]));
    assert_eq!(completed(client, name, "short", "").await, json!(["true", "false"]));
    assert_eq!(completed(client, name, "lines", "").await, json!([]));
    assert_eq!(completed(client, name, "path", &format!("{name}/")).await, json!([format!("{name}/rules")]));
    let unknown = json!({ "ref": { "type": "ref/prompt", "name": name }, "argument": { "name": "no", "value": "" } });
    assert_eq!(client.request("completion/complete", unknown).await.rpc_code(), -32602);
}

async fn change_and_delete(client: &Client, name: &str) {
    let mut change = json!({
        "name": name, "expected_version": 1, "messages": [{ "role": "user", "text": "Only {this}." }],
    });
    assert_eq!(done(client, "prompt_save", change.clone()).await["version"], 2);
    let stale = refused(client, "prompt_save", change.clone()).await;
    assert_eq!((&stale["code"], &stale["current_version"]), (&json!("version_conflict"), &json!(2)));
    let filled = get(client, name, json!({})).await;
    assert_eq!(filled.result()["messages"][0]["content"]["text"], "Only {this}.");
    let earlier = done(client, "prompt_read", json!({ "name": name, "version": 1 })).await;
    assert_eq!(earlier["messages"], review(name)["messages"]);
    let history = done(client, "prompt_history", json!({ "name": name, "limit": 1 })).await;
    assert_eq!(history["versions"][0]["version"], 2);
    let rest = json!({ "name": name, "cursor": history["next_cursor"] });
    let rest = done(client, "prompt_history", rest).await;
    assert_eq!((&rest["versions"][0]["version"], &rest["versions"][0]["title"]), (&json!(1), &json!("Review")));
    change["messages"] = json!([{ "role": "user", "text": "{{nobody}}" }]);
    change["expected_version"] = json!(2);
    assert_eq!(refused(client, "prompt_save", change.clone()).await["code"], "invalid_prompt");
    change["messages"] = json!([{ "role": "system", "text": "x" }]);
    assert_eq!(refused(client, "prompt_save", change).await["code"], "invalid_arguments");
    let deleted = done(client, "prompt_delete", json!({ "name": name, "expected_version": 2 })).await;
    assert_eq!(deleted["last_version"], 2);
    assert_eq!(refused(client, "prompt_read", json!({ "name": name })).await["code"], "prompt_not_found");
    assert_eq!(get(client, name, json!({})).await.rpc_code(), -32602);
    assert_eq!(names(client).await, BUILT_IN);
    assert_eq!(done(client, "prompt_save", review(name)).await["version"], 3);
    done(client, "prompt_delete", json!({ "name": name })).await;
}

async fn prompt_is_saved_listed_filled_changed_and_deleted_in_both_eras(engine: Engine) {
    let server = engine.server().await;
    for (client, name) in both_eras(&server.url).await.iter().zip(["modern", "legacy"]) {
        save_and_fill(client, name).await;
        hold_to_types(client, name).await;
        change_and_delete(client, name).await;
    }
}

async fn prompt_is_saved_and_filled_through_the_door(engine: Engine) {
    let server = engine.server().await;
    let door = Setup::serve(&server.url).no_authentication().bundle("permit-all").start().await;
    for (client, name) in both_eras(&door.url).await.iter().zip(["modern", "legacy"]) {
        save_and_fill(client, name).await;
    }
}

async fn pages_reach_every_prompt_once_and_begin_with_the_built_in_ones(engine: Engine) {
    let server = engine.server().await;
    let clients = both_eras(&server.url).await;
    let stored: Vec<String> = (100..225).map(|number| format!("p{number}")).collect();
    for name in &stored {
        let prompt = json!({ "name": name, "messages": [{ "role": "user", "text": "x" }] });
        done(&clients[0], "prompt_save", prompt).await;
    }
    let wanted: Vec<String> = BUILT_IN.iter().map(|name| (*name).to_owned()).chain(stored).collect();
    for client in clients {
        assert_eq!(names(&client).await, wanted);
        assert_eq!(client.request("prompts/list", json!({ "cursor": "not a cursor" })).await.rpc_code(), -32602);
    }
}

/// Adds messages to one prompt, each by a read and a save, again where another writer was faster.
async fn append(client: Client, who: &str, messages: usize) {
    for message in 0..messages {
        loop {
            let read = done(&client, "prompt_read", json!({ "name": "log" })).await;
            let mut longer = read["messages"].as_array().unwrap().clone();
            longer.push(json!({ "role": "user", "text": format!("{who} {message}") }));
            let save = json!({ "name": "log", "expected_version": read["version"], "messages": longer });
            let answer = client.call("prompt_save", save).await;
            if answer.result()["isError"] != true {
                break;
            }
            assert_eq!(refusal(&answer)["code"], "version_conflict");
        }
    }
}

/// Each through a server process of its own.
async fn two_writers_of_a_prompt_lose_no_update(engine: Engine) {
    const MESSAGES: usize = 12;
    let (server, other) = (engine.server().await, engine.server().await);
    let (modern, legacy) = (Client::modern(&server.url, None), Client::legacy(&other.url, None).await);
    let first = json!({ "name": "log", "messages": [{ "role": "user", "text": "first" }] });
    done(&modern, "prompt_save", first).await;
    tokio::join!(append(modern.clone(), "modern", MESSAGES), append(legacy, "legacy", MESSAGES));
    let log = done(&modern, "prompt_read", json!({ "name": "log" })).await;
    let said: std::collections::BTreeSet<&str> =
        log["messages"].as_array().unwrap().iter().map(|message| message["text"].as_str().unwrap()).collect();
    assert_eq!((said.len(), &log["version"]), (2 * MESSAGES + 1, &json!(2 * MESSAGES + 1)));
}

const LIST_CHANGED: (&str, Value) = ("notifications/prompts/list_changed", Value::Null);

async fn modern_events(server: &Server) -> Events {
    let client = Client::modern(&server.url, None);
    let wanted = json!({ "notifications": { "promptsListChanged": true } });
    let message = Message::modern("subscriptions/listen", wanted);
    let mut request = client.prepared(http::Method::POST).body(message.body);
    for (name, value) in message.headers {
        request = request.header(name, value);
    }
    let mut events = Events::open(request).await;
    events.until(&[("notifications/subscriptions/acknowledged", Value::Null)]).await;
    events
}

async fn subscribers_hear_of_prompts_that_this_and_another_server_changed(engine: Engine) {
    let (server, other) = (engine.server().await, engine.server().await);
    let legacy = Client::legacy(&server.url, None).await;
    let mut streams = [modern_events(&server).await, Events::of_session(&legacy).await];
    let mut expected = Value::Null;
    for writer in [&server, &other] {
        let writer = Client::modern(&writer.url, None);
        let mut save = review("p");
        save["expected_version"] = expected;
        let saved = done(&writer, "prompt_save", save).await;
        for events in &mut streams {
            events.until(&[LIST_CHANGED]).await;
            events.forget();
        }
        expected = saved["version"].clone();
    }
    done(&Client::modern(&other.url, None), "prompt_delete", json!({ "name": "p" })).await;
    for events in &mut streams {
        events.until(&[LIST_CHANGED]).await;
    }
}

#[tokio::test]
async fn no_prompt_takes_the_name_of_a_built_in_one() {
    let server = Server::reference().await;
    let client = Client::modern(&server.url, None);
    for name in BUILT_IN.into_iter().chain(["test_dynamic_prompt"]) {
        assert_eq!(refused(&client, "prompt_save", review(name)).await["code"], "prompt_built_in", "{name}");
    }
    assert_eq!(names(&client).await, BUILT_IN);
}
