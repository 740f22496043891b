//! What each phase costs by itself: `cargo bench -p doorward-bench --bench phases`, with `-- --quick` for a first look.
//!
//! The figures of a message are the sum of one line of each phase; what lies between them (sockets, the scheduler, the
//! upstream) is what `doorward-bench compare` measures. Each phase's file says what it leaves out.
#![allow(clippy::expect_used, missing_docs, reason = "a benchmark")]

mod accept;
mod admit;
mod authorize;
mod filter;
mod messages;
mod observe;

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use criterion::{criterion_group, criterion_main};

/// The output of a future that has nothing to wait for: none of the phases does where everything is known.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
    .expect("nothing to wait for")
}

criterion_group!(phases, accept::bench, admit::bench, authorize::bench, filter::bench, observe::bench);
criterion_main!(phases);
