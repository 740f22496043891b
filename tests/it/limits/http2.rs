//! Limits of HTTP/2, read off the frames: what the server announces, and what it does to a client that does not care.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{
    door::{Door, Setup},
    upstream::{Era, Scripted},
};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const REFUSED_STREAM: u32 = 7;

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
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.0.write_all(&frame).await.unwrap();
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

/// The head of a POST with its body to come, in HPACK without Huffman coding.
fn post(authority: &str) -> Vec<u8> {
    let literal = |index: &[u8], value: &str| {
        let mut field = index.to_vec();
        field.push(u8::try_from(value.len()).unwrap());
        field.extend(value.as_bytes());
        field
    };
    let mut block = vec![0x83, 0x86];
    block.extend(literal(&[0x04], "/mcp"));
    block.extend(literal(&[0x01], authority));
    block.extend(literal(&[0x0f, 0x10], "application/json"));
    block.extend(literal(&[0x0f, 0x04], "*/*"));
    block
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
