//! Events do not depend on how the stream is cut, and one event written is one event read.

use bytes::BytesMut;
use doorward_message::sse::{Event, Splitter, SseError, write_event};

/// The first byte says how large the chunks are, the rest is the stream.
pub(crate) fn check(data: &[u8]) {
    let Some((&size, stream)) = data.split_first() else {
        return;
    };
    let limit = 4096;
    let whole = read(limit, [stream].into_iter());
    let cut = read(limit, stream.chunks(usize::from(size) + 1));
    assert_eq!(whole, cut);
    for event in whole.0 {
        assert!(event.data.as_ref().is_none_or(|data| data.len() <= limit));
        let mut out = BytesMut::new();
        write_event(&mut out, &event).expect("what was read can be written");
        let (again, error) = read(limit, [&out[..]].into_iter());
        assert_eq!(error, None);
        assert_eq!(again, [event], "one event in, one event out");
    }
}

fn read<'a>(limit: usize, chunks: impl Iterator<Item = &'a [u8]>) -> (Vec<Event>, Option<SseError>) {
    let mut splitter = Splitter::new(limit);
    let mut events = Vec::new();
    let mut error = None;
    for chunk in chunks {
        error = splitter.push(chunk).err();
        events.extend(std::iter::from_fn(|| splitter.pop()));
    }
    (events, error)
}
