//! Floods of hand-made HTTP/2 frames (threat T105): the connection that brings them ends, and nobody else notices.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    door_to,
    http2::{field, frame},
    ready,
};
use crate::support::{
    door::Door,
    process::resident_kib,
    rpc::{Client, Message},
    upstream::{Era, Scripted},
    wire::{Carrier, Http2},
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What a flood is at the most, bytes: tens of thousands of frames.
const FLOOD_BYTES: usize = 4 << 20;

/// How a flood ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// GOAWAY with this error code.
    GoAway(u32),
    /// The connection was closed without a word.
    Closed,
    /// Everything was taken.
    Taken,
}

/// Sends `piece(n)` for n = 0, 1, … until the door ends the connection or has taken everything, while other clients call.
async fn flood(door: &Door, mut piece: impl FnMut(u32) -> Vec<u8> + Send + 'static) -> End {
    let stream = TcpStream::connect(door.address()).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let sending = tokio::spawn(async move {
        writer.write_all(&[PREFACE, &frame(4, 0, 0, &[])].concat()).await.ok()?;
        let (mut sent, mut number) = (0, 0);
        while sent < FLOOD_BYTES {
            let mut bytes = vec![];
            while bytes.len() < 16 << 10 {
                bytes.extend(piece(number));
                number += 1;
            }
            sent += bytes.len();
            writer.write_all(&bytes).await.ok()?;
        }
        Some(writer)
    });
    let reading = async {
        let mut go_away = None;
        loop {
            let mut head = [0; 9];
            if reader.read_exact(&mut head).await.is_err() {
                return go_away.map_or(End::Closed, End::GoAway);
            }
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            if reader.read_exact(&mut payload).await.is_err() {
                return go_away.map_or(End::Closed, End::GoAway);
            }
            if head[3] == 7 {
                go_away = Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
            }
        }
    };
    let others = async {
        let client = Client::modern(&door.url, None);
        loop {
            let begin = Instant::now();
            assert_eq!(client.call("echo", json!({ "message": "others" })).await.status, 200);
            assert!(begin.elapsed() < Duration::from_secs(5), "others wait for {:?}", begin.elapsed());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        end = reading => end,
        () = others => panic!("others never end"),
        // All was taken, and the door does not mind: it had time to say so.
        () = async {
            let _writer = sending.await.unwrap();
            tokio::time::sleep(Duration::from_secs(3)).await;
        } => End::Taken,
    }
}

async fn start() -> (Scripted, Door) {
    let upstream = Scripted::start(Era::Modern).await;
    let door = door_to(&format!("url: {}", upstream.url)).await;
    ready(&Client::modern(&door.url, None)).await;
    (upstream, door)
}

/// The header block of a GET.
fn get() -> Vec<u8> {
    [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/mcp")]
        .iter()
        .flat_map(|(name, value)| field(name, value))
        .collect()
}

/// Resident memory of the door, bytes.
fn resident(door: &Door) -> u64 {
    resident_kib(door.process.id()) * 1024
}

async fn still_serves(door: &Door, resident_before: u64) {
    let http2 = Http2::connect(&Carrier::Tcp(door.address())).await;
    let answer = http2.send(&Message::call("echo", json!({ "message": "after" }))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let grown = resident(door).saturating_sub(resident_before);
    assert!(grown < 64 << 20, "memory grew by {grown} bytes");
}

#[tokio::test]
async fn a_header_block_without_end_is_cut_off() {
    let (_upstream, door) = start().await;
    let before = resident(&door);
    let filler = field("x-filler", &"f".repeat(100)).repeat(80);
    let end = flood(&door, move |number| match number {
        0 => frame(1, 1, 1, &get()),
        _ => frame(9, 0, 1, &filler),
    })
    .await;
    assert!(matches!(end, End::GoAway(_) | End::Closed), "{end:?}");
    still_serves(&door, before).await;
}

#[tokio::test]
async fn streams_that_are_opened_and_reset_at_once_reach_nobody() {
    let (upstream, door) = start().await;
    let before = resident(&door);
    let calls =
        upstream.calls().iter().filter(|request| !request.body.windows(6).any(|part| part == b"others")).count();
    let block = get();
    let end = flood(&door, move |number| {
        let stream = number * 2 + 1;
        [frame(1, 5, stream, &block), frame(3, 0, stream, &8_u32.to_be_bytes())].concat()
    })
    .await;
    assert!(matches!(end, End::GoAway(_) | End::Closed), "{end:?}");
    let after =
        upstream.calls().iter().filter(|request| !request.body.windows(6).any(|part| part == b"others")).count();
    assert_eq!(after, calls);
    still_serves(&door, before).await;
}

#[tokio::test]
async fn floods_of_settings_and_pings_hold_up_nobody() {
    let (_upstream, door) = start().await;
    let before = resident(&door);
    for (kind, payload) in [(4, vec![]), (6, vec![0; 8])] {
        // Whether they are taken or not is the codec's choice; what they cost is ours.
        let end = flood(&door, move |_| frame(kind, 0, 0, &payload)).await;
        assert_ne!(end, End::GoAway(0), "frame {kind}");
        still_serves(&door, before).await;
    }
}

#[tokio::test]
async fn headers_that_unpack_to_more_than_they_are_go_nowhere() {
    let (upstream, door) = start().await;
    let before = resident(&door);
    let calls = upstream.requests().iter().filter(|request| request.start.starts_with("GET")).count();
    // One large field goes into the table (RFC 7541 §6.2.1); then a byte each names it again: 62 is the newest entry.
    let mut first = get();
    let value = "b".repeat(120);
    first.extend([&[0x40, 6], "x-bomb".as_bytes(), &[120], value.as_bytes()].concat());
    let bomb = [get(), vec![0xbe; 12_000]].concat();
    let end = flood(&door, move |number| match number {
        0 => frame(1, 5, 1, &first),
        _ => frame(1, 5, number * 2 + 1, &bomb),
    })
    .await;
    assert!(matches!(end, End::GoAway(_) | End::Closed), "{end:?}");
    assert_eq!(upstream.requests().iter().filter(|request| request.start.starts_with("GET")).count(), calls);
    still_serves(&door, before).await;
}
