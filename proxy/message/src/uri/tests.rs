#![allow(clippy::unwrap_used, clippy::panic, clippy::too_many_lines, reason = "tests, with tables of cases")]

use proptest::prelude::*;

use super::*;

#[test]
fn canonical_uris_of_any_scheme_pass_unchanged() {
    for uri in [
        "test://static-text",
        "test://template/123/data",
        "file:///data/x",
        "file:///data/",
        "file:///",
        "file:///a%20b",
        "file:///100%25",
        "file:///C:/x",
        "file:///a%3Fb",
        "urn:isbn:0451450523",
        "memo:a",
        "doc://a%3Ab",
        "note://%C3%BC",
        "https://example.com/",
        "https://example.com:8443/a/b?x=1",
        "http://[::1]/x",
        "git+ssh://host/repo",
        "github://Owner/Repo",
        "screen://a?b=../c",
        "x:///a",
        "demo://resource/dynamic/text/1",
        "a:/..b/...",
        "mail://alice@example.com/inbox",
    ] {
        assert_eq!(canonical(uri).map(Canonical::as_str), Ok(uri));
    }
    assert_eq!(canonical("file:///x").unwrap().scheme(), "file");
}

#[test]
fn other_spellings_of_a_resource_are_refused() {
    use NotCanonical as No;
    for (uri, reason) in [
        ("", No::Scheme),
        ("/etc/passwd", No::Scheme),
        (":x", No::Scheme),
        ("1a:x", No::Scheme),
        ("a b:x", No::Scheme),
        ("fi%6Ce:///x", No::Scheme),
        ("FILE:///etc/passwd", No::SchemeCase),
        ("File:///x", No::SchemeCase),
        ("x:", No::Empty),
        ("file:///a/../etc/passwd", No::DotSegment),
        ("file:///..", No::DotSegment),
        ("file:///a/.", No::DotSegment),
        ("file:///a/./b", No::DotSegment),
        ("x:..", No::DotSegment),
        ("x://..", No::DotSegment),
        ("x://a/..;v=1/b", No::DotSegment),
        ("file:///a/%2e%2e/b", No::PercentCase),
        ("file:///a/%2E%2E/b", No::PercentUnreserved),
        ("file:///%41", No::PercentUnreserved),
        ("file:///a/.%2E/b", No::PercentUnreserved),
        ("file:///a%2Fb", No::PercentSeparator),
        ("file:///a%5Cb", No::PercentSeparator),
        ("file:///a%252Fb", No::PercentTwice),
        ("file:///a%252fb", No::PercentTwice),
        ("file:///a%25252Fb", No::PercentTwice),
        ("file:///a%c3%bc", No::PercentCase),
        ("file:///a%00", No::PercentControl),
        ("file:///a%0A", No::PercentControl),
        ("file:///a%C2%85", No::PercentControl),
        ("file:///%C0%AF", No::PercentUtf8),
        ("file:///%C0%AE%C0%AE/", No::PercentUtf8),
        ("file:///%FF", No::PercentUtf8),
        ("file:///%", No::PercentIncomplete),
        ("file:///%4", No::PercentIncomplete),
        ("file:///%zz", No::PercentIncomplete),
        ("file:////etc/passwd", No::EmptySegment),
        ("file:///a//b", No::EmptySegment),
        ("file:///a//", No::EmptySegment),
        ("x://a//b", No::EmptySegment),
        ("file://localhost/etc/passwd", No::FileHost),
        ("file://server/share", No::FileHost),
        ("file://LOCALHOST/", No::FileHost),
        ("file:/etc/passwd", No::FilePath),
        ("file:etc", No::FilePath),
        ("file://", No::FilePath),
        ("file:///a\\..\\b", No::Character),
        ("doc://a b", No::Character),
        ("file:///a\u{0}", No::Character),
        ("file:///a\nb", No::Character),
        ("file:///ü", No::Character),
        ("file:///a\u{ff0f}b", No::Character),
        ("x://{id}", No::Character),
        ("x:\"", No::Character),
        ("file:///a#b", No::Fragment),
        ("x:a#", No::Fragment),
        ("file:///a?b", No::Query),
        ("x://a?", No::Query),
        ("https://u@h/", No::UserInfo),
        ("https://u:p@h/", No::UserInfo),
        ("https:///x", No::Host),
        ("https:x", No::Host),
        ("https://EXAMPLE.com/", No::Host),
        ("https://example.com./", No::Host),
        ("https://ex%61mple.com/", No::PercentUnreserved),
        ("http://[::0:1]/", No::Host),
        ("https://h:443/", No::Port),
        ("http://h:80/", No::Port),
        ("http://h:/", No::Port),
        ("http://h:0080/", No::Port),
        ("http://h:99999/", No::Port),
        ("http://h:+8/", No::Port),
        ("https://h", No::EmptyPath),
        ("https://h?x", No::EmptyPath),
    ] {
        assert_eq!(canonical(uri), Err(reason), "{uri}");
    }
}

#[test]
fn templates_are_checked_around_their_expressions() {
    for template in ["test://template/{id}/data", "file:///{+path}", "x://{a}/{b}", "x://plain"] {
        assert_eq!(canonical_template(template), Ok(()), "{template}");
    }
    for template in ["file:///{path", "x://{}", "x://{{a}}", "x://{a b}"] {
        assert_eq!(canonical_template(template), Err(NotCanonical::Template), "{template}");
    }
    assert_eq!(canonical_template("file:///{a}/../b"), Err(NotCanonical::DotSegment));
    assert_eq!(canonical_template("x://a}"), Err(NotCanonical::Character));
    assert_eq!(canonical_template("{a}:b\\c"), Err(NotCanonical::Character));
}

/// An independent reading: decode everything, then walk the segments as a file server would.
fn escapes_root(uri: &str) -> bool {
    let mut decoded = Vec::new();
    let mut rest = uri.as_bytes();
    while let [first, tail @ ..] = rest {
        if let (b'%', [high, low, after @ ..]) = (first, tail)
            && high.is_ascii_hexdigit()
            && let Ok(value) = u8::from_str_radix(&String::from_utf8_lossy(&[*high, *low]), 16)
        {
            decoded.push(value);
            rest = after;
        } else {
            decoded.push(*first);
            rest = tail;
        }
    }
    decoded.split(|byte| matches!(byte, b'/' | b'\\')).any(|segment| segment == b".." || segment == b".")
}

proptest! {
    #[test]
    fn no_canonical_uri_contains_a_dot_segment_once_decoded(tail in "(/|\\.|%2e|%2E|%2F|%252E|%5C|\\\\|a|%41|;|:|%25){0,10}") {
        for prefix in ["file:///", "x://a/", "x:", "https://h/"] {
            let uri = format!("{prefix}{tail}");
            if canonical(&uri).is_ok() {
                prop_assert!(!escapes_root(&uri), "{uri}");
            }
        }
    }

    #[test]
    fn what_passes_is_what_came(uri in ".{0,40}|[a-z]{1,4}:(//)?[a-zA-Z0-9/.%:?#@_-]{0,24}") {
        if let Ok(passed) = canonical(&uri) {
            prop_assert_eq!(passed.as_str(), &uri);
        }
    }
}
