#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;

fn links(lifetime: Duration) -> Links {
    Links::new("http://127.0.0.1:9000/", &[7; KEY_BYTES], lifetime)
}

fn parts(link: &Link) -> (u64, String) {
    let query = link.url.split_once('?').unwrap().1;
    let (expires, signature) = query.split_once('&').unwrap();
    let expires = expires.strip_prefix("expires=").unwrap().parse().unwrap();
    (expires, signature.strip_prefix("signature=").unwrap().to_owned())
}

#[test]
fn a_link_is_known_again_by_who_has_the_key() {
    let path = FilePath::parse("Pläne/a b.txt").unwrap();
    let link = links(LIFETIME).to_file(&path);
    assert!(link.url.starts_with("http://127.0.0.1:9000/download/Pl%C3%A4ne/a%20b.txt?expires="), "{}", link.url);
    let (expires, signature) = parts(&link);
    assert_eq!(links(LIFETIME).check(&path, expires, &signature), Ok(()));
    let other = Links::new("http://127.0.0.1:9000", &[8; KEY_BYTES], LIFETIME);
    assert_eq!(other.check(&path, expires, &signature), Err(LinkError::Signature));
}

#[test]
fn what_was_signed_cannot_be_altered() {
    let path = FilePath::parse("a").unwrap();
    let (expires, signature) = parts(&links(LIFETIME).to_file(&path));
    let check = |path: &str, expires, signature: &str| {
        links(LIFETIME).check(&FilePath::parse(path).unwrap(), expires, signature)
    };
    assert_eq!(check("b", expires, &signature), Err(LinkError::Signature));
    assert_eq!(check("a", expires + 1, &signature), Err(LinkError::Signature));
    for signature in ["", "AAAA", signature.get(1..).unwrap(), &format!("{signature}=")] {
        assert_eq!(check("a", expires, signature), Err(LinkError::Signature), "{signature}");
    }
}

#[test]
fn a_link_ends() {
    let path = FilePath::parse("a").unwrap();
    let (expires, signature) = parts(&links(Duration::ZERO).to_file(&path));
    assert_eq!(links(LIFETIME).check(&path, expires, &signature), Err(LinkError::Expired));
}
