//! Limits of time, with shorter values than the defaults. Lower bounds hold exactly; upper ones are wide, because a busy
//! machine is slow.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{
    door::{Door, Setup},
    process::free_port,
    raw::{Exchange, Patience, Piece, exchange},
    rpc::{self, Answer, Client},
    tokens::{Issuer, Recipe},
    upstream::{Era, Reply, Scripted, Step},
};

/// Far beyond every configured time, far below every default.
const LATE: Duration = Duration::from_secs(8);
const EVENTS: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
const RESULT: &[u8] =
    b"data: {\"jsonrpc\":\"2.0\",\"id\":{{id}},\"result\":{\"resultType\":\"complete\",\"messages\":[]}}\n\n";

async fn ask(door: &Door) -> (Answer, Duration) {
    let begin = Instant::now();
    let answer = Client::modern(&door.url, None).request("prompts/get", json!({ "name": "greet" })).await;
    (answer, begin.elapsed())
}

fn body() -> String {
    let params = json!({ "name": "greet", "_meta": rpc::meta() });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "prompts/get", "params": params }).to_string()
}

/// A valid request in its two parts.
fn parts(door: &Door) -> (String, String) {
    let body = body();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nMCP-Protocol-Version: {}\r\n\
         Mcp-Method: prompts/get\r\nMcp-Name: greet\r\nContent-Length: {}\r\n\r\n",
        door.address(),
        rpc::MODERN,
        body.len()
    );
    (head, body)
}

/// Writes `text` in `count` pieces with a pause before each but the first.
fn pieces(text: &str, count: usize, pause_ms: u64) -> Vec<Piece> {
    let size = text.len().div_ceil(count);
    let piece = |(place, bytes): (usize, &[u8])| Piece {
        pause_ms: if place == 0 { 0 } else { pause_ms },
        bytes: bytes.to_vec(),
    };
    text.as_bytes().chunks(size).enumerate().map(piece).collect()
}

async fn send(door: &Door, pieces: &[Piece]) -> Exchange {
    exchange(&door.address(), pieces, Patience { response: Duration::from_secs(20), ..Patience::default() }).await
}

/// Refused with 408 no sooner than `at_least` after the first byte, and long before the default would.
fn timed_out(seen: &Exchange, at_least: Duration) {
    let first = seen.first();
    let message: Value = first.message().unwrap_or_default();
    assert_eq!((first.status, &message["error"]["data"]["code"]), (408, &json!("accept.timeout")), "{}", first.text());
    assert!((at_least..LATE).contains(&seen.elapsed), "{:?}", seen.elapsed);
}

async fn with_accept(upstream: &Scripted, accept: &str) -> Door {
    Setup::open(&format!("url: \"{}\"", upstream.url), &format!("accept: {{ {accept} }}")).start().await
}

#[tokio::test]
async fn head_has_its_time_in_all_and_not_more() {
    let upstream = Scripted::start(Era::Modern).await;
    let door = with_accept(&upstream, "head_timeout: 2s").await;
    let (head, body) = parts(&door);
    let mut in_time = pieces(&head, 3, 200);
    in_time.push(body.clone().into_bytes().into());
    assert_eq!(send(&door, &in_time).await.first().status, 200);
    let before = upstream.bytes().len();
    // A byte now and then does not win more of it.
    timed_out(&send(&door, &pieces(&head, 20, 250)).await, Duration::from_secs(2));
    timed_out(&send(&door, &[head[..30].to_owned().into_bytes().into()]).await, Duration::from_secs(2));
    assert_eq!(upstream.bytes().len(), before, "the upstream saw nothing");
}

#[tokio::test]
async fn body_may_be_slow_but_not_silent() {
    let upstream = Scripted::start(Era::Modern).await;
    let door = with_accept(&upstream, "body_idle_timeout: 2s").await;
    let (head, body) = parts(&door);
    let with_head = |rest: Vec<Piece>| [vec![head.clone().into_bytes().into()], rest].concat();
    let begin = Instant::now();
    // Longer in all than the limit, and never silent for that long.
    assert_eq!(send(&door, &with_head(pieces(&body, 8, 400))).await.first().status, 200);
    assert!(begin.elapsed() >= Duration::from_secs(2), "{:?}", begin.elapsed());
    let before = upstream.calls().len();
    let silent = with_head(vec![body[..20].to_owned().into_bytes().into()]);
    timed_out(&send(&door, &silent).await, Duration::from_secs(2));
    assert_eq!(upstream.calls().len(), before, "the upstream saw nothing");
}

