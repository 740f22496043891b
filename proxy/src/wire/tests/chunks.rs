//! Chunked requests as the codec reads them through a wire: cut anywhere, well-formed or not.

use std::collections::VecDeque;

use pingora::protocols::{Stream, http::ServerSession};
use proptest::prelude::*;
use tokio::io::AsyncReadExt as _;

use super::{
    super::{Chunks, Wire, chunks, following::Following, head_read},
    Socket,
};

#[allow(dead_code, reason = "its naive reader is what is needed here")]
#[path = "../../../../fuzz/src/http_chunks.rs"]
mod reference;

const HEAD: &[u8] = b"POST /mcp HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// What comes of a request: its data, if the codec reads it to the end; and how its chunks stand.
async fn read(pieces: impl Iterator<Item = Vec<u8>>) -> (Option<Vec<u8>>, Chunks) {
    let incoming: VecDeque<_> = pieces.filter(|piece| !piece.is_empty()).collect();
    let mut wire = Box::new(Wire::new(Box::new(Socket { incoming, ..Socket::default() })));
    wire.look_ahead(1).await.unwrap();
    let begun = wire.begin_request();
    let mut session = ServerSession::new_http1(wire);
    let ServerSession::H1(http1) = &mut session else { panic!("an HTTP/1.1 session") };
    http1.set_pipelined_prefix(begun);
    http1.read_request().await.unwrap().unwrap();
    let chunked = http1.get_header("transfer-encoding").is_some();
    head_read(http1.stream(), chunked);
    let mut data = vec![];
    if chunks(http1.stream()) == Chunks::Malformed {
        return (None, Chunks::Malformed);
    }
    loop {
        match http1.read_body_bytes().await {
            Ok(Some(piece)) => data.extend_from_slice(&piece),
            Ok(None) => return (Some(data), chunks(http1.stream())),
            Err(_) => return (None, chunks(http1.stream())),
        }
    }
}

/// A request in pieces of these sizes, in turn.
fn cut(request: &[u8], sizes: &[usize]) -> Vec<Vec<u8>> {
    let (mut rest, mut pieces) = (request, vec![]);
    for size in sizes.iter().cycle() {
        let (piece, behind) = rest.split_at((*size).min(rest.len()));
        pieces.push(piece.to_vec());
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    pieces
}

#[tokio::test]
async fn malformed_chunks_are_told_wherever_the_request_is_cut() {
    for body in
        ["1;a=\nZ\r\n0\r\n\r\n", "1\nZ\r\n0\r\n\r\n", "0x1\r\nZ\r\n0\r\n\r\n", "1 \r\nZ\r\n0\r\n\r\n", "0\r\nX\r\n\r\n"]
    {
        let request = [HEAD, body.as_bytes()].concat();
        for place in 0..request.len() {
            let (begin, rest) = request.split_at(place);
            let (data, stand) = read([begin.to_vec(), rest.to_vec()].into_iter()).await;
            // Where the codec refuses first, in the very same bytes, it has said so itself.
            assert!(data.is_none() || stand == Chunks::Malformed, "{body:?} cut at {place}: {data:?} {stand:?}");
            assert_ne!(stand, Chunks::Complete, "{body:?} cut at {place}");
        }
    }
}

#[tokio::test]
async fn a_request_with_a_length_is_not_followed() {
    let request = b"POST /mcp HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nContent-Length: 6\r\n\r\n1;a=\nZ";
    assert!(Following::begin(request).is_none());
    assert!(Following::begin(HEAD).is_some());
    for place in [0, 10, 40, 60, 66, 70] {
        let (begin, rest) = request.split_at(place);
        let (data, stand) = read([begin.to_vec(), rest.to_vec()].into_iter()).await;
        assert_eq!((data.as_deref(), stand), (Some(&b"1;a=\nZ"[..]), Chunks::Unwatched), "cut at {place}");
    }
}

#[tokio::test]
async fn what_is_behind_a_malformed_body_can_still_be_read_away() {
    let body = [b"5\r\nabcde\r\n".to_vec(), b"x".to_vec(), b"more".to_vec()];
    let incoming = [HEAD.to_vec()].into_iter().chain(body).collect();
    let mut wire = Wire::new(Box::new(Socket { incoming, ..Socket::default() }));
    wire.look_ahead(HEAD.len()).await.unwrap();
    wire.begin_request();
    let mut stream: Stream = Box::new(wire);
    head_read(&stream, true);
    let mut buffer = [0; 64];
    assert_eq!(stream.read(&mut buffer).await.unwrap(), 10);
    assert_eq!(stream.read(&mut buffer).await.unwrap_err().kind(), std::io::ErrorKind::InvalidData);
    assert_eq!(stream.read(&mut buffer).await.unwrap(), 4);
    assert_eq!(chunks(&stream), Chunks::Malformed);
}

/// A chunked body, possibly spoilt by changes of single bytes.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let data = proptest::collection::vec(any::<u8>(), 1..200);
    let extension = prop_oneof![3 => Just(String::new()), 1 => "(;[a-z]{1,5}(=[a-z0-9]{1,5})?){1,2}"];
    let chunks = proptest::collection::vec((data, extension), 0..5);
    let trailer = prop_oneof![3 => Just(String::new()), 1 => "[A-Za-z-]{1,9}: [ -~]{0,20}\r\n"];
    let byte = prop_oneof![Just(b'\r'), Just(b'\n'), Just(b';'), Just(b'0'), Just(b'1'), Just(b' '), any::<u8>()];
    let change = (any::<prop::sample::Index>(), 0..3_u8, byte);
    let body = (chunks, trailer).prop_map(|(chunks, trailer)| {
        let mut body = vec![];
        for (data, extension) in chunks {
            body.extend(format!("{:x}{extension}\r\n", data.len()).into_bytes());
            body.extend(data);
            body.extend(b"\r\n");
        }
        body.extend(format!("0\r\n{trailer}\r\n").into_bytes());
        body
    });
    (body, proptest::collection::vec(change, 0..3)).prop_map(|(mut body, changes)| {
        for (place, kind, byte) in changes {
            let place = place.index(body.len());
            match kind {
                0 => body[place] = byte,
                1 => body.insert(place, byte),
                _ => drop(body.remove(place)),
            }
        }
        body
    })
}

proptest! {
    /// What the codec reads to its end, and the wire does not refuse, is what a naive reader of the RFC makes of it.
    #[test]
    fn what_passes_is_read_alike_by_everybody(body in body(), sizes in proptest::collection::vec(1..90_usize, 1..9)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let request = [HEAD, &body].concat();
        for pieces in [vec![request.clone()], cut(&request, &sizes), vec![HEAD.to_vec(), body.clone()]] {
            let (data, stand) = runtime.block_on(read(pieces.into_iter()));
            let passed = data.filter(|_| stand == Chunks::Complete);
            prop_assert_eq!(passed, reference::naive(&body).map(|(data, _)| data));
        }
    }
}
