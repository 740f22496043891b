#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn parse(url: &str) -> Result<RedisSettings, RedisUrlError> {
    let access = RedisAccess { prefix: Some("x".to_owned()), ..RedisAccess::default() };
    RedisSettings::parse(url, &access)
}

#[test]
fn urls_are_taken_as_they_are_documented() {
    for url in [
        "redis://localhost",
        "redis://localhost:6380/3",
        "redis://ann:secret@localhost:6379",
        "redis://[::1]:6379",
        "rediss://redis.example",
    ] {
        assert!(parse(url).is_ok(), "{url}");
    }
    for url in [
        "redis:localhost",
        "redis://",
        "redis+unix:///tmp/x",
        "unix:///tmp/x",
        "http://localhost",
        "redis://localhost/x",
        "redis://localhost/?protocol=resp3",
        "rediss://localhost/#insecure",
    ] {
        assert!(matches!(parse(url), Err(RedisUrlError::Url)), "{url}");
    }
}

#[test]
fn nothing_of_a_url_is_shown() {
    let settings = parse("redis://ann:hunter2@localhost").unwrap();
    assert!(!format!("{settings:?}").contains("hunter2"));
    let refused = parse("redis://ann:hunter2@localhost/x").unwrap_err();
    assert!(!format!("{refused} {refused:?}").contains("hunter2"));
}

#[test]
fn addresses_of_this_machine_are_told_from_others() {
    for (url, near) in [
        ("redis://localhost", true),
        ("redis://127.0.0.5:1", true),
        ("redis://[::1]", true),
        ("redis://redis.example", false),
        ("redis://10.0.0.1", false),
        ("redis://[fe80::1]", false),
    ] {
        assert_eq!(is_near(url::Url::parse(url).unwrap().host()), near, "{url}");
    }
}
