//! Limits of HTTP/2, read off the frames: what the server announces, and what it does to a client that does not care.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use serde_json::json;

use crate::support::{
    door::{Door, Setup},
    h2::{field, frame},
    rpc::{Client, Message},
    tokens::{Issuer, Mode, Recipe},
    upstream::{Era, Scripted},
};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const FLOW_CONTROL_ERROR: u32 = 3;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;
/// Far beyond every configured time, far below every default.
const LATE: Duration = Duration::from_secs(8);

#[derive(Debug)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    /// The payload's 32-bit number at this byte.
    fn number(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

struct Connection(TcpStream);

impl Connection {
    async fn open(door: &Door) -> Self {
        let mut stream = TcpStream::connect(door.address()).await.unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        let mut connection = Self(stream);
        connection.write(SETTINGS, 0, 0, &[]).await;
        connection
    }

    async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.0.write_all(&frame(kind, flags, stream, payload)).await.unwrap();
    }

    /// As [`Connection::open`], once what the server announces holds: from the client's acknowledgement on.
    async fn settled(door: &Door) -> Self {
        let mut connection = Self::open(door).await;
        connection.find(|frame| frame.kind == WINDOW_UPDATE && frame.stream == 0).await;
        connection.write(SETTINGS, ACK, 0, &[]).await;
        connection
    }

    /// Whether the connection takes a PING; else the error code of its GOAWAY.
    async fn ping(&mut self) -> Result<(), u32> {
        // It may be closed already, which the reading tells.
        let _ = self.0.write_all(&frame(PING, 0, 0, b"limits..")).await;
        let told = self.find(|frame| matches!(frame.kind, PING | GOAWAY)).await;
        if told.kind == PING { Ok(()) } else { Err(told.number(4)) }
    }

    async fn read(&mut self) -> Frame {
        let read = async {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).await.unwrap();
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let stream = u32::from_be_bytes(head[5..9].try_into().unwrap());
            let mut payload = vec![0; length];
            self.0.read_exact(&mut payload).await.unwrap();
            Frame { kind: head[3], flags: head[4], stream, payload }
        };
        tokio::time::timeout(Duration::from_secs(20), read).await.expect("a frame comes")
    }

    /// The next frame that `wanted` accepts.
    async fn find(&mut self, wanted: impl Fn(&Frame) -> bool) -> Frame {
        loop {
            let frame = self.read().await;
            if wanted(&frame) {
                return frame;
            }
        }
    }
}

/// The head of a POST, its body to come.
fn head(authority: &str, message: &Message) -> Vec<u8> {
    let pseudo = [(":method", "POST"), (":scheme", "http"), (":authority", authority), (":path", "/mcp")];
    let own = message.headers.iter().map(|(name, value)| (*name, value.as_str()));
    pseudo.into_iter().chain(own).flat_map(|(name, value)| field(name, value.as_bytes())).collect()
}

fn greet() -> Message {
    Message::modern("prompts/get", json!({ "name": "greet" }))
}

fn post(authority: &str) -> Vec<u8> {
    head(authority, &greet())
}

/// A door with these bounds of HTTP/2.
async fn bounded(limits: &str) -> (Door, Scripted) {
    let upstream = Scripted::start(Era::Modern).await;
    let listen = format!(", http2_limits: {{ {limits} }}");
    let door = Setup::open_at(&listen, &format!("url: \"{}\"", upstream.url), "").start().await;
    (door, upstream)
}

async fn door(more: &str) -> (Door, Scripted) {
    let upstream = Scripted::start(Era::Modern).await;
    let door = Setup::open(&format!("url: \"{}\"", upstream.url), more).start().await;
    (door, upstream)
}

