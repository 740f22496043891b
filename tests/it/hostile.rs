//! The hostile corpus: data files with byte-exact requests, see `tests/cases/`.

use crate::support::cases::run_file;

#[tokio::test]
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

#[tokio::test]
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

#[tokio::test]
async fn tokens() {
    run_file("tokens").await;
}

#[tokio::test]
async fn upstream() {
    run_file("upstream").await;
}
