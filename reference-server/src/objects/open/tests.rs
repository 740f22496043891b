#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;

#[test]
fn locations_are_read() {
    let bucket = |cloud, prefix: Option<&str>| Location::Bucket(cloud, "b-1.x".to_owned(), prefix.map(str::to_owned));
    for (text, location) in [
        ("/var/objects", Location::Directory("/var/objects".into())),
        ("objects", Location::Directory("objects".into())),
        ("./a:b", Location::Directory("./a:b".into())),
        ("file:///var/objects", Location::Directory("/var/objects".into())),
        ("memory:", Location::Memory),
        ("s3://b-1.x", bucket(Cloud::S3, None)),
        ("s3://b-1.x/", bucket(Cloud::S3, None)),
        ("az://b-1.x/a", bucket(Cloud::Azure, Some("a"))),
        ("gs://b-1.x/a/b/", bucket(Cloud::Google, Some("a/b"))),
    ] {
        assert_eq!(Location::parse(text).unwrap(), location, "{text}");
    }
}

#[test]
fn what_is_no_location_is_refused() {
    let long = format!("s3://b/{}", "x".repeat(PREFIX_BYTES_MAX + 1));
    for text in [
        "memory:x",
        "file:a",
        "file://host/a",
        "s3:",
        "s3:b",
        "s3://",
        "s3:///a",
        "s3://b?x=1",
        "s3://k:s@b",
        "s3://b/../a",
        "s3://b//a",
        "s3://b/a%2f",
        "ftp://b",
        "http://b",
        &long,
    ] {
        assert!(matches!(Location::parse(text), Err(OpenError::Location(_))), "{text}");
    }
}

fn options(location: &str, endpoint: Option<&str>, allow_http: bool) -> Options {
    Options {
        location: location.to_owned(),
        endpoint: endpoint.map(str::to_owned),
        allow_http,
        limits: Limits::default(),
        links: link::Policy::default(),
    }
}

#[test]
fn a_store_in_the_clear_is_refused_unless_it_is_allowed() {
    for endpoint in ["http://store.example", "HTTP://store.example", "store.example"] {
        let refused = Objects::open(options("s3://b", Some(endpoint), false));
        assert!(matches!(refused, Err(OpenError::Clear)), "{endpoint}");
    }
    for (endpoint, allow) in [("http://store.example", true), ("https://store.example", false)] {
        assert!(Objects::open(options("s3://b", Some(endpoint), allow)).is_ok(), "{endpoint}");
    }
}

#[test]
fn debug_shows_no_settings_of_the_store() {
    let objects = Objects::open(options("s3://b/kept", Some("https://user:SECRET@store.example"), false)).unwrap();
    let text = format!("{objects:?}");
    assert!(text.contains("s3://b/kept") && !text.contains("SECRET"), "{text}");
}
