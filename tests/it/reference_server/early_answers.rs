//! Requests answered before their body was read: whoever sends all of it first still gets the answer.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::upstream::Server;

/// More than the buffers of both sides of a connection hold.
const BODY: usize = 40_000_000;

fn authority(server: &Server) -> String {
    server.url.trim_start_matches("http://").trim_end_matches("/mcp").to_owned()
}

/// Sends a head and a whole body, and only then reads the answer.
fn sent_whole(authority: &str, head: &str) -> String {
    let mut connection = TcpStream::connect(authority).unwrap();
    write!(
        connection,
        "{head}\r\nContent-Type: application/json\r\nContent-Length: {BODY}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let piece = vec![b' '; 1_000_000];
    for sent in 0..BODY / piece.len() {
        connection.write_all(&piece).unwrap_or_else(|error| panic!("{head}: {error} after {sent} MB"));
    }
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap_or_else(|error| panic!("{head}: {error}, {answer:?}"));
    answer
}

#[tokio::test]
async fn a_refusal_before_the_body_reaches_who_sends_it_all() {
    let server = Server::reference_with(|command| command.args(["--objects", "memory:"])).await;
    let authority = authority(&server);
    tokio::task::spawn_blocking(move || {
        let accept = "Accept: application/json, text/event-stream";
        for (head, status) in [
            (format!("POST /mcp HTTP/1.1\r\nHost: elsewhere.example\r\n{accept}"), 403),
            (format!("POST /mcp HTTP/1.1\r\nHost: {authority}\r\n{accept}"), 413),
            (format!("POST /other HTTP/1.1\r\nHost: {authority}"), 404),
            (format!("PUT /objects/a?if=any&max=9&expires=9&signature=bad HTTP/1.1\r\nHost: {authority}"), 403),
        ] {
            for _ in 0..5 {
                let answer = sent_whole(&authority, &head);
                assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{head}: {answer}");
            }
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn who_waits_to_be_asked_for_a_body_is_not_asked() {
    let server = Server::reference_with(|command| command.args(["--objects", "memory:"])).await;
    let authority = authority(&server);
    tokio::task::spawn_blocking(move || {
        let mut connection = TcpStream::connect(&authority).unwrap();
        let begun = Instant::now();
        write!(
            connection,
            "PUT /objects/a?if=any&max=9&expires=9&signature=bad HTTP/1.1\r\nHost: {authority}\r\n\
             Expect: 100-continue\r\nContent-Length: {BODY}\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 403 ") && !answer.contains("100 Continue"), "{answer}");
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    })
    .await
    .unwrap();
}
