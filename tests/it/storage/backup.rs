//! Backups: whole, of one moment, restored on either engine, and nothing in between.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use doorward_reference_server::storage::{
    Filter, Limits, StoreError,
    backup::{BackupError, Counted, backup, restore},
    location::{Location, Named},
    postgres::Access,
    record::Change,
};
use serde_json::{Value, json};

use super::prompts::{name, prompt};
use super::records::{object, record};
use super::{Store, body, content, engine::Engine, found, on_every_engine, path, tagged};
use crate::support::{parts, process};

on_every_engine!(
    backup_is_restored_on_either_engine,
    backup_has_what_one_moment_had,
    only_a_whole_backup_is_restored_and_only_into_nothing,
    backup_of_an_earlier_server_is_restored,
    prompt_or_record_alone_makes_a_store_not_empty,
    commands_back_up_and_restore,
);

const COUNTED: Counted = Counted {
    documents: 3,
    earlier: 3,
    retired: 3,
    prompts: 2,
    earlier_prompts: 2,
    retired_prompts: 1,
    records: 3,
    retired_records: 1,
};

/// Documents with everything that one can have: history, moves, deletions, odd characters.
async fn fill(store: &Store) {
    let mut odd = tagged("\u{1}\"\\ \u{1f980}\u{2028}", &["b", "ä"]);
    odd.metadata.insert("k".to_owned(), json!({"deep": {"ü": u64::MAX}, "list": [1, null, -2.5, "x"]}));
    store.create(&path("odd"), odd).await.unwrap();
    store.create(&path("a"), body("one")).await.unwrap();
    store.update(&path("a"), 1, content("two")).await.unwrap();
    store.update(&path("a"), 2, content("three")).await.unwrap();
    store.create(&path("from"), body("moved")).await.unwrap();
    store.relocate(&path("from"), &path("to"), None).await.unwrap();
    for gone in ["gone", "again"] {
        store.create(&path(gone), body("gone")).await.unwrap();
        store.update(&path(gone), 1, content("gone")).await.unwrap();
        store.delete(&path(gone), None).await.unwrap();
    }
    for (expected, text) in [(None, "first"), (Some(1), "second"), (Some(2), "third \u{1} \u{1f980}")] {
        store.save_prompt(&name("review"), expected, prompt(text)).await.unwrap();
    }
    for each in ["A.b-c_1", "gone"] {
        store.save_prompt(&name(each), None, prompt("text")).await.unwrap();
    }
    store.delete_prompt(&name("gone"), None).await.unwrap();
    let odd = object(
        json!({ "ü.\"'": [u64::MAX, 1.0, 0.1, -1e300, null], "n": i64::MIN, "at": { "city": "Rome \u{1f980}" } }),
    );
    for each in ["stock/a", "stock/B", "staff/a", "staff/gone"] {
        store.create_record(&record(each), odd.clone()).await.unwrap();
    }
    for each in ["stock/a", "staff/gone"] {
        store.update_record(&record(each), 1, Change::Merge(object(json!({ "n": 7.5 })))).await.unwrap();
    }
    store.delete_record(&record("staff/gone"), None).await.unwrap();
}

async fn backup_is_restored_on_either_engine(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let store = engine.open(Limits::default()).await;
    fill(&store).await;
    let file = folder.path().join("backup");
    assert_eq!(backup(&*store, &file).await.unwrap(), COUNTED);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    for (place, other) in [Engine::sqlite(), Engine::postgres().await].into_iter().enumerate() {
        let restored = other.open(Limits::default()).await;
        assert_eq!(restore(&*restored, &file).await.unwrap(), COUNTED);
        for name in ["odd", "a", "to"] {
            assert_eq!(store.read(&path(name), None).await.unwrap(), restored.read(&path(name), None).await.unwrap());
            let history = |store: Store| async move { store.history(&path(name), None, 9).await.unwrap() };
            assert_eq!(history(Store::clone(&store)).await, history(Store::clone(&restored)).await);
        }
        assert_eq!(restored.read(&path("a"), Some(1)).await.unwrap().body.content, "one");
        assert_eq!(found(&restored, "moved").await, ["to"]);
        for each in ["review", "A.b-c_1"] {
            let history = |store: Store| async move { store.prompt_history(&name(each), None, 9).await.unwrap() };
            assert_eq!(history(Store::clone(&store)).await, history(Store::clone(&restored)).await);
        }
        assert_eq!(restored.prompt(&name("review"), Some(1)).await.unwrap().body, prompt("first"));
        for each in ["stock/a", "stock/B", "staff/a"] {
            let (one, other) =
                (store.record(&record(each)).await.unwrap(), restored.record(&record(each)).await.unwrap());
            assert_eq!(one, other);
        }
        let queried = json!({ "gt": { "field": "n", "value": 7 } });
        assert_eq!(super::records::queried(&restored, "stock", queried).await, ["a"]);
        let again = folder.path().join(format!("again{place}"));
        backup(&*restored, &again).await.unwrap();
        assert!(fs::read(&file).unwrap() == fs::read(&again).unwrap(), "{}", fs::read_to_string(&again).unwrap());
        // No version is given out a second time.
        assert_eq!(restored.create(&path("gone"), body("new")).await.unwrap().version, 3);
        assert_eq!(restored.create(&path("from"), body("new")).await.unwrap().version, 2);
        assert_eq!(restored.update(&path("a"), 3, content("four")).await.unwrap().version, 4);
        assert_eq!(restored.save_prompt(&name("gone"), None, prompt("new")).await.unwrap().version, 2);
        assert_eq!(restored.save_prompt(&name("review"), Some(3), prompt("new")).await.unwrap().version, 4);
        assert_eq!(restored.create_record(&record("staff/gone"), object(json!({}))).await.unwrap().version, 3);
    }
    // Nothing but the three files.
    assert_eq!(folder.path().read_dir().unwrap().count(), 3);
}

