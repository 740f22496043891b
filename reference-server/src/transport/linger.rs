//! Bodies that nobody reads to their end: taken and thrown away for a while after the answer.
//!
//! In: a request. Out: the same, whose body, once let go of, is read on. A connection closed under a client that still sends
//! is reset, and with it the answer that says why is lost on its way (RFC 9112 §9.6).

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::header;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// How long a client may go on sending what is thrown away.
const LINGER: Duration = Duration::from_secs(30);
/// How long it may send nothing meanwhile.
const SILENCE: Duration = Duration::from_secs(5);

/// Reads on what is left of a body. A client that waits for `100 Continue` has not begun: nothing is asked of it.
pub(super) fn linger(request: Request) -> Request {
    let waits = request.headers().contains_key(header::EXPECT);
    if waits || HttpBody::is_end_stream(request.body()) {
        return request;
    }
    request.map(|body| Body::new(Lingering(Some(body))))
}

/// A body, until it came to its end.
struct Lingering(Option<Body>);

impl HttpBody for Lingering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(body) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.0 = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map(HttpBody::size_hint).unwrap_or_default()
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let rest = self.0.take().filter(|body| !HttpBody::is_end_stream(body));
        if let (Some(rest), Ok(runtime)) = (rest, Handle::try_current()) {
            runtime.spawn(timeout(LINGER, throw_away(rest)));
        }
    }
}

async fn throw_away(mut rest: Body) {
    while let Ok(Some(Ok(_))) = timeout(SILENCE, rest.frame()).await {}
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use futures_util::stream;
    use tokio::sync::mpsc;
    use tokio::time::Instant;

    use super::*;

    /// A body of a piece per pause, and what tells when it was let go of.
    fn dripping(pause: Duration) -> (Body, mpsc::Receiver<()>) {
        let (held, released) = mpsc::channel(1);
        let pieces = stream::unfold(held, move |held| async move {
            tokio::time::sleep(pause).await;
            Some((Ok::<_, axum::Error>(Bytes::from_static(b"x")), held))
        });
        (Body::from_stream(pieces), released)
    }

    async fn lingered(pause: u64) -> u64 {
        let (body, mut released) = dripping(Duration::from_secs(pause));
        let begun = Instant::now();
        drop(Lingering(Some(body)));
        assert!(released.recv().await.is_none());
        begun.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_without_end_is_taken_for_a_while_only() {
        assert_eq!(lingered(1).await, 30);
        assert_eq!(lingered(4).await, 30);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        assert_eq!(lingered(6).await, 5);
    }

    #[tokio::test]
    async fn what_was_read_to_its_end_is_let_go_of_at_once() {
        let mut body = Lingering(Some(Body::from("whole")));
        assert_eq!(HttpBody::size_hint(&body).exact(), Some(5));
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "whole");
        assert!(body.frame().await.is_none() && body.0.is_none());
    }
}
