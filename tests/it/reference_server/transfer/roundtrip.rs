//! What is exported, imported elsewhere and exported again is the same.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, TestRng, TestRunner},
};
use serde_json::{Map, Value, json};

use super::{counts, create, file, stored};
use crate::reference_server::{done, refused};
use crate::storage::{engine::Engine, on_every_engine};
use crate::support::rpc::Client;

on_every_engine!(
    random_documents_come_back_as_they_were,
    conflicts_are_decided_as_the_caller_says,
    history_comes_along,
);

/// Metadata that every engine gives back as it got it.
fn metadata() -> impl Strategy<Value = Map<String, Value>> {
    let text = "[^\u{0}]{0,8}";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-9_999..9_999_i32).prop_map(|number| Value::from(f64::from(number) / 8.0)),
        text.prop_map(Value::from),
        Just(json!("yes")),
        Just(json!({ "<<": ["*a", "!t"] })),
    ];
    let leaf = leaf.prop_filter("PostgreSQL has no negative zero", |value| *value != json!(-0.0));
    let value = leaf.prop_recursive(3, 12, 3, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(text, inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    prop::collection::btree_map(text, value, 0..4).prop_map(|members| members.into_iter().collect())
}

fn document() -> impl Strategy<Value = Value> {
    let content = prop_oneof![
        "[^\u{0}]{0,40}",
        "(---\n|\r\n|a\n|: ){0,8}",
        Just("---\ntitle: a\nother: b\n---\n".to_owned()),
        Just("{\"end\":{}}\n".to_owned()),
    ];
    let title = r"[^\p{Cc}\p{Z}]{1,20}";
    let tags = prop::collection::btree_set(r"[^\p{Cc}\p{Z}]{1,8}", 0..4);
    (content, title, tags, metadata()).prop_map(|(content, title, tags, metadata)| {
        json!({ "content": content, "title": title, "tags": tags, "metadata": metadata, "media_type": "text/x-y" })
    })
}

pub(super) fn runner(seed: u8) -> TestRunner {
    let config = Config::default();
    let rng = TestRng::from_seed(config.rng_algorithm, &[seed; 32]);
    TestRunner::new_with_rng(config, rng)
}

/// The lines without what an import gives anew.
pub(super) fn lasting(file: &[u8]) -> Vec<Value> {
    let lines = std::str::from_utf8(file).unwrap().lines();
    let mut lines: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &mut lines {
        for (_, thing) in line.as_object_mut().unwrap() {
            for member in ["version", "created_at", "updated_at", "was_at", "sha256"] {
                thing.as_object_mut().unwrap().remove(member);
            }
        }
    }
    lines
}

fn unpacked(file: &[u8]) -> Vec<(String, String)> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(file)).unwrap();
    let mut read = |index| {
        let mut entry = archive.by_index(index).unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut entry, &mut text).unwrap();
        (entry.name().unwrap().into_owned(), text)
    };
    (0..15).map(&mut read).collect()
}

pub(super) async fn sent(from: &Client, to: &Client, what: &Value) -> (Vec<u8>, Value) {
    let exported = file(&done(from, "export", what.clone()).await);
    let content = STANDARD.encode(&exported);
    (exported, done(to, "import", json!({ "content_base64": content })).await)
}

async fn random_documents_come_back_as_they_were(engine: Engine) {
    // Always into the engine, from the other kind: what one takes, both do.
    let source = Engine::sqlite();
    let (from, to) = (source.server().await, engine.server().await);
    let (from, to) = (Client::modern(&from.url, None), Client::modern(&to.url, None));
    for round in 0..6 {
        let mut runner = runner(round);
        for number in 0..15 {
            let mut wanted = document().new_tree(&mut runner).unwrap().current();
            wanted["path"] = json!(format!("{round}/é {number}.md"));
            done(&from, "document_create", wanted).await;
        }
        let what =
            json!({ "prefix": format!("{round}/"), "format": if round % 2 == 0 { "markdown" } else { "jsonl" } });
        let (first, imported) = sent(&from, &to, &what).await;
        assert_eq!(imported["documents"], counts(15, 0, 0, 0));
        let second = file(&done(&to, "export", what.clone()).await);
        if round % 2 == 0 {
            assert_eq!(unpacked(&second), unpacked(&first), "round {round}");
            assert_eq!(second, first, "round {round}");
        } else {
            assert_eq!(lasting(&second), lasting(&first), "round {round}");
        }
        // And from the engine back: nothing is different, so nothing is written.
        let content = STANDARD.encode(&second);
        let back = done(&from, "import", json!({ "content_base64": content, "on_conflict": "update" })).await;
        assert_eq!(back["documents"], counts(0, 0, 15, 0));
    }
}

