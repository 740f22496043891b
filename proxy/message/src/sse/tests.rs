#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn split(stream: &[u8]) -> Result<Vec<Event>, SseError> {
    let mut splitter = Splitter::new(1 << 20);
    splitter.push(stream)?;
    Ok(std::iter::from_fn(|| splitter.pop()).collect())
}

fn data(text: &str) -> Event {
    Event { data: Some(Bytes::copy_from_slice(text.as_bytes())), ..Event::default() }
}

#[test]
fn lines_end_at_line_feed_carriage_return_and_both() {
    for end in ["\n", "\r", "\r\n"] {
        let stream = "data: a,data:b,data,,: c,,id: 7,event: x,data: d,retry: 5,,".replace(',', end);
        let events = split(stream.as_bytes()).unwrap();
        assert_eq!(events.len(), 3, "{end:?}");
        assert_eq!(events[0], data("a\nb\n"));
        assert_eq!(events[1], Event { comment: true, ..Event::default() });
        let last = Event { id: Some("7".into()), event: Some("x".into()), retry_ms: Some(5), ..data("d") };
        assert_eq!(events[2], last);
    }
}

#[test]
fn a_bare_carriage_return_ends_the_line_instead_of_hiding_a_field() {
    let events = split(b"data: {\"a\":1}\revent: forged\r\rdata: 2\n\n").unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!(events[0].event.as_deref(), Some("forged"));
    assert_eq!(events[1], data("2"));
    let separators = "data: a\u{2028}b\u{85}c\u{b}d\n\n";
    assert_eq!(split(separators.as_bytes()).unwrap(), [data("a\u{2028}b\u{85}c\u{b}d")]);
}

#[test]
fn fields_follow_the_whatwg_rules() {
    assert_eq!(split(b"\xef\xbb\xbfdata: a\n\n").unwrap(), [data("a")]);
    assert_eq!(split(b"\n\n\xef\xbb\xbfdata: a\n\n").unwrap(), []);
    assert_eq!(split(b"id: a\0b\ndata: x\n\n").unwrap(), [data("x")]);
    assert_eq!(split(b"retry: 1x\nretry:\nretry: -1\ndata: x\n\n").unwrap(), [data("x")]);
    assert_eq!(split(b"Data: x\n data: y\nunknown: z\n\n").unwrap(), []);
    assert_eq!(split(b"data:  x \n\n").unwrap(), [data(" x ")]);
    assert_eq!(split(b"event\ndata: x\n\n").unwrap(), [data("x")]);
    let priming = split(b"id: 1\ndata:\n\n").unwrap();
    assert_eq!((priming[0].id.as_deref(), priming[0].data.as_deref()), (Some("1"), Some(&b""[..])));
    assert_eq!(split(b"id\ndata: x\n\n").unwrap()[0].id.as_deref(), Some(""));
    assert_eq!(split(b"id: \xff\n\n"), Err(SseError::InvalidUtf8));
    assert_eq!(split(b"event: \xff\n\n"), Err(SseError::InvalidUtf8));
    assert_eq!(split(b"event: a\0\ndata: x\n\n"), Err(SseError::ControlCharacter));
}

#[test]
fn an_event_cut_off_by_the_end_of_the_stream_is_not_delivered() {
    let mut splitter = Splitter::new(100);
    splitter.push(b"data: a\n\ndata: b\n").unwrap();
    assert_eq!(splitter.pop(), Some(data("a")));
    assert_eq!(splitter.pop(), None);
    assert!(splitter.is_within_event());
    splitter.push(b"\n").unwrap();
    assert_eq!(splitter.pop(), Some(data("b")));
    assert!(!splitter.is_within_event());
}

#[test]
fn data_at_the_limit_passes_and_one_more_byte_ends_the_stream() {
    let read = |stream: &[u8]| {
        let mut splitter = Splitter::new(10);
        splitter.push(stream).map(|()| splitter.pop())
    };
    let too_large = Err(SseError::EventTooLarge { limit: 10 });
    assert_eq!(read(b"data: 0123456789\n\n"), Ok(Some(data("0123456789"))));
    assert_eq!(read(b"data: 0123456789a\n\n"), too_large);
    assert_eq!(read(b"data: 0123456789a"), too_large);
    assert_eq!(read(b"data: 01234\ndata:5678\n\n"), Ok(Some(data("01234\n5678"))));
    assert_eq!(read(b"data: 01234\ndata:56789\n\n"), too_large);
    assert_eq!(
        read(&[b"data: 0\n", "data\n".repeat(9).as_bytes(), b"\n"].concat()).unwrap().unwrap().data.unwrap().len(),
        10
    );
    assert_eq!(read(&[b"data: 0\n", "data\n".repeat(10).as_bytes(), b"\n"].concat()), too_large);
    let mut splitter = Splitter::new(10);
    assert_eq!(splitter.push(b"data: a\n\ndata: 0123456789a\n\n"), Err(SseError::EventTooLarge { limit: 10 }));
    assert_eq!(splitter.pop(), Some(data("a")));
    assert!(splitter.push(b"\n\n").is_err());
}