#[tokio::test]
async fn connection_that_does_not_stand_in_time_is_given_up() {
    // It takes the connection and never speaks TLS.
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let silent = tokio::spawn(async move {
        let mut kept = vec![];
        while let Ok((stream, _)) = listener.accept().await {
            kept.push(stream);
        }
    });
    let url = format!("url: \"https://localhost:{port}/mcp\", connect_timeout: 1s");
    let door = Setup::open(&url, "").start().await;
    let (answer, took) = ask(&door).await;
    assert_eq!((answer.status, answer.code()), (502, "upstream.connect"), "{}", answer.body);
    assert!((Duration::from_secs(1)..LATE).contains(&took), "{took:?}");
    silent.abort();
    // The default is there too, and nobody listening is told at once.
    let door = Setup::open(&format!("url: \"http://127.0.0.1:{}/mcp\"", free_port()), "").start().await;
    let (answer, took) = ask(&door).await;
    assert_eq!((answer.status, answer.code()), (502, "upstream.connect"), "{}", answer.body);
    assert!(took < LATE, "{took:?}");
}

#[tokio::test]
async fn first_byte_has_its_time_and_not_more() {
    let upstream = Scripted::start(Era::Modern).await;
    let door = Setup::open(&format!("url: \"{}\", first_byte_timeout: 2s", upstream.url), "").start().await;
    let slow = |pause_ms| Reply {
        on: Some("prompts/get".to_owned()),
        steps: [
            vec![Step::Pause(Duration::from_millis(pause_ms))],
            vec![Step::Send([EVENTS, RESULT].concat()), Step::Close],
        ]
        .concat(),
        times: 1,
    };
    upstream.script([slow(500)]);
    let (answer, _) = ask(&door).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    upstream.script([slow(60_000)]);
    let (answer, took) = ask(&door).await;
    assert_eq!((answer.status, answer.code()), (504, "upstream.timeout"), "{}", answer.body);
    assert!((Duration::from_secs(2)..LATE).contains(&took), "{took:?}");
}

fn streaming(middle: impl IntoIterator<Item = Step>) -> Reply {
    let mut steps = vec![Step::Send(EVENTS.to_vec())];
    steps.extend(middle);
    steps.extend([Step::Send(RESULT.to_vec()), Step::Close]);
    Reply { on: Some("prompts/get".to_owned()), steps, times: 1 }
}