async fn history_comes_along(engine: Engine) {
    let source = Engine::sqlite();
    let (from, to) = (source.server().await, engine.server().await);
    let (from, to) = (Client::modern(&from.url, None), Client::modern(&to.url, None));
    create(&from, "old/a", "one").await;
    done(&from, "document_update", json!({ "path": "old/a", "expected_version": 1, "content": "two" })).await;
    done(&from, "document_move", json!({ "path": "old/a", "new_path": "a" })).await;
    done(&from, "document_update", json!({ "path": "a", "expected_version": 3, "content": "one" })).await;
    create(&from, "b", "b").await;
    for (version, text) in [(None, "p1 {{x}}"), (Some(1), "p2"), (Some(2), "p3")] {
        let mut wanted = json!({ "name": "p", "arguments": [{ "name": "x" }],
            "messages": [{ "role": "user", "text": text }, { "role": "assistant", "resource": "doc://a" }] });
        if let Some(version) = version {
            wanted["expected_version"] = json!(version);
        }
        done(&from, "prompt_save", wanted).await;
    }
    let what = json!({ "history": true, "prompts": true });
    let (first, imported) = sent(&from, &to, &what).await;
    let wanted = |created, earlier| json!({ "created": created, "updated": 0, "unchanged": 0, "skipped": 0, "earlier": earlier });
    assert_eq!((&imported["documents"], &imported["prompts"]), (&wanted(2, 3), &wanted(1, 2)), "{imported}");
    let second = done(&to, "export", what.clone()).await;
    assert_eq!((&second["earlier"], &second["earlier_prompts"]), (&json!(3), &json!(2)));
    assert_eq!(lasting(&file(&second)), lasting(&first));
    for (version, content) in [(1, "one"), (2, "two"), (3, "two"), (4, "one")] {
        let read = done(&to, "document_read", json!({ "path": "a", "version": version })).await;
        assert_eq!(read["content"], content, "{version}");
    }
    let first_prompt = done(&to, "prompt_read", json!({ "name": "p", "version": 1 })).await;
    assert_eq!(first_prompt["messages"][0]["text"], "p1 {{x}}");
    // Again: nothing is different, whatever it was in between.
    let again = json!({ "content": String::from_utf8(first.clone()).unwrap(), "on_conflict": "update" });
    let again = done(&to, "import", again).await;
    assert_eq!(again["documents"], counts(0, 0, 2, 0));
    assert_eq!(again["prompts"], counts(0, 0, 1, 0));
    // Without them there is only what is now.
    let plain = done(&from, "export", json!({})).await;
    assert_eq!((&plain["documents"], &plain["earlier"], &plain["prompts"]), (&json!(2), &json!(0), &json!(0)));
}

async fn conflicts_are_decided_as_the_caller_says(engine: Engine) {
    let server = engine.server().await;
    let client = Client::modern(&server.url, None);
    for (path, content) in [("n/a", "a"), ("n/b", "b"), ("other", "x")] {
        create(&client, path, content).await;
    }
    let exported = done(&client, "export", json!({ "prefix": "n/" })).await;
    assert_eq!(exported["documents"], 2, "{exported}");
    let import = |more: Value| {
        let mut arguments = json!({ "content": exported["content"] });
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    done(&client, "document_delete", json!({ "path": "n/a" })).await;
    done(&client, "document_update", json!({ "path": "n/b", "expected_version": 1, "content": "changed" })).await;
    let before = stored(&client, "").await;
    let refusal = refused(&client, "import", import(json!({}))).await;
    assert_eq!(refusal["code"], "import_refused");
    assert_eq!(refusal["complaints"][0]["code"], "document_exists");
    assert_eq!(refusal["complaints"][0]["line"], 3);
    for (how, wanted) in [("skip", counts(1, 0, 0, 1)), ("update", counts(1, 1, 0, 0))] {
        let dry = done(&client, "import", import(json!({ "on_conflict": how, "dry_run": true }))).await;
        assert_eq!((&dry["documents"], &dry["dry_run"]), (&wanted, &json!(true)));
    }
    assert_eq!(stored(&client, "").await, before);
    let below = done(&client, "import", import(json!({ "prefix": "copy/" }))).await;
    assert_eq!(below["documents"], counts(2, 0, 0, 0));
    assert_eq!(stored(&client, "copy/n/").await.len(), 2);
    let skipped = done(&client, "import", import(json!({ "on_conflict": "skip" }))).await;
    assert_eq!((&skipped["documents"], &skipped["dry_run"]), (&counts(1, 0, 0, 1), &json!(false)));
    // A path and a version name one content forever.
    let wanted = [("n/a".to_owned(), 2, "a".to_owned()), ("n/b".to_owned(), 2, "changed".to_owned())];
    assert_eq!(stored(&client, "n/").await, wanted);
    let updated = done(&client, "import", import(json!({ "on_conflict": "update" }))).await;
    assert_eq!(updated["documents"], counts(0, 1, 1, 0));
    assert_eq!(stored(&client, "n/b").await, [("n/b".to_owned(), 3, "b".to_owned())]);
}

#[tokio::test]
async fn only_what_was_asked_for_is_exported() {
    let engine = Engine::sqlite();
    let server = engine.server().await;
    let client = Client::modern(&server.url, None);
    for (path, tags) in [("a/1", vec!["x", "y"]), ("a/2", vec!["x"]), ("b", vec!["x", "y"])] {
        done(&client, "document_create", json!({ "path": path, "content": "c", "tags": tags })).await;
    }
    for (what, wanted) in [
        (json!({}), 3),
        (json!({ "prefix": "a/" }), 2),
        (json!({ "prefix": "a/", "tags": ["y", "x"] }), 1),
        (json!({ "tags": ["none"] }), 0),
    ] {
        assert_eq!(done(&client, "export", what.clone()).await["documents"], wanted, "{what}");
        let mut what = what;
        what["format"] = json!("markdown");
        let exported = done(&client, "export", what).await;
        assert_eq!(exported["documents"], wanted);
        let import = json!({ "content_base64": exported["content_base64"], "on_conflict": "update" });
        assert_eq!(done(&client, "import", import).await["documents"]["unchanged"], wanted);
    }
}
