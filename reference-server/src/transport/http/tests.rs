use super::*;

fn options() -> HttpOptions {
    HttpOptions { path: "/mcp".to_owned(), allowed_hosts: vec!["mcp.example.com".to_owned()], assertions: None }
}

#[test]
fn wildcard_address_is_not_an_allowed_host() {
    let hosts = allowed_hosts(&options(), Some(SocketAddr::from(([0, 0, 0, 0], 9000))));
    assert_eq!(hosts, ["localhost", "127.0.0.1", "::1", "mcp.example.com"]);
}

#[test]
fn bound_address_is_an_allowed_host() {
    assert!(allowed_hosts(&options(), Some(SocketAddr::from(([10, 0, 0, 7], 9000)))).contains(&"10.0.0.7".to_owned()));
}

#[test]
fn origins_follow_the_host_and_its_port() {
    assert_eq!(allowed_origins("localhost")[0], "http://localhost:*");
    assert_eq!(allowed_origins("example.com:8443")[1], "https://example.com:8443");
    assert_eq!(allowed_origins("::1")[0], "http://[::1]:*");
    assert_eq!(allowed_origins("[::1]:9000")[0], "http://[::1]:9000");
}