#[tokio::test]
async fn stream_may_be_long_but_not_silent() {
    let upstream = Scripted::start(Era::Modern).await;
    let door = Setup::open(&format!("url: \"{}\", idle_timeout: 2s", upstream.url), "").start().await;
    // Comments are no silence: longer in all than the limit.
    let comment = [Step::Pause(Duration::from_millis(400)), Step::Send(b": still here\n\n".to_vec())];
    upstream.script([streaming(comment.into_iter().cycle().take(16))]);
    let (answer, took) = ask(&door).await;
    assert!(answer.message.get("result").is_some(), "{}", answer.body);
    assert!(took >= Duration::from_secs(2), "{took:?}");
    upstream.script([streaming([Step::Pause(Duration::from_secs(60))])]);
    let (answer, took) = ask(&door).await;
    assert_eq!((answer.status, answer.code()), (200, "upstream.timeout"), "{}", answer.body);
    assert!((Duration::from_secs(2)..LATE).contains(&took), "{took:?}");
    let closed = async {
        while upstream.open() > 1 {
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(70), closed).await.expect("the silent connection is given up");
}

/// A JSON answer in two halves with `count` spaces between them, one each `pause_ms`.
fn trickling(method: &str, count: usize, pause_ms: u64) -> Reply {
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{ ";
    let rest = b"\"jsonrpc\":\"2.0\",\"id\":{{id}},\"result\":{\"resultType\":\"complete\",\"messages\":[]}}";
    let space = [Step::Pause(Duration::from_millis(pause_ms)), Step::Send(b" ".to_vec())];
    let mut steps = vec![Step::Send(head.to_vec())];
    steps.extend(space.into_iter().cycle().take(2 * count));
    steps.extend([Step::Send(rest.to_vec()), Step::Close]);
    Reply { on: Some(method.to_owned()), steps, times: 1 }
}

#[tokio::test]
async fn answer_may_trickle_but_has_its_time_in_all() {
    let upstream = Scripted::start(Era::Modern).await;
    let times = |more| format!("url: \"{}\", idle_timeout: 1s{more}", upstream.url);
    let configured = Setup::open(&times(", body_timeout: 3s"), "").start().await;
    let usual = Setup::open(&times(""), "").start().await;
    // Longer in all than the longest silence.
    upstream.script([trickling("prompts/get", 7, 200)]);
    let (answer, took) = ask(&configured).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(took >= Duration::from_millis(1_400), "{took:?}");
    for (door, least) in [(&configured, 3), (&usual, 2)] {
        upstream.script([trickling("prompts/get", 200, 200)]);
        let (answer, took) = ask(door).await;
        assert_eq!((answer.status, answer.code()), (504, "upstream.timeout"), "{}", answer.body);
        assert!((Duration::from_secs(least)..LATE).contains(&took), "{took:?}");
    }
}

#[tokio::test]
async fn answer_to_the_end_of_a_session_has_its_time_in_all() {
    let upstream = Scripted::start(Era::Legacy).await;
    let url = format!("url: \"{}\", idle_timeout: 1s, body_timeout: 2s", upstream.url);
    let door = Setup::open(&url, "").start().await;
    let client = Client::legacy(&door.url, None).await;
    upstream.script([trickling("DELETE", 200, 200)]);
    let begin = Instant::now();
    let answer = Client::answer(client.prepared(http::Method::DELETE)).await;
    assert!(answer.status < 300, "{} {}", answer.status, answer.body);
    assert!(begin.elapsed() < LATE, "{:?}", begin.elapsed());
    let deleted = upstream.wait(|all| all.iter().any(|request| request.method() == "DELETE")).await;
    let connection = deleted.iter().find(|request| request.method() == "DELETE").unwrap().connection;
    assert!(upstream.ends(connection, LATE).await, "it is not waited for without end");
}

#[tokio::test]
async fn body_has_its_time_in_all_and_not_more() {
    let upstream = Scripted::start(Era::Modern).await;
    let door = with_accept(&upstream, "body_idle_timeout: 1s, body_timeout: 3s").await;
    let (head, body) = parts(&door);
    let with_head = |rest: Vec<Piece>| [vec![head.clone().into_bytes().into()], rest].concat();
    // Longer in all than the longest pause.
    let seen = send(&door, &with_head(pieces(&body, 8, 200))).await;
    assert_eq!(seen.first().status, 200, "{}", seen.first().text());
    assert!(seen.elapsed >= Duration::from_millis(1_400), "{:?}", seen.elapsed);
    let before = upstream.calls().len();
    timed_out(&send(&door, &with_head(pieces(&body, 60, 200))).await, Duration::from_secs(3));
    assert_eq!(upstream.calls().len(), before, "the upstream saw nothing");
}

#[tokio::test]
async fn silent_stream_gets_a_comment_each_configured_time() {
    let upstream = Scripted::start(Era::Modern).await;
    let more = "streams: { recheck_interval: 1s }";
    let door = Setup::open(&format!("url: \"{}\"", upstream.url), more).start().await;
    let (head, body) = parts(&door);
    let mut seen = vec![];
    for pause_ms in [700, 3_500] {
        upstream.script([streaming([Step::Pause(Duration::from_millis(pause_ms))])]);
        let exchange = send(&door, &[format!("{head}{body}").into_bytes().into()]).await;
        assert_eq!(exchange.first().events().len(), 1, "{}", exchange.first().text());
        seen.push(exchange.first().text().lines().filter(|line| line.starts_with(':')).count());
    }
    // A busy machine may be late with one, never early.
    assert!(seen[0] == 0 && (2..=3).contains(&seen[1]), "{seen:?}");
}

#[tokio::test]
async fn expired_token_ends_its_stream_within_the_configured_time() {
    const RESOURCE: &str = "https://mcp.example.com/mcp";
    let (upstream, issuer) = (Scripted::start(Era::Modern).await, Issuer::start(RESOURCE).await);
    let yaml = format!(
        "listen: {{ address: 127.0.0.1:0 }}\n\
         authentication: {{ issuers: [ {{ issuer: \"{}\" }} ] }}\n\
         authorization: {{ policies: \"bundle:permit-all\" }}\n\
         upstreams: {{ test: {{ url: \"{}\" }} }}\n\
         routes: {{ /mcp: {{ upstream: test, resource: \"{RESOURCE}\" }} }}\n\
         streams: {{ recheck_interval: 1s }}\n",
        issuer.url(),
        upstream.url
    );
    let door = Setup::config(&yaml).start().await;
    let expiring = Recipe { times_s: [("exp".to_owned(), 2)].into(), ..Recipe::default() };
    upstream.script([streaming([Step::Pause(Duration::from_secs(60))])]);
    let client = Client::modern(&door.url, Some(&issuer.token_with(&expiring)));
    let begin = Instant::now();
    let answer = client.request("prompts/get", json!({ "name": "greet" })).await;
    assert_eq!((answer.status, answer.code()), (200, "authn.expired"), "{}", answer.body);
    assert!((Duration::from_millis(900)..LATE).contains(&begin.elapsed()), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn silent_stream_gets_a_comment_every_15_s() {
    let upstream = Scripted::start(Era::Modern).await;
    let door = Setup::open(&format!("url: \"{}\"", upstream.url), "").start().await;
    upstream.script([streaming([Step::Pause(Duration::from_secs(18))])]);
    let (head, body) = parts(&door);
    let patience = Patience { response: Duration::from_secs(60), ..Patience::default() };
    let seen = exchange(&door.address(), &[format!("{head}{body}").into_bytes().into()], patience).await;
    let text = seen.first().text();
    let comments = text.lines().filter(|line| line.starts_with(':')).count();
    assert_eq!(comments, 1, "one in 18 s: {text}");
    assert_eq!(seen.first().events().len(), 1, "{text}");
}

#[tokio::test]
async fn a_preface_that_does_not_come_whole_is_not_waited_for() {
    let upstream = Scripted::start(Era::Modern).await;
    let door = with_accept(&upstream, "head_timeout: 1s").await;
    for begun in [&b"PRI "[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r", b"PRI * HTTP/1.1\r\nHost: a\r\n\r\n..."] {
        let mut stream = tokio::net::TcpStream::connect(door.address()).await.unwrap();
        stream.write_all(begun).await.unwrap();
        let begin = Instant::now();
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(LATE, stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "{:?} is still open", String::from_utf8_lossy(begun));
        assert!(begin.elapsed() < LATE, "{:?}", begin.elapsed());
    }
}

#[tokio::test]
async fn a_slow_head_is_told_also_where_rests_are_short() {
    let upstream = Scripted::start(Era::Modern).await;
    let yaml = format!(
        "listen: {{ address: 127.0.0.1:0, keepalive_timeout: 1s }}\naccept: {{ head_timeout: 2s }}\n\
         authentication: {{ disabled: true }}\nauthorization: {{ policies: \"bundle:permit-all\" }}\n\
         upstreams: {{ test: {{ url: \"{}\" }} }}\n",
        upstream.url
    );
    let door = Setup::config(&yaml).start().await;
    let slow = [
        Piece { pause_ms: 0, bytes: b"POST /mcp HTTP/1.1\r\nHost: a\r\n".to_vec() },
        Piece { pause_ms: 4_000, bytes: b"X: y\r\n".to_vec() },
    ];
    let seen = send(&door, &slow).await;
    timed_out(&seen, Duration::from_millis(1_900));
}
