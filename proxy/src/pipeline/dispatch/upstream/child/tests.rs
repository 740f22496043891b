#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use bytes::Bytes;
use doorward_message::Revision;

use super::*;
use crate::pipeline::dispatch::upstream::EventStream;

const ECHO: &str = r#"
import sys, json, os, subprocess
for line in sys.stdin:
    m = json.loads(line)
    method = m.get("method")
    def say(o):
        sys.stdout.write(json.dumps(o) + "\n"); sys.stdout.flush()
    if method == "tools/call":
        name = m["params"]["name"]
        if name == "die": sys.exit(3)
        if name == "hang": continue
        if name == "log": say({"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"logged"}})
        if name == "stall":
            say({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":m["params"]["_meta"]["progressToken"],"progress":1}})
            continue
        if name == "long":
            sys.stdout.write("x" * 3000000); sys.stdout.flush(); continue
        if name == "banner": print("hello, this is no JSON", flush=True)
        if name == "progress":
            say({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":m["params"]["_meta"]["progressToken"],"progress":1}})
        if name == "ask": say({"jsonrpc":"2.0","id":"s1","method":"roots/list"})
        if name == "grandchild":
            p = subprocess.Popen(["sleep","300"])
            say({"jsonrpc":"2.0","id":m["id"],"result":{"pid":p.pid}}); continue
        say({"jsonrpc":"2.0","id":m["id"],"result":{"name":name,"argv":sys.argv[1:],"env":sorted(os.environ)}})
    elif method == "notifications/cancelled":
        say({"jsonrpc":"2.0","method":"notifications/message","params":{"data":m["params"]}})
    elif method == "subscriptions/listen":
        for kind in ("subscriptions/acknowledged", "tools/list_changed"):
            say({"jsonrpc":"2.0","method":"notifications/" + kind,"params":{"_meta":{"io.modelcontextprotocol/subscriptionId":m["id"]}}})
    elif "id" in m:
        say({"jsonrpc":"2.0","id":m["id"],"result":{}})
"#;

fn upstream(arguments: &[&str], change: impl FnOnce(&mut UpstreamSettings)) -> ChildUpstream {
    let mut settings = UpstreamSettings::default();
    change(&mut settings);
    let arguments: Vec<String> = ["-c", ECHO].iter().chain(arguments).map(|text| (*text).to_owned()).collect();
    ChildUpstream::new("python3", &arguments, &settings, Path::new("/"), 1 << 20).unwrap()
}

fn outgoing(body: String, owner: Owner) -> Outgoing {
    Outgoing {
        body: Bytes::from(body),
        revision: Revision::V2026_07_28,
        mirrored: Vec::new(),
        session: None,
        trace: Vec::new(),
        lasting: false,
        owner,
    }
}

fn call(id: &str, name: &str, owner: Owner) -> Outgoing {
    outgoing(
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{name}","_meta":{{"progressToken":"t"}}}}}}"#
        ),
        owner,
    )
}

const ME: Owner = Owner::Connection(7);

async fn text(upstream: &ChildUpstream, outgoing: &Outgoing) -> String {
    match upstream.post(outgoing).await.unwrap().body {
        ReplyBody::Message { bytes, .. } => String::from_utf8(bytes.to_vec()).unwrap(),
        _ => panic!("no single answer"),
    }
}

async fn next(stream: &mut EventStream) -> String {
    let event = stream.next().await.unwrap().unwrap();
    String::from_utf8(event.data.unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn answers_carry_the_ids_of_their_own_requests() {
    let upstream = Arc::new(upstream(&[], |_| {}));
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..2_000_u32 {
        let upstream = Arc::clone(&upstream);
        calls.spawn(async move {
            // Every id is used by two callers at once, as a number and as a string.
            let id = if n % 2 == 0 { format!("{}", n / 2) } else { format!("\"{}\"", n / 2) };
            let answer = text(&upstream, &call(&id, &format!("n{n}"), ME)).await;
            assert!(
                answer.contains(&format!(r#""id": {id}"#)) && answer.contains(&format!(r#""name": "n{n}""#)),
                "{answer}"
            );
        });
    }
    while let Some(done) = calls.join_next().await {
        done.unwrap();
    }
    upstream.stop_all().await;
}

#[tokio::test]
async fn progress_comes_before_the_answer_under_the_clients_token() {
    let upstream = upstream(&[], |_| {});
    let ReplyBody::Stream(mut stream) = upstream.post(&call("1", "progress", ME)).await.unwrap().body else {
        panic!("no stream")
    };
    assert!(next(&mut stream).await.contains(r#""progressToken": "t""#));
    assert!(next(&mut stream).await.contains(r#""id": 1"#));
    assert!(stream.next().await.unwrap().is_none());
}

#[tokio::test]
async fn server_requests_reach_the_listener() {
    let upstream = upstream(&[], |_| {});
    text(&upstream, &call("1", "ask", ME)).await;
    let ReplyBody::Stream(mut stream) = upstream.open_stream(&call("1", "x", ME)).await.unwrap().body else {
        panic!("no stream")
    };
    assert!(next(&mut stream).await.contains("roots/list"));
}

#[tokio::test]
async fn banner_is_dropped_and_counted() {
    let upstream = upstream(&[], |_| {});
    assert!(text(&upstream, &call("1", "banner", ME)).await.contains(r#""id": 1"#));
    let children = upstream.0.children.lock().await;
    assert_eq!(children[&ME].connection.dropped(), 1);
}

#[tokio::test]
async fn overlong_line_ends_the_child_and_its_calls() {
    let upstream = upstream(&[], |_| {});
    let fault = upstream.post(&call("1", "long", ME)).await.err();
    assert_eq!(fault, Some(Fault::UpstreamTooLarge));
}

#[tokio::test]
async fn death_fails_pending_calls_at_once_and_the_next_call_starts_anew() {
    let upstream = upstream(&[], |_| {});
    let started = Instant::now();
    assert_eq!(upstream.post(&call("1", "die", ME)).await.err(), Some(Fault::UpstreamExited));
    assert!(started.elapsed() < Duration::from_secs(5));
    // Not at once: a process that dies at its start would be started without end.
    assert_eq!(upstream.post(&call("2", "x", ME)).await.err(), Some(Fault::UpstreamExited));
    tokio::time::sleep(RESTART_PAUSE).await;
    assert!(text(&upstream, &call("3", "x", ME)).await.contains(r#""id": 3"#));
}

#[tokio::test]
async fn lost_handshake_is_not_replaced() {
    let upstream = upstream(&[], |_| {});
    let initialize = outgoing(r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#.to_owned(), ME);
    text(&upstream, &initialize).await;
    assert_eq!(upstream.post(&call("1", "die", ME)).await.err(), Some(Fault::UpstreamExited));
    tokio::time::sleep(RESTART_PAUSE).await;
    assert_eq!(upstream.post(&call("2", "x", ME)).await.err(), Some(Fault::UpstreamExited));
}

#[tokio::test]
async fn arguments_are_literal_and_the_environment_is_allow_listed() {
    let upstream = upstream(&["; rm -rf /nonexistent", "$(id)"], |settings| {
        settings.environment.values.insert("FIXED".into(), "$HOME".into());
    });
    let answer = text(&upstream, &call("1", "x", ME)).await;
    assert!(answer.contains(r#""argv": ["; rm -rf /nonexistent", "$(id)"]"#), "{answer}");
    assert!(answer.contains("\"FIXED\"") && answer.contains("\"PATH\""), "{answer}");
    assert!(!answer.contains("CARGO"), "{answer}");
}

#[test]
fn variables_that_load_code_are_refused() {
    for name in ["LD_PRELOAD", "NODE_OPTIONS", "PYTHONPATH"] {
        let mut settings = UpstreamSettings::default();
        settings.environment.allow.push(name.to_owned());
        let refused = ChildUpstream::new("true", &[], &settings, Path::new("/"), 1024);
        assert!(matches!(refused.err(), Some(ChildError::Loader(found)) if found == name));
    }
}

#[tokio::test]
async fn dropped_call_is_cancelled_at_the_child() {
    let upstream = upstream(&[], |_| {});
    let hanging = tokio::time::timeout(Duration::from_millis(1500), upstream.post(&call("9", "hang", ME))).await;
    assert!(hanging.is_err());
    let ReplyBody::Stream(mut stream) = upstream.open_stream(&call("1", "x", ME)).await.unwrap().body else {
        panic!("no stream")
    };
    assert!(next(&mut stream).await.contains(r#""requestId": 1"#));
}

#[tokio::test]
async fn a_child_that_ended_while_nobody_watched_holds_up_no_stop() {
    let upstream = upstream(&[], |_| {});
    assert_eq!(upstream.post(&call("1", "die", ME)).await.err(), Some(Fault::UpstreamExited));
    // Its process is reaped and its end told before anybody waits for it.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let stopped = tokio::time::timeout(Duration::from_secs(5), upstream.stop_all()).await;
    assert!(stopped.is_ok(), "the end was told to nobody");
}

#[tokio::test]
async fn nothing_is_left_of_a_stopped_process_group() {
    let upstream = upstream(&[], |_| {});
    let answer = text(&upstream, &call("1", "grandchild", ME)).await;
    let pid: i32 = answer.split(r#""pid": "#).nth(1).unwrap().trim_end_matches(['}', '\n']).parse().unwrap();
    upstream.stop_all().await;
    let gone = || {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        state.is_empty() || state.contains(") Z ")
    };
    for _ in 0..50 {
        if gone() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the grandchild lives on");
}

#[tokio::test]
async fn too_many_children_are_refused() {
    let upstream = upstream(&[], |settings| settings.children_max = 1);
    text(&upstream, &call("1", "x", ME)).await;
    let other = upstream.post(&call("1", "x", Owner::Connection(8))).await;
    assert_eq!(other.err(), Some(Fault::Overloaded));
}

#[test]
fn logged_lines_are_harmless() {
    assert_eq!(lines::harmless(b"\x1b[8mhidden\x07\xff"), "\\u{1b}[8mhidden\\u{7}\u{fffd}");
}

#[test]
fn messages_become_one_line() {
    let line = lines::one_line(&Bytes::from_static(b"{\r\n\"a\":1\n}"));
    assert_eq!(line, Bytes::from_static(b"{  \"a\":1 }\n"));
}

#[tokio::test]
async fn a_log_message_during_the_only_call_belongs_to_it() {
    let upstream = upstream(&[], |_| {});
    let ReplyBody::Stream(mut stream) = upstream.post(&call("1", "log", ME)).await.unwrap().body else {
        panic!("no stream")
    };
    assert!(next(&mut stream).await.contains("logged"));
    assert!(next(&mut stream).await.contains(r#""id": 1"#));
}

#[tokio::test]
async fn messages_of_a_subscription_come_under_the_clients_id() {
    let upstream = upstream(&[], |_| {});
    let listen = r#"{"jsonrpc":"2.0","id":"mine","method":"subscriptions/listen","params":{}}"#.to_owned();
    let ReplyBody::Stream(mut stream) = upstream.post(&outgoing(listen, ME)).await.unwrap().body else {
        panic!("no stream")
    };
    for kind in ["acknowledged", "list_changed"] {
        let message = next(&mut stream).await;
        assert!(message.contains(kind) && message.contains(r#"subscriptionId": "mine""#), "{message}");
    }
}

#[tokio::test]
async fn silence_after_progress_ends_the_request_unless_it_lasts() {
    let upstream = upstream(&[], |settings| settings.idle_timeout = "200ms".parse().unwrap());
    let stalled = async |lasting| {
        // Each with a child of its own: the cancelled call would be told of in the other's stream.
        let outgoing = Outgoing { lasting, ..call("1", "stall", Owner::Connection(u64::from(lasting))) };
        let ReplyBody::Stream(mut stream) = upstream.post(&outgoing).await.unwrap().body else { panic!("no stream") };
        assert!(next(&mut stream).await.contains("progress"));
        // Whoever reads looks up in between, which does not begin the time anew.
        for _ in 0..6 {
            if let Ok(ended) = tokio::time::timeout(Duration::from_millis(100), stream.next()).await {
                return Some(ended.unwrap_err());
            }
        }
        None
    };
    assert_eq!(stalled(false).await, Some(Fault::UpstreamTimeout));
    assert_eq!(stalled(true).await, None);
    upstream.stop_all().await;
}
