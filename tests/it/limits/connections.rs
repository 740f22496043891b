//! How long a connection may rest, and how long a client may leave an answer unread.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::{
    io::AsyncReadExt,
    net::{TcpSocket, TcpStream},
};

use crate::support::{
    door::{Door, Setup},
    raw::{Exchange, Patience, Piece, exchange, exchange_on},
    rpc::Message,
    upstream::{Era, Reply, Scripted, Step},
};

/// Far beyond every configured time, far below every default.
const LATE: Duration = Duration::from_secs(8);
/// Beyond what the system takes in for a client that does not read, and within `message_bytes_max`.
const LONG: usize = 7 << 20;

async fn start(listen: &str) -> (Scripted, Door) {
    let upstream = Scripted::start(Era::Modern).await;
    let door = Setup::open_at(listen, &format!("url: \"{}\"", upstream.url), "").start().await;
    (upstream, door)
}

fn request(door: &Door) -> Vec<u8> {
    let message = Message::modern("prompts/get", json!({ "name": "greet" }));
    let headers: String = message.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let (host, length) = (door.address(), message.body.len());
    format!("POST /mcp HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Length: {length}\r\n\r\n{}", message.body).into()
}

#[tokio::test]
async fn connection_at_rest_is_closed_in_time() {
    let (_upstream, door) = start(", keepalive_timeout: 2s").await;
    let pieces = [0, 500].map(|pause_ms| Piece { pause_ms, bytes: request(&door) });
    let patience = Patience { linger: Duration::from_secs(20), ..Patience::default() };
    let begin = Instant::now();
    let seen = exchange(&door.address(), &pieces, patience).await;
    assert_eq!(seen.responses.iter().map(|response| response.status).collect::<Vec<_>>(), [200, 200]);
    assert!(seen.closed, "it stays open");
    assert!((Duration::from_millis(2_500)..LATE).contains(&begin.elapsed()), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn connection_that_asks_nothing_is_closed_in_time() {
    let (_upstream, door) = start(", keepalive_timeout: 2s").await;
    let begin = Instant::now();
    let mut stream = TcpStream::connect(door.address()).await.unwrap();
    let mut rest = vec![];
    tokio::time::timeout(LATE, stream.read_to_end(&mut rest)).await.expect("it is closed").unwrap();
    assert!(rest.is_empty() && begin.elapsed() >= Duration::from_secs(2), "{:?}", begin.elapsed());
}

/// Asks, and reads nothing for a while.
async fn reluctant(door: &Door, unread: Duration) -> Exchange {
    let socket = TcpSocket::new_v4().unwrap();
    // What arrives unread must not fit into the system's own buffers.
    socket.set_recv_buffer_size(64 << 10).unwrap();
    let stream = socket.connect(door.address().parse().unwrap()).await.unwrap();
    exchange_on(stream, &[request(door).into()], Patience { unread, ..Patience::default() }).await
}

/// The client that reads soon gets all of it; the one that does not is cut off, and its request has ended by then.
async fn given_up(door: &Door, upstream: &Scripted, answer: impl Fn()) {
    answer();
    let read = reluctant(door, Duration::from_millis(300)).await;
    assert!(read.first().complete && read.first().body.len() > LONG, "{} bytes", read.first().body.len());
    answer();
    let left = reluctant(door, Duration::from_secs(5)).await;
    assert!(left.closed && !left.first().complete, "{} bytes", left.first().body.len());
    assert!(left.received.len() < LONG, "{} bytes", left.received.len());
    assert_eq!(upstream.calls().len(), 2);
}

#[tokio::test]
async fn client_that_does_not_read_its_answer_is_cut_off() {
    let (upstream, door) = start(", write_timeout: 2s").await;
    let long = json!({ "resultType": "complete", "messages": [], "description": "d".repeat(LONG) });
    given_up(&door, &upstream, || upstream.set_result("prompts/get", long.clone())).await;
}

#[tokio::test]
async fn client_that_does_not_read_its_stream_is_cut_off() {
    let (upstream, door) = start(", write_timeout: 2s").await;
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n".to_vec();
    let padding = "d".repeat(LONG);
    let result = format!("{{\"resultType\":\"complete\",\"messages\":[],\"description\":\"{padding}\"}}");
    let event = format!("data: {{\"jsonrpc\":\"2.0\",\"id\":{{{{id}}}},\"result\":{result}}}\n\n").into_bytes();
    let steps = vec![Step::Send(head), Step::Send(event), Step::Close];
    let script = || upstream.script([Reply { on: Some("prompts/get".to_owned()), steps: steps.clone(), times: 1 }]);
    given_up(&door, &upstream, script).await;
}
