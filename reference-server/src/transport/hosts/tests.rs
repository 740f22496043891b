#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn hosts(bound: [u8; 4]) -> Hosts {
    let added = ["mcp.example.com".to_owned(), "example.org:8443".to_owned()];
    Hosts::new(&added, Some(SocketAddr::from((bound, 9000))))
}

#[test]
fn wildcard_address_is_not_an_allowed_host() {
    assert_eq!(hosts([0, 0, 0, 0]).names(), ["localhost", "127.0.0.1", "::1", "mcp.example.com", "example.org:8443"]);
}

#[test]
fn bound_address_is_an_allowed_host() {
    assert!(hosts([10, 0, 0, 7]).names().contains(&"10.0.0.7".to_owned()));
}

#[test]
fn origins_follow_the_host_and_its_port() {
    assert_eq!(origins("localhost")[0], "http://localhost:*");
    assert_eq!(origins("example.com:8443")[1], "https://example.com:8443");
    assert_eq!(origins("::1")[0], "http://[::1]:*");
    assert_eq!(origins("[::1]:9000")[0], "http://[::1]:9000");
}

fn admitted(headers: &[(&str, &str)]) -> bool {
    let pairs = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append::<header::HeaderName>(name, value);
    }
    hosts([127, 0, 0, 1]).admit(&map)
}

#[test]
fn own_names_are_admitted() {
    for host in
        ["localhost", "LOCALHOST:1", "127.0.0.1:9000", "[::1]:9000", "[::1]", "mcp.example.com", "example.org:8443"]
    {
        assert!(admitted(&[("host", host)]), "{host}");
    }
    assert!(admitted(&[("host", "localhost:1"), ("origin", "http://localhost:5173")]));
    assert!(admitted(&[("host", "localhost"), ("origin", "https://example.org:8443")]));
}

#[test]
fn foreign_and_strange_names_are_refused() {
    for host in [
        "evil.example",
        "localhost.evil.example",
        "example.org",
        "example.org:1",
        "",
        ":80",
        "localhost:x",
        "[::1",
        "a@localhost",
    ] {
        assert!(!admitted(&[("host", host)]), "{host}");
    }
    assert!(!admitted(&[]));
    assert!(!admitted(&[("host", "localhost"), ("host", "localhost")]));
    for origin in
        ["http://evil.example", "null", "", "file://localhost", "http://localhost@evil.example", "https://example.org"]
    {
        assert!(!admitted(&[("host", "localhost"), ("origin", origin)]), "{origin}");
    }
}
