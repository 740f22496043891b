#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::content::Content;
use super::link::{Policy, Sending};
use super::*;
use crate::download::{KEY_BYTES, LIFETIME, Links};

fn stores() -> [(tempfile::TempDir, Objects); 2] {
    let open = |location: Option<String>| {
        let folder = tempfile::tempdir().unwrap();
        let location = location.unwrap_or_else(|| folder.path().display().to_string());
        let links = Policy::default();
        let options = Options { location, endpoint: None, allow_http: false, limits: Limits::default(), links };
        (folder, Objects::open(options).unwrap())
    };
    [open(None), open(Some("memory:".to_owned()))]
}

fn key(text: &str) -> ObjectKey {
    ObjectKey::parse(text).unwrap()
}

fn content(text: &str) -> Content {
    Content::of(text.as_bytes().to_vec(), 1_000)
}

#[tokio::test]
async fn of_many_writers_at_once_one_wins() {
    for (_folder, objects) in stores() {
        let objects = std::sync::Arc::new(objects);
        let write = |number: usize, condition: Condition| {
            let objects = std::sync::Arc::clone(&objects);
            tokio::spawn(async move { objects.put(&key("a"), None, content(&number.to_string()), &condition).await })
        };
        let mut condition = Condition::Absent;
        for _ in 0..3 {
            let writers: Vec<_> = (0..8).map(|number| write(number, condition.clone())).collect();
            let mut won = Vec::new();
            for writer in writers {
                match writer.await.unwrap() {
                    Ok(stat) => won.push(stat.etag.unwrap()),
                    Err(error) => assert!(matches!(error.code(), "object_exists" | "revision_conflict"), "{error}"),
                }
            }
            assert_eq!(won.len(), 1);
            condition = Condition::etag(won.first().unwrap()).unwrap();
        }
    }
}

#[tokio::test]
async fn content_that_never_ends_or_is_too_large_changes_nothing() {
    for (_folder, objects) in stores() {
        objects.put(&key("a"), None, content("before"), &Condition::Absent).await.unwrap();
        let cut = Content::stream(futures_util::stream::iter([Ok(Bytes::from_static(b"x")), Err(ObjectError::Cut)]), 9);
        let refused = objects.put(&key("a"), None, cut, &Condition::Always).await.unwrap_err();
        assert_eq!(refused.code(), "content_cut");
        let large = Content::of(vec![7; 1_001], 1_000);
        let refused = objects.put(&key("a"), None, large, &Condition::Always).await.unwrap_err();
        assert_eq!(refused.code(), "object_too_large");
        assert_eq!(objects.read(&key("a"), 0, 100).await.unwrap().1, b"before");
    }
}

#[tokio::test]
async fn more_writes_than_may_be_at_once_are_refused() {
    for (_folder, objects) in stores() {
        let objects = std::sync::Arc::new(objects);
        let endless = || Content::stream(futures_util::stream::pending(), 9);
        let writers: Vec<_> = (0..WRITES_MAX)
            .map(|number| {
                let objects = std::sync::Arc::clone(&objects);
                let key = key(&number.to_string());
                tokio::spawn(async move { objects.put(&key, None, endless(), &Condition::Always).await })
            })
            .collect();
        while objects.writing.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let refused = objects.put(&key("a"), None, content("x"), &Condition::Always).await.unwrap_err();
        assert_eq!(refused.code(), "objects_busy");
        for writer in writers {
            writer.abort();
            assert!(writer.await.unwrap_err().is_cancelled());
        }
        objects.put(&key("a"), None, content("x"), &Condition::Always).await.unwrap();
    }
}

#[tokio::test]
async fn what_was_replaced_since_is_not_read_under_the_old_name() {
    for (_folder, objects) in stores() {
        let old = objects.put(&key("a"), None, content("before"), &Condition::Absent).await.unwrap();
        objects.put(&key("a"), None, content("after!"), &Condition::Always).await.unwrap();
        let refused = objects.stream(&old, 0, 6).await.err().unwrap();
        assert_eq!(refused.code(), "revision_conflict");
    }
}

#[test]
fn media_types_are_one_type_without_parameters() {
    assert_eq!(media_type("Text/HTML; charset=utf-8").unwrap(), "text/html");
    assert_eq!(media_type("application/vnd.x+json").unwrap(), "application/vnd.x+json");
    let long = format!("text/{}", "x".repeat(MEDIA_TYPE_BYTES_MAX));
    for text in ["", "text", "text/", "/html", "text/html/x", "te xt/html", "text/ht\nml", "text/hé", &long] {
        assert!(matches!(media_type(text), Err(ObjectError::MediaType)), "{text:?}");
    }
}

#[test]
fn what_no_store_gives_out_is_no_etag() {
    assert_eq!(Condition::etag("0x8D-1").unwrap(), Condition::Etag("0x8D-1".to_owned()));
    for text in ["", "\"a\"", "a b", "a\n", "é", &"x".repeat(ETAG_BYTES_MAX + 1)] {
        assert!(matches!(Condition::etag(text), Err(ObjectError::Etag)), "{text:?}");
    }
}

#[test]
fn a_sending_link_says_what_it_was_made_for() {
    let links = Links::new("http://127.0.0.1:9000", &[7; KEY_BYTES], LIFETIME);
    let sending = Sending {
        key: key("a b/ü.png"),
        media_type: Some("image/png".to_owned()),
        condition: Condition::etag("0x8D&x=1").unwrap(),
        bytes_max: 9,
    };
    let url = sending.link(&links, LIFETIME).url;
    let expected =
        "http://127.0.0.1:9000/objects/a%20b/%C3%BC.png?type=image%2Fpng&if=etag%3A0x8D%26x%3D1&max=9&expires=";
    assert!(url.starts_with(expected), "{url}");
    for condition in [Condition::Absent, Condition::Always, Condition::etag("always").unwrap()] {
        let text = Sending { condition: condition.clone(), ..sending.clone() }.condition_text();
        assert_eq!(Sending::condition(&text), Some(condition));
    }
    assert_eq!(Sending::condition("whenever"), None);
}