/// What the server announces: the value of each setting, and the size of the connection's window.
async fn announced(door: &Door) -> (Vec<(u16, u32)>, u32) {
    let mut connection = Connection::open(door).await;
    let settings = connection.find(|frame| frame.kind == SETTINGS && frame.flags == 0).await;
    let window = connection.find(|frame| frame.kind == WINDOW_UPDATE && frame.stream == 0).await;
    let values = settings
        .payload
        .chunks(6)
        .map(|entry| (u16::from_be_bytes([entry[0], entry[1]]), u32::from_be_bytes(entry[2..6].try_into().unwrap())));
    (values.collect(), window.number(0) + 65_535)
}

#[tokio::test]
async fn limits_of_streams_windows_and_heads_are_announced() {
    let (door, _upstream) = door("").await;
    let (settings, window) = announced(&door).await;
    let value = |id| settings.iter().find(|(own, _)| *own == id).map(|(_, value)| *value);
    assert_eq!(value(3), Some(100), "SETTINGS_MAX_CONCURRENT_STREAMS");
    assert_eq!(value(4), Some(64 << 10), "SETTINGS_INITIAL_WINDOW_SIZE");
    assert_eq!(value(6), Some(32 << 10), "SETTINGS_MAX_HEADER_LIST_SIZE");
    assert_eq!(window, 1 << 20, "the connection's window");
}

#[tokio::test]
async fn limit_of_heads_is_the_configured_one() {
    let (door, _upstream) = door("accept: { head_bytes_max: 8KiB }").await;
    let (settings, _) = announced(&door).await;
    assert!(settings.contains(&(6, 8 << 10)), "{settings:?}");
}

#[tokio::test]
async fn stream_101_is_refused_and_the_others_go_on() {
    let (door, upstream) = door("").await;
    let mut connection = Connection::open(&door).await;
    let before = upstream.calls().len();
    let head = post(&door.address());
    for number in 0..=100 {
        connection.write(HEADERS, END_HEADERS, number * 2 + 1, &head).await;
    }
    let refused = connection.find(|frame| frame.kind == RST_STREAM).await;
    assert_eq!((refused.stream, refused.number(0)), (201, REFUSED_STREAM), "{refused:?}");
    // The hundredth is served: its body is no message, which it is told.
    connection.write(DATA, END_STREAM, 199, b"{}").await;
    let answered = connection.find(|frame| frame.stream == 199).await;
    assert_eq!(answered.kind, HEADERS, "{answered:?}");
    assert_eq!(upstream.calls().len(), before);
}

#[tokio::test]
async fn configured_limits_are_announced() {
    let (door, _upstream) = bounded("streams_max: 3, stream_window: 2KiB, connection_window: 160KiB").await;
    let (settings, window) = announced(&door).await;
    assert!(settings.contains(&(3, 3)) && settings.contains(&(4, 2 << 10)), "{settings:?}");
    assert_eq!(window, 160 << 10, "the connection's window");
}

#[tokio::test]
async fn stream_beyond_a_configured_number_is_refused_and_the_others_go_on() {
    let (door, upstream) = bounded("streams_max: 3").await;
    let mut connection = Connection::open(&door).await;
    let block = post(&door.address());
    for stream in [1, 3, 5, 7] {
        connection.write(HEADERS, END_HEADERS, stream, &block).await;
    }
    let refused = connection.find(|frame| frame.kind == RST_STREAM).await;
    assert_eq!((refused.stream, refused.number(0)), (7, REFUSED_STREAM), "{refused:?}");
    assert!(upstream.calls().is_empty());
    for stream in [1, 3, 5] {
        connection.write(DATA, END_STREAM, stream, greet().body.as_bytes()).await;
        let answered = connection.find(|frame| frame.stream == stream).await;
        assert_eq!(answered.kind, HEADERS, "{answered:?}");
    }
    assert_eq!(upstream.calls().len(), 3);
}

