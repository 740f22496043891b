use std::io::{Read as _, Write as _};

use super::*;

#[test]
fn url_is_split_into_address_host_and_path() {
    let (address, host, path) = parse_url("http://127.0.0.1:8080/mcp").unwrap();
    assert_eq!(address.port(), 8080);
    assert_eq!((host, path), ("127.0.0.1:8080", "/mcp"));
    assert_eq!(parse_url("http://127.0.0.1:1").unwrap().2, "/");
    for bad in ["https://127.0.0.1:1/", "http://localhost/", "127.0.0.1:1"] {
        assert!(parse_url(bad).is_err(), "{bad}");
    }
}

/// A server for one connection that answers each request with `status` and `body`, the n-th after `delay(n)`.
fn server(status: u16, body: &'static str, delay: fn(usize) -> Duration) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut input = [0; 4096];
        for number in 0.. {
            // The requests of these tests are small and come one at a time, so one read has a whole one.
            if stream.read(&mut input).unwrap_or(0) == 0 {
                return;
            }
            std::thread::sleep(delay(number));
            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    });
    address
}

fn plan(target: SocketAddr, rate: Option<f64>) -> Plan {
    Plan {
        target,
        connections: 1,
        rate,
        warm_up: Duration::ZERO,
        duration: Duration::from_millis(400),
        requests: vec![Request::new("h", "/mcp", None, &Ask::ListTools)],
        expect: Expectation { status: 200, marker: b"right".to_vec(), absent: Vec::new(), id_echoed: false },
    }
}

fn no_delay(_: usize) -> Duration {
    Duration::ZERO
}

#[tokio::test]
async fn right_answers_are_no_errors() {
    let target = server(200, "right", no_delay);
    let outcome = drive(&plan(target, None), || {}, || {}).await.unwrap();
    assert!(outcome.requests > 10, "{outcome:?}");
    assert_eq!(outcome.errors, 0);
}

#[tokio::test]
async fn wrong_status_or_body_counts_as_error() {
    for (status, body) in [(500, "right"), (200, "wrong")] {
        let target = server(status, body, no_delay);
        let outcome = drive(&plan(target, None), || {}, || {}).await.unwrap();
        assert!(outcome.requests > 10, "{outcome:?}");
        assert_eq!(outcome.errors, outcome.requests);
    }
}

#[tokio::test]
async fn open_loop_keeps_its_rate_and_charges_a_stall_to_all_it_holds_up() {
    // The first answer takes 200 ms. At 100 requests a second, 20 more fall due meanwhile.
    let stall = |number| Duration::from_millis(if number == 0 { 200 } else { 0 });
    let target = server(200, "right", stall);
    let outcome = drive(&plan(target, Some(100.0)), || {}, || {}).await.unwrap();
    assert!((38..=40).contains(&outcome.requests), "{outcome:?}");
    assert_eq!(outcome.errors, 0);
    // About half of all requests waited; a closed loop would have charged a single one.
    let p = outcome.latencies.percentiles();
    assert!(p.p90_us > 100_000.0, "{p:?}");
}

#[tokio::test]
async fn unreachable_target_is_an_error() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).unwrap();
    let error = drive(&plan(address, None), || {}, || {}).await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error}");
}
