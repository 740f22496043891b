#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;

fn of(text: &[u8]) -> Bytes {
    Bytes::copy_from_slice(text)
}

#[tokio::test]
async fn text_that_gets_smaller_is_compressed_and_comes_back() {
    let text = of("name;value\n".repeat(1_000).as_bytes());
    let (encoding, kept) = encode("text/csv", text.clone()).await;
    assert_eq!(encoding, Encoding::Gzip);
    assert!(kept.len() < text.len() / 10);
    assert_eq!(decode(kept, u64::try_from(text.len()).unwrap()).await, Some(text));
}

#[tokio::test]
async fn what_gains_nothing_is_kept_as_it_is() {
    let text = of("name;value\n".repeat(1_000).as_bytes());
    let mut noise = vec![0; 10_000];
    getrandom::fill(&mut noise).unwrap();
    for (media_type, content) in
        [("image/png", text.clone()), ("text/csv", of(b"short")), ("text/plain", of(&noise)), ("text/plain", of(b""))]
    {
        assert_eq!(encode(media_type, content.clone()).await, (Encoding::Identity, content), "{media_type}");
    }
    for media_type in ["application/json", "image/svg+xml", "application/problem+json", "text/markdown"] {
        assert_eq!(encode(media_type, text.clone()).await.0, Encoding::Gzip, "{media_type}");
    }
}

#[tokio::test]
async fn a_wrong_length_or_damage_gives_nothing() {
    let text = of("name;value\n".repeat(1_000).as_bytes());
    let (_, kept) = encode("text/csv", text.clone()).await;
    let size = u64::try_from(text.len()).unwrap();
    for wrong in [0, size - 1, size + 1, u64::MAX] {
        assert_eq!(decode(kept.clone(), wrong).await, None, "{wrong}");
    }
    let mut damaged = kept.to_vec();
    *damaged.get_mut(20).unwrap() ^= 0xff;
    assert_eq!(decode(Bytes::from(damaged), size).await, None);
    assert_eq!(decode(kept.slice(..kept.len() / 2), size).await, None);
}

#[test]
fn names_are_known_again() {
    for encoding in [Encoding::Identity, Encoding::Gzip] {
        assert_eq!(Encoding::named(encoding.name()), Some(encoding));
    }
    assert_eq!(Encoding::named("br"), None);
}
