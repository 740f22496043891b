//! What passes is unchanged and, decoded as often as one likes, contains no traversal.

use doorward_message::uri::{canonical, canonical_template};

/// Panics when a URI passes that some reader would take for another resource.
pub(crate) fn check(data: &[u8]) {
    let Ok(uri) = std::str::from_utf8(data) else {
        return;
    };
    let _ = canonical_template(uri);
    let Ok(passed) = canonical(uri) else {
        return;
    };
    assert_eq!(passed.as_str(), uri);
    assert_eq!(canonical_template(uri), Ok(()), "a template without expressions is a URI");
    assert!(uri.bytes().all(|byte| byte.is_ascii_graphic()));
    assert!(!uri.contains(['\\', '#', '"', '<', '>', '^', '`', '{', '|', '}']));
    let path = uri.split('?').next().unwrap_or(uri);
    let mut text = path.as_bytes().to_vec();
    for _ in 0..3 {
        let segments = || text.split(|byte| matches!(byte, b'/' | b'\\'));
        assert!(!segments().any(|segment| segment == b"." || segment == b".."));
        assert!(!text.contains(&0));
        text = decode(&text);
    }
    let slashes = path.bytes().filter(|byte| *byte == b'/').count();
    let decoded = decode(path.as_bytes()).iter().filter(|byte| **byte == b'/').count();
    assert_eq!(slashes, decoded, "decoding adds no segment");
}

fn decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        let pair = tail
            .get(..2)
            // from_str_radix would take a sign.
            .filter(|pair| pair.iter().all(u8::is_ascii_hexdigit))
            .and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(value) if *first == b'%' => {
                out.push(value);
                rest = &tail[2..];
            }
            _ => out.push(*first),
        }
    }
    out
}