/// A writer changes one document after the other; no moment has the second ahead of the first.
async fn backup_has_what_one_moment_had(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let (store, other) = (engine.open(Limits::default()).await, engine.open(Limits::default()).await);
    for name in ["z", "a"] {
        store.create(&path(name), body("text")).await.unwrap();
    }
    // Some more, so that a backup takes its time.
    for number in 0..100 {
        store.create(&path(&format!("m/{number}")), body(&"word ".repeat(2_000))).await.unwrap();
    }
    let writer = tokio::spawn(async move {
        for version in 1.. {
            for name in ["z", "a"] {
                if other.update(&path(name), version, content(&version.to_string())).await.is_err() {
                    return;
                }
            }
        }
    });
    let mut versions = vec![];
    for round in 0..3 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let file = folder.path().join(format!("backup{round}"));
        backup(&*store, &file).await.unwrap();
        let text = fs::read_to_string(&file).unwrap();
        let documents = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["document"].clone());
        let documents: Vec<Value> = documents.filter(|document| !document.is_null()).collect();
        let version =
            |name: &str| documents.iter().find(|each| each["path"] == name).unwrap()["version"].as_u64().unwrap();
        let (first, second) = (version("z"), version("a"));
        assert!(first == second || first == second + 1, "{first} {second}");
        versions.push(first);
    }
    assert!(versions[2] > versions[0], "the writer wrote all the time: {versions:?}");
    writer.abort();
}

async fn only_a_whole_backup_is_restored_and_only_into_nothing(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let source = Engine::sqlite();
    let source = source.open(Limits::default()).await;
    fill(&source).await;
    let file = folder.path().join("backup");
    backup(&*source, &file).await.unwrap();
    assert!(matches!(backup(&*source, &file).await, Err(BackupError::Exists(_))));
    let whole = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let without = |line: usize| {
        let left: Vec<&str> =
            lines.iter().enumerate().filter(|(number, _)| *number != line).map(|(_, line)| *line).collect();
        left.join("\n") + "\n"
    };
    let damaged = [
        String::new(),
        "not a backup\n".to_owned(),
        without(0),
        without(2),
        without(lines.len() - 1),
        whole.replace("three", "threE"),
        whole.replace("third", "thirD"),
        whole.replace("\"name\":\"review\"", "\"name\":\"re view\""),
        whole.replace("\"messages\":[", "\"messages\":[{},"),
        whole.replace("\"retired_prompts\":1", "\"retired_prompts\":0"),
        whole.replace("\"path\":\"a\"", "\"path\":\"../a\""),
        whole.replace("\"name\":\"stock/B\"", "\"name\":\"stock/..\""),
        whole.replace("\"city\":\"Rome", "\"city\":\"\\u0000"),
        whole.replace("\"retired_records\":1", "\"retired_records\":0"),
        whole.replace("\"content\":\"one\"", "\"content\":\"\\u0000\""),
        whole.trim_end().to_owned(),
        format!("{whole}{{}}\n"),
        whole.replacen("\"version\":3", "\"version\":4", 1),
    ];
    let store = engine.open(Limits::default()).await;
    let broken = folder.path().join("broken");
    for text in damaged {
        fs::write(&broken, &text).unwrap();
        let refused = restore(&*store, &broken).await.unwrap_err();
        assert!(
            matches!(
                refused,
                BackupError::Format { .. }
                    | BackupError::Document { .. }
                    | BackupError::Prompt { .. }
                    | BackupError::Structured { .. }
            ),
            "{refused:?}: {text}"
        );
        assert!(store.list(&Filter::default(), None, 10).await.unwrap().items.is_empty());
    }
    restore(&*store, &file).await.unwrap();
    assert!(matches!(restore(&*store, &file).await, Err(BackupError::NotEmpty)));
    // Also what was deleted counts.
    for name in ["odd", "a", "to"] {
        store.delete(&path(name), None).await.unwrap();
    }
    assert!(matches!(restore(&*store, &file).await, Err(BackupError::NotEmpty)));
    assert!(matches!(store.read(&path("a"), None).await, Err(StoreError::NotFound(_))));
}

