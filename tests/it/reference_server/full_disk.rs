//! A disk that is full: the server's own files are on a small file system, and nothing pretends.

mod documents;
mod places;

use serde_json::Value;

use super::{refused, settings::ready};
use crate::support::rpc::Client;

/// Hexadecimal words without a repetition, so that neither an index nor compression makes less of them; another number, other
/// words.
fn words(number: usize, bytes: usize) -> String {
    let word = |index: usize| format!("{:016x} ", (number << 32 | index).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    (0..bytes / 17).map(word).collect()
}

/// Repeats a call with growing numbers until it is refused; gives how many went well, and the refusal.
async fn until_refused(client: &Client, tool: &str, arguments: impl Fn(usize) -> Value) -> (usize, Value) {
    for number in 0..5_000 {
        let answer = client.call(tool, arguments(number)).await;
        if answer.result()["isError"] == true {
            return (number, super::refusal(&answer));
        }
    }
    panic!("{tool}: the disk is never full");
}