#[tokio::test]
async fn body_beyond_a_configured_stream_window_ends_the_stream() {
    let (door, _upstream) = bounded("stream_window: 2KiB").await;
    let mut connection = Connection::settled(&door).await;
    let block = post(&door.address());
    // In one frame, so that nothing of it was read before the rest came.
    for (stream, bytes, expected) in [(1, 2_047, HEADERS), (3, 2_048, HEADERS), (5, 2_049, RST_STREAM)] {
        connection.write(HEADERS, END_HEADERS, stream, &block).await;
        connection.write(DATA, END_STREAM, stream, &vec![b' '; bytes]).await;
        let told = connection.find(|frame| frame.stream == stream && frame.kind != WINDOW_UPDATE).await;
        assert_eq!(told.kind, expected, "{bytes}: {told:?}");
        assert!(expected == HEADERS || told.number(0) == FLOW_CONTROL_ERROR, "{told:?}");
    }
    assert_eq!(connection.ping().await, Ok(()), "the connection goes on");
}

#[tokio::test]
async fn bodies_beyond_a_configured_connection_window_end_the_connection() {
    const RESOURCE: &str = "https://mcp.example.com/mcp";
    let (upstream, issuer) = (Scripted::start(Era::Modern).await, Issuer::start(RESOURCE).await);
    let yaml = format!(
        "listen: {{ address: 127.0.0.1:0, http2_limits: {{ stream_window: 1MiB, connection_window: 128KiB }} }}\n\
         authentication: {{ issuers: [ {{ issuer: \"{}\", key_set: {{ fetch_interval_min: 1s }} }} ] }}\n\
         authorization: {{ policies: \"bundle:permit-all\" }}\n\
         upstreams: {{ test: {{ url: \"{}\" }} }}\n\
         routes: {{ /mcp: {{ upstream: test, resource: \"{RESOURCE}\" }} }}\n",
        issuer.url(),
        upstream.url
    );
    let door = Setup::config(&yaml).start().await;
    let known = Client::modern(&door.url, Some(&issuer.token("alice")));
    assert_eq!(known.request("prompts/get", json!({ "name": "greet" })).await.status, 200);
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    // The key of this token is looked for, and meanwhile nothing is read of the body.
    issuer.set_mode(Mode::Slow(4_500));
    let token = issuer.token_with(&Recipe { kid: Some("unknown".to_owned()), ..Recipe::default() });
    let message = greet().with("authorization", &format!("Bearer {token}"));
    let mut connection = Connection::settled(&door).await;
    connection.write(HEADERS, END_HEADERS, 1, &head(&door.address(), &message)).await;
    for _ in 0..8 {
        connection.write(DATA, 0, 1, &[b' '; 16 << 10]).await;
    }
    assert_eq!(connection.ping().await, Ok(()), "128 KiB are within the window");
    connection.write(DATA, 0, 1, b" ").await;
    assert_eq!(connection.ping().await, Err(FLOW_CONTROL_ERROR));
}

