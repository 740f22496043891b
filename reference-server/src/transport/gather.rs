//! Short event streams, sent in one piece.
//!
//! In: an answer as rmcp begins it, whose events and end follow one by one, each a write of its own. Out: what came within
//! [`SOON`] as a whole, or at the head of the stream that goes on. For a short call that is one write instead of two.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::header;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout_at};

/// How long the head of an answer may wait for what follows it.
const SOON: Duration = Duration::from_millis(2);

/// Most bytes that wait for more.
const GATHERED_BYTES_MAX: usize = 64 << 10;

/// Puts together what comes soon. Any other answer than an event stream is passed on as it is.
pub(super) async fn gather(response: Response) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE);
    if kind.is_none_or(|kind| !kind.as_bytes().starts_with(b"text/event-stream")) {
        return response;
    }
    let (parts, mut body) = response.into_parts();
    let until = Instant::now() + SOON;
    let mut gathered = BytesMut::new();
    let next = loop {
        if gathered.len() > GATHERED_BYTES_MAX {
            break None;
        }
        match timeout_at(until, body.frame()).await {
            Ok(None) => return Response::from_parts(parts, Body::from(gathered.freeze())),
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => gathered.extend_from_slice(&data),
                Err(other) => break Some(Ok(other)),
            },
            Ok(Some(Err(error))) => break Some(Err(error)),
            Err(_) => break None,
        }
    };
    let first = (!gathered.is_empty()).then(|| Ok(Frame::data(gathered.freeze())));
    Response::from_parts(parts, Body::new(Going { before: [first, next], rest: body }))
}

/// What was gathered, and what comes behind it.
struct Going {
    before: [Option<Result<Frame<Bytes>, axum::Error>>; 2],
    rest: Body,
}

impl HttpBody for Going {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.before.iter_mut().find_map(Option::take) {
            Some(frame) => Poll::Ready(Some(frame)),
            None => Pin::new(&mut self.rest).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.before.iter().all(Option::is_none) && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use axum::response::IntoResponse as _;
    use futures_util::{StreamExt as _, stream};

    use super::*;

    /// An event stream of these pieces, each after its pause in milliseconds; an empty one breaks it off.
    async fn gathered(pieces: &'static [(u64, &'static str)]) -> Body {
        let pieces = stream::iter(pieces).then(|&(pause, piece)| async move {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            if piece.is_empty() { Err(std::io::Error::other("broken")) } else { Ok(Bytes::from(piece)) }
        });
        let response = ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(pieces)).into_response();
        gather(response).await.into_body()
    }

    async fn frames(mut body: Body) -> Vec<String> {
        let mut frames = vec![];
        while let Some(frame) = body.frame().await {
            frames.push(match frame {
                Ok(frame) => String::from_utf8(frame.into_data().unwrap().into()).unwrap(),
                Err(_) => "broken".to_owned(),
            });
        }
        frames
    }

    #[tokio::test(start_paused = true)]
    async fn what_ends_soon_is_one_piece_of_known_length() {
        let body = gathered(&[(0, "a"), (1, "b"), (0, "c")]).await;
        assert_eq!((body.size_hint().exact(), frames(body).await), (Some(3), vec!["abc".to_owned()]));
        assert_eq!(frames(gathered(&[]).await).await, Vec::<String>::new());
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_longer_comes_as_it_comes() {
        let begun = Instant::now();
        let body = gathered(&[(0, "a"), (0, "b"), (500, "c"), (0, "d")]).await;
        assert_eq!(begun.elapsed(), SOON);
        assert_eq!((body.size_hint().exact(), frames(body).await.join(" ")), (None, "ab c d".to_owned()));
        let late = gathered(&[(500, "a")]).await;
        assert_eq!(frames(late).await, ["a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_break_stays_one() {
        assert_eq!(frames(gathered(&[(0, "a"), (0, "")]).await).await, ["a", "broken"]);
    }

    #[tokio::test(start_paused = true)]
    async fn much_does_not_wait_in_memory() {
        const LARGE: &str = match std::str::from_utf8(&[b'x'; GATHERED_BYTES_MAX]) {
            Ok(text) => text,
            Err(_) => "",
        };
        let body = gathered(&[(0, LARGE), (0, "x"), (0, "y"), (0, "z")]).await;
        assert_eq!(frames(body).await.iter().map(String::len).collect::<Vec<_>>(), [GATHERED_BYTES_MAX + 1, 1, 1]);
    }
}