#[test]
fn fields_beside_data_are_bounded_too() {
    let comment = |bytes: usize| format!(":{}\n\n", "x".repeat(bytes - 1));
    assert!(split(comment(CONTROL_BYTES_MAX).as_bytes()).is_ok());
    assert_eq!(split(comment(CONTROL_BYTES_MAX + 1).as_bytes()), Err(SseError::ControlTooLarge));
    let lines = format!("{}\n", ": xxxxx\n".repeat(CONTROL_BYTES_MAX / 7 + 1));
    assert_eq!(split(lines.as_bytes()), Err(SseError::ControlTooLarge));
    assert!(split(comment(CONTROL_BYTES_MAX).repeat(3).as_bytes()).is_ok());
}

#[test]
fn what_would_break_the_frame_is_not_written() {
    for text in ["a\nb", "a\rb", "a\0b", "\n"] {
        for event in [Event { id: Some(text.into()), ..data("x") }, Event { event: Some(text.into()), ..data("x") }] {
            let mut out = BytesMut::new();
            assert_eq!(write_event(&mut out, &event), Err(SseError::ControlCharacter));
            assert!(out.is_empty());
        }
    }
    let mut out = BytesMut::new();
    write_event(&mut out, &data("1\r\rid: 9\n\ndata: 2\r\n: c")).unwrap();
    let events = split(&out).unwrap();
    assert_eq!(events, [data("1\n\nid: 9\n\ndata: 2\n: c")]);
}

fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\n\n".to_vec()),
        Just(b"data:".to_vec()),
        Just(b"data: ".to_vec()),
        Just(b"id: ".to_vec()),
        Just(b"event:".to_vec()),
        Just(b"retry: 10".to_vec()),
        Just(b":".to_vec()),
        Just(b"\xef\xbb\xbf".to_vec()),
        Just(b"\0".to_vec()),
        Just(b"dat".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..6),
    ];
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

fn collect(limit: usize, chunks: &[&[u8]]) -> (Vec<Event>, Option<SseError>) {
    let mut splitter = Splitter::new(limit);
    let mut events = Vec::new();
    let mut error = None;
    for chunk in chunks {
        error = splitter.push(chunk).err();
        events.extend(std::iter::from_fn(|| splitter.pop()));
    }
    (events, error)
}

proptest! {
    #[test]
    fn events_do_not_depend_on_where_chunks_are_cut(stream in any_stream(), cut: usize, limit in 0_usize..40) {
        let whole = collect(limit, &[&stream]);
        let (left, right) = stream.split_at(cut % (stream.len() + 1));
        prop_assert_eq!(&collect(limit, &[left, right]), &whole);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        prop_assert_eq!(&collect(limit, &bytes), &whole);
    }

    #[test]
    fn one_event_written_is_one_event_read(id in proptest::option::of("[^\r\n\0]{0,8}"), event in proptest::option::of("[^\r\n\0]{1,8}"), data in proptest::option::of(any_stream()), retry_ms: Option<u32>, comment: bool) {
        let event = Event { id, event, data: data.map(Bytes::from), retry_ms: retry_ms.map(Into::into), comment };
        let mut out = BytesMut::new();
        write_event(&mut out, &event).unwrap();
        let events = split(&out).unwrap();
        if event == Event::default() {
            prop_assert!(events.is_empty());
        } else {
            // Only line ends in data may differ.
            let lines = |data: &[u8]| String::from_utf8_lossy(data).replace("\r\n", "\n").replace('\r', "\n");
            prop_assert_eq!(events.len(), 1);
            prop_assert_eq!(events[0].data.as_deref().map(lines), event.data.as_deref().map(lines));
            let rest = |event: &Event| Event { data: None, ..event.clone() };
            prop_assert_eq!(rest(&events[0]), rest(&event));
        }
    }
}
