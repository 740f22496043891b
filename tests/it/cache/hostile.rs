//! What others put into Redis, and how it is reached.

use std::time::Duration;

use serde_json::json;
use tokio::process::Command;

use super::{create, ready, server, until, update, version};
use crate::{
    storage::engine::Engine,
    support::{
        parts,
        process::run_command,
        redis::{PASSWORD, Redis},
        rpc::Client,
        tls::Ca,
        upstream::Server,
    },
};

/// Somebody else writes into the same Redis. What cannot be this document at some version is never served.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_document_is_not_served() {
    let (engine, redis) = (Engine::sqlite(), Redis::start().await);
    let (writing, reading) = (server(&engine, &redis).await, server(&engine, &redis).await);
    let (writer, reader) = (Client::modern(&writing.url, None), Client::modern(&reading.url, None));
    create(&writer, "a", "right").await;
    let key = "tests:1:document:a";
    let mut there = String::new();
    until("it is in Redis", async || {
        version(&writer, "a").await;
        redis.kept().await == [key]
    })
    .await;
    let text: String = redis.ask(&["GET", key]).await;
    there.push_str(&text);
    let epoch: String = there.chars().skip(1).take(32).collect();
    let changed = |from: &str, to: &str| {
        assert!(there.contains(from), "{there}");
        there.replace(from, to)
    };
    let wrong = [
        changed("\"path\":\"a\"", "\"path\":\"b\""),
        changed("{\"format\":1", "{\"format\":2"),
        changed("text/plain", "no media type"),
        changed("\"version\":1", "\"version\":0"),
        changed("\"right\"", "\"right\\u0000\""),
        changed("\"content\"", "\"contents\""),
        format!("V{epoch}"),
        format!("V{epoch}{}", "[".repeat(1_000_000)),
        "V".to_owned(),
        String::new(),
    ];
    for (wrong, round) in wrong.iter().zip(1..) {
        // By a change, nobody has it in memory any more.
        update(&writer, "a", round, "right").await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        let _: () = redis.ask(&["SET", key, wrong]).await;
        let answer = reader.call("document_read", json!({ "path": "a" })).await;
        let read = &answer.result()["structuredContent"];
        assert_eq!((&read["content"], &read["version"]), (&json!("right"), &json!(round + 1)), "{wrong:.200}");
    }
    // A thing of another kind in its place.
    update(&writer, "a", u64::try_from(wrong.len()).unwrap() + 1, "right").await;
    let _: i64 = redis.ask(&["DEL", key]).await;
    let _: i64 = redis.ask(&["LPUSH", key, "x"]).await;
    let answer = reader.call("document_read", json!({ "path": "a" })).await;
    assert_eq!(answer.result()["structuredContent"]["content"], "right");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_cannot_be_read_stop_nothing() {
    let (engine, redis) = (Engine::sqlite(), Redis::start().await);
    let server = server(&engine, &redis).await;
    let client = Client::modern(&server.url, None);
    create(&client, "a", "text").await;
    for message in ["", "x", "x document ../../etc", "x document", "x all more", "\u{1f980} \u{0} beat"] {
        let heard: i64 = redis.ask(&["PUBLISH", "tests:1:stale", message]).await;
        assert_eq!(heard, 1);
        assert_eq!(version(&client, "a").await, 1);
    }
    assert_eq!(ready(&server).await.1["cache"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_reached_by_tls_and_held_to_its_certificate() {
    let authority = Ca::new();
    let redis = Redis::start_tls(&authority).await;
    let (right, wrong) = (redis.write("ca.pem", &authority.pem), redis.write("other.pem", &Ca::new().pem));
    let password = redis.write("password", &format!("{PASSWORD}\n"));
    let folder = tempfile::tempdir().unwrap();
    for (authorities, wanted) in [(&right, "ok"), (&wrong, "degraded")] {
        let server = Server::reference_with(|command| {
            command.arg("--database").arg(folder.path().join("documents.db"));
            command.args(["--cache-prefix", "tests", "--cache", &redis.url_without_password()]);
            command.arg("--cache-ca-file").arg(authorities).arg("--cache-password-file").arg(&password)
        })
        .await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        until("it is as wanted", async || ready(&server).await.1["cache"] == wanted).await;
        let told = server.process.stderr.text();
        assert_eq!(told.contains("certificate"), wanted != "ok", "{told}");
        assert!(!told.contains(PASSWORD), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn password_comes_by_a_variable_and_a_wrong_one_is_not_shown() {
    let redis = Redis::start().await;
    let folder = tempfile::tempdir().unwrap();
    for (password, wanted) in [(PASSWORD, "ok"), ("hunter3-redis", "degraded")] {
        let server = Server::reference_with(|command| {
            command.arg("--database").arg(folder.path().join("documents.db")).env("REDISCLI_AUTH", password);
            command.env("RUST_LOG", "trace");
            command.args(["--cache-prefix", "tests", "--cache", &redis.url_without_password()])
        })
        .await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        until("it is as wanted", async || ready(&server).await.1["cache"] == wanted).await;
        let told = server.process.stderr.text();
        assert!(!told.contains(password), "{told}");
    }
}

#[tokio::test]
async fn settings_that_make_no_cache_stop_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("documents.db");
    let url = "redis://:hunter2@localhost:1";
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, "no certificate").unwrap();
    let file = file.to_str().unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&["--cache", "disk"], "memory:, none"),
        (&["--cache", "redis:hunter2", "--cache-prefix", "x"], "the URL is not redis://"),
        (&["--cache", "redis://:hunter2@localhost/#insecure", "--cache-prefix", "x"], "the URL is not redis://"),
        (&["--cache", "rediss://localhost/?protocol=hunter2", "--cache-prefix", "x"], "the URL is not redis://"),
        (&["--cache", url], "needs --cache-prefix"),
        (&["--cache", url, "--cache-prefix", "a:b"], "needs --cache-prefix"),
        (&["--cache", url, "--cache-prefix", "x", "--cache-password-file", "none"], "--cache-password-file none: "),
        (&["--cache", url, "--cache-prefix", "x", "--cache-ca-file", file], "for rediss:// only"),
        (&["--cache", "rediss://localhost", "--cache-prefix", "x", "--cache-ca-file", file], "must hold PEM"),
        (&["--cache-bytes", "1"], "--cache-bytes"),
        (&["--cache-seconds", "0"], "--cache-seconds"),
    ];
    for (arguments, told) in cases {
        let mut command = Command::new(parts::binary("doorward-reference-server"));
        command.args(["--listen", "127.0.0.1:0", "--database"]).arg(&database).args(*arguments);
        let ended = run_command(&mut command, Duration::from_secs(20)).await;
        assert!(matches!(ended.code, Some(1 | 2)), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(told), "{arguments:?}: {}", ended.stderr);
        assert!(!ended.stderr.contains("hunter2"), "{arguments:?}: {}", ended.stderr);
    }
    let mut alone = Command::new(parts::binary("doorward-reference-server"));
    alone.args(["--listen", "127.0.0.1:0", "--cache", url, "--cache-prefix", "x"]);
    let ended = run_command(&mut alone, Duration::from_secs(20)).await;
    assert!(ended.stderr.contains("name a --database"), "{}", ended.stderr);
}
