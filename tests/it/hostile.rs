//! The hostile corpus: data files with byte-exact requests, see `tests/cases/`.

use crate::support::cases::run_file;

#[tokio::test]
async fn framing() {
    run_file("framing").await;
}
