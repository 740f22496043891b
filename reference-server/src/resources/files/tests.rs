#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;
use crate::directory::FilePath;

#[test]
fn only_the_one_spelling_of_a_range_is_served() {
    let path = FilePath::parse("a b").unwrap();
    let of = |offset, length| Some(Asked { path: path.clone(), offset, length });
    assert_eq!(asked("file:///a%20b"), of(0, None));
    assert_eq!(asked("file:///a%20b?offset=3"), of(3, None));
    assert_eq!(asked("file:///a%20b?length=4"), of(0, Some(4)));
    assert_eq!(asked("file:///a%20b?offset=3&length=4"), of(3, Some(4)));
    for uri in [
        "file:///a b",
        "file:///a%20b?",
        "file:///a%20b?offset=",
        "file:///a%20b?offset=03",
        "file:///a%20b?offset=+3",
        "file:///a%20b?offset=-3",
        "file:///a%20b?length=4&offset=3",
        "file:///a%20b?offset=3&length=4&x=1",
        "file:///a%20b?offset=99999999999999999999",
        "file:///../a",
        "file:////etc/passwd",
        "file://host/a",
        "FILE:///a",
    ] {
        assert_eq!(asked::<OfFile>(uri), None, "{uri}");
    }
}

#[test]
fn parts_of_a_text_put_together_are_the_text() {
    let text = "aé漢🎉".repeat(5);
    let bytes = text.as_bytes();
    for length in 4..12 {
        let (mut together, mut offset) = (String::new(), 0_usize);
        loop {
            let end = bytes.len().min(offset + length);
            let size = u64::try_from(bytes.len()).unwrap();
            let read = bytes.get(offset..end).unwrap().to_vec();
            let part = part(size, u64::try_from(offset).unwrap(), read);
            together.push_str(&part.content.unwrap());
            match part.next_offset {
                Some(next) => offset = usize::try_from(next).unwrap(),
                None => break,
            }
        }
        assert_eq!(together, text, "{length}");
    }
}

#[test]
fn bytes_that_are_no_text_stay_bytes() {
    assert_eq!(part(3, 0, vec![1, 0xff, 2]), Part { content: Err(vec![1, 0xff, 2]), next_offset: None });
    // Cut at the very end of the file: no text either.
    assert_eq!(part(2, 0, vec![b'a', 0xc3]), Part { content: Err(vec![b'a', 0xc3]), next_offset: None });
}