#[tokio::test]
async fn streams_reset_at_once_beyond_a_configured_number_end_the_connection() {
    let (door, upstream) = bounded("pending_resets_max: 2").await;
    let block = post(&door.address());
    for (count, expected) in [(2, Ok(())), (3, Err(ENHANCE_YOUR_CALM))] {
        let mut connection = Connection::settled(&door).await;
        // In one write, so that none of them was looked at before the last one came.
        let pair = |number: u32| {
            let stream = number * 2 + 1;
            [frame(HEADERS, END_HEADERS, stream, &block), frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
        };
        let pairs: Vec<u8> = (0..count).flat_map(pair).collect();
        connection.0.write_all(&pairs).await.unwrap();
        assert_eq!(connection.ping().await, expected, "{count}");
    }
    assert!(upstream.calls().is_empty());
}

#[tokio::test]
async fn errors_of_the_client_beyond_a_configured_number_end_the_connection() {
    let (door, _upstream) = bounded("stream_window: 1KiB, error_resets_max: 2").await;
    let mut connection = Connection::settled(&door).await;
    let block = post(&door.address());
    for stream in [1, 3] {
        connection.write(HEADERS, END_HEADERS, stream, &block).await;
        connection.write(DATA, 0, stream, &[b' '; 1_025]).await;
        let reset = connection.find(|frame| frame.kind == RST_STREAM).await;
        assert_eq!((reset.stream, reset.number(0)), (stream, FLOW_CONTROL_ERROR), "{reset:?}");
    }
    assert_eq!(connection.ping().await, Ok(()));
    connection.write(HEADERS, END_HEADERS, 5, &block).await;
    connection.write(DATA, 0, 5, &[b' '; 1_025]).await;
    assert_eq!(connection.ping().await, Err(ENHANCE_YOUR_CALM));
}

#[tokio::test]
async fn body_has_its_time_in_all_over_http2_too() {
    let (door, upstream) = door("accept: { body_idle_timeout: 1s, body_timeout: 2s }").await;
    let mut connection = Connection::open(&door).await;
    let block = post(&door.address());
    connection.write(HEADERS, END_HEADERS, 1, &block).await;
    let begin = Instant::now();
    // A space now and then is never silent for long.
    let answered = loop {
        connection.write(DATA, 0, 1, b" ").await;
        match tokio::time::timeout(Duration::from_millis(300), connection.find(|frame| frame.stream == 1)).await {
            Ok(frame) if frame.kind != WINDOW_UPDATE => break frame,
            _ => assert!(begin.elapsed() < LATE, "the body is read on"),
        }
    };
    assert_eq!(answered.kind, HEADERS, "{answered:?}");
    assert!(begin.elapsed() >= Duration::from_secs(2), "{:?}", begin.elapsed());
    let told = connection.find(|frame| frame.kind == DATA).await;
    assert!(String::from_utf8_lossy(&told.payload).contains("accept.timeout"), "{told:?}");
    assert!(upstream.calls().is_empty());
}

#[tokio::test]
async fn answer_that_is_not_read_is_given_up_over_http2_too() {
    let upstream = Scripted::start(Era::Modern).await;
    let long = json!({ "resultType": "complete", "messages": [], "description": "d".repeat(200_000) });
    upstream.set_result("prompts/get", long);
    let door = Setup::open_at(", write_timeout: 1s", &format!("url: \"{}\"", upstream.url), "").start().await;
    let mut connection = Connection::open(&door).await;
    let begin = Instant::now();
    connection.write(HEADERS, END_HEADERS, 1, &post(&door.address())).await;
    connection.write(DATA, END_STREAM, 1, greet().body.as_bytes()).await;
    // The window of a client that says nothing else is 64 KiB - 1; this one never grows.
    let mut taken = 0;
    let reset = loop {
        let frame = connection.read().await;
        match (frame.kind, frame.stream) {
            (DATA, 1) => taken += frame.payload.len(),
            (RST_STREAM, 1) => break frame,
            _ => {}
        }
    };
    assert_eq!(taken, 65_535);
    assert!((Duration::from_secs(1)..LATE).contains(&begin.elapsed()), "{:?}: {reset:?}", begin.elapsed());
    assert_eq!(connection.ping().await, Ok(()), "the connection goes on");
}

#[tokio::test]
async fn connection_at_rest_is_closed_in_time_over_http2_too() {
    let upstream = Scripted::start(Era::Modern).await;
    let door = Setup::open_at(", keepalive_timeout: 2s", &format!("url: \"{}\"", upstream.url), "").start().await;
    let mut connection = Connection::open(&door).await;
    let block = post(&door.address());
    for stream in [1, 3] {
        tokio::time::sleep(Duration::from_millis(300)).await;
        connection.write(HEADERS, END_HEADERS, stream, &block).await;
        connection.write(DATA, END_STREAM, stream, greet().body.as_bytes()).await;
        connection.find(|frame| frame.stream == stream && frame.flags & END_STREAM != 0).await;
    }
    let begin = Instant::now();
    let mut rest = vec![];
    tokio::time::timeout(LATE, connection.0.read_to_end(&mut rest)).await.expect("it is closed").unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(1_900), "{:?}", begin.elapsed());
}