/// As servers wrote it before there were prompts, and before there were records.
async fn backup_of_an_earlier_server_is_restored(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup");
    fs::write(&file, include_str!("backup_version_1.jsonl")).unwrap();
    let store = engine.open(Limits::default()).await;
    let counted = Counted { documents: 1, earlier: 1, retired: 1, ..Counted::default() };
    assert_eq!(restore(&*store, &file).await.unwrap(), counted);
    assert_eq!(store.read(&path("a"), None).await.unwrap().body.content, "two");
    assert_eq!(store.read(&path("a"), Some(1)).await.unwrap().body.content, "one");
    assert_eq!(store.create(&path("gone"), body("new")).await.unwrap().version, 4);
    let file = folder.path().join("later");
    fs::write(&file, include_str!("backup_version_2.jsonl")).unwrap();
    let store = another(&engine).await;
    let counted = Counted { prompts: 1, earlier_prompts: 1, retired_prompts: 1, ..counted };
    assert_eq!(restore(&*store, &file).await.unwrap(), counted);
    assert_eq!(store.read(&path("a"), Some(1)).await.unwrap().body.content, "one");
    assert_eq!(store.prompt(&name("p"), Some(1)).await.unwrap().body, prompt("one"));
    assert_eq!(store.save_prompt(&name("q"), None, prompt("new")).await.unwrap().version, 5);
    assert!(store.collections("", None, 9).await.unwrap().items.is_empty());
}

/// Another store of the same engine, empty at first.
async fn another(engine: &Engine) -> Store {
    let named = Named::from(engine.another("another").await);
    Location::of(Some(&named), &Access::default()).unwrap().open(Limits::default()).await.unwrap()
}

async fn prompt_or_record_alone_makes_a_store_not_empty(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup");
    let store = engine.open(Limits::default()).await;
    store.save_prompt(&name("gone"), None, prompt("text")).await.unwrap();
    backup(&*store, &file).await.unwrap();
    assert!(matches!(restore(&*store, &file).await, Err(BackupError::NotEmpty)));
    store.delete_prompt(&name("gone"), None).await.unwrap();
    assert!(matches!(restore(&*store, &file).await, Err(BackupError::NotEmpty)));
    let other = another(&engine).await;
    other.create_record(&record("c/gone"), object(json!({}))).await.unwrap();
    assert!(matches!(restore(&*other, &file).await, Err(BackupError::NotEmpty)));
    other.delete_record(&record("c/gone"), None).await.unwrap();
    assert!(matches!(restore(&*other, &file).await, Err(BackupError::NotEmpty)));
}

async fn command(arguments: &[&std::ffi::OsStr]) -> process::Finished {
    let mut command = tokio::process::Command::new(parts::binary("doorward-reference-server"));
    command.args(arguments).env_remove("RUST_LOG").env_remove("REFERENCE_SERVER_DATABASE");
    process::run_command(&mut command, Duration::from_secs(30)).await
}

async fn commands_back_up_and_restore(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup");
    // A server that is running does not mind.
    let server = engine.server().await;
    fill(&engine.open(Limits::default()).await).await;
    let (from, to) = (engine.name(), engine.another("restored").await);
    let [backup, restore, database] = ["backup", "restore", "--database"].map(std::ffi::OsStr::new);
    let done = command(&[backup, file.as_ref(), database, &from]).await;
    assert_eq!(
        (done.code, &*done.stdout),
        (Some(0), "backed up: 3 documents, 3 earlier versions; 2 prompts, 2 earlier versions; 3 records\n"),
        "{}",
        done.stderr
    );
    let done = command(&[restore, file.as_ref(), database, &to]).await;
    let told = "restored: 3 documents, 3 earlier versions; 2 prompts, 2 earlier versions; 3 records\n";
    assert_eq!((done.code, &*done.stdout), (Some(0), told), "{}", done.stderr);
    let refused = command(&[restore, file.as_ref(), database, &to]).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("not empty"), "{}", refused.stderr);
    let refused = command(&[backup, file.as_ref()]).await;
    assert!(refused.stderr.contains("need --database"), "{}", refused.stderr);
    let nowhere = Path::new("/nonexistent/backup");
    assert_eq!(command(&[backup, nowhere.as_ref(), database, &from]).await.code, Some(1));
    drop(server);
}
