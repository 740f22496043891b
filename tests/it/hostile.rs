//! The hostile corpus: data files with byte-exact requests, see `tests/cases/`.
//!
//! Crowds measure how long others' calls take: there the clients, the upstream and the issuer must not share one thread.

use crate::support::cases::run_file;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exhaustion() {
    run_file("exhaustion").await;
}

#[tokio::test]
async fn framing() {
    run_file("framing").await;
}

#[tokio::test]
async fn headers() {
    run_file("headers").await;
}

#[tokio::test]
async fn messages() {
    run_file("messages").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn policies() {
    run_file("policies").await;
}

#[tokio::test]
async fn sessions() {
    run_file("sessions").await;
}

#[tokio::test]
async fn stdio() {
    run_file("stdio").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tokens() {
    run_file("tokens").await;
}

#[tokio::test]
async fn upstream() {
    run_file("upstream").await;
}
